"""Bills: one for a number, within the limits of its day."""

from __future__ import annotations

import pytest

from storage.postgres.enterprise.bills import BillDay, BillRow, NewBill, OverBillDay
from storage.postgres.packets.sends import Sent, Unsent
from storage.stores import Stores
from tests.contract.given import (
    ANNA,
    BEN,
    EXPIRES_MS,
    LATER_MS,
    OPENED_MS,
    SENT_MS,
    debit_of,
    open_packet,
    packet,
    packet_id,
    pay_in,
    send,
    streams_of,
)
from tests.seeds import SeedsInPlain

SPONSOR = 700
NOON_MS, DAY_MS = 86_400_000 * 10, 86_400_000
UNLIMITED = BillDay(NOON_MS, 0, 0)


def bill(number: str, fen: int = 100, user_id: int = ANNA, at_ms: int = NOON_MS) -> NewBill:
    """A bill that is asked for."""
    return NewBill(SPONSOR, number, user_id, fen, "hi", "", "enterprise", 1, at_ms)


def recorded(one: NewBill, **more: object) -> BillRow:
    """It as a row, without a packet."""
    return BillRow(*one, "", *[None] * 8)._replace(**more)  # type: ignore[arg-type]


@pytest.fixture
async def sponsor(both: Stores) -> Stores:
    """There is one, and users are known."""
    await both.users.know([SPONSOR, ANNA, BEN])
    await both.campaigns.put_sponsor(SPONSOR, "sponsor", 1)
    return both


async def test_sponsor_is_told_from_others(sponsor: Stores) -> None:
    assert await sponsor.bills.is_sponsor(SPONSOR)
    assert not await sponsor.bills.is_sponsor(ANNA)


async def test_bill_is_recorded_once(sponsor: Stores) -> None:
    assert await sponsor.bills.begin(bill("b1"), UNLIMITED) == recorded(bill("b1"))
    other = bill("b1", fen=200, at_ms=NOON_MS + 1)
    assert await sponsor.bills.begin(other, UNLIMITED) == recorded(bill("b1"))
    assert await sponsor.bills.find(SPONSOR, "b1") == recorded(bill("b1"))
    assert await sponsor.bills.find(SPONSOR, "b2") is None


async def test_packet_of_a_bill_says_how_far_it_is(sponsor: Stores) -> None:
    await sponsor.bills.begin(bill("b1"), UNLIMITED)
    row = packet(1, fen=100, shares=1, sender=SPONSOR, key="bill:b1", kind="enterprise", target=ANNA)
    await send(sponsor, row)
    sent = {"packet_id": packet_id(1), "sent_at_ms": SENT_MS, "expires_at_ms": EXPIRES_MS, "refunded_fen": 0}
    sent |= {"opened_shares": 0, "opened_fen": 0}
    assert await sponsor.bills.find(SPONSOR, "b1") == recorded(bill("b1"), **sent)
    await sponsor.bills.fail(SPONSOR, "b1", "banned", NOON_MS)  # another attempt has sent it
    assert await sponsor.bills.begin(bill("b1"), BillDay(NOON_MS, 1, 1)) == recorded(bill("b1"), **sent)
    await open_packet(sponsor, 1, 0, (ANNA, 100))
    over = {"closed_at_ms": OPENED_MS, "received_at_ms": OPENED_MS, "opened_shares": 1, "opened_fen": 100}
    assert await sponsor.bills.find(SPONSOR, "b1") == recorded(bill("b1"), **sent | over)


async def test_packet_that_was_not_opened_came_back(sponsor: Stores) -> None:
    await sponsor.bills.begin(bill("b1"), UNLIMITED)
    await send(sponsor, packet(1, fen=100, shares=1, sender=SPONSOR, key="bill:b1", kind="enterprise", target=ANNA))
    await sponsor.packets.refund([packet_id(1)], LATER_MS)
    found = await sponsor.bills.find(SPONSOR, "b1")
    assert found is not None
    assert (found.closed_at_ms, found.refunded_fen, found.received_at_ms) == (LATER_MS, 100, None)


async def test_bill_that_has_failed_is_tried_again_and_counts_from_then(sponsor: Stores) -> None:
    await sponsor.bills.begin(bill("b1"), UNLIMITED)
    await sponsor.bills.fail(SPONSOR, "b1", "banned", NOON_MS)
    assert await sponsor.bills.find(SPONSOR, "b1") == recorded(bill("b1"), failed="banned")
    await sponsor.bills.begin(bill("b2"), BillDay(NOON_MS, 1, 0))  # what failed is not counted
    with pytest.raises(OverBillDay):
        await sponsor.bills.begin(bill("b1"), BillDay(NOON_MS, 1, 0))
    again = bill("b1", at_ms=NOON_MS + DAY_MS)
    assert await sponsor.bills.begin(again, BillDay(NOON_MS + DAY_MS, 1, 0)) == recorded(again)


async def test_packet_of_a_bill_that_has_failed_is_not_sent_until_it_is_tried_again(sponsor: Stores) -> None:
    """Another attempt has overtaken this one. The limits of a day count no bill that has failed."""
    row = packet(1, fen=100, shares=1, sender=SPONSOR, key="bill:b1", kind="enterprise", target=ANNA)
    await pay_in(sponsor, SPONSOR, 100)
    await sponsor.bills.begin(bill("b1"), UNLIMITED)
    await sponsor.bills.fail(SPONSOR, "b1", "banned", NOON_MS)
    assert await sponsor.sends.record([row], debit_of, streams_of, SeedsInPlain) == [Unsent.BILL_FAILED]
    assert (await sponsor.wallets.holdings([SPONSOR]))[SPONSOR].balance.fen == 100
    assert await sponsor.bills.begin(bill("b1"), UNLIMITED) == recorded(bill("b1"))
    (sent,) = await sponsor.sends.record([row], debit_of, streams_of, SeedsInPlain)
    assert isinstance(sent, Sent)


async def test_bill_of_another_day_that_is_not_sent_yet_is_judged_by_the_day_of_its_packet(sponsor: Stores) -> None:
    """Its outcome was unknown, and it is asked for again after midnight."""
    row = packet(1, fen=100, shares=1, sender=SPONSOR, key="bill:b1", kind="enterprise", target=ANNA)
    await pay_in(sponsor, SPONSOR, 100)
    next_day = BillDay(NOON_MS + DAY_MS, 1, 0)
    late = [bill(number, at_ms=NOON_MS + DAY_MS) for number in ("b1", "b2")]
    await sponsor.bills.begin(bill("b1"), UNLIMITED)
    await sponsor.bills.begin(bill("b2"), UNLIMITED)
    assert await sponsor.bills.begin(late[1], next_day) == recorded(late[1])
    with pytest.raises(OverBillDay):
        await sponsor.bills.begin(late[0], next_day)
    assert await sponsor.bills.find(SPONSOR, "b1") == recorded(bill("b1"), failed="limit")
    assert await sponsor.sends.record([row], debit_of, streams_of, SeedsInPlain) == [
        Unsent.BILL_FAILED
    ]  # an attempt of then
    assert (await sponsor.bills.begin(late[1], next_day)).asked_at_ms == NOON_MS + DAY_MS


async def test_bill_of_another_day_that_was_sent_stays_of_its_day(sponsor: Stores) -> None:
    await sponsor.bills.begin(bill("b1"), UNLIMITED)
    await send(sponsor, packet(1, fen=100, shares=1, sender=SPONSOR, key="bill:b1", kind="enterprise", target=ANNA))
    next_day = BillDay(NOON_MS + DAY_MS, 1, 0)
    found = await sponsor.bills.begin(bill("b1", at_ms=NOON_MS + DAY_MS), next_day)
    assert (found.asked_at_ms, found.packet_id) == (NOON_MS, packet_id(1))
    assert (await sponsor.bills.begin(bill("b2", at_ms=NOON_MS + DAY_MS), next_day)).failed == ""


async def test_limits_are_those_of_a_user_and_a_day(sponsor: Stores) -> None:
    day = BillDay(NOON_MS, 2, 250)
    await sponsor.bills.begin(bill("b0", at_ms=NOON_MS - 1), day)
    await sponsor.bills.begin(bill("b1", fen=150), day)
    with pytest.raises(OverBillDay) as over:
        await sponsor.bills.begin(bill("b2", fen=101), day)
    assert (over.value.packets, over.value.fen) == (1, 150)
    assert await sponsor.bills.find(SPONSOR, "b2") is None
    await sponsor.bills.begin(bill("b2", fen=100), day)
    with pytest.raises(OverBillDay):
        await sponsor.bills.begin(bill("b3", fen=1, at_ms=NOON_MS + DAY_MS - 1), day)
    await sponsor.bills.begin(bill("b3", fen=250, user_id=BEN), day)
    await sponsor.bills.begin(bill("b4", at_ms=NOON_MS + DAY_MS), BillDay(NOON_MS + DAY_MS, 2, 250))
