"""The limits: their defaults, the announced ones, and the two checks."""

from __future__ import annotations

import msgspec
import pytest

from server.core.amounts import Caps
from server.core.limits import Limits, check_bytes, check_number
from server.core.refusals import Reason, RequestRefused


def test_the_defaults_are_those_of_the_product() -> None:
    limits = Limits()
    assert limits.caps == Caps(1, 20_000)
    assert (limits.total_fen_max, limits.shares_max, limits.group_members_max) == (2_000_000, 500, 500)
    assert (limits.greeting_bytes_max, limits.packet_lifetime_s, limits.ticket_lifetime_s) == (128, 86_400.0, 30.0)
    assert (limits.frame_bytes_before_login_max, limits.frame_bytes_max) == (512, 4096)
    assert (limits.login_timeout_s, limits.ping_interval_s, limits.pong_timeout_s) == (5.0, 25.0, 8.0)
    assert (limits.requests_per_s, limits.requests_burst, limits.tickets_per_share) == (20.0, 40.0, 4)


def test_unknown_limit_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `share_max`"):
        msgspec.convert({"share_max": 5}, Limits)


def test_announced_limits_are_whole_numbers() -> None:
    announced = Limits(packet_lifetime_s=1.5, ticket_lifetime_s=0.25).announced()
    assert announced["packet_lifetime_ms"] == 1_500
    assert announced["ticket_lifetime_ms"] == 250
    assert {type(number) for number in announced.values()} == {int}


@pytest.mark.parametrize("text", ["a", "abc", "福"])
def test_text_within_its_bytes_passes(text: str) -> None:
    check_bytes(text, 1, 3, Reason.BAD_TEXT)


@pytest.mark.parametrize("text", ["", "abcd", "福a", "a\0"])
def test_text_outside_its_bytes_or_with_a_zero_byte_is_refused(text: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        check_bytes(text, 1, 3, Reason.BAD_TEXT)
    assert refused.value.reason is Reason.BAD_TEXT


@pytest.mark.parametrize(("number", "passes"), [(0, False), (1, True), (3, True), (4, False), (-(2**63), False)])
def test_number_passes_only_between_its_bounds(number: int, passes: bool) -> None:
    if passes:
        check_number(number, 1, 3, Reason.BAD_SHARES, "the number")
    else:
        with pytest.raises(RequestRefused, match=f"the number is {number}, allowed are 1 to 3"):
            check_number(number, 1, 3, Reason.BAD_SHARES, "the number")
