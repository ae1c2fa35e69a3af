"""Values as text for people. The name of a value ends with its unit. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from protocol.money_unit import MoneyUnit

FEN: Final = "_fen"  # an amount


def humanize(name: str, value: Any, money: MoneyUnit | None = None) -> str:
    """A value as text. Amounts need `money`, the unit of the server that they come from."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, dict)):
        return ", ".join(humanize(name, one, money) for one in value) or "none"
    if isinstance(value, str):
        return "".join(one if one.isprintable() else "?" for one in value)  # users choose names: no control codes
    if name.endswith("_id") or name == "pid":
        return str(value)
    if name.endswith(FEN):
        assert money is not None, name
        return money.full("en", value)
    for unit, as_text in UNITS.items():
        if name.endswith(unit):
            return as_text(value)
    return f"{value:,}"


def with_unit_of(parent: str, name: str) -> str:
    """A part without a unit gets the unit of its parent: `sent` in `money_fen` becomes `sent_fen`."""
    unit = next((unit for unit in (FEN, *UNITS) if parent.endswith(unit)), "")
    return name if any(name.endswith(one) for one in (FEN, *UNITS)) else name + unit


def title(name: str) -> str:
    """A name as a label: without its unit."""
    for unit in ("_at_ms", "_ms", FEN, "_bytes", "_s"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def _time(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().isoformat(sep=" ", timespec="seconds")


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"


UNITS: Final = {
    "at_ms": _time,
    "since_ms": _time,
    "_in_ms": lambda ms: f"{ms:g} ms",
    "_ms": lambda ms: f"{ms:g} ms",
    "_s": lambda s: str(timedelta(seconds=round(s))),
    "_bytes": _size,
}
