"""The client's texts: both languages say the same things, and every text that is asked for exists."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import client_sim.chat
from client_sim.chat.app import KEYS, TOASTS
from client_sim.chat.clean import line
from client_sim.chat.commands import VERBS
from client_sim.chat.texts import TEXTS


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_have_the_same_fields(key: str) -> None:
    zh, en = TEXTS[key]
    assert zh
    assert en
    assert _fields(zh) == _fields(en)


def test_every_text_that_is_asked_for_exists() -> None:
    folder = Path(client_sim.chat.__file__).parent
    sources = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    asked = set(re.findall(r'\btext\((?:[\w.]+, )?"(\w+)"', sources))
    asked |= set(re.findall(r'(?:toast|BadCommand|_notice)\([^"\n]*"(\w+)"', sources))
    asked |= {key for _, key in KEYS} | set(re.findall(r'"(key_\w+)"', sources))
    asked |= {f"toast_{word}" for word in TOASTS}
    asked |= {f"{part}_{verb}" for part in ("use", "about") for verb in VERBS}
    assert len(asked) > 60
    assert asked <= set(TEXTS)


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
def test_what_others_wrote_cannot_touch_the_terminal(written: str, shown: str) -> None:
    assert line(written) == shown
