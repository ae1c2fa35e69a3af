"""The OpenAPI document: valid, complete, and true, as requests made from it show."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Err
from schemathesis.specs.openapi import checks

from protocol.money_unit import YUAN
from server.config.rules import FEN_MAX, SHARES_MAX
from server.core.kinds import PacketKind, SentBy
from server.core.ledger import MOVE_FEN_MAX
from server.http_api.openapi import document
from server.http_api.routes import ROUTES
from tests.conftest import API_KEYS
from tests.http_api.client import Api
from tests.points import COINS, POINTS, yuan_in

EXAMPLES = [3, pytest.param(12, marks=pytest.mark.long)]  # of each operation
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


async def test_document_is_served_to_everyone_and_valid(api: Api) -> None:
    answer = await api.send("GET", "/openapi.json", b"", {})
    assert (answer.status, answer.json["openapi"]) == (200, "3.1.0")
    validate(answer.json)
    assert answer.json == json.loads(document(YUAN))


def test_document_of_another_unit_names_it_and_never_yuan() -> None:
    for unit in (POINTS, COINS):
        told = json.loads(document(unit))
        validate(told)
        assert told["info"]["description"].endswith(f"amounts are integers in {unit.smallest}.")
        assert told["info"]["x-money-unit"] == {
            "zh": unit.zh,
            "en": unit.en,
            "symbol": unit.symbol,
            "decimals": unit.decimals,
        }
        assert yuan_in(document(unit).decode()) == []


def test_document_says_that_a_top_up_is_for_known_users_unless_told_otherwise() -> None:
    body = json.loads(document(YUAN))["components"]["schemas"]["TopUpBody"]
    assert body["properties"]["known_only"] == {"type": "boolean", "default": True}


def test_document_has_every_route_and_an_idempotency_key_where_money_moves() -> None:
    paths = json.loads(document(YUAN))["paths"]
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
        ("POST", "/v1/wallets/{user_id}/transfer"),
        ("POST", "/v1/wallets/{user_id}/pay"),
        ("POST", "/v1/wallets/{user_id}/withdraw-to-card"),
        ("POST", "/v1/payments/{payment_id}/refund"),
        ("POST", "/v1/campaigns"),
    }
    assert all(operation["summary"] for operation in told.values())
    assert len({operation["operationId"] for operation in told.values()}) == len(told)


def test_ids_are_strings_everywhere() -> None:
    for name, schema in json.loads(document(YUAN))["components"]["schemas"].items():
        for field, kind in schema.get("properties", {}).items():
            if re.fullmatch(r".*_ids?", field):
                assert "integer" not in json.dumps(kind), (name, field)


def test_amounts_shares_and_reasons_have_their_true_bounds() -> None:
    schemas = json.loads(document(YUAN))["components"]["schemas"]

    def bounds(shape: str, field: str) -> tuple[int, int]:
        told = schemas[shape]["properties"][field]
        return told["minimum"], told["maximum"]

    assert bounds("PacketSendBody", "amount_fen") == (1, FEN_MAX)
    assert bounds("PacketSendBody", "shares") == (1, SHARES_MAX)
    assert bounds("TopUpBody", "amount_fen") == bounds("WithdrawBody", "amount_fen") == (1, MOVE_FEN_MAX)
    assert bounds("StatementShown", "change_fen") == (-(2**63), 2**63 - 1)
    assert bounds("StatementShown", "balance_fen") == (0, 2**63 - 1)
    for shape in ("EntryShown", "StatementShown"):
        assert schemas[shape]["properties"]["reason"]["enum"] == [
            *("top_up", "withdraw", "send", "claim", "refund", "pending", "posted", "voided"),
            *("charge", "payout", "payout_returned", "transfer", "pay", "correction"),
            *("card_refund", "card_refund_returned", "campaign", "campaign_returned"),
        ]
    sent = [kind.value for kind in PacketKind if kind.row.sent_by is SentBy.USERS]
    assert sorted(schemas["PacketSendBody"]["properties"]["kind"]["enum"]) == sorted(sent)
    seed = schemas["PacketSendBody"]["properties"]["client_seed"]["pattern"]
    assert [bool(re.fullmatch(seed, "00" * size)) for size in (0, 15, 16, 32, 33)] == [
        True,
        False,
        True,
        True,
        False,
    ]


def _asks_as_documented(url: str, examples: int) -> None:
    """Requests of all kinds made from the document, right and wrong ones: the answers are as documented."""
    schema = schemathesis.openapi.from_url(url + "/openapi.json")
    headers = {"Authorization": f"Bearer api.{API_KEYS['api'].hex()}"}
    asked = 0
    for found in schema.get_all_operations():
        assert not isinstance(found, Err), found
        operation = found.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(base_url=url, headers=headers, checks=CHECKS)

        ask()
    assert asked >= len(ROUTES) * examples // 2


@pytest.mark.parametrize("examples", EXAMPLES)
async def test_answers_to_requests_made_from_the_document_are_as_documented(api: Api, examples: int) -> None:
    await asyncio.to_thread(_asks_as_documented, api.url, examples)
