"""What chat backends do about cards over HTTP, the webhook of payments that have ended, and forgetting a user."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from client_sim.sdk import BankAway, BankDeclined, BankUnknown, NoSuchUser
from server.core.payments import Evidence, Verdict
from server.services.webhooks.bodies import RENDERERS
from tests.cards.conftest import (
    HOLDER,
    OTHER_NUMBER,
    PASSWORD,
    PHONE,
    AuditBooks,
    Bank,
    MakeStreet,
    Street,
    answer_lost,
    away,
    no_answer,
)
from tests.conftest import Turn
from tests.http_api.client import Api
from tests.services.conftest import until
from tests.webhooks.conftest import LOOPBACK, Receiver, drain_webhooks_s, make_receiver, receiver, subscribe

__all__ = ["drain_webhooks_s", "make_receiver", "receiver"]


@pytest.fixture
async def street(make_street: MakeStreet) -> Street:
    """A street whose server has the HTTP API and may send webhooks to this machine."""
    return await make_street(http_api__address="127.0.0.1:0", webhooks__allow_private=LOOPBACK)


@pytest.fixture
async def api(street: Street) -> AsyncIterator[Api]:
    """The chat backend."""
    async with Api(street.server.app.http_api.url) as api:
        yield api


async def test_cards_are_listed_without_secrets_and_unbound(street: Street, api: Api, bank: Bank) -> None:
    card = await street.bound()
    listed = await api.ok("GET", "/v1/users/1/cards")
    assert listed == {
        "user_id": "1",
        "cards": [
            {
                "card_id": str(card.card_id),
                "bank": "招商银行",
                "last4": "0128",
                "holder": "**明",
                "phone": "138****1234",
                "bound_at_ms": card.bound_at_ms,
            }
        ],
    }
    assert (await api.ok("GET", "/v1/users/2/cards"))["cards"] == []
    refused = await api("DELETE", f"/v1/users/2/cards/{card.card_id}")
    assert refused.code == "bad_card"
    for _ in range(2):
        assert await api.ok("DELETE", f"/v1/users/1/cards/{card.card_id}") == {
            "user_id": "1",
            "card_id": str(card.card_id),
        }
    assert len(bank.unbound) == 1
    assert (await street.sender.cards()).cards == []


async def test_backend_transfers_pays_and_withdraws_without_a_password(
    street: Street, api: Api, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    moved = {"to_user_id": "2", "amount_fen": 100, "text": "午饭"}
    for _ in range(2):
        done = await api.ok("POST", "/v1/wallets/1/transfer", moved, key="t")
        assert done == {"user_id": "1", "transfer": "transfer", "amount_fen": 100}
    paid = await api.ok("POST", "/v1/wallets/1/pay", {"amount_fen": 50, "text": "会员"}, key="p")
    assert paid == {"user_id": "1", "transfer": "pay", "amount_fen": 50}
    asked = {"card_id": str(card.card_id), "amount_fen": 200}
    out = await api.ok("POST", "/v1/wallets/1/withdraw-to-card", asked, key="w")
    assert out == {
        "payment_id": out["payment_id"],
        "user_id": "1",
        "kind": "payout",
        "state": "succeeded",
        "amount_fen": 200,
        "key": "w",
    }
    assert await api.ok("GET", f"/v1/payments/{out['payment_id']}") == out
    assert (await api("GET", "/v1/payments/1")).status == 404
    lines = (await api.ok("GET", "/v1/wallets/1/statement"))["lines"]
    assert [(one["reason"], one.get("text"), one.get("other_id")) for one in lines[:3]] == [
        ("payout", "招商银行 0128", None),
        ("pay", "会员", None),
        ("transfer", "午饭", "2"),
    ]
    refused = await api("POST", "/v1/wallets/1/pay", {"amount_fen": 10**6}, key="q")
    assert (refused.status, refused.code) == (409, "not_enough_money")
    assert "balance_fen of user 1 is 49650" in refused.json["detail"]
    refused = await api("POST", "/v1/wallets/1/transfer", {"to_user_id": "1", "amount_fen": 1}, key="q")
    assert (refused.status, refused.code) == (422, "bad_target")
    assert (await api("POST", "/v1/wallets/1/pay", {"amount_fen": 1})).code == "bad_key"
    sent = {"sender_id": "1", "kind": "personal", "target_id": "2", "amount_fen": 10}
    await api.ok("POST", "/v1/packets", sent, key="s")  # on behalf of a user with a card
    assert await discrepancies() == []


async def test_payment_that_has_ended_is_told_once_by_webhook(
    street: Street, bank: Bank, receiver: Receiver
) -> None:
    card = await street.bound()
    await subscribe(street.server, receiver, "shop", "payment.ended")
    sent = await street.send(card_id=card.card_id, password=PASSWORD)
    bank.faults["payout"] = [lambda _: Evidence("payout", Verdict.FAILED, "closed")]
    with pytest.raises(Exception, match="closed"):
        await street.sender.withdraw_to_card(card.card_id, 200, PASSWORD, key="w")

    async def told() -> bool:
        return len(receiver.received) >= 2

    await until(told)
    bank.faults["charge"] = [answer_lost]
    with pytest.raises(BankUnknown):
        await street.sender.top_up_by_card(card.card_id, 300, PASSWORD, key="t")
    await street.until_ended("t")

    async def all_told() -> bool:
        return len(receiver.received) >= 3

    await until(all_told)
    data = {one.data["payment_id"]: one.data for one in receiver.received}
    rows = {row["key"]: str(row["number"]) for row in await street.sql.fetch("SELECT * FROM payments")}
    about = {"user_id": "1", "card_id": str(card.card_id), "number": 1, "previous": 0}
    assert data == {
        rows["k"]: {
            **about,
            "payment_id": rows["k"],
            "kind": "charge",
            "state": "succeeded",
            "amount_fen": 300,
            "key": "k",
            "packet_id": str(sent.packet_id),
        },
        rows["w"]: {
            **about,
            "payment_id": rows["w"],
            "kind": "payout",
            "state": "failed",
            "amount_fen": 200,
            "key": "w",
            "reason": "closed",
        },
        rows["t"]: {
            **about,
            "payment_id": rows["t"],
            "kind": "charge",
            "state": "succeeded",
            "amount_fen": 300,
            "key": "t",
        },
    }
    assert "payment.ended" in RENDERERS


# --- forget ---------------------------------------------------------------------------------------------------


async def test_forgotten_user_has_no_name_no_cards_and_the_same_money(
    street: Street, bank: Bank, discrepancies: AuditBooks, turn_clock: Turn
) -> None:
    await street.backend.put_users({1: "Wang Xiaoming"})
    card = await street.bound()
    await street.bound(number=OTHER_NUMBER)
    await street.sender.bind_card("5500005555555559", HOLDER, PHONE)  # begun, and never confirmed
    bank.declines["4000000000000002"] = "no such card"
    with pytest.raises(BankDeclined):
        await street.sender.bind_card("4000000000000002", HOLDER, PHONE)
    await street.sender.unbind_card(card.card_id, PASSWORD)
    other = (await street.sender.cards()).cards[0]
    await street.sender.top_up_by_card(other.card_id, 300, PASSWORD)
    await street.backend.forget_user(1)
    await street.backend.forget_user(1)  # again is harmless
    assert len(bank.unbound) == 2
    assert (await street.sender.cards()).cards == []
    assert not (await street.sender.cards()).has_password
    assert (await street.ben.names([1])).names == [""]
    assert await street.sql.fetchval("SELECT count(*) FROM cards WHERE sealed IS NOT NULL") == 0
    assert await street.sql.fetchval("SELECT count(*) FROM card_challenges") == 0
    assert await street.sql.fetchval("SELECT count(*) FROM bind_attempts") == 0
    assert await street.sender.balance() == 50_300
    line = (await street.sender.statement()).lines[0]
    assert (line.reason, line.text) == ("charge", "招商银行 1111")
    assert await discrepancies() == []
    turn_clock(60_000)
    await street.bound()  # a new beginning, with a new password


async def test_forget_waits_for_open_payments_and_for_the_bank(street: Street, bank: Bank) -> None:
    card = await street.bound()
    bank.faults["payout"] = [no_answer]
    await street.sender.withdraw_to_card(card.card_id, 200, PASSWORD, key="w")
    bank.faults["unbind"] = [away]
    with pytest.raises(BankAway):
        await street.backend.forget_user(1)
    with pytest.raises(BankUnknown):
        await street.backend.forget_user(1)
    assert await street.sql.fetchval("SELECT count(*) FROM cards WHERE sealed IS NULL") == 0
    await street.until_ended("w")
    await street.backend.forget_user(1)


async def test_forget_over_http_and_for_known_users_only(street: Street, api: Api) -> None:
    await street.bound()
    assert await api.ok("POST", "/v1/users/1/forget") == {"user_id": "1"}
    assert (await api("POST", "/v1/users/77/forget")).code == "no_such_user"
    with pytest.raises(NoSuchUser):
        await street.backend.forget_user(78)
    assert (await api.ok("GET", "/v1/users/1/cards"))["cards"] == []
