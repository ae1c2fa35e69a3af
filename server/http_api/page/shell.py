"""The shell of the page of a packet: one HTML file without anything of a packet, which WebViews keep.

Its name is made from its content, so it never changes under its name. A link may name the shell of another version
of the server: it gets this one, which is then not kept under that name.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from server.core.texts import TEXTS, Language, Text
from server.one_file_page import one_file_page

PATH: Final = re.compile(r"/c/([0-9a-f]{16})")
NAME: Final = "GET /c/{shell}"  # for metrics and logs
KEEP: Final = "public, max-age=31536000, immutable"
DO_NOT_KEEP: Final = "no-store"
PARTS: Final = (("style-src", "page.css"), ("script-src", "page.js"))
MORE_POLICY: Final = ("require-trusted-types-for 'script'",)
SAID_WITHOUT_SERVER: Final = (Text.LINK_IS_OVER, Text.NOT_FOR_YOU, Text.TRY_AGAIN)


class Shell(NamedTuple):
    """The shell and its name. `headers` go with it under any name."""

    name: str
    body: bytes
    headers: dict[str, str]

    def caching(self, name: str) -> str:
        """How long the shell may be kept under this name."""
        return KEEP if name == self.name else DO_NOT_KEEP


@cache
def shell() -> Shell:
    """The page with its texts, style and script inlined, and a policy that allows only these."""
    folder = Path(__file__).parent
    page = (folder / "page.html").read_text("utf-8").replace("/* texts */", _texts())
    body, policy = one_file_page(page, folder, PARTS, MORE_POLICY)
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Shell(sha256(body).hexdigest()[:16], body, headers)


def _texts() -> str:
    """What the page says when the server says nothing, by language."""
    said = {language: {text: TEXTS[language][text] for text in SAID_WITHOUT_SERVER} for language in Language}
    return msgspec.json.encode(said).decode()
