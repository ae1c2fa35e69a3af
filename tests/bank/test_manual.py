"""Payments by hand: nothing is asked, and an operator's word, with the name of the system user, ends them."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from pathlib import Path
from typing import NamedTuple

import pytest

from server.core.ids import IdMaker
from server.core.payments import Order, PaymentKind, Verdict
from server.ops.socket.status_socket import Peer, peer_name
from server.services.money.audit import audit
from server.services.payments.payouts import PayoutService
from server.services.payments.service import PaymentService
from storage.postgres.database import Database
from tests.bank.conftest import Sql, service_of
from tests.conftest import SEED_KEYS, Connect, Server, StartServer
from tests.ops.conftest import Ask, ask_server
from tests.server.serving import here

__all__ = ["ask_server"]
BEN = 2
ME = pwd.getpwuid(os.getuid()).pw_name


class ByHand(NamedTuple):
    """A server whose only gateway is `manual`, with a payout of 500 fen."""

    server: Server
    service: PaymentService
    number: int


@pytest.fixture
async def by_hand(start_server: StartServer, connect: Connect, sql: Sql) -> ByHand:
    server = await start_server(manual__enabled=True)
    await connect(server, BEN)
    service, services = service_of(server), server.app.services
    assert services.payments.payouts is None  # no sweep: users keep what they have
    await services.wallets.top_up(BEN, 500, "in")
    ids = IdMaker(server.app._config.server.node)
    payouts = PayoutService(
        *(service, service.gateways["manual"], ids, server.app._clock, services._bus, services.sends.gate),
        server.app.stores.sets,
    )
    await payouts.order([BEN])
    return ByHand(server, service, await sql.fetchval("SELECT number FROM payments"))


async def _state(sql: Sql, number: int) -> tuple[str, int, int]:
    row = await sql.fetchrow("SELECT state, attempts FROM payments WHERE number = $1", number)
    wallet = await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", BEN)
    assert row is not None
    return row["state"], row["attempts"], wallet


async def _is_right(database: Database) -> bool:
    found = await audit(database, SEED_KEYS)
    return not [line for finding in found.findings for line in finding.discrepancies]


async def test_payment_by_hand_is_not_asked_and_has_no_age(by_hand: ByHand, sql: Sql) -> None:
    await sql.execute("UPDATE payments SET next_try_ms = 0, created_at_ms = 1")
    payment = await by_hand.service.store.get(by_hand.number)
    assert payment is not None
    assert await by_hand.service.attempt(payment) == payment
    by_hand.service._figures_at_s = float("-inf")
    await by_hand.service._look({})
    assert await _state(sql, by_hand.number) == ("created", 0, 0)
    (figure,) = [one for one in by_hand.service.figures if one.kind]
    assert (figure.payments, figure.oldest_ms) == (1, None)


async def test_operator_confirms_a_payment_once_and_it_is_recorded_who(
    by_hand: ByHand, sql: Sql, database: Database, ask_server: Ask
) -> None:
    answer = await ask_server("conclude", by_hand.number, "confirm")
    assert answer == {"payment": str(by_hand.number), "state": "succeeded"}
    assert await _state(sql, by_hand.number) == ("succeeded", 0, 0)
    told = await ask_server("payment", by_hand.number)
    assert [(one["source"], one["verdict"]) for one in told["evidence"]] == [(f"operator {ME}", "succeeded")]
    again = await ask_server("conclude", by_hand.number, "decline", "too", "late")
    assert again["error"] == f"payment {by_hand.number} has ended: succeeded"
    assert await _is_right(database)


async def test_operator_declines_a_payment_with_a_reason_and_the_money_comes_back(
    by_hand: ByHand, sql: Sql, database: Database, ask_server: Ask
) -> None:
    answer = await ask_server("conclude", by_hand.number, "decline", "no", "such", "account")
    assert answer["state"] == "failed"
    assert await _state(sql, by_hand.number) == ("failed", 0, 500)
    told = await ask_server("payment", by_hand.number)
    assert told["reason"] == "no such account"
    assert await _is_right(database)


async def test_command_line_confirms_and_shows_a_payment(by_hand: ByHand, tmp_path: Path) -> None:
    at = "--data", tmp_path / "server0"
    both = await asyncio.to_thread(here, "payment", by_hand.number, "--confirm", "--close", *at)
    assert (both.code, "give one of" in both.stderr) == (2, True)
    done = await asyncio.to_thread(here, "payment", by_hand.number, "--confirm", "--json", *at)
    (answer,) = [line for line in done.stdout.splitlines() if line.startswith("{")]  # beside the log
    assert (done.code, json.loads(answer)["state"]) == (0, "succeeded")
    shown = await asyncio.to_thread(here, "payment", by_hand.number, *at)
    assert (shown.code, f"operator {ME}" in shown.stdout) == (0, True)
    late = await asyncio.to_thread(here, "payment", by_hand.number, "--decline", "no such account", *at)
    assert (late.code, "has ended: succeeded" in late.stderr) == (1, True)


async def test_operator_cannot_conclude_what_is_not_there_or_not_by_hand(
    by_hand: ByHand, sql: Sql, ask_server: Ask
) -> None:
    assert (await ask_server("conclude", 5, "confirm"))["error"] == "there is no payment 5"
    assert "--confirm or --decline" in (await ask_server("conclude", by_hand.number, "close"))["error"]
    await sql.execute("UPDATE payments SET gateway = 'bank'")
    answer = await ask_server("conclude", by_hand.number, "confirm")
    assert "not in the config" in answer["error"]
    assert (await _state(sql, by_hand.number))[0] == "created"


async def test_server_without_a_gateway_concludes_nothing(server: Server, ask_server: Ask) -> None:
    assert (await ask_server("conclude", 5, "confirm"))["error"] == "this server has no gateway"


async def test_gateway_by_hand_knows_nothing_by_itself(by_hand: ByHand) -> None:
    gateway = by_hand.service.gateways["manual"]
    order = Order(1 << 60, PaymentKind.CHARGE, BEN, 300)
    calls = gateway.charge, gateway.payout, gateway.query, gateway.cancel
    assert {(await call(order)).verdict for call in calls} == {Verdict.UNKNOWN}
    assert not gateway.is_away


def test_peer_is_named_as_the_system_user() -> None:
    assert peer_name(Peer(os.getuid(), 1)) == ME
    assert peer_name(Peer(2**31 - 7, 1)) == f"uid {2**31 - 7}"
    assert peer_name(Peer()) == "unknown"
