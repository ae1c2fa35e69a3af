"""The OpenAPI document: valid, complete, and true, as requests made from it show."""

from __future__ import annotations

import json
import re

from openapi_spec_validator import validate

from server.http_api.openapi import document
from server.http_api.routes import ROUTES
from tests.http_api.client import Api

EXAMPLES = 12  # of each operation


async def test_document_is_served_to_everyone_and_valid(api: Api) -> None:
    answer = await api.send("GET", "/openapi.json", b"", {})
    assert (answer.status, answer.json["openapi"]) == (200, "3.1.0")
    validate(answer.json)
    assert answer.json == json.loads(document())


def test_document_has_every_route_and_an_idempotency_key_where_money_moves() -> None:
    paths = json.loads(document())["paths"]
    told = {(method.upper(), path): operation for path, one in paths.items() for method, operation in one.items()}
    assert set(told) == {(route.method, route.path) for route in ROUTES}
    keyed = {
        place
        for place, operation in told.items()
        if any(one["in"] == "header" and one["required"] for one in operation["parameters"])
    }
    assert keyed == {
        ("POST", "/v1/packets"),
        ("POST", "/v1/packets/{packet_id}/send-again"),
        ("POST", "/v1/wallets/{user_id}/top-up"),
        ("POST", "/v1/wallets/{user_id}/withdraw"),
    }
    assert all(operation["summary"] for operation in told.values())
    assert len({operation["operationId"] for operation in told.values()}) == len(told)


def test_ids_are_strings_everywhere() -> None:
    for name, schema in json.loads(document())["components"]["schemas"].items():
        for field, kind in schema.get("properties", {}).items():
            if re.fullmatch(r".*_ids?", field):
                assert "integer" not in json.dumps(kind), (name, field)
