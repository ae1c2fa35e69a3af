"""Markup that is built of elements, so every text in it is escaped: there is no other way into a page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias

VOID: Final = frozenset({"input", "meta", "link", "br", "hr", "img"})
# Signs that turn the direction of the text around them, or hide: a name could dress up as another text.
_INVISIBLE: Final = {
    ord(sign): None
    for sign in "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
}


class Html(str):
    """Markup. Any other string is text, and is escaped where it comes into an element."""

    __slots__ = ()


Part: TypeAlias = "str | int | Iterable[Part] | None"
NOTHING: Final = Html("")


def text(value: object) -> str:
    """A value as text that a page can hold: nothing that turns or hides other text, no control."""
    shown = str(value).translate(_INVISIBLE)
    return "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in shown)


def html(*parts: Part) -> Html:
    """Parts one after the other: markup as it is, the rest as text."""
    return Html("".join(_rendered(part) for part in parts))


def el(name: str, /, *parts: Part, **attributes: object) -> Html:
    """An element. In names of attributes `_` stands for `-`, and one at the end is dropped (`class_`).

    An attribute that is True has no value; one that is None or False is left out.
    """
    shown = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    return Html(f"<{name}{shown}>" if name in VOID else f"<{name}{shown}>{html(*parts)}</{name}>")


def link(path: str, *parts: Part, **attributes: object) -> Html:
    """A link to another page of the back office. Raises ValueError for any other address."""
    if not path.startswith("/") or path.startswith(("//", "/\\")):
        raise ValueError(f"{path!r} does not lead to a page of the back office")
    return el("a", *parts, href=path, **attributes)


def named(name: str, **attributes: object) -> Html:
    """A name that a user chose: its direction ends with it, whatever it is written in."""
    return el("bdi", name, **attributes)


def table(head: Iterable[Part], rows: Iterable[Iterable[Part]], kind: str = "") -> Html:
    """A table that scrolls by itself where it is too wide. Cells are parts."""
    titles = [el("th", one, scope="col") for one in head]
    lines = [el("tr", [el("td", cell) for cell in row]) for row in rows]
    inner = el("table", el("thead", el("tr", titles)), el("tbody", lines), class_=kind or None)
    return el("div", inner, class_="scroll", tabindex="0")


def facts(rows: Iterable[tuple[str, Part]]) -> Html:
    """Names and values, side by side."""
    return el("dl", [el("div", el("dt", name), el("dd", value)) for name, value in rows], class_="facts")


def _rendered(part: Part) -> str:
    if part is None:
        return ""
    if isinstance(part, Html):
        return str(part)
    if isinstance(part, str | int):
        return escape(text(part))
    return "".join(_rendered(one) for one in part)


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(text(value))}"'
