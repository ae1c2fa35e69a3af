"""The form that names which look the same have in common."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.postgres.chat.unique_names import unique_form

# Invisible in the middle of a name: a space of no width, the two joiners, a grapheme joiner, selectors, fillers.
HIDDEN = ("\u200b", "\u200c", "\u200d", "\u034f", "\ufe0f", "\U000e0100", "\u3164", "\u115f", "\uffa0", "\ufff9")
# Chosen more often than among all characters: what may be composed, and what may be removed between it.
TROUBLE = (
    "eEé\u0301\u0327\u0345ßſİıσς\u1100\u1161\u11a8\uffa1ㄱ가가 \u00b4\u2800\ufffc\ufdfa\u1e9e\u0f73"
    + "".join(HIDDEN)
)
NAMES = st.text(st.one_of(st.sampled_from(TROUBLE), st.characters(exclude_categories=["Cs"])), max_size=12)


@given(NAMES)
def test_unique_form_of_a_unique_form_is_itself(name: str) -> None:
    assert unique_form(unique_form(name)) == unique_form(name)


@given(NAMES, st.sampled_from(HIDDEN), st.integers(0, 12))
def test_unique_form_ignores_an_invisible_character_at_any_place(name: str, hidden: str, place: int) -> None:
    assert unique_form(name[:place] + hidden + name[place:]) == unique_form(name)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_unique_form_of_a_letter_and_a_hidden_accent_is_that_of_the_letter_with_it(hidden: str) -> None:
    assert unique_form(f"e{hidden}\u0301") == unique_form("é") == "é"
    assert unique_form(f"\u1100{hidden}\u1161{hidden}\u11a8") == unique_form("각") == "각"


def test_unique_form_of_a_name_without_a_visible_character_is_empty() -> None:
    blank = [
        "", " ", "\u3000", "\u2800", "\u2800\u2800", "\ufff9", "\ufffa", "\ufffb", "\ufffc", "\U0001d159",
        "\U00016fe4", *map(chr, range(0x13430, 0x13443)), "\u3164", "\u115f", "\u1160", "\uffa0", "\u0301",
        "\u20dd", " \u0301",
    ]  # fmt: skip
    assert [name for name in blank if unique_form(name)] == []


def test_unique_form_of_blank_signs_is_that_of_a_space_and_an_accent_without_a_letter_is_dropped() -> None:
    assert unique_form("Lin\u2800Wei\u2800") == unique_form("lin wei") == "lin wei"
    assert unique_form("\u0301Lin \u0308Wei") == "lin wei"


def test_unique_form_keeps_what_is_visible() -> None:
    for name in ("a", "林", "1", "!", "❤", "👍", "\u0915\u093f", "\U0002ebf0", "\ue000", "\ufffd"):
        assert unique_form(name) == name


def test_every_format_character_is_dropped_but_those_that_are_drawn() -> None:
    """Those are signs of numbers and abbreviations."""
    formats = (chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf")
    drawn = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    assert {ord(one) for one in formats if unique_form(one)} == drawn
