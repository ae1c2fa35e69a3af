"""Who may open at several servers: passes, removed members, limits of a user, and the chat backend over HTTP."""

from __future__ import annotations

import asyncio

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import RateLimited, Refusal
from protocol import messages
from server.peers.peer import PeerServer
from tests.conftest import Connect, Server
from tests.peers.conftest import Linked, peers_of, until
from tests.peers.test_peers import SENDER, Party, make_party, packet_owned_by
from tests.services.test_membership import Backend
from tests.services.test_passes import show, signed


async def test_pass_shown_at_one_server_holds_at_the_owner_of_the_packet(
    trio: list[Server], connect: Connect
) -> None:
    backend = await connect(trio[0], 0)
    await backend.top_up(SENDER, 1_000_000)
    group = await Backend(backend).put("signed", "signed", 0, "signature")
    sender, reader = await connect(trio[0], SENDER), await connect(trio[2], 2)
    await show(sender, signed(trio[0], group, SENDER))
    party = Party(group, [sender])
    packet_id = await packet_owned_by(trio[1], trio, party, shares=1)
    assert (await reader.grab(packet_id)).answer == "not_allowed"
    await show(reader, signed(trio[2], group, 2))
    assert (await reader.open(packet_id)).answer == "won"


async def test_pass_is_told_to_a_server_that_comes_later(linked: Linked, connect: Connect) -> None:
    first = await linked()
    backend = await connect(first, 0)
    await backend.top_up(SENDER, 1_000_000)
    group = await Backend(backend).put("signed", "signed", 0, "signature")
    sender, reader = await connect(first, SENDER), await connect(first, 2)
    for one, user_id in ((sender, SENDER), (reader, 2)):
        await show(one, signed(first, group, user_id))
    second = await linked()
    await until(lambda: len(second.app.services.passes.all_held()) == 2)
    packet_id = await packet_owned_by(second, [first, second], Party(group, [sender]), shares=1)
    assert (await reader.open(packet_id)).answer == "won"


async def test_removed_member_is_refused_by_the_owner_right_after_the_reply(
    trio: list[Server], connect: Connect
) -> None:
    party = await make_party(trio, connect, 9)
    packets = [await party.lucky(9) for _ in range(6)]
    for packet_id in packets:
        assert (await party.users[2].grab(packet_id)).answer == "ticket"
    await party.users[0].remove_member(party.group, SENDER + 2)
    answers = [(await party.users[2].grab(packet_id)).answer for packet_id in packets]
    assert answers == ["not_allowed"] * 6


async def test_owner_that_may_not_know_the_newest_changes_refuses_for_a_while(
    trio: list[Server], connect: Connect
) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    changes = trio[1].app.services.changes
    changes._lease_ends_s = float("-inf")
    with pytest.raises(Refusal, match="store_unavailable"):
        await party.users[0]._ask(messages.Grab(0, packet_id), messages.Grabbed)
    await until(lambda: changes.is_current)
    assert (await party.users[0].open(packet_id)).answer == "won"


async def test_user_at_two_servers_makes_as_many_requests_as_at_one(linked: Linked, connect: Connect) -> None:
    limits = {"limits__requests_per_s": 0.001, "limits__requests_burst": 20}
    servers = [await linked(**limits) for _ in range(2)]
    clients = [await connect(server, 7) for server in servers]
    await until(lambda: all(peers_of(one).events.presence.servers_of(7) == 1 for one in servers))

    async def made(client: Client) -> int:
        for count in range(100):
            try:
                await client._connection.ask(messages.GetBalance(0), messages.Balance)
            except RateLimited:
                return count
        return 100

    assert sum([await made(client) for client in clients]) <= 20


async def test_page_of_another_server_is_paid_for_as_one_of_this_server(linked: Linked, connect: Connect) -> None:
    limits = {"limits__read_bytes_per_s": 1, "limits__read_bytes_burst": 1}
    servers = [await linked(**limits) for _ in range(2)]
    party = await make_party(servers, connect, 9)
    for owner in servers:
        packet_id = await packet_owned_by(owner, servers, party, shares=9)
        reader = party.users[4 if owner is servers[0] else 2]  # both are at the first server
        await reader.open(packet_id)
        ask = messages.ResultPage(0, packet_id)
        assert (await reader._connection.ask(ask, messages.ResultPageShown)).page.opened == 1
        with pytest.raises(RateLimited):
            await reader._connection.ask(ask, messages.ResultPageShown)


async def test_open_over_http_is_decided_by_the_owner(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    asked = [await trio[0].app.services.on_behalf.open(SENDER + user, packet_id) for user in range(4)]
    assert {one.answer.value for one in asked} == {"won"}
    assert [one.app.services.commit.recorded_claims for one in trio] == [0, 4, 0]
    assert (await trio[2].app.services.on_behalf.open(SENDER, packet_id)).answer.value == "claimed"
    sends = PeerServer.send

    def lose(peer: PeerServer, message: object) -> None:
        if type(message).__name__ != "OpenedOnBehalf":
            sends(peer, message)

    monkeypatch.setattr(PeerServer, "send", lose)
    opening = asyncio.ensure_future(trio[0].app.services.on_behalf.open(SENDER + 8, packet_id))
    await until(lambda: trio[1].app.services.commit.recorded_claims == 5)
    peers_of(trio[0]).mesh.peers[trio[1].app.services.server_id].close()
    decision = await opening
    assert decision.answer.value == "claimed"  # its own claim, which was recorded before
    assert decision.claim is not None
    assert decision.claim.index == 4
