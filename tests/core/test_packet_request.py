"""The check of a packet request: every limit from both sides, and the limit that a refusal names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.amounts import all_lucky_shares
from server.core.kinds import PacketKind
from server.core.limits import Limits
from server.core.packet_request import DEFAULT_GREETING, PacketRequest, check
from server.core.refusals import Reason, RequestRefused

ANN, BEN = 1, 2
GROUP = 2**53
LIMITS = Limits()


def lucky(**changes: Any) -> PacketRequest:
    """10.00 yuan for 5 people."""
    return PacketRequest(ANN, "key", PacketKind.LUCKY, GROUP, 1_000, 5, DEFAULT_GREETING)._replace(**changes)


def equal(**changes: Any) -> PacketRequest:
    """2.00 yuan each for 5 people."""
    return lucky(kind=PacketKind.EQUAL, amount_fen=200)._replace(**changes)


def personal(**changes: Any) -> PacketRequest:
    """10.00 yuan for one person."""
    return lucky(kind=PacketKind.PERSONAL, target_id=BEN, shares=1)._replace(**changes)


def fission(**changes: Any) -> PacketRequest:
    """10.00 yuan for one person and two friends."""
    return personal(kind=PacketKind.FISSION, shares=3)._replace(**changes)


def reason_of_refusal(packet_request: PacketRequest, limits: Limits = LIMITS, members: int = 500) -> Reason | None:
    try:
        check(packet_request, limits, members, "fen")
    except RequestRefused as refused:
        return refused.reason
    return None


def test_total_of_an_equal_packet_is_amount_times_shares() -> None:
    assert lucky().total_fen == 1_000
    assert personal().total_fen == 1_000
    assert equal().total_fen == 5 * 200


@pytest.mark.parametrize(
    ("packet_request", "reason"),
    [
        (lucky(), None),
        (lucky(amount_fen=4), Reason.BAD_AMOUNT),
        (lucky(amount_fen=5), None),
        (lucky(amount_fen=100_000), None),
        (lucky(amount_fen=100_001), Reason.BAD_AMOUNT),
        (lucky(shares=100, amount_fen=2_000_000), None),
        (lucky(shares=500, amount_fen=2_000_000), None),
        (lucky(shares=500, amount_fen=2_000_001), Reason.BAD_AMOUNT),
        (lucky(amount_fen=0), Reason.BAD_AMOUNT),
        (lucky(amount_fen=-1_000), Reason.BAD_AMOUNT),
        (lucky(amount_fen=2**63 - 1), Reason.BAD_AMOUNT),
        (equal(amount_fen=0), Reason.BAD_AMOUNT),
        (equal(amount_fen=-1), Reason.BAD_AMOUNT),
        (equal(amount_fen=1), None),
        (equal(amount_fen=20_000), None),
        (equal(amount_fen=20_001), Reason.BAD_AMOUNT),
        (equal(amount_fen=4_000, shares=500), None),
        (equal(amount_fen=4_001, shares=500), Reason.BAD_AMOUNT),
        (equal(amount_fen=2**63 - 1, shares=500), Reason.BAD_AMOUNT),
        (personal(amount_fen=0), Reason.BAD_AMOUNT),
        (personal(amount_fen=1), None),
        (personal(amount_fen=20_000), None),
        (personal(amount_fen=20_001), Reason.BAD_AMOUNT),
    ],
    ids=str,
)
def test_amount_outside_its_limits_is_refused(packet_request: PacketRequest, reason: Reason | None) -> None:
    assert reason_of_refusal(packet_request) is reason


@pytest.mark.parametrize(
    ("packet_request", "members", "reason"),
    [
        (lucky(shares=0), 5, Reason.BAD_SHARES),
        (lucky(shares=-1), 5, Reason.BAD_SHARES),
        (lucky(shares=1), 1, None),
        (lucky(shares=5), 5, None),
        (lucky(shares=6), 5, Reason.BAD_SHARES),
        (equal(shares=5), 4, Reason.BAD_SHARES),
        (lucky(shares=500), 500, None),
        (lucky(shares=501), 501, Reason.BAD_SHARES),
        (lucky(shares=2**63 - 1), 500, Reason.BAD_SHARES),
        (personal(shares=0), 1, Reason.BAD_SHARES),
        (personal(shares=2), 500, Reason.BAD_SHARES),
        (fission(shares=2), 500, Reason.BAD_SHARES),
        (fission(), 500, None),
        (fission(shares=501), 500, Reason.BAD_SHARES),
        (fission(target_id=GROUP), 500, Reason.BAD_TARGET),
        (fission(target_id=ANN), 500, Reason.BAD_TARGET),
    ],
    ids=str,
)
def test_number_of_shares_outside_its_limits_is_refused(
    packet_request: PacketRequest, members: int, reason: Reason | None
) -> None:
    assert reason_of_refusal(packet_request, members=members) is reason


@pytest.mark.parametrize(
    ("packet_request", "reason"),
    [
        (lucky(target_id=BEN), Reason.BAD_TARGET),
        (equal(target_id=BEN), Reason.BAD_TARGET),
        (personal(target_id=GROUP), Reason.BAD_TARGET),
        (personal(target_id=GROUP - 1), None),
        (personal(target_id=0), Reason.BAD_TARGET),
        (personal(target_id=ANN), Reason.BAD_TARGET),
    ],
    ids=str,
)
def test_target_that_does_not_fit_the_kind_is_refused(packet_request: PacketRequest, reason: Reason | None) -> None:
    assert reason_of_refusal(packet_request) is reason


@pytest.mark.parametrize(
    ("packet_request", "reason"),
    [
        (lucky(greeting=""), None),
        (lucky(greeting="a" * 128), None),
        (lucky(greeting="a" * 129), Reason.BAD_GREETING),
        (lucky(greeting="福" * 42), None),
        (lucky(greeting="福" * 43), Reason.BAD_GREETING),
        (lucky(greeting="a\0b"), Reason.BAD_GREETING),
        (lucky(key=""), Reason.BAD_KEY),
        (lucky(key="k" * 64), None),
        (lucky(key="k" * 65), Reason.BAD_KEY),
        (lucky(key="\0"), Reason.BAD_KEY),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_text_that_is_too_long_in_bytes_or_has_a_zero_byte_is_refused(
    packet_request: PacketRequest, reason: Reason | None
) -> None:
    assert reason_of_refusal(packet_request) is reason


def test_the_limits_come_from_the_config() -> None:
    strict = Limits(share_fen_min=10, share_fen_max=100, total_fen_max=300, shares_max=4, greeting_bytes_max=0)
    packet_request = lucky(greeting="", shares=4, amount_fen=40)
    assert reason_of_refusal(packet_request, strict) is None
    assert reason_of_refusal(packet_request._replace(amount_fen=39), strict) is Reason.BAD_AMOUNT
    assert reason_of_refusal(packet_request._replace(amount_fen=301), strict) is Reason.BAD_AMOUNT
    assert reason_of_refusal(packet_request._replace(shares=5), strict) is Reason.BAD_SHARES
    assert reason_of_refusal(packet_request._replace(greeting="x"), strict) is Reason.BAD_GREETING


@pytest.mark.parametrize(
    ("asked", "members", "detail"),
    [
        (lucky(shares=5), 2, "shares: 5, allowed are 1 to 2 (the group has 2 members)"),
        (lucky(shares=2), 1, "shares: 2, allowed are 1 to 1 (the group has 1 member)"),
        (lucky(shares=501), 900, "shares: 501, allowed are 1 to 500"),
        (personal(shares=2), 1, "shares: 2, allowed are 1 to 1 (one user receives it)"),
        (
            lucky(shares=2, amount_fen=40_001),
            5,
            "amount_fen: 40001 fen, allowed are 2 to 40000 (2 shares of 1 to 20000 each)",
        ),
        (lucky(shares=1, amount_fen=20_001), 5, "amount_fen: 20001 fen, allowed are 1 to 20000"),
        (
            lucky(shares=200, amount_fen=2_000_001),
            200,
            "amount_fen: 2000001 fen, allowed are 200 to 2000000 (200 shares of 1 to 20000 each, a packet "
            "of at most 2000000)",
        ),
        (
            lucky(kind=PacketKind.EQUAL, shares=200, amount_fen=20_000),
            200,
            "amount_fen: 4000000 fen in all, allowed are 1 to 2000000 (200 shares of 20000)",
        ),
    ],
)
def test_refusal_says_where_the_bounds_come_from(asked: PacketRequest, members: int, detail: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        check(asked, LIMITS, members=members, smallest="fen")
    assert refused.value.detail == detail


def test_refusal_names_the_value_and_the_limits() -> None:
    with pytest.raises(RequestRefused, match="shares: 6, allowed are 1 to 5"):
        check(lucky(shares=6), LIMITS, members=5, smallest="fen")
    with pytest.raises(RequestRefused, match="amount_fen: 4 fen, allowed are 5 to 100000"):
        check(lucky(amount_fen=4), LIMITS, members=5, smallest="fen")
    with pytest.raises(RequestRefused, match=r"^greeting: 129 bytes, allowed are 0 to 128"):
        check(lucky(greeting="a" * 129), LIMITS, members=5, smallest="fen")
    with pytest.raises(RequestRefused, match=r"^target_id: personal goes to a user"):
        check(personal(target_id=GROUP), LIMITS, members=1, smallest="fen")
    with pytest.raises(RequestRefused, match=r"^target_id: lucky goes to a group"):
        check(lucky(target_id=BEN), LIMITS, members=1, smallest="fen")


@given(
    kind=st.sampled_from(PacketKind),
    amount_fen=st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2_100_000),
    shares=st.integers(-(2**63), 2**63 - 1) | st.integers(0, 501),
    members=st.integers(0, 500),
)
def test_every_accepted_request_can_be_divided_into_shares(
    kind: PacketKind, amount_fen: int, shares: int, members: int
) -> None:
    """No accepted request exceeds the limits of a share, of the total or of the columns of the records."""
    target = BEN if kind is PacketKind.PERSONAL else GROUP
    packet_request = lucky(kind=kind, target_id=target, amount_fen=amount_fen, shares=shares)
    if reason_of_refusal(packet_request, members=members) is not None:
        return
    assert packet_request.shares <= packet_request.total_fen <= min(20_000 * packet_request.shares, 2_000_000)
    assert (
        sum(all_lucky_shares(bytes(32), packet_request.total_fen, packet_request.shares, LIMITS.caps))
        == packet_request.total_fen
    )


def exclusive(*named: int, **changes: Any) -> PacketRequest:
    """2.00 yuan for each user who is named."""
    return equal(kind=PacketKind.EXCLUSIVE, shares=len(named), only_for=named)._replace(**changes)


@pytest.mark.parametrize(
    ("packet_request", "reason"),
    [
        (exclusive(2, 3), None),
        (exclusive(*range(2, 502), amount_fen=1), None),
        (exclusive(), Reason.BAD_RECEIVERS),
        (exclusive(*range(2, 503), amount_fen=1), Reason.BAD_RECEIVERS),
        (exclusive(2, 2), Reason.BAD_RECEIVERS),
        (exclusive(ANN, 2), Reason.BAD_RECEIVERS),
        (exclusive(2, 3, shares=1), Reason.BAD_SHARES),
        (exclusive(2, 3, shares=3), Reason.BAD_SHARES),
        (exclusive(2, 3, target_id=BEN), Reason.BAD_TARGET),
        (exclusive(2, 3, amount_fen=20_001), Reason.BAD_AMOUNT),
        (equal(only_for=(2,)), Reason.BAD_RECEIVERS),
    ],
)
def test_exclusive_packet_names_each_receiver_once(packet_request: PacketRequest, reason: Reason | None) -> None:
    assert reason_of_refusal(packet_request) is reason


def test_total_of_an_exclusive_packet_is_amount_times_users() -> None:
    assert exclusive(2, 3).total_fen == 400
