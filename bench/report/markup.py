"""HTML and SVG elements as text. Whatever is not markup already is escaped, so nothing can be forgotten."""

from __future__ import annotations

from html import escape
from typing import TypeAlias


class Markup(str):
    """Text that is markup already: `element` takes it is."""

    __slots__ = ()


Inside: TypeAlias = "str | Markup"


def element(name: str, *inside: Inside, **attributes: str | float) -> Markup:
    """One element: `class_` becomes class, `aria_label` aria-label; an attribute that says "" is left out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value != ""
    )
    return Markup(f"<{name}{said}>{together(*inside)}</{name}>")


def together(*parts: Inside) -> Markup:
    """Parts one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def _short(value: str | float) -> str:
    """Numbers with the precision that a screen has."""
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
