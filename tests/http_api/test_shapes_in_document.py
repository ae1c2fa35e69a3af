"""docs/http-api.md tells every field of every request and reply, and its examples are of these shapes."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, inspect

from server.http_api import numbers
from server.http_api.routes import ROUTES, Route
from server.http_api.shapes import packets
from tests.http_api.client import signed

TEXT = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text("utf-8")
EXAMPLES = [packets.PacketSendBody, packets.PacketSendReply, packets.PacketOpenBody, packets.PacketOpenReply]


def asked(shape: type[msgspec.Struct] | None) -> list[str]:
    """The fields of a request: what must be there in bold, else with what it is without it."""
    fields = msgspec.structs.fields(shape) if shape is not None else ()
    return [f"**`{one.name}`**" if one.required else f"`{one.name}`{_default(one)}" for one in fields]


def _default(field: msgspec.structs.FieldInfo) -> str:
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return "" if default is UNSET or default in ("", [], ()) else f" = {json.dumps(default)}"


def told(kind: inspect.Type) -> str:
    """The fields of a reply; round brackets: may be absent; square ones: of a list's elements."""
    if isinstance(kind, inspect.Metadata):
        return told(kind.type)
    if isinstance(kind, inspect.CollectionType):
        inner = told(kind.item_type)
        return f" [{inner}]" if inner else ""
    if not isinstance(kind, inspect.StructType):
        return ""
    fields = [f"`{one.encode_name}`{told(one.type)}" for one in kind.fields if one.required]
    perhaps = [f"`{one.encode_name}`{told(one.type)}" for one in kind.fields if not one.required]
    return ", ".join(fields + [f"({', '.join(perhaps)})"] * bool(perhaps))


def row(route: Route) -> str:
    query = [f"?{one}" for one in asked(route.query)]
    given = ", ".join(asked(route.body) + query) or "–"
    return f"| `{route.name}` | {given} | {told(inspect.type_info(route.reply))} |"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_document_tells_the_fields_of_a_request_and_of_its_reply(route: Route) -> None:
    assert row(route) in TEXT.splitlines()


def test_examples_of_a_send_and_of_an_open_have_the_shapes_of_the_server() -> None:
    section = TEXT.partition("## The kinds")[2].partition("\n## ")[0]
    examples = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    assert len(examples) == len(EXAMPLES)
    for example, shape in zip(examples, EXAMPLES, strict=True):
        given: dict[str, Any] = json.loads(example)
        msgspec.convert(given, shape, dec_hook=numbers.decode)
        assert set(given) <= set(shape.__struct_fields__)


def test_signature_of_the_document_is_that_of_its_key_and_lines() -> None:
    section = TEXT.partition("### A signature to compare with")[2].partition("\n#")[0]
    key, body, lines, mac = re.findall(r"^```(?:json)?\n(.*?)\n```$", section, re.DOTALL | re.MULTILINE)
    scheme, key_id, stamp, nonce, method, target, idempotency_key, digest = lines.split("\n")
    made = signed(
        *(method, target, body.encode()),
        idempotency_key=idempotency_key,
        key_id=key_id,
        key=bytes.fromhex(key),
        at_s=int(stamp),
        nonce=nonce,
    )
    assert made["Hongbao-Signature"] == mac
    assert (scheme, digest) == ("hongbao-http-1", hashlib.sha256(body.encode()).hexdigest())
