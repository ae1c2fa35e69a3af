"""Payments by hand and campaigns, concluded and ended by operators through the services."""

from __future__ import annotations

from typing import Any

import pytest

from server.core.ids import IdMaker
from server.core.office.entries import ASKED_MS
from server.services.money.audit import audit
from server.services.payments.payouts import PayoutService
from storage.postgres.database import Database
from tests.bank.conftest import service_of
from tests.bank.test_manual import BEN
from tests.campaigns.conftest import SPONSOR, SPONSOR_FEN, Festival, closed, festival, make_festival
from tests.conftest import SEED_KEYS, Connect, Server, StartServer, Turn
from tests.office.conftest import CAUSE, SERVES_OFFICE, Sit, entries, texts_in

__all__ = ["festival", "make_festival"]


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """A server with the back office, whose only gateway is `manual`."""
    return await start_server(**SERVES_OFFICE, manual__enabled=True)


@pytest.fixture
async def number(server: Server, connect: Connect, sql: Any) -> int:
    """A payout of 500 fen that waits for an operator."""
    await connect(server, BEN)
    service, services = service_of(server), server.app.services
    await services.wallets.top_up(BEN, 500, "in")
    ids = IdMaker(server.app._config.server.node)
    made = ids, server.app._clock, services._bus, services.sends.gate
    await PayoutService(service, service.gateways["manual"], *made).order([BEN])
    return int(await sql.fetchval("SELECT number FROM payments"))


async def test_payment_by_hand_is_confirmed_once_by_a_second_operator(
    sit: Sit, number: int, sql: Any, database: Database
) -> None:
    lin, wu = await sit("finance", "lin"), await sit("finance", "wu")
    path = f"/payment/{number}"
    page = await lin.get(path)
    assert "5.00 yuan" in page.text
    assert f"{path}/confirm" in page.text
    asked = await lin.post(f"{path}/confirm", **CAUSE)
    assert asked.status == 303
    assert "It waits for another operator" in (await lin.get(asked.place)).text
    assert await sql.fetchval("SELECT state FROM payments") == "created"
    own = await lin.post(f"{path}/confirm", **CAUSE)
    assert (own.status, "another operator does it" in own.text) == (409, True)
    assert "has asked for it" not in (await lin.get("/")).text
    assert "lin has asked for it (CASE-1)" in (await wu.get("/")).text
    other = await wu.post(f"{path}/confirm", case="CASE-2", reason="looks right")
    assert (other.status, "CASE-1" in other.text) == (409, True)
    assert await sql.fetchval("SELECT state FROM payments") == "created"
    assert (await wu.post(f"{path}/confirm", **CAUSE)).status == 303
    assert await sql.fetchval("SELECT state FROM payments") == "succeeded"
    page = await wu.get(path)
    assert "operator wu" in texts_in(page.text)
    assert f"{path}/confirm" not in page.text
    assert "has asked for it" not in (await wu.get("/")).text
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", BEN) == 0
    found = await audit(database, SEED_KEYS)
    assert [line for finding in found.findings for line in finding.discrepancies] == []
    ends = [one for one in await entries(sql, "asked", "done", "refused") if one[3] == "payment"]
    assert [one[:3] for one in ends] == [("lin", "confirm_payment", "asked"), ("wu", "confirm_payment", "done")]


async def test_payment_by_hand_that_is_declined_comes_back_to_its_user(sit: Sit, number: int, sql: Any) -> None:
    lin, wu = await sit("finance", "lin"), await sit("finance", "wu")
    assert (await lin.post(f"/payment/{number}/close", **CAUSE)).status == 409  # only of a bank
    for desk in (lin, wu):
        assert (await desk.post(f"/payment/{number}/decline", **CAUSE)).status == 303
    row = await sql.fetchrow("SELECT state, reason FROM payments")
    assert tuple(row) == ("failed", "asked for by phone")
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", BEN) == 500
    for desk in (lin, wu):  # it has ended: the second operator is told so
        again = await desk.post(f"/payment/{number}/confirm", **CAUSE)
    assert (again.status, "has ended: failed" in again.text) == (409, True)


async def test_payment_by_hand_what_was_asked_for_a_day_ago_is_asked_for_again(
    sit: Sit, number: int, sql: Any, turn_clock: Turn
) -> None:
    lin = await sit("finance", "lin")
    assert (await lin.post(f"/payment/{number}/confirm", **CAUSE)).status == 303
    turn_clock(ASKED_MS + 1_000)
    wu = await sit("finance", "wu")
    assert (await wu.post(f"/payment/{number}/confirm", **CAUSE)).status == 303
    assert await sql.fetchval("SELECT state FROM payments") == "created"
    assert [one[:3] for one in await entries(sql, "asked")] == [
        ("lin", "confirm_payment", "asked"),
        ("wu", "confirm_payment", "asked"),
    ]


async def test_payments_are_listed_by_state_and_of_an_unknown_one_nothing_is_told(sit: Sit, number: int) -> None:
    desk = await sit("support")
    assert str(number) in (await desk.get("/payments?state=created")).text
    assert str(number) not in (await desk.get("/payments?state=succeeded")).text
    assert str(number) in (await desk.get("/payments?state=nonsense")).text
    assert (await desk.get("/payment/7")).status == 404
    assert (await desk.post("/payment/7/confirm", **CAUSE)).status == 403  # support looks, finance confirms


async def test_campaign_is_paused_resumed_and_ended_and_the_rest_goes_back(
    sit: Sit, festival: Festival, sql: Any
) -> None:
    campaign_id = await festival.campaign(10)
    desk = await sit("finance", "lin")
    path = f"/campaign/{campaign_id}"
    assert "某超市" in (await desk.get("/campaigns")).text
    for action, stage in (("pause", "paused"), ("resume", "running"), ("end", "ended")):
        done = await desk.post(f"{path}/{action}", **CAUSE)
        assert done.status == 303, done.text
        assert stage in texts_in((await desk.get(path)).text)
    again = await desk.post(f"{path}/resume", **CAUSE)
    assert again.status == 409
    await closed(festival, campaign_id)
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", SPONSOR) == SPONSOR_FEN
    changes = [one for one in await entries(sql, "done", "refused") if one[3] == "campaign"]
    assert [one[1:3] for one in changes] == [
        ("pause_campaign", "done"),
        ("resume_campaign", "done"),
        ("end_campaign", "done"),
        ("resume_campaign", "refused"),
    ]
    await festival.assert_books_balance()


async def test_campaign_a_viewer_sees_it_without_the_name_of_its_sponsor(sit: Sit, festival: Festival) -> None:
    campaign_id = await festival.campaign(10)
    desk = await sit("viewer")
    for path in ("/campaigns", f"/campaign/{campaign_id}"):
        page = await desk.get(path)
        assert page.status == 200
        assert str(SPONSOR) in page.text
        assert "某超市" not in page.text
    assert (await desk.post(f"/campaign/{campaign_id}/end", **CAUSE)).status == 403
    assert (await desk.get("/campaign/7")).status == 404
