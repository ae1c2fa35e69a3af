"""Markup whose texts are escaped, and a page in one file: its style inside, and a policy that allows nothing else.

Names and greetings are written by users. They come into a page through `text` alone; the policy would stop what
slipped through all the same.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
# Signs that turn the direction of the text around them, or hide: a name could dress up as another text.
_INVISIBLE: Final = {
    ord(sign): None for sign in "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
}


def text(value: object) -> str:
    """Any value as text of a page or of an attribute in quotes."""
    shown = str(value).translate(_INVISIBLE)
    return escape("".join(sign if sign.isprintable() else " " for sign in shown))


def tag(name: str, inner: str, kind: str = "", **attributes: object) -> str:
    """An element around `inner`, which is markup already. `kind`: its class; `_` in names stands for `-`."""
    more = "".join(f' {key.replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
    shown = f' class="{text(kind)}"' if kind else ""
    return f"<{name}{shown}{more}>{inner}</{name}>"


def table(head: list[str], rows: list[list[str]], kind: str = "") -> str:
    """A table of texts; the first column is a name, the others are numbers."""
    top = tag("tr", "".join(tag("th", text(cell), scope="col") for cell in head))
    body = "".join(
        tag("tr", tag("th", text(row[0]), scope="row") + "".join(tag("td", text(cell)) for cell in row[1:]))
        for row in rows
    )
    return tag("div", tag("table", tag("thead", top) + tag("tbody", body), kind), "scroll")


def page(title: str, language: str, body: str, style_file: str) -> str:
    """A whole page. Its style is a file of this folder."""
    style = (FOLDER / style_file).read_text("utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    shown = "zh-CN" if language == "zh" else language
    return (
        f'<!doctype html>\n<html lang="{shown}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
