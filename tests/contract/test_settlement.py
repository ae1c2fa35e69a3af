"""The settlement queue: claims whose money is not in a wallet yet."""

from __future__ import annotations

from storage.postgres.money.settlement import Backlog, Credit
from storage.postgres.money.wallets import EMPTY_ROW, BalanceRow
from storage.stores import Stores
from tests.contract.given import (
    ANNA,
    BEN,
    CARLA,
    LATER_MS,
    OPENED_MS,
    SENDER,
    advance,
    balance,
    open_packet,
    packet,
    packet_id,
    pay_in,
    send,
)

SETTLED_MS = 3_000


async def settle(stores: Stores, most: int = 100, now_ms: int = SETTLED_MS) -> tuple[int, list[Credit]]:
    """One batch; credits by user."""
    taken, credits = await stores.settlement.settle(most, now_ms)
    return taken, sorted(credits)


async def settle_without_xid(stores: Stores) -> tuple[int, list[Credit]]:
    """The same; which transaction it was no test can know."""
    taken, credits = await settle(stores)
    return taken, [one._replace(xid=0) for one in credits]


async def test_settle_without_claims_takes_nothing(both: Stores) -> None:
    assert await settle(both) == (0, [])


async def test_settle_of_a_claim_credits_it_with_the_version_of_the_wallet(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100))
    assert await settle_without_xid(both) == (
        1,
        [Credit(ANNA, packet_id(1), 1, 100, SETTLED_MS, BalanceRow(100, 1), 0)],
    )
    assert await balance(both, ANNA) == BalanceRow(100, 1)


async def test_settle_of_a_user_with_money_adds_to_it(both: Stores) -> None:
    await send(both, packet(1))
    await pay_in(both, ANNA, 50)
    await open_packet(both, 1, 0, (ANNA, 100))
    assert (await settle_without_xid(both))[1] == [
        Credit(ANNA, packet_id(1), 1, 100, SETTLED_MS, BalanceRow(150, 2), 0)
    ]


async def test_settle_twice_credits_each_claim_once(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100), (BEN, 250))
    assert (await settle(both))[0] == 2
    assert await settle(both, now_ms=LATER_MS) == (0, [])
    assert await balance(both, ANNA) == BalanceRow(100, 1)
    assert await balance(both, BEN) == BalanceRow(250, 1)


async def test_settle_takes_the_largest_claims_first_up_to_its_limit(both: Stores) -> None:
    await send(both, packet(1), packet(2))
    await open_packet(both, 1, 0, (ANNA, 100), (BEN, 400))
    await open_packet(both, 2, 0, (CARLA, 300))
    taken, credits = await settle(both, most=2)
    assert (taken, [(one.user_id, one.change_fen) for one in credits]) == (2, [(BEN, 400), (CARLA, 300)])
    assert await both.settlement.backlog() == Backlog(1, 100, OPENED_MS)
    taken, credits = await settle(both, most=2)
    assert (taken, [(one.user_id, one.change_fen) for one in credits]) == (1, [(ANNA, 100)])


async def test_settle_of_one_user_in_several_packets_is_one_credit_named_by_the_first_packet(both: Stores) -> None:
    await send(both, packet(1), packet(2), packet(3))
    for number, fen in ((3, 30), (1, 10), (2, 20)):
        await open_packet(both, number, 0, (ANNA, fen))
    assert await settle_without_xid(both) == (
        3,
        [Credit(ANNA, packet_id(1), 3, 60, SETTLED_MS, BalanceRow(60, 3), 0)],
    )


async def test_settle_credits_the_sender_who_opened_their_own_packet(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (SENDER, 100))
    assert (await settle_without_xid(both))[1] == [
        Credit(SENDER, packet_id(1), 1, 100, SETTLED_MS, BalanceRow(100, 3), 0)
    ]


async def test_backlog_without_claims_is_empty(both: Stores) -> None:
    assert await both.settlement.backlog() == Backlog(0, 0, None)


async def test_backlog_returns_claims_their_money_and_the_oldest_time(both: Stores) -> None:
    await send(both, packet(1), packet(2))
    await both.packets.record([advance(1, 0, (ANNA, 100), at_ms=2_400)])
    await both.packets.record([advance(2, 0, (ANNA, 20), (BEN, 3), at_ms=2_300)])
    assert await both.settlement.backlog() == Backlog(3, 123, 2_300)
    await settle(both)
    assert await both.settlement.backlog() == Backlog(0, 0, None)


async def test_find_outcome_returns_credits_that_were_made_with_the_present_balance(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100), (BEN, 250))
    _, (anna, ben) = await settle(both)
    await pay_in(both, ANNA, 7)
    assert await both.settlement.find_outcome([ben, anna]) == [
        ben,
        anna._replace(balance=BalanceRow(107, 2)),
    ]


async def test_find_outcome_of_credits_that_were_not_made_returns_none(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100), (BEN, 250))
    _, (ben,) = await settle(both, most=1)
    asked = [
        ben._replace(user_id=ANNA),
        ben._replace(at_ms=LATER_MS),
        ben._replace(packet_id=packet_id(9)),
        ben._replace(xid=ben.xid + 1),  # of another server, in the same millisecond
        ben._replace(balance=EMPTY_ROW),
    ]
    assert await both.settlement.find_outcome(asked) == [None, None, None, None, ben]
