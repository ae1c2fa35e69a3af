"""The client's texts: both languages have the same fields, and every text that the code uses exists."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from string import Formatter

import pytest
from rich.cells import cell_len

import client_sim.chat
from client_sim.chat.clean import line
from client_sim.chat.commands import VERBS
from client_sim.chat.texts import TEXTS, usage
from client_sim.chat.toasts import SIMPLE
from protocol.money_unit import YUAN, MoneyUnit
from tests.cases import each

SOURCES = "\n".join(
    path.read_text(encoding="utf-8") for path in Path(client_sim.chat.__file__).parent.rglob("*.py")
)
HALF_WIDTH = re.compile(r"[一-鿿}][,.:;!?(]|[,;!?)][一-鿿{]")  # beside Chinese, punctuation is full-width
DEFAULT_GREETING = "form_default"  # as the server has it


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@each("key", TEXTS)
def test_text_in_both_languages_has_the_same_fields(key: str) -> None:
    zh, en = TEXTS[key]
    assert zh
    assert en
    assert _fields(zh) == _fields(en)


@each("key", [key for key in TEXTS if key != DEFAULT_GREETING])
def test_text_in_chinese_has_full_width_punctuation_and_amounts_in_yuan(key: str) -> None:
    zh = TEXTS[key].zh
    assert HALF_WIDTH.findall(zh) == []
    assert "¥" not in zh


def test_text_that_the_code_uses_exists() -> None:
    used = set(re.findall(r'\btext\((?:[\w.]+, )?"(\w+)"', SOURCES))
    used |= set(re.findall(r'BadCommand\(\s*"(\w+)"', SOURCES)) | set(re.findall(r'Notice\("(\w+)"', SOURCES))
    used |= set(re.findall(r'"((?:key|form|refused|state)_\w+)"', SOURCES))
    used |= {f"toast_{word}" for word in SIMPLE}
    used |= {f"{part}_{verb}" for part in ("use", "about") for verb in VERBS}
    assert len(used) > 60
    assert used <= set(TEXTS)


@pytest.mark.parametrize("verb", VERBS)
def test_text_of_a_command_fits_the_line_of_the_help_page(verb: str) -> None:
    for language, unit in product((0, 1), (YUAN, MoneyUnit("积分", "points", "", 4))):
        assert cell_len(usage(("zh", "en")[language], f"use_{verb}", unit)) <= 31
        assert cell_len(TEXTS[f"about_{verb}"][language]) <= 38


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("恭喜发财 🧧", "恭喜发财 🧧"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[2Jgone\x07", "·[2Jgone·"),
        ("\x9b31m", "·31m"),
        ("a\u202eb\u2066c\u200d", "a·b·c·"),
        ("[red]markup[/]", "[red]markup[/]"),
        ("\ud800", "·"),
    ],
)
def test_line_of_a_user_cannot_control_the_terminal(written: str, shown: str) -> None:
    assert line(written) == shown
