"""Packets paid by card, top-ups, withdrawals: each once per key, money only on proof."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from client_sim.sdk import (
    BadAmount,
    BankAway,
    BankDeclined,
    BankUnknown,
    KeyReused,
    LimitReached,
    NotAMember,
    NotEnoughMoney,
    PasswordNeeded,
    Refusal,
)
from client_sim.sdk.pushes import MissedChanges
from protocol import messages
from server.core.payments import Evidence, Verdict
from server.gateways.port import Capabilities
from tests.cards.conftest import (
    HAVE_FEN,
    OTHER_NUMBER,
    PASSWORD,
    AuditBooks,
    Bank,
    MakeStreet,
    Street,
    answer_lost,
    no_answer,
)
from tests.conftest import PATIENCE_S, Connect, Turn
from tests.ops.conftest import Ask, ask_server
from tests.services.conftest import until
from tests.services.test_outbox import first

__all__ = ["ask_server"]


async def fen(street: Street, user_id: int = 1) -> int:
    """What is in a wallet."""
    return int(await street.sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", user_id))


async def on_card(street: Street, bank: Bank) -> int:
    """What is on the sender's card."""
    token = await street.server.app.services.cards.service.token_of(
        (await street.server.app.services.payments.attempts.store.newest(1, "", 1))[0]  # type: ignore[union-attr]
    )
    return bank.fen[token]


async def transfers(sql: Any) -> list[tuple[int, int, int, int]]:
    rows = await sql.fetch(
        """SELECT kind, debit_account, credit_account, amount_fen FROM transfers
           WHERE kind <> 1 ORDER BY kind"""
    )
    return [tuple(row) for row in rows]


# --- a packet -------------------------------------------------------------------------------------------------


async def test_packet_is_paid_by_the_card_alone_also_if_the_wallet_has_enough(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    sent = await street.send(card_id=card.card_id, password=PASSWORD)
    assert await fen(street) == 50_000
    assert await on_card(street, bank) == HAVE_FEN - 300
    assert await transfers(street.sql) == [(3, 1, sent.packet_id, 300), (9, 0, 1, 300)]
    payment = await street.payment()
    assert (payment["packet_id"], payment["card_id"], payment["gateway"]) == (sent.packet_id, card.card_id, "bank")
    assert (await street.ben.open(sent.packet_id)).answer == "won"
    assert await discrepancies() == []


async def test_packet_with_more_than_the_wallet_holds_is_paid_by_card_as_a_whole(
    street: Street, bank: Bank
) -> None:
    card = await street.bound()
    with pytest.raises(NotEnoughMoney):
        await street.sender.send_packet("lucky", street.group, 55_000, 3, key="w", password=PASSWORD)
    await street.sender.send_packet(
        "lucky", street.group, 55_000, 3, key="w", card_id=card.card_id, password=PASSWORD
    )
    assert bank.done("charge") == [(55_000, "succeeded")]
    assert await fen(street) == 50_000


async def test_packet_by_card_asked_again_is_the_same_packet_and_needs_no_password(
    street: Street, bank: Bank
) -> None:
    card = await street.bound()
    first = await street.send(card_id=card.card_id, password=PASSWORD, client_seed=b"s" * 16)
    again = await street.send(card_id=card.card_id, client_seed=b"t" * 16)
    assert again == messages.PacketSent(again.seq, *_fields(first))
    assert len(bank.orders) == 1
    for other in (
        street.send(amount_fen=301, card_id=card.card_id, password=PASSWORD),
        street.send(),
        street.sender.top_up_by_card(card.card_id, 300, PASSWORD, key="k"),
    ):
        with pytest.raises(KeyReused):
            await other


def _fields(message: messages.PacketSent) -> list[Any]:
    return [getattr(message, name) for name in message.__struct_fields__[1:]]


async def test_packet_key_that_the_wallet_has_paid_is_not_paid_by_card(street: Street, bank: Bank) -> None:
    first = await street.send()
    card = await street.bound()
    again = await street.send(card_id=card.card_id, password=PASSWORD)
    assert again.packet_id == first.packet_id
    with pytest.raises(KeyReused):
        await street.send(amount_fen=301, card_id=card.card_id, password=PASSWORD)
    assert bank.orders == {}


async def test_packet_of_a_sender_who_may_not_send_charges_nothing_and_asks_for_no_password(
    street: Street, bank: Bank
) -> None:
    card = await street.bound()
    ben = await street.bound(street.ben, OTHER_NUMBER)
    with pytest.raises(BadAmount):
        await street.sender.send_packet("lucky", street.group, 10**9, 3, card_id=card.card_id, password=PASSWORD)
    with pytest.raises(PasswordNeeded):
        await street.send(card_id=card.card_id)
    await street.sender.remove_member(street.group, 2)
    with pytest.raises(NotAMember):
        await street.ben.send_packet("lucky", street.group, 300, 3, card_id=ben.card_id)
    assert bank.orders == {}


async def test_packet_whose_card_is_declined_is_not_sent_and_says_why(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    token = next(iter(bank.fen))
    bank.fen[token] = 100
    for _ in range(2):
        with pytest.raises(BankDeclined, match="余额不足"):
            await street.send(card_id=card.card_id, password=PASSWORD)
    bank.fen[token] = 1000
    await street.send("another", card_id=card.card_id, password=PASSWORD)
    assert await discrepancies() == []


async def test_packet_whose_answer_is_lost_is_unknown_then_posted_once_also_if_the_client_never_asks_again(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    bank.faults["charge"] = [answer_lost]
    with pytest.raises(BankUnknown) as refused:
        await street.send(card_id=card.card_id, password=PASSWORD)
    assert refused.value.temporary
    assert await street.sql.fetchval("SELECT count(*) FROM packets") == 0
    row = await street.until_ended()
    assert row["state"] == "succeeded"
    assert row["packet_id"] is not None
    assert bank.done("charge") == [(300, "succeeded")]
    assert await discrepancies() == []


async def test_packet_accepted_and_lost_is_asked_again_under_its_number_and_paid_once(
    street: Street, bank: Bank
) -> None:
    """An accepted order that is retried under a new number would pay twice."""
    card = await street.bound()
    bank.faults["charge"] = [answer_lost]
    bank.faults["query"] = [no_answer, no_answer]
    for _ in range(3):
        with pytest.raises(BankUnknown):
            await street.send(card_id=card.card_id, password=PASSWORD)
    await street.until_ended()
    await street.send(card_id=card.card_id)
    assert {number for _, number in bank.calls} == {(await street.payment())["number"]}
    assert bank.done("charge") == [(300, "succeeded")]


async def test_packet_that_is_settled_while_it_is_asked_about_again_is_not_sent_again(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    """Its lease has ended, so it is due; its end comes before the answer to a question, which knows nothing yet."""
    card = await street.bound()
    bank.faults["charge"] = [answer_lost]
    asked, answered = asyncio.Event(), asyncio.Event()

    async def not_found_at_last() -> Evidence:
        asked.set()
        await answered.wait()
        return Evidence("query", Verdict.NOT_FOUND)

    bank.faults["query"] = [lambda done: not_found_at_last()]
    with pytest.raises(BankUnknown):
        await street.send(card_id=card.card_id, password=PASSWORD)
    await street.sql.execute("UPDATE payments SET next_try_ms = 0")
    service: Any = street.server.app.services.payments.attempts
    service.look()
    async with asyncio.timeout(PATIENCE_S):
        await asked.wait()
    payment = await service.store.get((await street.payment())["number"])
    await service.evidence.apply(payment, Evidence("notice", Verdict.SUCCEEDED, "B1"))
    answered.set()
    await service.result(payment)
    row = await street.payment()
    assert (row["state"], row["packet_id"] is not None) == ("succeeded", True)
    assert [verb for verb, _ in bank.calls] == ["charge", "query"]
    assert await street.sql.fetchval("SELECT count(*) FROM payment_breaks") == 0
    assert await discrepancies() == []


async def test_packet_by_card_sent_by_many_requests_at_once_charges_once(street: Street, bank: Bank) -> None:
    card = await street.bound()
    sent = await asyncio.gather(*(street.send(card_id=card.card_id, password=PASSWORD) for _ in range(8)))
    assert len({one.packet_id for one in sent}) == 1
    assert len(bank.orders) == 1


async def test_packet_whose_sender_was_removed_leaves_the_money_in_the_wallet_with_a_push(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound(street.ben)
    bank.faults["charge"] = [answer_lost]
    with pytest.raises(BankUnknown):
        await street.ben.send_packet(
            "lucky", street.group, 300, 3, key="k", card_id=card.card_id, password=PASSWORD
        )
    await street.sender.remove_member(street.group, 2)
    row = await street.until_ended()
    assert (row["state"], row["packet_id"], row["reason"]) == ("succeeded", None, "not_a_member")
    assert await fen(street, 2) == 50_300
    async with asyncio.timeout(PATIENCE_S):
        async for push in street.ben.pushes():
            if isinstance(push, messages.BalanceChanged) and push.reason == "charge":
                assert (push.change_fen, push.balance_fen) == (300, 50_300)
                break
    with pytest.raises(Refusal, match="in the wallet"):
        await street.ben.send_packet("lucky", street.group, 300, 3, key="k", card_id=card.card_id)
    assert await discrepancies() == []


async def _removed(street: Street) -> None:
    await street.sender.remove_member(street.group, 2)


async def _banned(street: Street) -> None:
    await street.backend.ban_user(2)


async def _group_gone(street: Street) -> None:
    await street.backend.delete_group("ext")


@pytest.mark.parametrize(
    ("end", "reason"), [(_removed, "not_a_member"), (_banned, "banned"), (_group_gone, "not_a_member")]
)
async def test_packet_whose_sender_may_no_longer_send_leaves_the_money_and_tells_after_an_absence(
    street: Street,
    bank: Bank,
    connect: Connect,
    discrepancies: AuditBooks,
    end: Callable[[Street], Awaitable[None]],
    reason: str,
) -> None:
    if end is _group_gone:
        street.group = await street.backend.put_group("ext", "group")
        await street.backend.sync_members(street.group, 1, [1, 2, 3])
    card = await street.bound(street.ben)
    bank.faults["charge"] = [answer_lost]
    with pytest.raises(BankUnknown):
        await street.ben.send_packet(
            "lucky", street.group, 300, 3, key="k", card_id=card.card_id, password=PASSWORD
        )
    version = street.ben.balance_version
    await street.ben.close()
    await end(street)
    row = await street.until_ended()
    assert (row["state"], row["packet_id"], row["reason"]) == ("succeeded", None, reason)
    assert await street.sql.fetchval("SELECT count(*) FROM packets") == 0
    assert await discrepancies() == []
    if end is _banned:
        await street.backend.ban_user(2, False)
    back = await connect(street.server, 2, balance_version=version)
    async with asyncio.timeout(PATIENCE_S):
        (missed,) = [one.entries async for one in first(back, MissedChanges)]
    assert [(one.reason, one.change_fen, one.balance_fen) for one in missed] == [("charge", 300, 50_300)]


async def test_packet_with_a_bank_that_is_away_records_nothing(street: Street, bank: Bank) -> None:
    card = await street.bound()
    bank.is_away = True
    with pytest.raises(BankAway):
        await street.send(card_id=card.card_id, password=PASSWORD)
    bank.is_away = False
    assert await street.sql.fetchval("SELECT count(*) FROM payments") == 0
    await street.send(card_id=card.card_id, password=PASSWORD)


# --- a top-up -------------------------------------------------------------------------------------------------


async def test_top_up_by_card_puts_money_into_the_wallet_on_success_alone(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    bank.faults["charge"] = [answer_lost]
    with pytest.raises(BankUnknown):
        await street.sender.top_up_by_card(card.card_id, 700, PASSWORD, key="k")
    assert await fen(street) == 50_000
    row = await street.until_ended()
    assert await fen(street) == 50_700
    topped = await street.sender.top_up_by_card(card.card_id, 700, key="k")
    assert (topped.state, topped.amount_fen, topped.payment_id) == ("succeeded", 700, row["number"])
    for other in (
        street.sender.top_up_by_card(card.card_id, 701, PASSWORD, key="k"),
        street.send("k", 700, card_id=card.card_id, password=PASSWORD),
    ):
        with pytest.raises(KeyReused):
            await other
    line = (await street.sender.statement()).lines[0]
    assert (line.reason, line.change_fen, line.text) == ("charge", 700, "招商银行 0128")
    assert bank.done("charge") == [(700, "succeeded")]
    assert await discrepancies() == []


async def test_top_up_over_the_bounds_of_the_gateway_is_refused_before_the_password(
    street: Street, bank: Bank
) -> None:
    card = await street.bound()
    bank.capabilities = Capabilities(takes_cards=True, amount_fen_min=100, amount_fen_max=1_000)
    for amount_fen in (99, 1_001):
        with pytest.raises(LimitReached, match="100 to 1000 fen"):
            await street.sender.top_up_by_card(card.card_id, amount_fen, "111111")
    for amount_fen in (0, -5, 10**13):
        with pytest.raises(BadAmount):
            await street.sender.top_up_by_card(card.card_id, amount_fen, PASSWORD)
    for amount_fen in (100, 1_000):
        await street.sender.top_up_by_card(card.card_id, amount_fen, PASSWORD)
    with pytest.raises(Refusal, match="bad_key"):
        await street.sender.top_up_by_card(card.card_id, 100, PASSWORD, key="x" * 65)


# --- a withdrawal ---------------------------------------------------------------------------------------------


async def test_withdrawal_leaves_the_wallet_at_once_and_goes_outside_on_success(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    bank.faults["payout"] = [answer_lost]
    asked = await street.sender.withdraw_to_card(card.card_id, 800, PASSWORD, key="w")
    assert asked.state == "unknown"
    assert await fen(street) == 49_200
    assert await transfers(street.sql) == [(10, 1, -2, 800)]
    await street.until_ended("w")
    again = await street.sender.withdraw_to_card(card.card_id, 800, key="w")
    assert (again.state, again.payment_id) == ("succeeded", asked.payment_id)
    assert await transfers(street.sql) == [(10, 1, -2, 800), (11, -2, 0, 800)]
    assert bank.done("payout") == [(800, "succeeded")]
    with pytest.raises(KeyReused):
        await street.sender.withdraw_to_card(card.card_id, 801, PASSWORD, key="w")
    assert await discrepancies() == []


async def test_withdrawal_that_the_bank_declines_comes_back_and_says_why(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    bank.faults["payout"] = [lambda _: Evidence("payout", Verdict.FAILED, "the account is closed")]
    with pytest.raises(BankDeclined, match="closed"):
        await street.sender.withdraw_to_card(card.card_id, 800, PASSWORD, key="w")
    assert await fen(street) == 50_000
    reasons = [line.reason for line in (await street.sender.statement()).lines]
    assert reasons == ["payout_returned", "payout", "top_up"]
    assert await discrepancies() == []


async def test_withdrawal_that_timed_out_is_not_returned_and_paid_too(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    bank.faults["payout"] = [answer_lost]
    bank.faults["query"] = [
        no_answer,
        lambda _: Evidence("query", Verdict.NOT_FOUND),
    ]  # for a while it knows nothing
    await street.sender.withdraw_to_card(card.card_id, 800, PASSWORD, key="w")
    row = await street.until_ended("w")
    assert row["state"] == "succeeded"
    assert bank.done("payout") == [(800, "succeeded")]
    assert await fen(street) == 49_200
    assert await discrepancies() == []


async def test_withdrawal_of_more_than_the_wallet_holds_records_nothing(street: Street, bank: Bank) -> None:
    card = await street.bound()
    with pytest.raises(NotEnoughMoney):
        await street.sender.withdraw_to_card(card.card_id, 50_001, PASSWORD)
    results = await asyncio.gather(
        *(street.sender.withdraw_to_card(card.card_id, 20_000, PASSWORD) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, NotEnoughMoney) for one in results) == 3
    assert bank.done("payout") == [(20_000, "succeeded")] * 2


async def test_withdrawal_asked_for_by_many_requests_at_once_leaves_once(street: Street, bank: Bank) -> None:
    card = await street.bound()
    await asyncio.gather(*(street.sender.withdraw_to_card(card.card_id, 800, PASSWORD, key="w") for _ in range(8)))
    assert bank.done("payout") == [(800, "succeeded")]
    assert await fen(street) == 49_200


async def test_withdrawals_of_several_keys_may_be_open_at_once(street: Street, bank: Bank) -> None:
    card = await street.bound()
    bank.faults["payout"] = [no_answer, no_answer]
    for key in ("a", "b"):
        await street.sender.withdraw_to_card(card.card_id, 100, PASSWORD, key=key)
    assert await street.sql.fetchval("SELECT count(*) FROM payments WHERE state = 'unknown'") == 2
    for key in ("a", "b"):
        assert (await street.until_ended(key))["state"] == "succeeded"


async def test_card_unbound_while_its_payment_is_open_ends_it_by_proof(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    bank.faults["payout"] = [no_answer]
    await street.sender.withdraw_to_card(card.card_id, 800, PASSWORD, key="w")
    await street.sender.unbind_card(card.card_id, PASSWORD)
    row = await street.until_ended("w")
    assert (row["state"], row["reason"]) == ("failed", "the card is not bound")
    assert await fen(street) == 50_000
    assert await discrepancies() == []


async def test_operators_see_of_which_card_a_payment_is_and_no_more_of_it(street: Street, ask_server: Ask) -> None:
    card = await street.bound()
    await street.sender.top_up_by_card(card.card_id, 300, PASSWORD, key="t")
    number = await street.sql.fetchval("SELECT number FROM payments")
    told = await ask_server("payment", number)
    assert told["card"] == f"{card.bank} ****{card.last4}"
    await street.sender.unbind_card(card.card_id, PASSWORD)
    assert (await ask_server("payment", number))["card"] == f"{card.bank} ****{card.last4} (unbound)"
    assert "card" not in (await ask_server("payments"))["payments"][0]


# --- limits of a day ------------------------------------------------------------------------------------------


async def test_day_limit_counts_cards_withdrawals_and_transfers_and_gives_back_what_failed(
    make_street: MakeStreet, bank: Bank, turn_clock: Turn
) -> None:
    street = await make_street(payments__day_limit_fen=1_000)
    card = await street.bound()
    await street.sender.top_up_by_card(card.card_id, 300, PASSWORD)
    await street.send(card_id=card.card_id, password=PASSWORD)
    await street.sender.transfer(2, 100, password=PASSWORD)
    await street.sender.withdraw_to_card(card.card_id, 200, PASSWORD)
    for asked in (
        street.sender.top_up_by_card(card.card_id, 101, PASSWORD),
        street.send("l", 101, card_id=card.card_id, password=PASSWORD),
        street.sender.transfer(2, 101, password=PASSWORD),
        street.sender.withdraw_to_card(card.card_id, 101, PASSWORD),
    ):
        with pytest.raises(LimitReached, match="at most 1000 fen a day, 900 are paid"):
            await asked
    await street.send("wallet", 500, password=PASSWORD)  # packets from the wallet do not count
    await street.backend.pay(1, 500, "a book")
    bank.faults["charge"] = [lambda _: Evidence("charge", Verdict.FAILED, "no")]
    with pytest.raises(BankDeclined):
        await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)
    await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)
    with pytest.raises(LimitReached):
        await street.sender.top_up_by_card(card.card_id, 1, PASSWORD)
    turn_clock(86_400_000)
    await street.sender.top_up_by_card(card.card_id, 1_000, PASSWORD)


async def test_day_limit_less_one_lets_exactly_one_of_fifty_pass(make_street: MakeStreet, bank: Bank) -> None:
    street = await make_street(payments__day_limit_fen=1_000, payments__wallet_password="never")
    card = await street.bound()
    await street.sender.top_up_by_card(card.card_id, 999, PASSWORD)
    service = street.server.app.services.payments.by_card
    assert service is not None
    orders = street.server.app.services.orders

    async def one(n: int) -> Any:
        if n % 3 == 0:
            return await orders.transfer(1, 2, 1, f"t{n}", "", "")
        if n % 3 == 1:
            return await service.withdraw(1, f"w{n}", card.card_id, 1, None)
        return await service.top_up(1, f"u{n}", card.card_id, 1, None)

    results = await asyncio.gather(*(one(n) for n in range(50)), return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in results) == 1
    assert sum("limit" in str(getattr(one, "reason", "")) for one in results) == 49
    assert bank.done("charge")[0] == (999, "succeeded")
    spent = await street.sql.fetchval(
        """SELECT (SELECT coalesce(sum(amount_fen), 0) FROM payments WHERE state <> 'failed')
                  + (SELECT coalesce(sum(amount_fen), 0) FROM wallet_orders)"""
    )
    assert spent == 1_000


async def test_day_limit_of_the_config_can_be_reloaded(make_street: MakeStreet) -> None:
    street = await make_street(payments__day_limit_fen=100)
    with pytest.raises(LimitReached):
        await street.sender.transfer(2, 101)
    street.server.app.services.payments.day_limits.limit_fen = 0  # any amount
    await street.sender.transfer(2, 10_000)


# --- by hand --------------------------------------------------------------------------------------------------


async def test_payments_without_a_card_wait_for_the_people_who_conclude_them(
    make_street: MakeStreet, bank: Bank, discrepancies: AuditBooks
) -> None:
    bank.capabilities = Capabilities(is_asked=False)
    street = await make_street()
    payments = street.server.app.services.payments
    assert payments.conclusions is not None
    for key in ("in", "lost"):
        assert (await street.sender.top_up_by_card(0, 500, key=key)).state == "created"
    waits = await street.sender.withdraw_to_card(0, 700, key="out")
    assert waits.state == "created"
    assert await fen(street) == 49_300
    await payments.conclusions.confirm((await street.payment("in"))["number"], "ann")
    await payments.conclusions.decline((await street.payment("lost"))["number"], "ann", "no such transfer came")
    await payments.conclusions.confirm((await street.payment("out"))["number"], "ann")
    assert (await street.sender.top_up_by_card(0, 500, key="in")).state == "succeeded"
    assert (await street.sender.withdraw_to_card(0, 700, key="out")).state == "succeeded"
    with pytest.raises(BankDeclined, match="no such transfer came"):
        await street.sender.top_up_by_card(0, 500, key="lost")
    assert await fen(street) == 49_800
    assert bank.calls == []
    assert await discrepancies() == []


async def test_payment_without_a_card_at_a_bank_needs_one(street: Street) -> None:
    for asked in (street.sender.top_up_by_card(0, 500), street.sender.withdraw_to_card(0, 500)):
        with pytest.raises(Refusal, match="a card is needed"):
            await asked


# --- the books ------------------------------------------------------------------------------------------------

PLANTED = {
    "a top-up that sent a packet": (
        "UPDATE payments SET packet_id = 9007199254740993 WHERE key = 'top'",
        "which is not its packet",
    ),
    "a top-up that says why it sent none": (
        "UPDATE payments SET reason = 'banned' WHERE key = 'top'",
        "paid no packet, which is not its packet",
    ),
    "a withdrawal without its transfer": (
        "INSERT INTO payments (number, gateway, kind, user_id, amount_fen, key, next_try_ms, created_at_ms,"
        " changed_at_ms) VALUES (9007199254740993, 'bank', 'payout', 1, 77, 'x', 0, 0, 0)",
        "the transfer of kind 10 from 1 to -2 moved nothing",
    ),
    "a charge that succeeded without its transfer": (
        "UPDATE payments SET state = 'succeeded' WHERE key = 'open'",
        "the transfer of kind 9 from 0 to 1 moved nothing",
    ),
    "another amount of a withdrawal": (
        "UPDATE payments SET amount_fen = amount_fen + 1 WHERE key = 'out'",
        "moved",
    ),
    "a card of another user": (
        "UPDATE cards SET user_id = 2",
        "which is not the user's",
    ),
    "an order without its transfer": (
        "INSERT INTO wallet_orders VALUES (1, 13, 'x', 2, 55, '', 0)",
        "order x: its state says 55 fen, the transfer of kind 13 from 1 to 2 moved nothing",
    ),
    "a transfer without its order": (
        "INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)"
        " VALUES (1, 0, 14, 'y', 66, 0)",
        "order y: its state says nothing, the transfer of kind 14 from 1 to 0 moved 66 fen",
    ),
    "a pay to a user": (
        "INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)"
        " VALUES (2, 3, 13, 'z', 66, 0)",
        "order z: its state says nothing",
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_planted_discrepancy_of_payments_is_named(
    street: Street, bank: Bank, discrepancies: AuditBooks, planted: str
) -> None:
    card = await street.bound()
    await street.sender.top_up_by_card(card.card_id, 300, PASSWORD, key="top")
    await street.sender.withdraw_to_card(card.card_id, 200, PASSWORD, key="out")
    await street.sender.transfer(2, 100, password=PASSWORD)
    await street.backend.pay(1, 50)
    bank.faults["charge"] = [no_answer]
    bank.faults["query"] = [no_answer] * 100
    with pytest.raises(BankUnknown):
        await street.sender.top_up_by_card(card.card_id, 400, PASSWORD, key="open")
    assert await discrepancies() == []
    statement, named = PLANTED[planted]
    await street.sql.execute(statement)
    assert any(named in line for line in await discrepancies())


async def test_ended_payment_stays_as_it_ended(street: Street) -> None:
    card = await street.bound()
    await street.sender.top_up_by_card(card.card_id, 300, PASSWORD, key="top")
    with pytest.raises(asyncpg.RaiseError, match="stays succeeded"):
        await street.sql.execute("UPDATE payments SET state = 'failed'")


async def test_late_contradiction_of_a_withdrawal_moves_nothing_and_is_a_break(
    street: Street, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    await street.sender.withdraw_to_card(card.card_id, 200, PASSWORD, key="out")
    service: Any = street.server.app.services.payments.attempts
    payment = await service.store.get((await street.payment("out"))["number"])
    after = await service.evidence.apply(payment, Evidence("notice", Verdict.FAILED, "returned"))
    assert after.state == "succeeded"
    assert await fen(street) == 49_800
    assert await street.sql.fetchval("SELECT count(*) FROM payment_breaks") == 1
    assert await discrepancies() == []
    await until(lambda: _settled(street))


async def _settled(street: Street) -> bool:
    return bool(await street.sql.fetchval("SELECT count(*) = 0 FROM settlement_queue"))
