"""From the bytes of a request to its shape. What does not fit is a problem whose detail begins with the place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

import msgspec

from protocol.codes import Refusal
from server.http_api import numbers, wording
from server.http_api.problems import Problem
from server.http_api.routes import PARAMETERS, Route
from server.undecodable import UNDECODABLE

KEY: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?")
PLACE: Final = re.compile(r"^(?P<why>.*?)(?: - at `\$(?P<place>[^`]*)`)?$", re.DOTALL)
SHOWN_MAX: Final = 40  # of a wrong value
FIELDS_MAX: Final = 16  # in a query


def path_of(texts: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a path. Raises Problem."""
    found: dict[str, Any] = {}
    for name, text in texts.items():
        kind = PARAMETERS[name]
        try:
            found[name] = numbers.decode(kind, text) if kind is not str else text
        except ValueError as error:
            raise Problem(Refusal.BAD_REQUEST, f"{name} in the path: {error}") from None
    return found


def query_of(route: Route, text: str) -> Any:
    """The query in its shape; None if the route has none. Raises Problem."""
    if not text and route.query is None:
        return None
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError:
        raise Problem(Refusal.BAD_REQUEST, "the query is not percent-encoded UTF-8") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Problem(Refusal.BAD_REQUEST, "a parameter of the query stands there twice")
    if route.query is None:
        if fields:
            raise Problem(Refusal.BAD_REQUEST, f"the query has an unknown parameter {next(iter(fields))[:32]!r}")
        return None
    try:
        return msgspec.convert(fields, route.query, strict=False)
    except msgspec.ValidationError as error:
        name, why, _ = _told(str(error), route.query)
        raise Problem(Refusal.BAD_REQUEST, f"{name} in the query: {why}") from None


def body_of(route: Route, content_type: str, charset: str | None, encoding: str, body: bytes) -> Any:
    """The body in its shape; None if the route has none. Raises Problem."""
    if route.body is None:
        if body:
            raise Problem(Refusal.BAD_REQUEST, "this request takes no body" + _place_of(route, body))
        return None
    if content_type != "application/json" or (charset or "utf-8").lower() != "utf-8":
        why = "the body is missing, and its " if not body else ""
        why += f"Content-Type must be application/json, in UTF-8, and is {content_type[:SHOWN_MAX]!a}"
        raise Problem(Refusal.BAD_REQUEST, why, status=415)
    if encoding not in ("", "identity"):
        raise Problem(Refusal.BAD_REQUEST, "the body must not be compressed", status=415)
    if not body:
        raise Problem(Refusal.BAD_REQUEST, "the body is empty; a JSON object is expected")
    try:
        return _decoder(route.body).decode(body)
    except msgspec.ValidationError as error:
        _refuse(str(error), route.body)
    except UNDECODABLE:
        raise Problem(Refusal.BAD_REQUEST, "the body is not JSON in UTF-8") from None


def _place_of(route: Route, body: bytes) -> str:
    """Where the fields of a body that should not be there belong: into the query, if it has them."""
    names = [one.encode_name for one in msgspec.structs.fields(route.query)] if route.query else []
    try:
        given = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except UNDECODABLE:
        return ""
    moved = [name for name in names if name in given]
    if not moved:
        return ""
    shown = " and ".join(f"`{name}`" for name in moved)
    return (
        f"; {shown} {'go' if len(moved) > 1 else 'goes'} into the query: ?{'&'.join(f'{one}=…' for one in moved)}"
    )


@cache
def _decoder(kind: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=numbers.decode)


def _refuse(message: str, shape: type[msgspec.Struct]) -> NoReturn:
    """Raise the problem that a message of msgspec is, such as "Expected `int`, got `str` - at `$.joined[3]`"."""
    name, why, pointer = _told(message, shape)
    raise Problem(Refusal.BAD_REQUEST, f"{name or 'the body'}: {why}", pointer=pointer)


def _told(message: str, shape: type[msgspec.Struct]) -> tuple[str, str, str]:
    """The name of the place, what is wrong there, and a JSON pointer to it."""
    found = PLACE.match(message)
    assert found is not None
    place, why = found["place"] or "", found["why"]
    name, pointer = place.removeprefix("."), re.sub(r"\[(\d+)\]", r"/\1", place).replace(".", "/")
    if field := wording.MISSING.fullmatch(why) or wording.UNKNOWN.fullmatch(why):
        name += field[1][:SHOWN_MAX]
        pointer += "/" + field[1].replace("~", "~0").replace("/", "~1")
    return name, wording.plain(why, shape, name.partition("[")[0]), pointer


def key_of(route: Route, key: str | None) -> str:
    """The idempotency key; "" where none is used. Raises Problem."""
    if not route.needs_key:
        return ""
    if key is None:
        why = "the header Idempotency-Key is missing; with the id of your message or order a repetition is harmless"
        raise Problem(Refusal.BAD_KEY, why)
    if not KEY.fullmatch(key):
        why = f"the header Idempotency-Key has 1 to 64 printable ASCII characters, and here {key[:SHOWN_MAX]!a}"
        raise Problem(Refusal.BAD_KEY, why)
    return key
