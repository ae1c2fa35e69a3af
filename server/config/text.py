"""The config written down as TOML: all defaults with their meaning, or what is in force and where that was said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from server.config import SECTIONS, Config, Resolved, flat, variable
from server.config.table import KEYS

COMMENT_COLUMN: Final = 40
HEAD_OF_DEFAULTS: Final = f"""\
# Everything that can be set, with its default. The environment comes before this file ({variable("section.key")}),
# the command line before both. What is marked [HUP] a running server takes over when it gets the signal HUP, all
# else needs a restart; its log names what has changed and what waits for that. A faulty file changes nothing.

"""
HEAD_OF_SHOWN: Final = """\
# What is in force, and where it was said: a file, the environment, the command line, or nowhere (default).

"""


def default_toml() -> str:
    """The whole config with its default values, each key explained: a file to start from."""
    return HEAD_OF_DEFAULTS + _toml(flat(Config()), {key: row.comment for key, row in KEYS.items()})


def show(resolved: Resolved) -> str:
    """The values in force, each with its origin, without keys and passwords."""
    values = flat(resolved.config)
    shown = {key: mask(value) if (mask := KEYS[key].mask) else value for key, value in values.items()}
    return HEAD_OF_SHOWN + _toml(shown, resolved.origins)


def _toml(values: Mapping[str, Any], comments: Mapping[str, str]) -> str:
    """Sections and keys, each value followed by its comment."""
    lines: list[str] = []
    for section in SECTIONS:
        lines.append(f"[{section}]")
        for dotted in (key for key in values if key.startswith(f"{section}.")):
            line = f"{dotted.partition('.')[2]} = {_toml_value(values[dotted])}"
            lines.append(f"{line:<{COMMENT_COLUMN}}  # {_printable(comments[dotted])}")
        lines.append("")
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    """A value as TOML: its texts are JSON's, its numbers Python's."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    return f"{value:_}" if value >= 10_000 else str(value)


def _printable(text: str) -> str:
    """A path may hold what would end a comment."""
    return "".join(one if one.isprintable() else "?" for one in text)
