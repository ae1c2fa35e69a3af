"""The proof of a packet is shown once its record is closed: no claim that a user received is missing in it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from client_sim.sdk.client import Client
from client_sim.sdk.errors import NotAllowed, NotFinished
from protocol.money_unit import YUAN
from server.cli.shared.audit_report import print_proof
from server.clock import Clock
from server.services.seeds.service import proof_of
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore
from tests.conftest import DAY_MS, SEED_KEYS, Connect, StartServer, Turn
from tests.services.conftest import MakeParty, until
from tests.services.test_faults import Gate

STRANGER = 900


async def verified(database: Database, packet_id: int) -> tuple[bool, str]:
    """What `hongbao verify` answers and prints."""
    rows, claims = await PacketStore(database).load([packet_id])
    shown = io.StringIO()
    proof = await proof_of(database, rows[packet_id], SEED_KEYS)
    row, of_packet = rows[packet_id], claims[packet_id]
    found = print_proof(Console(file=shown, width=200), row, of_packet, Clock().now_ms(), YUAN, proof)
    return found, shown.getvalue()


async def test_proof_waits_for_claims_that_are_not_recorded_yet(
    start_server: StartServer, party: MakeParty, turn_clock: Turn
) -> None:
    """At durability redis the record may follow late, and the packet expires meanwhile."""
    server = await start_server(stores__durability="redis", refunds__interval_s=0.05)
    room = await party(server, 2)
    packet_id = await room.lucky(1_000, 3)
    gate = Gate(server.app)
    won = await room.guests[0].open(packet_id)
    assert won.answer == "won"
    turn_clock(DAY_MS)

    async def expired() -> bool:
        return (await room.guests[0].result_page(packet_id)).page.state == "expired"

    await until(expired)
    for client in (room.sender, *room.guests):
        with pytest.raises(NotFinished):
            await client.reveal(packet_id)
    gate.open.set()

    async def refunded() -> bool:
        return (await room.guests[0].result_page(packet_id)).page.state == "refunded"

    await until(refunded)
    proof = await room.guests[0].reveal(packet_id)
    assert proof.state == "refunded"
    assert [(one.user_id, one.amount_fen) for one in proof.claims] == [(room.guests[0].user_id, won.amount_fen)]


async def test_seed_of_an_expired_packet_stays_secret_until_the_refund(
    start_server: StartServer, party: MakeParty, database: Database
) -> None:
    room = await party(await start_server(limits__packet_lifetime_s=0.1, refunds__interval_s=3600), 1)
    packet_id = await room.lucky(1_000, 2)

    async def expired() -> bool:
        return (await room.sender.result_page(packet_id)).page.state == "expired"

    await until(expired)
    with pytest.raises(NotFinished):
        await room.sender.reveal(packet_id)
    assert await verified(database, packet_id) == (
        False,
        f"packet {packet_id} is expired: its seed stays secret until it is finished or refunded\n",
    )
    assert await room.server.app.services.refunds.refund_once() == 1
    assert (await room.sender.reveal(packet_id)).state == "refunded"
    assert (await verified(database, packet_id))[0]


async def may_reveal(clients: list[Client], packet_id: int) -> list[bool]:
    """Which of these users see the proof of a packet that is over."""
    found = []
    for client in clients:
        try:
            found.append((await client.reveal(packet_id)).packet_id == packet_id)
        except NotAllowed:
            found.append(False)
    return found


async def test_proof_of_a_finished_packet_is_for_users_whose_pages_show_as_much(
    start_server: StartServer, party: MakeParty, connect: Connect
) -> None:
    room = await party(await start_server(), 2)
    opener, member = room.guests
    viewers = [room.sender, opener, member, await connect(room.server, STRANGER)]
    lucky = await room.lucky(300, 1)
    equal = (await room.sender.send_packet("equal", room.group, 100, 1)).packet_id
    personal = (await room.sender.send_packet("personal", opener.user_id, 500)).packet_id
    for packet_id in (lucky, equal, personal):
        assert (await opener.open(packet_id)).answer == "won"
    assert await may_reveal(viewers, lucky) == [True, True, True, False]
    assert await may_reveal(viewers, equal) == [True, True, False, False]
    assert await may_reveal(viewers, personal) == [True, True, False, False]


async def test_proof_of_a_refunded_packet_is_for_its_sender_and_openers(
    start_server: StartServer, party: MakeParty, turn_clock: Turn
) -> None:
    room = await party(await start_server(refunds__interval_s=3600), 2)
    opener, member = room.guests
    packet_id = await room.lucky(1_000, 2)
    await opener.open(packet_id)
    turn_clock(DAY_MS)
    assert await room.server.app.services.refunds.refund_once() == 1
    assert await may_reveal([room.sender, opener, member], packet_id) == [True, True, False]
    await room.server.app.services.membership.remove_member(1, room.group, opener.user_id)
    assert await may_reveal([opener], packet_id) == [True]


async def test_verify_finds_a_forged_origin_and_forged_amounts(
    start_server: StartServer, party: MakeParty, database: Database
) -> None:
    """Of a row as the record could hold it, had someone changed it."""
    room = await party(await start_server(settlement__idle_s=3600), 1)
    packet_id = await room.lucky(1_000, 1)
    await room.guests[0].open(packet_id)
    rows, claims = await PacketStore(database).load([packet_id])
    row, (claim,) = rows[packet_id], claims[packet_id]
    proof = await proof_of(database, row, SEED_KEYS)
    assert proof is not None
    no_seed = "its seed cannot be unsealed: the seed key is missing"
    for forged, claimed, shown, why in (
        (row, claim, proof, ""),
        (row._replace(commitment=bytes(32)), claim, proof, "the seed does not fit the commitment"),
        (row._replace(client_seed=bytes(32)), claim, proof, "the seed does not fit the commitment"),
        (row._replace(total_fen=1_001), claim, proof, "the seed does not fit the commitment"),
        (row, claim, proof._replace(root=bytes(32)), "the server seed is not in the tree of this root"),
        (row, claim, None, no_seed),
        (row, claim._replace(amount_fen=999), proof, "999"),
    ):
        words = io.StringIO()
        console = Console(file=words, width=200)
        is_right = print_proof(console, forged, [claimed], Clock().now_ms(), YUAN, shown)
        assert is_right is not bool(why)
        assert ("verify: wrong (" in words.getvalue(), why in words.getvalue()) == (bool(why), True), why
