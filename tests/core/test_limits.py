"""The limits: their defaults, the announced ones, and the two checks."""

from __future__ import annotations

import re

import msgspec
import pytest

from server.core.amounts import Caps
from server.core.limits import HOSTILE_IN_LINES, Limits, check_bytes, check_number, check_text
from server.core.refusals import Reason, RequestRefused


def test_the_defaults_are_those_of_the_product() -> None:
    limits = Limits()
    assert limits.caps == Caps(1, 20_000)
    assert (limits.total_fen_max, limits.shares_max, limits.group_members_max) == (2_000_000, 500, 500)
    assert (limits.greeting_bytes_max, limits.packet_lifetime_s, limits.ticket_lifetime_s) == (128, 86_400.0, 30.0)
    assert (limits.frame_bytes_before_login_max, limits.frame_bytes_max) == (512, 4096)
    assert (limits.login_timeout_s, limits.ping_interval_s, limits.pong_timeout_s) == (5.0, 25.0, 8.0)
    assert (limits.ticket_grace_s, limits.ticket_grace_ms) == (3.0, 3_000)
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
    check_bytes("name", text, 1, 3, Reason.BAD_TEXT)


@pytest.mark.parametrize("text", ["", "abcd", "福a", "a\0"])
def test_text_outside_its_bytes_or_with_a_zero_byte_is_refused(text: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        check_bytes("name", text, 1, 3, Reason.BAD_TEXT)
    assert refused.value.reason is Reason.BAD_TEXT


# an emoji of a family (joiners), Arabic, Persian with a non-joiner, a flag, Hindi
@pytest.mark.parametrize("text", ["👨‍👩‍👧", "مرحبا", "می‌خواهم", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "हिन्दी"])
def test_text_in_any_script_passes(text: str) -> None:
    check_text("name", text, 1, 100, Reason.BAD_TEXT)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a\x1b[2J", "U+001B"),
        ("a\x7f", "U+007F"),
        ("a\x9b2J", "U+009B"),
        ("a\nb", "U+000A"),
        ("a\u2028b", "U+2028"),
        ("a\u202ecba", "U+202E"),
        ("\u2066a\u2069", "U+2066"),
        ("\u200fa", "U+200F"),
        ("\u061ca", "U+061C"),
    ],
)
def test_text_with_a_hostile_character_is_refused_and_names_it(text: str, named: str) -> None:
    with pytest.raises(RequestRefused, match=f"^name: the character {re.escape(named)} is not allowed") as refused:
        check_text("name", text, 1, 100, Reason.BAD_NAME)
    assert refused.value.reason is Reason.BAD_NAME


def test_text_of_several_lines_may_have_tabs_and_line_feeds_only() -> None:
    check_text("name", "a\tb\nc", 1, 100, Reason.BAD_TEXT, HOSTILE_IN_LINES)
    for text in ("a\rb", "a\x0bb", "a\x1bb", "a\u202eb"):
        with pytest.raises(RequestRefused):
            check_text("name", text, 1, 100, Reason.BAD_TEXT, HOSTILE_IN_LINES)


@pytest.mark.parametrize(("number", "passes"), [(0, False), (1, True), (3, True), (4, False), (-(2**63), False)])
def test_number_passes_only_between_its_bounds(number: int, passes: bool) -> None:
    if passes:
        check_number("shares", number, 1, 3, Reason.BAD_SHARES)
    else:
        with pytest.raises(RequestRefused, match=f"^shares: {number}, allowed are 1 to 3"):
            check_number("shares", number, 1, 3, Reason.BAD_SHARES)
