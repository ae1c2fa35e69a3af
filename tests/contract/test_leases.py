"""Leases of a campaign's numbers, and the wins of users."""

from __future__ import annotations

import pytest

from storage.postgres.campaigns.leases import ClosedLease, LeaseRow, Plan, WinRow
from storage.postgres.packets.packets import Wins
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, CARLA, GROUP, OPENED_MS, advance, packet, packet_id, pay_in, send
from tests.contract.given_campaigns import (
    CAMPAIGN,
    ENDS_MS,
    OTHER_SERVER,
    SERVER,
    SHARE_FEN,
    SPONSOR,
    SPONSOR_FEN,
    campaign_id,
    close_lease,
    create,
    lease,
    lease_id,
    win,
    wins,
)

# What the server thinks: nothing that is recorded follows from it, whether it is right or wrong.
each_guess = pytest.mark.parametrize("first", [False, True], ids=["counted", "first"])


@pytest.fixture
async def pool(both: Stores) -> Stores:
    """A campaign of ten shares, at most two a user."""
    await pay_in(both, SPONSOR, SPONSOR_FEN)
    await both.campaigns.put_sponsor(SPONSOR, "sponsor", 1)
    await create(both, 1)
    return both


async def record(
    stores: Stores, number: int, version: int, *users: int, kind: Wins = Wins.UNTOLD, first: bool = False
) -> bool:
    """Whether the record takes these wins."""
    return lease_id(number) in await stores.packets.record([wins(number, version, *users, kind=kind, first=first)])


async def newest(stores: Stores, user_id: int) -> tuple[int, int, int] | None:
    """n, lease and index of the newest win."""
    row = (await stores.leases.newest_wins([(CAMPAIGN, user_id)])).get((CAMPAIGN, user_id))
    return None if row is None else (row.n, row.packet_id, row.index)


# --- numbers ------------------------------------------------------------------------------------------------------


async def test_new_numbers_are_leased_one_after_the_other(pool: Stores) -> None:
    assert await pool.leases.plan(CAMPAIGN) == Plan(0, 10, None, None, None)
    assert await lease(pool, 1, first=0, numbers=4)
    assert not await lease(pool, 2, first=0, numbers=4)  # another server was first
    assert await lease(pool, 3, first=4, numbers=6)
    assert await pool.leases.plan(CAMPAIGN) == Plan(10, 10, None, None, None)
    assert await pool.leases.find([lease_id(1), lease_id(2), lease_id(3)]) == {
        lease_id(1): LeaseRow(lease_id(1), CAMPAIGN, 0, 4),
        lease_id(3): LeaseRow(lease_id(3), CAMPAIGN, 4, 6),
    }


async def test_rest_of_a_closed_lease_is_leased_again_once_the_lowest_first(pool: Stores) -> None:
    await lease(pool, 1, first=0, numbers=4)
    await lease(pool, 2, first=4, numbers=3)
    await win(pool, 1, 0, ANNA)
    await win(pool, 2, 0, BEN)
    assert sorted(await close_lease(pool, 2, 1)) == [
        ClosedLease(lease_id(1), CAMPAIGN, 3, 300),
        ClosedLease(lease_id(2), CAMPAIGN, 2, 200),
    ]
    assert await pool.leases.plan(CAMPAIGN) == Plan(7, 10, lease_id(1), 1, 3)
    assert await lease(pool, 3, first=1, numbers=3, rest_of=1)
    assert not await lease(pool, 4, first=1, numbers=3, rest_of=1)
    assert not await lease(pool, 5, first=5, numbers=1, rest_of=2)  # not the whole rest
    assert await pool.leases.plan(CAMPAIGN) == Plan(7, 10, lease_id(2), 5, 2)


async def test_nothing_is_leased_of_a_campaign_that_is_not_open(pool: Stores) -> None:
    await lease(pool, 1, first=0, numbers=4)
    await close_lease(pool, 1)
    await pool.campaigns.change(CAMPAIGN, "paused")
    assert not await lease(pool, 2, first=4, numbers=4)
    assert not await lease(pool, 3, first=0, numbers=4, rest_of=1)
    await pool.campaigns.change(CAMPAIGN, "open")
    assert await lease(pool, 3, first=0, numbers=4, rest_of=1)


async def test_lease_is_closed_once_and_takes_no_win_then(pool: Stores) -> None:
    await lease(pool, 1, first=0, numbers=4)
    await win(pool, 1, 0, ANNA, BEN)
    assert await close_lease(pool, 1, 9) == [ClosedLease(lease_id(1), CAMPAIGN, 2, 200)]
    assert await close_lease(pool, 1) == []
    assert not await record(pool, 1, 2, CARLA)


@each_guess
async def test_lease_that_was_won_whole_is_closed(first: bool, pool: Stores) -> None:
    await lease(pool, 1, first=0, numbers=2)
    await win(pool, 1, 0, ANNA, BEN, first=first)
    assert await close_lease(pool, 1) == []
    assert await pool.leases.plan(CAMPAIGN) == Plan(2, 10, None, None, None)
    assert await pool.leases.abandoned(SERVER, [], 5.0, 10) == []


async def test_lease_is_no_packet_that_is_refunded(pool: Stores) -> None:
    await lease(pool, 1, first=0, numbers=2)
    assert await pool.packets.due(ENDS_MS + 1_000, 10) == []


async def test_leases_of_servers_that_do_not_live_are_abandoned(pool: Stores) -> None:
    for number, server in enumerate((SERVER, OTHER_SERVER, SERVER, 99)):
        await lease(pool, number, first=number, numbers=1, server=server)
    await pool.change_feed.listen(lambda message: None, lambda: None)
    await pool.change_feed.beat(OTHER_SERVER, 1, 2.0, "")
    found = await pool.leases.abandoned(SERVER, [lease_id(0)], 60.0, 10)
    assert found == [lease_id(2), lease_id(3)]
    assert await pool.leases.abandoned(SERVER, [lease_id(0)], 60.0, 1) == [lease_id(2)]
    assert await pool.leases.abandoned(OTHER_SERVER, [], 60.0, 10) == [lease_id(number) for number in range(4)]


# --- wins ---------------------------------------------------------------------------------------------------------


@each_guess
async def test_wins_of_a_user_are_counted_over_all_leases(first: bool, pool: Stores) -> None:
    await lease(pool, 1, first=0, numbers=3)
    await lease(pool, 2, first=3, numbers=3)
    assert await newest(pool, ANNA) is None
    await win(pool, 1, 0, BEN, ANNA, first=first)
    await win(pool, 2, 0, ANNA, first=first)
    assert await newest(pool, ANNA) == (2, lease_id(2), 0)
    found = await pool.leases.newest_wins([(CAMPAIGN, BEN), (CAMPAIGN, CARLA), (campaign_id(9), ANNA)])
    assert found == {(CAMPAIGN, BEN): WinRow(CAMPAIGN, BEN, 1, lease_id(1), 0, SHARE_FEN)}


@each_guess
async def test_win_above_the_limit_is_taken_only_if_its_user_was_told(first: bool, pool: Stores) -> None:
    for number in range(1, 5):
        await lease(pool, number, first=2 * number - 2, numbers=2)
    await win(pool, 1, 0, ANNA, first=first)
    await win(pool, 2, 0, ANNA, first=first)
    assert not await record(pool, 3, 0, BEN, ANNA, first=first)
    assert await newest(pool, BEN) is None
    assert await record(pool, 3, 0, BEN, first=first)
    assert await record(pool, 4, 0, ANNA, kind=Wins.TOLD, first=first)
    assert await newest(pool, ANNA) == (3, lease_id(4), 0)


@each_guess
async def test_wins_of_one_batch_are_counted_in_the_order_of_leases(first: bool, pool: Stores) -> None:
    for number in range(1, 4):
        await lease(pool, number, first=2 * number - 2, numbers=2)
    batch = [wins(number, 0, ANNA, first=first) for number in (3, 2, 1)]
    assert await pool.packets.record(batch) == {lease_id(1), lease_id(2)}
    assert await newest(pool, ANNA) == (2, lease_id(2), 0)


@each_guess
async def test_wins_of_a_lease_that_is_refused_leave_no_gap_in_those_of_its_user(first: bool, pool: Stores) -> None:
    """Or a user who has won once would be at the limit of two, and no winner in the report."""
    for number in range(1, 4):
        await lease(pool, number, first=2 * number - 2, numbers=2)
    await close_lease(pool, 1)  # by another server
    both = [wins(1, 0, ANNA, BEN, first=first), wins(2, 0, ANNA, first=first)]
    assert await pool.packets.record(both) == {lease_id(2)}
    assert await newest(pool, ANNA) == (1, lease_id(2), 0)
    assert await record(pool, 3, 0, ANNA, first=first)
    assert await newest(pool, ANNA) == (2, lease_id(3), 0)
    assert await newest(pool, BEN) is None


@each_guess
async def test_claims_of_packets_are_no_wins_in_a_batch_with_leases(first: bool, pool: Stores) -> None:
    await send(pool, packet(1))
    await lease(pool, 1, first=0, numbers=2)
    batch = [advance(1, 0, (ANNA, 400)), wins(1, 0, ANNA, BEN, first=first)]
    assert await pool.packets.record(batch) == {packet_id(1), lease_id(1)}
    assert await newest(pool, ANNA) == (1, lease_id(1), 0)
    assert await pool.leases.newest_wins([(GROUP, ANNA)]) == {}
    assert [len(one) for one in (await pool.packets.load([packet_id(1), lease_id(1)]))[1].values()] == [1, 2]


async def test_win_is_settled_and_told_to_its_user_alone(pool: Stores) -> None:
    await lease(pool, 1, first=0, numbers=1)
    await win(pool, 1, 0, ANNA)
    taken, credits = await pool.settlement.settle(10, OPENED_MS + 1)
    assert (taken, [(one.user_id, one.change_fen) for one in credits]) == (1, [(ANNA, SHARE_FEN)])
    assert await pool.outbox.post(10) == []
