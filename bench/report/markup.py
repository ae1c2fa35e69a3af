"""HTML and SVG elements as text. Text that is not markup yet is always escaped."""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is markup already: `element` does not escape it."""

    __slots__ = ()


def element(name: str, *inside: str, **attributes: str | float) -> Markup:
    """One element: `class_` becomes class, `aria_label` aria-label; an attribute with the value "" is left out."""
    texts = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"'
        for key, value in attributes.items()
        if value != ""
    )
    return Markup(f"<{name}{texts}>{together(*inside)}</{name}>")


def together(*parts: str) -> Markup:
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def _attribute(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
