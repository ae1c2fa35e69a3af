"""From the bytes of a request to its shape. What does not fit is a problem that names the place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

import msgspec

from protocol.codes import Refusal
from server.http_api import numbers
from server.http_api.problems import Problem
from server.http_api.routes import PARAMETERS, Route

KEY: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?")
PLACE: Final = re.compile(r"^(?P<why>.*?)(?: - at `\$(?P<place>[^`]*)`)?$", re.DOTALL)
FIELD: Final = re.compile(r"(?:unknown|missing required) field `([^`]*)`")
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
        raise Problem(Refusal.BAD_REQUEST, f"the query: {error}") from None


def body_of(route: Route, content_type: str, charset: str | None, encoding: str, body: bytes) -> Any:
    """The body in its shape; None if the route has none. Raises Problem."""
    if route.body is None:
        if body:
            raise Problem(Refusal.BAD_REQUEST, "this request has no body")
        return None
    if content_type != "application/json" or (charset or "utf-8").lower() != "utf-8":
        raise Problem(Refusal.BAD_REQUEST, "the body must be application/json in UTF-8", status=415)
    if encoding not in ("", "identity"):
        raise Problem(Refusal.BAD_REQUEST, "the body must not be compressed", status=415)
    try:
        return _decoder(route.body).decode(body)
    except msgspec.ValidationError as error:
        _refuse(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(Refusal.BAD_REQUEST, "the body is not JSON in UTF-8") from None


@cache
def _decoder(kind: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=numbers.decode)


def _refuse(message: str) -> NoReturn:
    """Raise the problem that a message of msgspec is, such as "Expected `int`, got `str` - at `$.joined[3]`"."""
    found = PLACE.match(message)
    assert found is not None
    place = re.sub(r"\[(\d+)\]", r"/\1", found["place"] or "").replace(".", "/")
    if field := FIELD.search(found["why"]):
        place += "/" + field[1].replace("~", "~0").replace("/", "~1")
    raise Problem(Refusal.BAD_REQUEST, found["why"], pointer=place)


def key_of(route: Route, key: str | None) -> str:
    """The idempotency key; "" where none is used. Raises Problem."""
    if not route.needs_key:
        return ""
    if key is None or not KEY.fullmatch(key):
        raise Problem(Refusal.BAD_KEY, "the header Idempotency-Key has 1 to 64 printable ASCII characters")
    return key
