"""One server settles what all record; what it leaves another one settles."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from protocol.messages import BalanceChanged
from server.services.money import settlement
from server.services.money.settlement import SettlementService
from server.worker_place import HeldSockets, WorkerPlace
from tests.conftest import Connect, Server
from tests.peers.conftest import Linked, peers_of, until
from tests.peers.test_peers import BooksBalance, make_party, packet_owned_by, pushed

HOME = 0
LONG_S = 3_600.0  # no server looks by itself


def settlement_of(server: Server) -> SettlementService:
    return server.app.services.of_sets.settlements[HOME]


def parted(servers: list[Server]) -> tuple[Server, list[Server]]:
    """The server that settles, and the others; all agree."""
    settling = [one for one in servers if not settlement_of(one).is_left]
    assert len(settling) == 1
    return settling[0], [one for one in servers if one is not settling[0]]


async def test_what_all_servers_record_one_of_them_settles_at_once(
    linked: Linked, connect: Connect, books_balance: BooksBalance
) -> None:
    servers = [await linked(settlement__idle_s=LONG_S) for _ in range(3)]
    settling, others = parted(servers)
    party = await make_party(servers, connect, 9)
    packet_ids = [await packet_owned_by(one, servers, party, shares=1) for one in servers]
    for packet_id, user in zip(packet_ids, party.users[3:], strict=False):
        share = await user.open(packet_id)
        told = await pushed(user, BalanceChanged)
        assert (told.change_fen, told.reason) == (share.amount_fen, "claim")
    assert [one.app.services.commit.recorded_claims for one in servers] == [1, 1, 1]
    assert settlement_of(settling).settled_claims == 3
    assert [settlement_of(one).settled_claims for one in others] == [0, 0]
    await books_balance()


@pytest.mark.short_leases
async def test_next_owner_settles_what_a_killed_server_has_left(
    linked: Linked, connect: Connect, books_balance: BooksBalance
) -> None:
    servers = [await linked(settlement__idle_s=LONG_S) for _ in range(3)]
    settling, others = parted(servers)
    party = await make_party(others, connect, 4)
    packet_id = await packet_owned_by(others[0], servers, party, shares=1, without=settling)
    settlement_of(settling).look = lambda: None  # type: ignore[method-assign]  # it has no time for it
    share = await party.users[1].open(packet_id)
    await settling.kill()
    told = await pushed(party.users[1], BalanceChanged)
    assert told.change_fen == share.amount_fen
    await books_balance()


async def test_server_looks_by_itself_for_what_another_leaves(
    linked: Linked, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link tells nothing for a while, or the other one hangs."""
    monkeypatch.setattr(settlement, "LEFT_LOOKS", 1)
    servers = [await linked(settlement__idle_s=0.05) for _ in range(2)]
    settling, (left,) = parted(servers)
    settlement_of(settling).settle_once = nothing  # type: ignore[method-assign]
    await asyncio.sleep(0)
    party = await make_party([left], connect, 2)
    share = await party.users[1].open(await packet_owned_by(left, servers, party, shares=1))
    assert (await pushed(party.users[1], BalanceChanged)).change_fen == share.amount_fen
    assert settlement_of(left).settled_claims == 1


async def nothing() -> int:
    """In place of a settlement."""
    return 0


async def test_settlement_yields_to_claims_in_flight_at_all_servers(linked: Linked) -> None:
    servers = [await linked(settlement__idle_s=LONG_S) for _ in range(3)]
    settling, others = parted(servers)
    for number, one in enumerate(others, 1):
        one.app.services.commit.unrecorded = number * 100
        shared = settlement_of(one).others
        assert shared is not None
        shared.tell()
    shared = settlement_of(settling).others
    assert shared is not None
    await until(lambda: shared.unrecorded() == 300)
    assert settlement_of(settling).pause_s(1) == pytest.approx(settlement.PACE_S + 300 * 0.002)
    for one in others:
        one.app.services.commit.unrecorded = 0


@pytest.mark.short_leases
async def test_server_that_has_connections_only_owns_nothing_until_it_is_alone(
    linked: Linked, connect: Connect, peers_folder: Path, books_balance: BooksBalance
) -> None:
    deciding = await linked()
    fronts = [await linked(place=WorkerPlace(one, 3, peers_folder, HeldSockets(), owns=False)) for one in (1, 2)]
    servers = [deciding, *fronts]
    party = await make_party(fronts, connect, 4)
    first, second = [await party.lucky(4) for _ in range(2)]
    assert {(await user.open(first)).answer for user in party.users} == {"won"}
    assert [one.app.services.commit.recorded_claims for one in servers] == [4, 0, 0]
    assert {tuple(peers_of(one).mesh.owners) for one in servers} == {(deciding.app.services.server_id,)}

    await deciding.kill()
    assert {(await user.open(second)).answer for user in party.users} == {"won"}
    assert sum(one.app.services.commit.recorded_claims for one in fronts) == 4
    await books_balance()
