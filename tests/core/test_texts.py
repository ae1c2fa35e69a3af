"""Texts: both languages say the same with the same figures; amounts and times are spoken as a person would."""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter

import pytest

from server.core.texts import TEXTS, Language, Text, say, spoken, yuan

ZH, EN = Language.ZH, Language.EN


def placeholders(template: str) -> Iterator[tuple[str, bool]]:
    """The figures of a text, and which of them are spoken as money or time."""
    for _, name, way, _ in Formatter().parse(template):
        if name is not None:
            yield name, way in ("yuan", "time")


@pytest.mark.parametrize("language", Language)
def test_every_language_can_say_everything(language: Language) -> None:
    assert list(TEXTS[language]) == list(Text)


@pytest.mark.parametrize("text", Text)
def test_the_languages_name_the_same_figures(text: Text) -> None:
    named = [sorted(placeholders(TEXTS[language][text])) for language in Language]
    assert named == [named[0]] * len(Language)
    assert all(TEXTS[language][text] for language in Language)


@pytest.mark.parametrize(
    ("time_ms", "zh", "en"),
    [
        (-5, "1秒", "1 second"),
        (0, "1秒", "1 second"),
        (1_499, "1秒", "1 second"),
        (1_500, "2秒", "2 seconds"),
        (59_499, "59秒", "59 seconds"),
        (59_500, "1分钟", "1 minute"),
        (89_499, "1分钟", "1 minute"),
        (90_000, "2分钟", "2 minutes"),
        (59 * 60_000 + 29_499, "59分钟", "59 minutes"),
        (59 * 60_000 + 30_000, "1小时", "1 hour"),
        (3_600_000, "1小时", "1 hour"),
        (90 * 60_000, "2小时", "2 hours"),
        (24 * 3_600_000 - 1, "24小时", "24 hours"),
        (48 * 3_600_000, "48小时", "48 hours"),
    ],
)
def test_times_are_spoken_as_a_person_would(time_ms: int, zh: str, en: str) -> None:
    assert (spoken(ZH, time_ms), spoken(EN, time_ms)) == (zh, en)


@pytest.mark.parametrize(
    ("amount_fen", "text"),
    [(0, "0.00"), (1, "0.01"), (10, "0.10"), (888, "8.88"), (2_000_000, "20,000.00"), (-5, "-0.05")],
)
def test_fen_are_spoken_in_yuan(amount_fen: int, text: str) -> None:
    assert yuan(amount_fen) == text
    assert say(ZH, Text.AMOUNT, {"amount": amount_fen}) == f"{text}元"
    assert say(EN, Text.AMOUNT, {"amount": amount_fen}) == f"{text} yuan"
