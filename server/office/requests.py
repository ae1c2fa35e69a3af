"""What is read of a request: its query, form, cookies and language, and whether another site has sent it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from server.office.context import LANGUAGES

BODY_BYTES_MAX: Final = 8_192
BODY_S: Final = 10.0
FIELDS_MAX: Final = 40
LANGUAGE_COOKIE: Final = "hongbao_office_language"


class BadForm(Exception):
    """A body cannot be read."""


def fields_of(text: str) -> dict[str, str]:
    """Names and values; of a name that comes twice the first value. What cannot be read is empty.

    No value has a zero byte, which no column of the record can hold.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="replace")
    except ValueError:
        return {}
    return {name: value.replace("\0", "\N{REPLACEMENT CHARACTER}") for name, value in reversed(pairs)}


def query_of(request: web.BaseRequest) -> dict[str, str]:
    """The query of a request."""
    return fields_of(request.raw_path.partition("?")[2])


async def form_of(request: web.BaseRequest) -> dict[str, str]:
    """The form in the body of a request. Raises BadForm."""
    if (
        request.content_type != "application/x-www-form-urlencoded"
        or (request.content_length or 0) > BODY_BYTES_MAX
    ):
        raise BadForm
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while part := await request.content.readany():
                body += part
                if len(body) > BODY_BYTES_MAX:
                    raise BadForm
    except (TimeoutError, web.RequestPayloadError, ConnectionError):
        raise BadForm from None
    return fields_of(body.decode("utf-8", "replace"))


def is_from_here(headers: Mapping[str, str]) -> bool:
    """Whether a form was sent by one of our own pages, as far as the browser says. Old browsers say nothing."""
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "same-origin")
    if site not in ("same-origin", "none"):
        return False
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("Host", "")
    except ValueError:
        return False


def language_of(request: web.BaseRequest) -> str:
    """The language of the pages: the one that was chosen, else the first that the browser asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    asked = request.headers.get("Accept-Language", "")[:200].lower().split(",")
    return next((one.strip()[:2] for one in asked if one.strip()[:2] in LANGUAGES), LANGUAGES[-1])


def own_path(path: str, otherwise: str = "/") -> str:
    """A path of the back office; any other address, such as one of another site, becomes `otherwise`."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and path.isascii()
    return path if is_own and len(path) <= 300 else otherwise
