"""Bills and events: what may be asked for, how far a bill is, and the amounts that are drawn for users."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.enterprise import events
from server.core.enterprise.bills import (
    BillRequest,
    BillRules,
    BillStatus,
    SentPacket,
    check,
    group_kind,
    most_a_day,
    share_caps,
    status_of,
)
from server.core.enterprise.events import EventKind, EventRange
from server.core.kinds import PacketKind
from server.core.limits import Limits
from server.core.packet_request import request_of
from server.core.refusals import Reason, RequestRefused

RULES = BillRules(100, 20_000, 100_000, ("PRODUCT_1",), 200, 10, 0, 5, 9)
GROUP = 2**60
RANGE = EventRange(90_001, EventKind.FOLLOW, 200, 500, "hello")
SEED = bytes(range(32))


def bill(**changes: Any) -> BillRequest:
    return BillRequest(90_001, "B-1", 7, 888, "hello")._replace(**changes)


def refused(one: BillRequest) -> Reason | None:
    try:
        check(one, RULES, Limits())
    except RequestRefused as error:
        return error.reason
    return None


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (bill(), None),
        (bill(amount_fen=99), Reason.BAD_AMOUNT),
        (bill(amount_fen=100), None),
        (bill(amount_fen=20_000), None),
        (bill(amount_fen=20_001), Reason.BAD_AMOUNT),
        (bill(amount_fen=20_001, scene="PRODUCT_1"), None),
        (bill(amount_fen=1, scene="PRODUCT_1"), None),
        (bill(amount_fen=0, scene="PRODUCT_1"), Reason.BAD_AMOUNT),
        (bill(amount_fen=100_001, scene="PRODUCT_1"), Reason.BAD_AMOUNT),
        (bill(scene="PRODUCT_2"), Reason.BAD_SCENE),
        (bill(number=""), Reason.BAD_KEY),
        (bill(number="x" * 32), None),
        (bill(number="x" * 33), Reason.BAD_KEY),
        (bill(number="event.follow.7"), Reason.BAD_KEY),
        (bill(target_id=90_001), Reason.BAD_TARGET),
        (bill(target_id=GROUP), Reason.BAD_TARGET),
        (bill(shares=2), Reason.BAD_SHARES),
        (bill(greeting="x" * 129), Reason.BAD_GREETING),
    ],
)
def test_first_rule_that_a_bill_breaks_is_named(one: BillRequest, reason: Reason | None) -> None:
    assert refused(one) is reason


def group_bill(**changes: Any) -> BillRequest:
    return bill(kind=PacketKind.ENTERPRISE_LUCKY, target_id=GROUP, shares=4, amount_fen=888)._replace(**changes)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (group_bill(), None),
        (group_bill(target_id=7), Reason.BAD_TARGET),
        (group_bill(shares=0), Reason.BAD_SHARES),
        (group_bill(shares=501, amount_fen=501_000), Reason.BAD_SHARES),
        (group_bill(shares=500, amount_fen=500_000), None),
        (group_bill(amount_fen=399), Reason.BAD_AMOUNT),
        (group_bill(amount_fen=400), None),
        (group_bill(amount_fen=80_000), None),
        (group_bill(amount_fen=80_001), Reason.BAD_AMOUNT),
        (group_bill(amount_fen=399, scene="PRODUCT_1"), None),
        (group_bill(amount_fen=400_000, scene="PRODUCT_1"), None),
        (group_bill(amount_fen=400_001, scene="PRODUCT_1"), Reason.BAD_AMOUNT),
        (group_bill(amount_fen=3, scene="PRODUCT_1"), Reason.BAD_AMOUNT),
        (group_bill(kind=PacketKind.ENTERPRISE_EQUAL), None),
        (group_bill(kind=PacketKind.ENTERPRISE_EQUAL, amount_fen=889), Reason.BAD_AMOUNT),
        (group_bill(kind=PacketKind.ENTERPRISE_EQUAL, shares=1), None),
    ],
)
def test_bounds_of_a_bill_for_a_group_are_those_of_each_share(one: BillRequest, reason: Reason | None) -> None:
    assert refused(one) is reason


def test_shares_of_a_group_are_drawn_within_the_bounds_of_the_bill() -> None:
    assert share_caps(group_bill(), RULES) == (100, 20_000)
    assert share_caps(group_bill(scene="PRODUCT_1"), RULES) == (1, 100_000)


def test_user_and_group_have_limits_of_a_day_of_their_own() -> None:
    assert (most_a_day(RULES, to_group=False), most_a_day(RULES, to_group=True)) == ((10, 0), (5, 9))


def test_kinds_of_a_group_are_those_that_bills_send() -> None:
    assert [group_kind(text) for text in ("enterprise_lucky", "enterprise_equal")] == [
        PacketKind.ENTERPRISE_LUCKY,
        PacketKind.ENTERPRISE_EQUAL,
    ]
    for text in ("enterprise", "lucky", "shake", ""):
        with pytest.raises(RequestRefused, match="enterprise_lucky or enterprise_equal"):
            group_kind(text)


@pytest.mark.parametrize(
    ("packet", "failed", "status"),
    [
        (None, "", BillStatus.SENDING),
        (None, "not_enough_money", BillStatus.FAILED),
        (SentPacket(2**60, False, 1_000, False), "", BillStatus.SENT),
        (SentPacket(2**60, False, 1_000, False), "not_enough_money", BillStatus.SENT),
        (SentPacket(2**60, True, 1_000, True), "", BillStatus.RECEIVED),
        (SentPacket(2**60, False, 999, False), "", BillStatus.REFUNDING),
        (SentPacket(2**60, False, 999, True), "", BillStatus.REFUNDED),
    ],
)
def test_status_follows_from_the_records(packet: SentPacket | None, failed: str, status: BillStatus) -> None:
    assert status_of(packet, failed, 999) is status


@pytest.mark.parametrize("kind", ["enterprise", "enterprise_lucky", "enterprise_equal"])
def test_only_the_chat_backend_sends_the_kind(kind: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        request_of(1, "k", kind, 7 if kind == "enterprise" else GROUP, 888, 1, "")
    assert caught.value.reason is Reason.BAD_TARGET
    assert "by a bill number" in caught.value.detail


@given(st.integers(1, 2**53 - 1))
def test_amount_of_an_event_is_in_its_range_and_the_same_each_time(user_id: int) -> None:
    assert 200 <= RANGE.amount_fen(SEED, user_id) <= 500
    assert RANGE.amount_fen(SEED, user_id) == RANGE.amount_fen(SEED, user_id)
    assert RANGE._replace(high_fen=200).amount_fen(SEED, user_id) == 200


def test_amounts_of_an_event_reach_both_ends_and_depend_on_the_seed() -> None:
    small = RANGE._replace(high_fen=203)
    assert {small.amount_fen(SEED, user_id) for user_id in range(1, 100)} == {200, 201, 202, 203}
    other = [small.amount_fen(bytes(32), user_id) for user_id in range(1, 100)]
    assert other != [small.amount_fen(SEED, user_id) for user_id in range(1, 100)]


def test_commitment_binds_the_seed_and_the_range() -> None:
    ranges = [
        RANGE,
        RANGE._replace(low_fen=201),
        RANGE._replace(high_fen=501),
        RANGE._replace(kind=EventKind.SIGN_UP),
        RANGE._replace(sponsor_id=90_002),
    ]
    assert len({one.commitment(SEED) for one in ranges} | {RANGE.commitment(bytes(32))}) == 6


@pytest.mark.parametrize(
    ("low_fen", "high_fen", "reason"),
    [
        (199, 300, Reason.BAD_AMOUNT),
        (300, 299, Reason.BAD_AMOUNT),
        (200, 20_001, Reason.BAD_AMOUNT),
        (200, 200, None),
    ],
)
def test_range_outside_the_bounds_is_refused(low_fen: int, high_fen: int, reason: Reason | None) -> None:
    found = None
    try:
        events.check_range(RANGE._replace(low_fen=low_fen, high_fen=high_fen), RULES, Limits())
    except RequestRefused as error:
        found = error.reason
    assert found is reason


def test_ids_of_events_and_their_kinds_have_a_form() -> None:
    events.check_event_id("a" * 64)
    for text in ("", "a b", "a" * 65, "é"):
        with pytest.raises(RequestRefused):
            events.check_event_id(text)
    assert [events.kind_of(text) for text in ("follow", "sign_up")] == list(EventKind)
    with pytest.raises(RequestRefused, match="follow, sign_up"):
        events.kind_of("leave")
