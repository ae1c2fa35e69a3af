"""Figures in words, for people: a value's name ends with its unit. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from server.core.texts import yuan


def humanize(name: str, value: Any) -> str:
    """A value for people; its name ends with its unit."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, dict)):
        return ", ".join(humanize(name, one) for one in value) or "none"
    if isinstance(value, str):
        return "".join(one if one.isprintable() else "?" for one in value)  # users choose the names of groups
    if name.endswith("_id"):
        return str(value)
    for unit, words in UNITS.items():
        if name.endswith(unit):
            return words(value)
    return f"{value:,}"


def within(parent: str, name: str) -> str:
    """The name of a part: without a unit of its own it has that of the whole."""
    unit = next((unit for unit in UNITS if parent.endswith(unit)), "")
    return name if any(name.endswith(one) for one in UNITS) else name + unit


def title(name: str) -> str:
    """The name itself for people, without its unit."""
    for unit in ("_at_ms", "_ms", "_fen", "_bytes", "_s"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def _moment(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().isoformat(sep=" ", timespec="seconds")


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"


UNITS: Final = {
    "at_ms": _moment,
    "since_ms": _moment,
    "_in_ms": lambda ms: f"{ms:g} ms",
    "_ms": lambda ms: f"{ms:g} ms",
    "_s": lambda s: str(timedelta(seconds=round(s))),
    "_fen": lambda fen: f"{yuan(fen)} yuan",
    "_bytes": _size,
}
