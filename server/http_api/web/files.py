"""The built files of the app as they are served: one page with its style and script inlined, and what is beside it.

The page is asked for again each time and answered with 304 while it is the same; its worker keeps it for times
without a network. Its content security policy allows its own style and script, and one address to connect to.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from server.one_file_page import one_file_page

FOLDER: Final = Path(__file__).parent / "built"
PAGE: Final = "app.html"
PARTS: Final = (("style-src", "shell.css"), ("style-src", "app.css"), ("script-src", "app.js"))
WEBSOCKET: Final = "/* websocket */"  # in the page, replaced by the url of the WebSocket
TITLE: Final = "<title>"  # before it stands the hint about cards
MORE_POLICY: Final = (
    "require-trusted-types-for 'script'",
    "trusted-types hongbao",
    "worker-src 'self'",
    "manifest-src 'self'",
)
WORKER_POLICY: Final = "default-src 'none'; connect-src 'self'"
HTML: Final = "text/html; charset=utf-8"
BESIDE: Final = {  # the other files, with their types
    "sw.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "app.webmanifest": "application/manifest+json",
}
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "accelerometer=(self), gyroscope=(self)",  # to shake the phone
    "Vary": "Accept-Encoding",
}


class WebFile(NamedTuple):
    """A file with its headers; `tag` names its content."""

    body: bytes
    zipped: bytes
    tag: str
    headers: Mapping[str, str]


def files(websocket: str, card_hint: str = "") -> dict[str, WebFile]:
    """The files by name, the page under "". `websocket`: where the page connects. Raises OSError.

    `card_hint`: what the page shows where a card is bound, in Chinese and English with ` | ` between; "" for none.
    """
    page = (FOLDER / PAGE).read_text("utf-8").replace(WEBSOCKET, escape(websocket))
    if card_hint:
        hint = f'<meta name="hongbao-card-hint" content="{escape(card_hint)}">'
        page = page.replace(TITLE, f"{hint}\n{TITLE}", 1)
    connect = f"'self' {websocket}"
    body, policy = one_file_page(page, FOLDER, PARTS, MORE_POLICY, connect=connect, images="'self'")
    found = {"": _file(body, HTML, policy)}
    for name, kind in BESIDE.items():
        found[name] = _file((FOLDER / name).read_bytes(), kind, WORKER_POLICY)
    return found


def _file(body: bytes, kind: str, policy: str) -> WebFile:
    headers = {**HEADERS, "Content-Type": kind, "Content-Security-Policy": policy}
    tag = sha256(body + policy.encode()).hexdigest()[:32]
    return WebFile(body, zipped(body), f'"{tag}"', headers)


def zipped(body: bytes) -> bytes:
    """As it travels, by gzip, in blocks of 4,096 symbols: texts and script each have a code of their own."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 6)
    return packing.compress(body) + packing.flush()
