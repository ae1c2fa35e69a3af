"""Payments: recorded once per key, changed by evidence of their version alone, with the money that moves."""

from __future__ import annotations

import pytest

from server.core.ledger import IN_TRANSIT, OUTSIDE, TransferKind
from storage.postgres.cards.card_payments import OverCharge
from storage.postgres.cards.payers import DayLimit, OverDayLimit
from storage.postgres.chat.users import SendBarred
from storage.postgres.money.payments import AppliedChange, EvidenceRow, PaymentFigure
from storage.postgres.money.wallets import EMPTY_ROW, BalanceRow, KeyReused, NotEnoughMoney, TransferRow
from storage.postgres.packets.sends import Sent
from storage.stores import Stores
from tests.contract.given import (
    ANNA,
    BEN,
    GROUP,
    LATER_MS,
    SENT_MS,
    balance,
    debit_of,
    packet,
    packet_id,
    pay_in,
    streams_of,
)
from tests.contract.given_payments import (
    AGAIN_MS,
    CALLED_MS,
    HEARD_MS,
    NO_LIMIT,
    card_refund,
    charge,
    ended,
    into_wallet,
    order,
    out_of_wallet,
    paid_packet,
    submitted,
    withdrawal,
)
from tests.seeds import SeedsInPlain

# --- new ones -------------------------------------------------------------------------------------------------


async def test_charge_is_recorded_once_per_user_and_key(both: Stores) -> None:
    assert await both.card_payments.charge(charge(1), NO_LIMIT) == (charge(1), True)
    assert await both.card_payments.charge(charge(2, 5, key="c1"), NO_LIMIT) == (charge(1), False)
    assert await both.card_payments.charge(charge(3, user_id=BEN, key="c1"), NO_LIMIT) == (
        charge(3, user_id=BEN, key="c1"),
        True,
    )
    assert await both.payments.of_send(ANNA, "c1") == charge(1)
    assert await both.payments.get(charge(1).number) == charge(1)
    assert [await both.payments.of_send(ANNA, "c2"), await both.payments.get(charge(2).number)] == [None, None]


async def test_withdrawal_takes_its_money_once_per_user_and_key(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    row = withdrawal(1)
    assert await both.card_payments.withdraw(row, out_of_wallet(row), NO_LIMIT) == (row, BalanceRow(200, 2))
    again = withdrawal(2, 5, key="w1")
    assert await both.card_payments.withdraw(again, out_of_wallet(again), NO_LIMIT) == (row, None)
    assert await both.card_payments.withdrawal(ANNA, "w1") == row
    assert await both.payments.of_send(ANNA, "w1") is None  # keys of charges are others
    assert await balance(both, ANNA) == BalanceRow(200, 2)


async def test_withdrawal_of_more_than_the_wallet_holds_records_nothing(both: Stores) -> None:
    await pay_in(both, ANNA, 299)
    row = withdrawal(1)
    with pytest.raises(NotEnoughMoney):
        await both.card_payments.withdraw(row, out_of_wallet(row), NO_LIMIT)
    assert await both.card_payments.withdrawal(ANNA, "w1") is None
    assert await balance(both, ANNA) == BalanceRow(299, 1)


async def test_card_refund_takes_its_money_once_per_key_and_never_more_than_is_left_of_its_charge(
    both: Stores,
) -> None:
    paid = charge(1, 500)
    await both.card_payments.charge(paid, NO_LIMIT)
    row = card_refund(3, 300, paid)
    with pytest.raises(OverCharge, match="0 fen are left"):  # it has not succeeded
        await both.card_payments.refund(row, out_of_wallet(row))
    await both.payments.apply(ended(paid, "succeeded", into_wallet(paid), credits=True), None)
    assert await both.card_payments.refund(row, out_of_wallet(row)) == (row, BalanceRow(200, 2))
    assert await both.card_payments.refund(row._replace(amount_fen=1), out_of_wallet(row)) == (row, None)
    assert await both.card_payments.card_refund(ANNA, "r3") == row
    assert [await both.card_payments.card_refund(BEN, "r3"), await both.payments.of_send(ANNA, "r3")] == [None] * 2
    more = card_refund(4, 201, paid)
    with pytest.raises(OverCharge, match="200 fen are left"):
        await both.card_payments.refund(more, out_of_wallet(more))
    other = card_refund(5, 1, paid)._replace(user_id=BEN)
    with pytest.raises(OverCharge, match="0 fen are left"):  # not Ben's charge
        await both.card_payments.refund(other, out_of_wallet(other))
    back = into_wallet(row, TransferKind.CARD_REFUND_RETURNED)
    await both.payments.apply(ended(row, "failed", back, credits=True), None)
    again = card_refund(6, 500, paid)  # what has failed is left again
    assert await both.card_payments.refund(again, out_of_wallet(again)) == (again, BalanceRow(0, 4))
    # refunds are not counted for the day
    assert await both.card_payments.charge(charge(7, 1), DayLimit(0, 501)) == (charge(7, 1), True)


async def test_card_refund_of_more_than_the_wallet_holds_records_nothing(both: Stores) -> None:
    paid = charge(1, 500)
    await both.card_payments.charge(paid, NO_LIMIT)
    await both.payments.apply(ended(paid, "succeeded", into_wallet(paid), credits=True), None)
    spent = withdrawal(2, 100)
    await both.card_payments.withdraw(spent, out_of_wallet(spent), NO_LIMIT)
    row = card_refund(3, 401, paid)
    with pytest.raises(NotEnoughMoney):
        await both.card_payments.refund(row, out_of_wallet(row))
    assert await both.card_payments.card_refund(ANNA, "r3") is None
    assert await balance(both, ANNA) == BalanceRow(400, 2)


async def test_day_limit_counts_payments_and_transfers_since_the_day_began_and_not_what_failed(
    both: Stores,
) -> None:
    await pay_in(both, ANNA, 2_000)
    await both.users.know([BEN])
    day = DayLimit(SENT_MS, 1_000)
    await both.card_payments.charge(charge(1, 400), day)
    await both.card_payments.charge(charge(2, 99, content="{}"), day)
    await both.card_payments.withdraw(withdrawal(3, 300), out_of_wallet(withdrawal(3, 300)), day)
    await both.wallet_orders.move(order("t1", 200), day)
    await both.wallet_orders.move(order("p1", 700, other_id=0), None)  # pays do not count
    with pytest.raises(OverDayLimit) as over:
        await both.card_payments.charge(charge(4, 2), day)
    assert over.value.spent_fen == 999
    for refused in (
        both.card_payments.withdraw(withdrawal(5, 2), out_of_wallet(withdrawal(5, 2)), day),
        both.wallet_orders.move(order("t2", 2), day),
    ):
        with pytest.raises(OverDayLimit):
            await refused
    assert (await both.card_payments.charge(charge(6, 1), day))[1]
    assert (await both.card_payments.charge(charge(7, 1_000, user_id=BEN), day))[1]
    assert await both.payments.apply(ended(charge(1, 400), "failed"), None)
    assert (await both.card_payments.charge(charge(8, 400), day))[1]
    assert (await both.card_payments.charge(charge(9, 1_000), DayLimit(SENT_MS + 1, 1_000)))[1]  # the next day
    assert (await both.card_payments.charge(charge(10, 10**6), NO_LIMIT))[1]


# --- evidence -------------------------------------------------------------------------------------------------


async def test_apply_changes_a_payment_of_its_version_alone_and_keeps_the_evidence(both: Stores) -> None:
    row, _ = await both.card_payments.charge(charge(1), NO_LIMIT)
    first = await both.payments.apply(submitted(row), None)
    begun = row._replace(
        state="submitted", version=1, attempts=1, next_try_ms=AGAIN_MS + 1, changed_at_ms=CALLED_MS
    )
    assert first == AppliedChange(begun)
    assert await both.payments.apply(submitted(row), None) is None
    assert await both.payments.apply(submitted(charge(2)), None) is None  # there is none
    applied = await both.payments.apply(ended(begun, "succeeded", into_wallet(row), credits=True), None)
    after = begun._replace(state="succeeded", version=2, next_try_ms=AGAIN_MS + 2, changed_at_ms=HEARD_MS)
    assert applied == AppliedChange(after, BalanceRow(900, 1))
    assert await both.payments.get(row.number) == after
    assert await both.payments.evidence(row.number) == [
        EvidenceRow(1, CALLED_MS, "submit", "submitted", "", "submitted", is_break=False),
        EvidenceRow(2, HEARD_MS, "charge", "succeeded", "said so", "succeeded", is_break=False),
    ]


async def test_apply_to_a_withdrawal_that_failed_gives_the_money_back_once(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    row, _ = await both.card_payments.withdraw(withdrawal(1), out_of_wallet(withdrawal(1)), NO_LIMIT)
    back = into_wallet(row, TransferKind.PAYOUT_RETURNED)
    applied = await both.payments.apply(ended(row, "failed", back, credits=True), None)
    assert applied is not None
    assert (applied.payment.reason, applied.balance) == ("said so", BalanceRow(500, 3))
    assert await both.payments.apply(ended(row, "failed", back, credits=True), None) is None
    assert await balance(both, ANNA) == BalanceRow(500, 3)


async def test_apply_to_a_withdrawal_that_arrived_changes_no_wallet(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    row, _ = await both.card_payments.withdraw(withdrawal(1), out_of_wallet(withdrawal(1)), NO_LIMIT)
    out = TransferRow(IN_TRANSIT, OUTSIDE, TransferKind.PAID_OUT, str(row.number), row.amount_fen, HEARD_MS)
    applied = await both.payments.apply(ended(row, "succeeded", out), None)
    assert applied is not None
    assert applied.balance is None
    assert await balance(both, ANNA) == BalanceRow(200, 2)


async def test_end_of_a_payment_cannot_be_changed_and_a_break_is_counted(both: Stores) -> None:
    row, _ = await both.card_payments.charge(charge(1), NO_LIMIT)
    applied = await both.payments.apply(ended(row, "failed"), None)
    assert applied is not None
    with pytest.raises(Exception, match="has ended: it stays failed"):
        await both.payments.apply(ended(applied.payment, "succeeded"), None)
    against = ended(applied.payment, "failed")._replace(verdict="succeeded", is_break=True)
    assert await both.payments.apply(against, None)
    again = against._replace(version=against.version + 1, source="query")
    assert await both.payments.apply(again, None)  # the same contradiction
    other = again._replace(version=again.version + 1, verdict="contradictory", detail="of 301 fen")
    assert await both.payments.apply(other, None)
    assert await both.payments.apply(other._replace(version=other.version + 1), None)
    found = [one.is_break for one in await both.payments.evidence(row.number)]
    assert found == [False, True, False, True, False]
    assert await both.payments.figures([]) == [PaymentFigure("", "break", 2, HEARD_MS)]


async def test_charge_that_succeeds_sends_its_packet_in_the_same_transaction(both: Stores) -> None:
    row, _ = await both.card_payments.charge(charge(1, content="{}"), NO_LIMIT)
    change = ended(row, "succeeded", into_wallet(row), credits=True)
    applied = await both.payments.apply(change, paid_packet(1))
    assert applied is not None
    assert (applied.payment.packet_id, applied.payment.reason) == (packet_id(1), "")
    assert applied.balance == BalanceRow(900, 1)
    assert applied.sent == Sent(packet(1, sender=ANNA, key="c1"), BalanceRow(0, 2), {GROUP: 1})
    assert await balance(both, ANNA) == BalanceRow(0, 2)
    assert (await both.payments.get(row.number)) == applied.payment


async def test_charge_whose_sender_is_banned_leaves_its_money_in_the_wallet(both: Stores) -> None:
    row, _ = await both.card_payments.charge(charge(1, content="{}"), NO_LIMIT)
    await both.users.ban(ANNA, SENT_MS)
    applied = await both.payments.apply(ended(row, "succeeded", into_wallet(row), credits=True), paid_packet(1))
    assert applied is not None
    assert (applied.payment.packet_id, applied.payment.reason, applied.sent) == (None, "banned", None)
    assert await balance(both, ANNA) == BalanceRow(900, 1)


async def test_charge_whose_key_has_sent_a_packet_already_names_that_one(both: Stores) -> None:
    await pay_in(both, ANNA, 900)
    sent = packet(7, sender=ANNA, key="c1")
    await both.sends.record([sent], debit_of, streams_of, SeedsInPlain)
    row, _ = await both.card_payments.charge(charge(1, content="{}"), NO_LIMIT)
    applied = await both.payments.apply(ended(row, "succeeded", into_wallet(row), credits=True), paid_packet(1))
    assert applied is not None
    assert (applied.payment.packet_id, applied.sent) == (packet_id(7), None)
    assert await balance(both, ANNA) == BalanceRow(900, 3)


async def test_due_payments_are_open_ones_of_their_gateway_whose_time_has_come(both: Stores) -> None:
    rows = [charge(n)._replace(next_try_ms=AGAIN_MS + late) for n, late in ((1, 30), (2, 10), (3, 20), (4, 40))]
    for row in rows:
        await both.card_payments.charge(row, NO_LIMIT)
    await both.card_payments.charge(charge(5)._replace(gateway="other", next_try_ms=0), NO_LIMIT)
    await both.payments.apply(ended(rows[2], "failed"), None)
    assert await both.payments.due("bank", AGAIN_MS + 9, [], 9) == []
    assert await both.payments.due("bank", AGAIN_MS + 30, [], 9) == [rows[1], rows[0]]
    assert await both.payments.due("bank", AGAIN_MS + 30, [], 1) == [rows[1]]
    assert await both.payments.due("bank", AGAIN_MS + 30, [rows[1].number], 9) == [rows[0]]


async def test_figures_are_of_open_payments_and_those_of_gateways_that_are_not_asked_have_no_age(
    both: Stores,
) -> None:
    await pay_in(both, ANNA, 900)
    await both.card_payments.charge(charge(1)._replace(created_at_ms=LATER_MS), NO_LIMIT)
    await both.card_payments.charge(charge(2), NO_LIMIT)
    await both.card_payments.withdraw(withdrawal(3), out_of_wallet(withdrawal(3)), NO_LIMIT)
    await both.card_payments.charge(charge(4)._replace(gateway="manual", created_at_ms=5), NO_LIMIT)
    await both.payments.apply(submitted(charge(4)), None)
    none = PaymentFigure("", "break", 0, None)
    open_ones = [PaymentFigure("charge", "created", 2, SENT_MS), PaymentFigure("payout", "created", 1, SENT_MS)]
    asked = [*open_ones, PaymentFigure("charge", "submitted", 1, 5), none]
    not_asked = [*open_ones, PaymentFigure("charge", "submitted", 1, None), none]
    assert sorted(await both.payments.figures([]), key=str) == sorted(asked, key=str)
    assert sorted(await both.payments.figures(["manual"]), key=str) == sorted(not_asked, key=str)
    assert await both.payments.without_gateway(["bank"]) == {"manual": 1}
    assert await both.payments.without_gateway(["bank", "manual"]) == {}


# --- orders ---------------------------------------------------------------------------------------------------


async def test_order_moves_its_money_once_per_user_kind_and_key(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    await both.users.know([BEN])
    transfer, pay = order("o1"), order("o1", 100, other_id=0)
    moved = await both.wallet_orders.move(transfer, NO_LIMIT)
    assert (moved.order, moved.balances) == (transfer, {ANNA: BalanceRow(300, 2), BEN: BalanceRow(200, 1)})
    again = await both.wallet_orders.move(order("o1", at_ms=LATER_MS), NO_LIMIT)
    assert (again.order, again.balances) == (transfer, {})
    moved = await both.wallet_orders.move(pay, None)
    assert (moved.order, moved.balances) == (pay, {ANNA: BalanceRow(200, 3)})
    assert [await both.wallet_orders.stands(one) for one in (order("o1", 5), pay, order("o2"))] == [
        True,
        True,
        False,
    ]


async def test_order_that_may_not_be_records_nothing(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    await pay_in(both, BEN, 500)
    await both.wallet_orders.move(order("o1"), NO_LIMIT)
    stranger = 77
    for refused, why in (
        (order("o1", 201), KeyReused),
        (order("o2", 301), NotEnoughMoney),
        (order("o2", other_id=stranger), SendBarred),
        (order("o2", user_id=stranger, other_id=ANNA), NotEnoughMoney),
    ):
        with pytest.raises(why):
            await both.wallet_orders.move(refused, NO_LIMIT)
    await both.users.ban(BEN, SENT_MS)
    with pytest.raises(SendBarred, match="banned"):
        await both.wallet_orders.move(order("o3", user_id=BEN, other_id=ANNA), NO_LIMIT)
    with pytest.raises(SendBarred, match="no_such_user"):
        await both.wallet_orders.move(order("o3"), NO_LIMIT)
    assert not await both.wallet_orders.stands(order("o2"))
    assert [await balance(both, ANNA), await balance(both, stranger)] == [BalanceRow(300, 2), EMPTY_ROW]


async def test_find_outcome_of_orders_returns_those_that_were_made_with_the_present_balances(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    await both.users.know([BEN])
    transfer = await both.wallet_orders.move(order("o1"), NO_LIMIT)
    pay = await both.wallet_orders.move(order("o2", 100, other_id=0), None)
    asked = [
        transfer._replace(order=order("o1", at_ms=LATER_MS)),
        pay,
        transfer._replace(order=order("o3")),
        transfer._replace(xid=(transfer.xid or 0) + 2),  # of another request, in the same millisecond
        transfer,
    ]
    assert await both.wallet_orders.find_outcome(asked) == [
        None,
        pay._replace(balances={ANNA: BalanceRow(200, 3)}),
        None,
        None,
        transfer._replace(balances={ANNA: BalanceRow(200, 3), BEN: BalanceRow(200, 1)}),
    ]
