"""Every fault of the bank, for charges and for payouts: nothing is lost or doubled, and both books agree."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from client_sim.bank.books import CARD_FEN, account_of
from client_sim.bank.faults import HARMLESS, Fault, FaultPlan
from client_sim.bank.server import BankServer
from server.core.refusals import Reason, RequestRefused
from server.services.payments.service import order_of
from storage.errors import StoreUnavailable
from tests.bank.conftest import BEN, CARL, SENDER, BankBooksAgree, BankRoom

# What the sender is told first: at these faults the call itself is answered with the end.
ANSWERED = (
    Fault.NONE,
    Fault.NOTICE_FIRST,
    Fault.NOTICE_TWICE,
    Fault.NOTICE_LATE,
    Fault.NOTICE_FORGED,
)
ENDS_FAILED = (Fault.PROCESSING_FAILED,)


def card_fen(bank: BankServer, room: BankRoom, user_id: int) -> int:
    return bank.books.fen(account_of(room.cards[user_id]))


@pytest.mark.parametrize("fault", [Fault.NONE, *HARMLESS])
async def test_charge_with_this_fault_ends_once_as_the_bank_has_it(
    bank_room: BankRoom, bank: BankServer, bank_books_agree: BankBooksAgree, fault: Fault
) -> None:
    await bank_room.bind(SENDER, fault)
    url = bank.notices.url
    if fault is not Fault.NOTICE_FIRST:
        bank.notices.url = ""  # a notice that overtakes the end of the call would answer the sender
    if fault in ANSWERED:
        await bank_room.send()
    else:
        with pytest.raises(RequestRefused) as refused:
            await bank_room.send()
        assert refused.value.reason is Reason.BANK_UNKNOWN
    bank.notices.url = url
    payment = await bank_room.until_ended()
    await bank_room.until_told()
    is_paid = fault not in ENDS_FAILED
    assert payment["state"] == ("succeeded" if is_paid else "failed")
    assert card_fen(bank, bank_room, SENDER) == CARD_FEN - (300 if is_paid else 0)
    if is_paid:
        assert (await bank_room.send()).packet_id == payment["packet_id"]
    else:
        with pytest.raises(RequestRefused, match="review"):
            await bank_room.send()
    assert len(bank.books.rows("SELECT * FROM orders")) == 1
    assert await bank_room.breaks() == 0
    await bank_books_agree()


@pytest.mark.parametrize("fault", [Fault.NONE, *HARMLESS])
async def test_payout_with_this_fault_ends_once_as_the_bank_has_it(
    bank_room: BankRoom, bank: BankServer, bank_books_agree: BankBooksAgree, fault: Fault
) -> None:
    await bank_room.bind(BEN, fault)
    payment = await bank_room.until_ended(await bank_room.pay_out(BEN))
    await bank_room.until_told()
    is_paid = fault not in ENDS_FAILED
    assert payment["state"] == ("succeeded" if is_paid else "failed")
    assert card_fen(bank, bank_room, BEN) == CARD_FEN + (500 if is_paid else 0)
    wallet = await bank_room.sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", BEN)
    assert wallet == (0 if is_paid else 500)
    assert await bank_room.breaks() == 0
    await bank_books_agree()


async def test_card_without_money_declines_the_charge_for_good(
    bank_room: BankRoom, bank_books_agree: BankBooksAgree
) -> None:
    await bank_room.bind(SENDER, Fault.NO_MONEY)
    for _ in range(2):
        with pytest.raises(RequestRefused, match="insufficient funds") as refused:
            await bank_room.send()
        assert refused.value.reason is Reason.BANK_DECLINED
    await bank_books_agree()


async def test_order_without_a_card_fails_and_moves_nothing(
    bank_room: BankRoom, bank_books_agree: BankBooksAgree
) -> None:
    token = await bank_room.bind(SENDER)
    await bank_room.gateway.unbind(token)
    with pytest.raises(RequestRefused, match="no such card"):
        await bank_room.send()
    await bank_books_agree()


@pytest.mark.parametrize("fault", [Fault.NOTICE_WRONG_AMOUNT, Fault.NOTICE_WRONG_MERCHANT])
async def test_notice_about_another_amount_or_merchant_is_a_break_and_moves_nothing(
    bank_room: BankRoom, bank_books_agree: BankBooksAgree, fault: Fault
) -> None:
    await bank_room.bind(SENDER, fault)
    await bank_room.send()
    await bank_room.until_told()
    number = (await bank_room.payment())["number"]
    assert await bank_room.evidence(number) == [("charge", "succeeded"), ("notice", "contradictory")]
    assert await bank_room.breaks() == 1
    await bank_books_agree()


async def test_query_that_contradicts_the_notice_is_a_break_and_the_first_proof_stays(
    bank_room: BankRoom, bank: BankServer, bank_books_agree: BankBooksAgree
) -> None:
    await bank_room.bind(SENDER, Fault.QUERY_CONTRADICTS)
    with pytest.raises(RequestRefused):
        await bank_room.send()
    await bank_room.until_told()
    payment = await bank_room.service.store.get((await bank_room.payment())["number"])
    assert payment is not None
    said = await bank_room.gateway.query(order_of(payment))
    after = await bank_room.service.evidence.apply(payment, said)
    assert (said.verdict, after.state, await bank_room.breaks()) == ("failed", "succeeded", 1)
    await bank_books_agree()


async def test_order_that_the_bank_takes_back_is_a_break_and_its_end_stays(
    bank_room: BankRoom, bank: BankServer
) -> None:
    await bank_room.bind(SENDER)
    await bank_room.send()
    await bank_room.until_told()
    number = (await bank_room.payment())["number"]
    with bank.books.transaction():
        assert bank.orders.reverse(str(number), bank.now_s())
        assert not bank.orders.reverse(str(number), bank.now_s())
    await bank_room.until_told()
    assert await bank_room.evidence(number) == [("charge", "succeeded"), ("notice", "failed")]
    assert (await bank_room.payment())["state"] == "succeeded"
    assert await bank_room.breaks() == 1
    assert bank.books.discrepancies() == []


async def test_seeded_plan_of_faults_loses_and_doubles_nothing(
    bank_room: BankRoom, bank: BankServer, bank_books_agree: BankBooksAgree
) -> None:
    for user_id in (SENDER, BEN, CARL):
        await bank_room.bind(user_id)
    bank.use(FaultPlan(seed=7, share=0.6))

    async def send(key: str) -> None:
        while True:
            with suppress(StoreUnavailable):  # 24 at once wait for few connections, on a busy machine for too long
                with suppress(RequestRefused):
                    await bank_room.send(key)
                return

    await asyncio.gather(*(send(f"k{number}") for number in range(24)))
    for user_id in (BEN, CARL):
        await bank_room.pay_out(user_id)
    await bank_room.until_ended()
    await bank_room.until_told()
    faults = {row["fault"] for row in bank.books.rows("SELECT fault FROM orders")}
    assert len(faults) > 8
    assert await bank_room.breaks() == 0
    await bank_books_agree()
