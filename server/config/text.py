"""The config as TOML: all defaults with their meaning, or the values in force with the source of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from server.config.flat_values import SECTIONS, flat
from server.config.loading import Resolved, variable
from server.config.table import KEYS
from server.config.values import Config

COMMENT_COLUMN: Final = 40
HEAD_OF_DEFAULTS: Final = f"""\
# Every setting with its default. The environment ({variable("section.key")}) overrides this file, the command line
# overrides both. A running server takes over the keys marked [HUP] when it receives SIGHUP; all others need a
# restart. Its log names the keys that changed and those that need a restart. An invalid file changes nothing.

"""
HEAD_OF_SHOWN: Final = """\
# The values in force and where each value comes from: a file, the environment, the command line, or the default.

"""


def default_toml() -> str:
    """The whole config with its default values, each key explained, as a file to start from."""
    return HEAD_OF_DEFAULTS + _toml(flat(Config()), {key: row.comment for key, row in KEYS.items()})


def show(resolved: Resolved) -> str:
    """The values in force, each with its source; keys and passwords are masked."""
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
    """A value as TOML: texts as in JSON, numbers as in Python."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    return f"{value:_}" if value >= 10_000 else str(value)


def _printable(text: str) -> str:
    """Text without characters that would end a comment: a path may hold a line break."""
    return "".join(one if one.isprintable() else "?" for one in text)
