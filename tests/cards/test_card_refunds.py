"""Card refunds: a charge goes back to its card, once per key, never more than it was, money only on proof."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from client_sim.sdk import (
    BadAmount,
    BankAway,
    BankDeclined,
    BankUnknown,
    Forbidden,
    KeyReused,
    LimitReached,
    NotAMember,
    NotEnoughMoney,
    Refusal,
)
from client_sim.sdk.client import Client
from protocol import messages
from server.core.payments import Evidence, Verdict
from server.gateways.port import Capabilities
from tests.cards.conftest import (
    HAVE_FEN,
    PASSWORD,
    AuditBooks,
    Bank,
    MakeStreet,
    Street,
    answer_lost,
    away,
    no_answer,
)
from tests.cards.test_payments_by_card import fen, transfers
from tests.conftest import Connect, StartServer
from tests.http_api.client import Api


@pytest.fixture
async def api(make_street: MakeStreet) -> AsyncIterator[tuple[Street, Api]]:
    """A street whose server has the HTTP API, and its chat backend."""
    street = await make_street(http_api__address="127.0.0.1:0")
    async with Api(street.server.app.http_api.url) as api:
        yield street, api


async def topped_up(street: Street, amount_fen: int = 1_000, key: str = "top") -> int:
    """The number of a top-up by a card of the sender, who has none yet."""
    card = await street.bound()
    return (await street.sender.top_up_by_card(card.card_id, amount_fen, PASSWORD, key=key)).payment_id


async def on_card(bank: Bank) -> int:
    """What is on the one card that was bound."""
    (held,) = bank.fen.values()
    return held


async def test_card_refund_leaves_the_wallet_at_once_and_goes_to_the_card_on_success(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    charge = await topped_up(street)
    bank.faults["refund"] = [answer_lost]
    asked = await street.backend.refund_to_card(charge, 400, key="r")
    assert asked.state == "unknown"
    assert await fen(street) == 50_600
    assert await transfers(street.sql) == [(9, 0, 1, 1_000), (16, 1, -2, 400)]
    row = await street.until_ended("r")
    assert (row["kind"], row["of_number"], row["state"]) == ("refund", charge, "succeeded")
    again = await street.backend.refund_to_card(charge, 400, key="r")
    assert (again.state, again.payment_id) == ("succeeded", asked.payment_id)
    assert await transfers(street.sql) == [(9, 0, 1, 1_000), (11, -2, 0, 400), (16, 1, -2, 400)]
    assert await on_card(bank) == HAVE_FEN - 600
    lines = (await street.sender.statement()).lines
    assert [(line.reason, line.change_fen, line.text) for line in lines] == [
        ("card_refund", -400, "招商银行 0128"),
        ("charge", 1_000, "招商银行 0128"),
        ("top_up", 50_000, ""),
    ]
    assert await discrepancies() == []


async def test_card_refund_that_the_bank_declines_comes_back_and_may_be_tried_again(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    charge = await topped_up(street)
    bank.faults["refund"] = [lambda _: Evidence("refund", Verdict.FAILED, "the account is closed")]
    for _ in range(2):
        with pytest.raises(BankDeclined, match="closed"):
            await street.backend.refund_to_card(charge, 1_000, key="r")
    assert await fen(street) == 51_000
    reasons = [line.reason for line in (await street.sender.statement()).lines]
    assert reasons == ["card_refund_returned", "card_refund", "charge", "top_up"]
    assert (await street.backend.refund_to_card(charge, 1_000, key="another")).state == "succeeded"
    assert await on_card(bank) == HAVE_FEN
    assert await discrepancies() == []


async def test_card_refund_that_timed_out_is_not_returned_and_paid_too(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    charge = await topped_up(street)
    bank.faults["refund"] = [answer_lost]
    bank.faults["query"] = [no_answer, lambda _: Evidence("query", Verdict.NOT_FOUND)]
    await street.backend.refund_to_card(charge, 400, key="r")
    assert (await street.until_ended("r"))["state"] == "succeeded"
    assert bank.done("refund") == [(400, "succeeded")]
    assert await fen(street) == 50_600
    assert await discrepancies() == []


async def test_card_refunds_are_never_more_than_their_charge(street: Street, bank: Bank) -> None:
    charge = await topped_up(street)
    with pytest.raises(LimitReached, match="1000 fen of the charge are not given back yet"):
        await street.backend.refund_to_card(charge, 1_001)
    await street.backend.refund_to_card(charge, 300)
    bank.faults["refund"] = [no_answer]
    await street.backend.refund_to_card(charge, 600)  # not known yet, so it counts
    with pytest.raises(LimitReached, match="100 fen"):
        await street.backend.refund_to_card(charge, 101)
    await street.backend.refund_to_card(charge, 100)
    assert await fen(street) == 50_000


async def test_card_refunds_at_once_give_a_charge_back_once(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    charge = await topped_up(street)
    results = await asyncio.gather(
        *(street.backend.refund_to_card(charge, 1_000, key=f"r{one}") for one in range(12)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, messages.RefundedToCard) for one in results) == 1
    assert sum(isinstance(one, LimitReached) for one in results) == 11
    assert bank.done("refund") == [(1_000, "succeeded")]
    assert (await fen(street), await on_card(bank)) == (50_000, HAVE_FEN)
    assert await discrepancies() == []


async def test_card_refund_at_two_servers_with_one_key_is_made_once(
    street: Street, bank: Bank, start_server: StartServer, connect: Connect
) -> None:
    charge = await topped_up(street)
    other: Client = await connect(await start_server(), 0)
    asked = [client.refund_to_card(charge, 400, key="r") for client in (street.backend, other) for _ in range(4)]
    results = await asyncio.gather(*asked)
    assert len({one.payment_id for one in results}) == 1
    assert bank.done("refund") == [(400, "succeeded")]
    assert await fen(street) == 50_600


async def test_card_refund_goes_to_a_card_that_is_not_bound_any_more(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    charge = await topped_up(street)
    await street.sender.unbind_card((await street.sender.cards()).cards[0].card_id, PASSWORD)
    assert (await street.backend.refund_to_card(charge, 1_000)).state == "succeeded"
    assert await on_card(bank) == HAVE_FEN
    assert await discrepancies() == []


async def test_money_of_a_packet_that_could_not_be_sent_goes_back_to_its_card(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound(street.ben)
    bank.faults["charge"] = [answer_lost]
    packet = "lucky", street.group, 300, 3
    with pytest.raises(BankUnknown):
        await street.ben.send_packet(*packet, key="k", card_id=card.card_id, password=PASSWORD)
    await street.sender.remove_member(street.group, 2)
    charge = await street.until_ended("k")
    assert charge["reason"] == "not_a_member"
    assert (await street.backend.refund_to_card(charge["number"], 300)).state == "succeeded"
    assert (await fen(street, 2), await on_card(bank)) == (50_000, HAVE_FEN)
    with pytest.raises(NotAMember):  # the key still says why
        await street.ben.send_packet(*packet, key="k", card_id=card.card_id)
    assert await discrepancies() == []


async def test_card_refund_that_may_not_be_is_refused_and_records_nothing(street: Street, bank: Bank) -> None:
    charge = await topped_up(street)
    card = (await street.sender.cards()).cards[0].card_id
    payout = (await street.sender.withdraw_to_card(card, 100, PASSWORD)).payment_id
    bank.faults["charge"] = [no_answer]
    bank.faults["query"] = [no_answer] * 100
    with pytest.raises(BankUnknown):
        await street.sender.top_up_by_card(card, 500, PASSWORD, key="open")
    unknown = (await street.payment("open"))["number"]
    for number, why in (
        (payout, "no such charge"),
        (charge + 1, "no such charge"),
        (unknown, "has not succeeded"),
    ):
        with pytest.raises(Refusal, match=why):
            await street.backend.refund_to_card(number, 100)
    with pytest.raises(BadAmount):
        await street.backend.refund_to_card(charge, 0)
    with pytest.raises(Refusal, match="bad_key"):
        await street.backend.refund_to_card(charge, 1, key="x" * 65)
    with pytest.raises(Forbidden):
        await street.sender.refund_to_card(charge, 100)
    await street.backend.withdraw(1, await fen(street) - 399)
    with pytest.raises(NotEnoughMoney):
        await street.backend.refund_to_card(charge, 400)
    bank.is_away = True
    with pytest.raises(BankAway):
        await street.backend.refund_to_card(charge, 100)
    assert bank.done("refund") == []
    assert await street.sql.fetchval("SELECT count(*) FROM payments WHERE kind = 'refund'") == 0


async def test_card_refund_key_is_used_for_one_charge_and_amount(street: Street) -> None:
    charge = await topped_up(street)
    card = (await street.sender.cards()).cards[0].card_id
    other = (await street.sender.top_up_by_card(card, 500, PASSWORD)).payment_id
    await street.backend.refund_to_card(charge, 100, key="top")  # keys of charges are others
    for number, amount_fen in ((charge, 101), (other, 100)):
        with pytest.raises(KeyReused):
            await street.backend.refund_to_card(number, amount_fen, key="top")


async def test_gateway_that_gives_nothing_back_refuses(street: Street, bank: Bank) -> None:
    charge = await topped_up(street)
    bank.capabilities = Capabilities(takes_cards=True)
    with pytest.raises(Refusal, match="gives nothing back"):
        await street.backend.refund_to_card(charge, 100)


async def test_card_refund_does_not_count_for_the_day(make_street: MakeStreet) -> None:
    street = await make_street(payments__day_limit_fen=1_500)
    charge = await topped_up(street)
    await street.backend.refund_to_card(charge, 1_000)
    card = (await street.sender.cards()).cards[0].card_id
    await street.sender.top_up_by_card(card, 500, PASSWORD)
    with pytest.raises(LimitReached):  # the charge stays counted
        await street.sender.top_up_by_card(card, 1, PASSWORD)


async def test_forget_waits_for_an_open_card_refund(street: Street, bank: Bank) -> None:
    charge = await topped_up(street)
    bank.faults["refund"] = [no_answer]
    await street.backend.refund_to_card(charge, 100, key="r")
    bank.faults["unbind"] = [away]
    with pytest.raises(BankAway):
        await street.backend.forget_user(1)
    with pytest.raises(BankUnknown):
        await street.backend.forget_user(1)
    await street.until_ended("r")
    await street.backend.forget_user(1)


async def test_card_refund_over_http_names_its_charge(api: tuple[Street, Api]) -> None:
    street, calls = api
    charge = await topped_up(street)
    path = f"/v1/payments/{charge}/refund"
    about = {"user_id": "1", "kind": "refund", "state": "succeeded", "amount_fen": 400, "key": "r"}
    made = await calls.ok("POST", path, {"amount_fen": 400}, key="r")
    assert made == {**about, "payment_id": made["payment_id"], "of_payment_id": str(charge)}
    assert await calls.ok("POST", path, {"amount_fen": 400}, key="r") == made
    assert await calls.ok("GET", f"/v1/payments/{made['payment_id']}") == made
    assert (await calls("POST", path, {"amount_fen": 601}, key="s")).code == "limit"
    other = f"/v1/payments/{charge + 1}/refund"
    assert (await calls("POST", other, {"amount_fen": 1}, key="s")).code == "bad_target"


async def test_posts_of_one_key_at_once_over_http_have_the_same_whole_answer(
    api: tuple[Street, Api], bank: Bank
) -> None:
    street, calls = api
    charge = await topped_up(street)
    card = (await street.sender.cards()).cards[0].card_id
    for path, body, verb in (
        (f"/v1/payments/{charge}/refund", {"amount_fen": 400}, "refund"),
        ("/v1/wallets/1/withdraw-to-card", {"card_id": str(card), "amount_fen": 300}, "payout"),
    ):
        posts = (calls.ok("POST", path, body, key="same") for _ in range(8))
        answers = await asyncio.gather(*posts)
        states = {one.pop("state") for one in answers}  # how far it is when each answer is made
        assert states <= {"created", "submitted", "succeeded"}
        assert answers == [answers[0]] * 8
        assert answers[0]["payment_id"] == str((await street.payment("same"))["number"])
        assert bank.done(verb) == [(body["amount_fen"], "succeeded")]
        await street.sql.execute("UPDATE payments SET key = 'other' WHERE key = 'same'")


# --- the books ------------------------------------------------------------------------------------------------

PLANTED = {
    "more than the charge": (
        "UPDATE payments SET amount_fen = 399 WHERE key = 'top'",
        "of 399 fen is given back with 400 fen",
    ),
    "a refund of another user's charge": (
        "UPDATE payments SET user_id = 2 WHERE key = 'r'",
        "which is no charge of the same user and card that has succeeded",
    ),
    "a refund of nothing": (
        "UPDATE payments SET of_number = number WHERE key = 'r'",
        "which is no charge of the same user and card that has succeeded",
    ),
    "a refund without its transfer": (
        "UPDATE payments SET amount_fen = 401 WHERE key = 'r'",
        "the transfer of kind 16 from 1 to -2 moved",
    ),
    "a refund that came back and did not": (
        "INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)"
        " SELECT -2, 1, 17, number::text, 400, 0 FROM payments WHERE key = 'r'",
        "its state says nothing, the transfer of kind 17 from -2 to 1 moved 400 fen",
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_planted_discrepancy_of_card_refunds_is_named(
    street: Street, discrepancies: AuditBooks, planted: str
) -> None:
    charge = await topped_up(street)
    await street.backend.refund_to_card(charge, 400, key="r")
    assert await discrepancies() == []
    statement, named = PLANTED[planted]
    await street.sql.execute(statement)
    assert any(named in line for line in await discrepancies())


async def test_database_refuses_a_refund_without_a_charge(street: Street) -> None:
    await topped_up(street)
    await street.backend.refund_to_card((await street.payment("top"))["number"], 400, key="r")
    for change in ("of_number = NULL", "card_id = NULL", "kind = 'payout'"):
        with pytest.raises(asyncpg.CheckViolationError):
            await street.sql.execute(f"UPDATE payments SET {change} WHERE key = 'r'")
