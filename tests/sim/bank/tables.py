"""Simulated tables of payments, orders, cards, codes and pay passwords, with the rules of their statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from server.core.ids import is_user
from server.core.ledger import TransferKind
from server.core.payments import ENDED, OPEN
from storage.postgres.cards.bind_attempts import BindAttemptRow, CountedBinds
from storage.postgres.cards.card_payments import OverCharge
from storage.postgres.cards.cards import CardRow, CardTaken, TooManyCards
from storage.postgres.cards.challenges import DAY_MS, ChallengeRow, Sends
from storage.postgres.cards.payers import CountedAttempt, DayLimit, OverDayLimit, Password, Tries
from storage.postgres.chat.users import Barred, SendBarred
from storage.postgres.money.payments import (
    AppliedChange,
    EvidenceRow,
    PaidPacket,
    PaymentChange,
    PaymentFigure,
    PaymentRow,
)
from storage.postgres.money.wallet_orders import Ordered, WalletOrderRow
from storage.postgres.money.wallets import BalanceRow, KeyReused, NotEnoughMoney, TransferRow
from storage.postgres.packets.sends import Sent, Unsent
from storage.postgres.used_nonces import NonceMark

# What a transfer of a payment is called in the journal.
ENTRIES = {
    TransferKind.CHARGE: "charge",
    TransferKind.PAYOUT: "payout",
    TransferKind.PAID_OUT: "paid_out",
    TransferKind.PAYOUT_RETURNED: "payout_returned",
    TransferKind.CARD_REFUND: "card_refund",
    TransferKind.CARD_REFUND_RETURNED: "card_refund_returned",
}


NO_TRIES = Tries(0, 0)


@dataclass
class Payer:
    """A row of the table, without its key."""

    password: Password | None = None
    tries: Tries = NO_TRIES


class CardTables:
    """Cards, codes and pay passwords. Every method is one transaction."""

    def __init__(self) -> None:
        self.payers: dict[int, Payer] = {}
        self.cards: dict[int, CardRow] = {}
        self.bind_attempts: dict[int, BindAttemptRow] = {}
        self.challenges: dict[int, ChallengeRow] = {}

    # --- pay passwords ----------------------------------------------------------------------------------------

    def payer(self, user_id: int) -> Payer:
        return self.payers.setdefault(user_id, Payer())

    def password(self, user_id: int) -> Password | None:
        return self.payers[user_id].password if user_id in self.payers else None

    def attempt(self, user_id: int, counted: Callable[[Tries], Tries]) -> CountedAttempt | None:
        if self.password(user_id) is None:
            return None
        payer = self.payers[user_id]
        payer.tries = counted(payer.tries)
        assert payer.password is not None
        return CountedAttempt(payer.password, payer.tries)

    def fitted(self, user_id: int, compared: Password, replacement: Password | None) -> bool:
        if self.password(user_id) != compared:
            return False
        self.payers[user_id] = Payer(replacement or compared)
        return True

    def put_password(self, user_id: int, password: Password, only_first: bool) -> bool:
        if only_first and self.password(user_id) is not None:
            return False
        self.payers[user_id] = Payer(password)
        return True

    # --- cards ------------------------------------------------------------------------------------------------

    def bound_cards(self, user_id: int) -> list[CardRow]:
        mine = [one for one in self.cards.values() if one.user_id == user_id and one.unbound_at_ms is None]
        return sorted(mine, key=lambda one: one.card_id)

    def cards_of_others(self, user_id: int, gateway: str, card_ref: str) -> list[CardRow]:
        same = [one for one in self.cards.values() if (one.gateway, one.card_ref) == (gateway, card_ref)]
        return [one for one in same if one.user_id != user_id and one.unbound_at_ms is None]

    def add_card(
        self,
        made: Callable[[CardRow | None], CardRow],
        most: int,
        may_share: Callable[[CardRow], bool],
        password: Password | None,
    ) -> CardRow:
        card = made(None)
        if not all(map(may_share, self.cards_of_others(card.user_id, card.gateway, card.card_ref))):
            raise CardTaken
        bound = self.bound_cards(card.user_id)
        same = [one for one in bound if (one.gateway, one.card_ref) == (card.gateway, card.card_ref)]
        if len(bound) - len(same) >= most:
            raise TooManyCards
        if password is not None:
            self.put_password(card.user_id, password, only_first=True)
        if same:
            again = made(same[0])
            card = same[0]._replace(bank=again.bank, sealed=again.sealed, key_id=again.key_id)
        self.cards[card.card_id] = card
        return card

    def unbind_card(self, user_id: int, card_id: int, at_ms: int, keeps_password: bool) -> None:
        card = self.cards.get(card_id)
        if card is not None and card.user_id == user_id and card.unbound_at_ms is None:
            self.cards[card_id] = card._replace(unbound_at_ms=at_ms)
        if not keeps_password and not self.bound_cards(user_id):
            self.payers[user_id] = Payer()

    # --- codes ------------------------------------------------------------------------------------------------

    def begin_bind(self, row: BindAttemptRow, judge: Callable[[CountedBinds], None]) -> None:
        since_ms = row.at_ms - DAY_MS
        kept = [one for one in self.bind_attempts.values() if one.at_ms >= since_ms]
        mine = [one.at_ms for one in kept if one.user_id == row.user_id]
        same = [one.at_ms for one in kept if one.number_mac == row.number_mac]
        judge(CountedBinds(len(mine), len(same), min(mine, default=0), min(same, default=0)))
        self.bind_attempts = {one.attempt_id: one for one in (*kept, row)}

    def add_challenge(self, row: ChallengeRow, judge: Callable[[Sends], None]) -> None:
        since_ms = row.created_at_ms - DAY_MS
        mine = [one for one in self.challenges.values() if one.user_id == row.user_id]
        judge(self.sends_since(row, since_ms))
        for one in mine:
            if one.created_at_ms < since_ms:
                del self.challenges[one.challenge_id]
        self.challenges[row.challenge_id] = row

    def sends_since(self, row: ChallengeRow, since_ms: int) -> Sends:
        kept = [one for one in self.challenges.values() if one.created_at_ms >= since_ms]
        of_card = [one for one in kept if (one.gateway, one.card_ref) == (row.gateway, row.card_ref)]
        return Sends(
            sum(one.sends for one in kept if one.user_id == row.user_id),
            sum(one.sends for one in of_card),
            max((one.sent_at_ms for one in of_card), default=0),
        )

    def send_again(
        self,
        challenge_id: int,
        user_id: int,
        now_ms: int,
        change: Callable[[ChallengeRow], ChallengeRow],
        judge: Callable[[Sends], None],
    ) -> ChallengeRow | None:
        row = self.challenges.get(challenge_id)
        if row is None or row.user_id != user_id:
            return None
        after = change(row)
        judge(self.sends_since(row, now_ms - DAY_MS))
        self.challenges[challenge_id] = after
        return after

    def change_challenge(
        self, challenge_id: int, user_id: int, change: Callable[[ChallengeRow], ChallengeRow]
    ) -> ChallengeRow | None:
        row = self.challenges.get(challenge_id)
        if row is None or row.user_id != user_id:
            return None
        self.challenges[challenge_id] = change(row)
        return self.challenges[challenge_id]

    def use_challenge(self, challenge_id: int, at_ms: int) -> bool:
        row = self.challenges.get(challenge_id)
        if row is None or row.used_at_ms is not None:
            return False
        self.challenges[challenge_id] = row._replace(used_at_ms=at_ms)
        return True

    def release_challenge(self, challenge_id: int, used_at_ms: int) -> None:
        row = self.challenges.get(challenge_id)
        if row is not None and row.used_at_ms == used_at_ms:
            self.challenges[challenge_id] = row._replace(used_at_ms=None)


class PaymentTables:
    """Payments with their evidence, and orders. Every method is one transaction."""

    cards: dict[int, CardRow]
    transfers: dict[tuple[int, int, int, str], TransferRow]
    wallets: dict[int, int]
    journal: list[tuple[Any, ...]]
    transfer: Callable[[TransferRow], None]
    pay: Callable[[int, int], None]
    balance: Callable[[int], BalanceRow]
    payer: Callable[[int], Payer]
    is_known: Callable[[int], bool]
    is_banned: Callable[[int], bool]
    send: Callable[..., list[Sent | Unsent]]

    def __init__(self) -> None:
        self.payments: dict[int, PaymentRow] = {}
        self.payment_of_key: dict[tuple[str, int, str], int] = {}  # (kind, user, key) -> number
        self.evidence: dict[int, list[EvidenceRow]] = {}
        self.unsent: dict[int, str] = {}  # why the books have refused the packet of a charge
        self.orders: dict[tuple[int, int, str], WalletOrderRow] = {}  # by user, kind and key
        self.used_nonces: set[NonceMark] = set()  # of notices

    def use_nonces(self, marks: Sequence[NonceMark]) -> list[bool]:
        accepted = []
        for mark in marks:
            accepted.append(mark not in self.used_nonces)
            self.used_nonces.add(mark)
        return accepted

    # --- new ones ---------------------------------------------------------------------------------------------

    def keyed_payment(self, kind: str, user_id: int, key: str) -> PaymentRow | None:
        number = self.payment_of_key.get((kind, user_id, key))
        return None if number is None else self.payments[number]

    def add_charge(self, row: PaymentRow, day: DayLimit) -> tuple[PaymentRow, bool]:
        if (earlier := self.keyed_payment("charge", row.user_id, row.key or "")) is not None:
            return earlier, False
        self.check_day(row.user_id, row.amount_fen, day)
        return self.insert_payment(row), True

    def add_withdrawal(
        self, row: PaymentRow, transfer: TransferRow, day: DayLimit
    ) -> tuple[PaymentRow, BalanceRow | None]:
        if (earlier := self.keyed_payment("payout", row.user_id, row.key or "")) is not None:
            return earlier, None
        self.check_day(row.user_id, row.amount_fen, day)
        return self.take_out(row, transfer)

    def add_refund(self, row: PaymentRow, transfer: TransferRow) -> tuple[PaymentRow, BalanceRow | None]:
        if (earlier := self.keyed_payment("refund", row.user_id, row.key or "")) is not None:
            return earlier, None
        self.payer(row.user_id)
        left_fen = self.left_of_charge(row.of_number or 0, row.user_id)
        if row.amount_fen > left_fen:
            raise OverCharge(left_fen)
        return self.take_out(row, transfer)

    def left_of_charge(self, number: int, user_id: int) -> int:
        charge = self.payments.get(number)
        if charge is None or (charge.user_id, charge.kind, charge.state) != (user_id, "charge", "succeeded"):
            return 0
        given = [one for one in self.payments.values() if one.of_number == number and one.state != "failed"]
        return charge.amount_fen - sum(one.amount_fen for one in given)

    def take_out(self, row: PaymentRow, transfer: TransferRow) -> tuple[PaymentRow, BalanceRow | None]:
        if self.wallets.get(row.user_id, 0) < row.amount_fen:
            raise NotEnoughMoney
        made = self.insert_payment(row)
        self.book(made, transfer, -row.amount_fen)
        return made, self.balance(row.user_id)

    def insert_payment(self, row: PaymentRow) -> PaymentRow:
        """As the statement: what it does not name has its default."""
        made = row._replace(
            state="created", version=0, attempts=0, changed_at_ms=row.created_at_ms, reason="", packet_id=None
        )
        self.payments[row.number], self.evidence[row.number] = made, []
        self.payment_of_key[row.kind, row.user_id, row.key or ""] = row.number
        return made

    def check_day(self, user_id: int, amount_fen: int, day: DayLimit) -> None:
        """Not counted are what failed, what goes back to a card, what the server orders (no key), and charges at a
        host wallet.
        """
        self.payer(user_id)
        if not day.limit_fen:
            return
        spent_fen = sum(
            one.amount_fen
            for one in self.payments.values()
            if one.user_id == user_id
            and one.created_at_ms >= day.since_ms
            and one.key is not None
            and one.state != "failed"
            and one.kind != "refund"
            and (one.card_id is not None or one.content is None)
        )
        spent_fen += sum(
            one.amount_fen
            for one in self.orders.values()
            if (one.user_id, one.kind) == (user_id, TransferKind.TRANSFER) and one.at_ms >= day.since_ms
        )
        if spent_fen + amount_fen > day.limit_fen:
            raise OverDayLimit(spent_fen)

    # --- evidence ---------------------------------------------------------------------------------------------

    def due_payments(self, gateway: str, now_ms: int, besides: Sequence[int], most: int) -> list[PaymentRow]:
        found = [
            one
            for one in self.payments.values()
            if one.state in OPEN
            and one.gateway == gateway
            and one.next_try_ms <= now_ms
            and one.number not in besides
        ]
        return sorted(found, key=lambda one: one.next_try_ms)[:most]

    def fits_payment(self, change: PaymentChange) -> bool:
        """The version is still the one that the change was decided on."""
        row = self.payments.get(change.number)
        return row is not None and row.version == change.version

    def apply_change(self, change: PaymentChange, packet: PaidPacket | None) -> AppliedChange | None:
        if not self.fits_payment(change):
            return None
        before = self.payments[change.number]
        if before.state in ENDED and change.state != before.state:
            raise asyncpg.RaiseError(f"payment {before.number} has ended: it stays {before.state}")
        after = self.payments[change.number] = before._replace(
            state=str(change.state),
            version=before.version + 1,
            attempts=before.attempts + change.is_attempt,
            next_try_ms=change.next_try_ms,
            changed_at_ms=change.at_ms,
            reason=change.reason,
        )
        is_break = change.is_break and not any(_is_same(one, change) for one in self.evidence[change.number])
        heard = change.source, str(change.verdict), change.detail, str(change.state), is_break
        self.evidence[change.number].append(EvidenceRow(after.version, change.at_ms, *heard))
        if change.transfer is None:
            return AppliedChange(after)
        self.book(after, change.transfer, change.transfer.amount_fen if change.credits_user else 0)
        if not change.credits_user:
            return AppliedChange(after)
        balance = self.balance(after.user_id)
        return AppliedChange(after, balance) if packet is None else self.send_paid(after, balance, packet)

    def book(self, payment: PaymentRow, transfer: TransferRow, change_fen: int) -> None:
        """The transfer of a payment, and what it changes in the wallet of the user."""
        self.transfer(transfer)
        if change_fen:
            self.pay(payment.user_id, change_fen)
        kind = ENTRIES[TransferKind(transfer.kind)]
        self.journal.append((kind, payment.number, payment.user_id, transfer.amount_fen))

    def send_paid(self, payment: PaymentRow, balance: BalanceRow, packet: PaidPacket) -> AppliedChange:
        """The packet that a charge pays; if it is refused, the money stays in the wallet."""
        (sent,) = self.send([packet.row], packet.transfer_of, packet.streams_of, packet.seeds())
        packet_id, reason = (None, str(sent)) if isinstance(sent, Unsent) else (sent.row.packet_id, "")
        self.unsent |= {payment.number: reason} if reason else {}
        payment = self.payments[payment.number] = payment._replace(packet_id=packet_id, reason=reason)
        is_new = isinstance(sent, Sent) and packet_id == packet.row.packet_id
        return AppliedChange(payment, balance, sent if is_new and isinstance(sent, Sent) else None)

    def payment_figures(self, not_asked: Sequence[str]) -> list[PaymentFigure]:
        states: dict[tuple[str, str], list[PaymentRow]] = {}
        for one in self.payments.values():
            if one.state in OPEN:
                states.setdefault((one.kind, one.state), []).append(one)
        breaks = [one.at_ms for rows in self.evidence.values() for one in rows if one.is_break]
        asked = {
            state: [one.created_at_ms for one in rows if one.gateway not in not_asked]
            for state, rows in states.items()
        }
        return [
            *(PaymentFigure(*state, len(rows), min(asked[state], default=None)) for state, rows in states.items()),
            PaymentFigure("", "break", len(breaks), min(breaks, default=None)),
        ]

    def payments_without_gateway(self, gateways: Sequence[str]) -> dict[str, int]:
        waiting: dict[str, int] = {}
        for one in self.payments.values():
            if one.state in OPEN and one.gateway not in gateways:
                waiting[one.gateway] = waiting.get(one.gateway, 0) + 1
        return waiting

    # --- orders -----------------------------------------------------------------------------------------------

    def move_order(self, order: WalletOrderRow, day: DayLimit | None) -> Ordered:
        earlier = self.orders.get((order.user_id, order.kind, order.key))
        if earlier is not None:
            if earlier[:-1] != order[:-1]:
                raise KeyReused
            return Ordered(earlier, {}, None)
        if day is not None:
            self.check_day(order.user_id, order.amount_fen, day)
        if order.other_id:
            self.check_barred(order.user_id, order.other_id)
        if self.wallets.get(order.user_id, 0) < order.amount_fen:
            raise NotEnoughMoney
        self.payer(order.user_id)
        self.orders[order.user_id, order.kind, order.key] = order
        xid = self.next_transaction()
        self.transfer(order.transfer)
        self.pay(order.user_id, -order.amount_fen)
        if order.other_id:
            self.pay(order.other_id, order.amount_fen)
        self.journal.append(("order", order.user_id, order.other_id, order.key, order.amount_fen))
        return Ordered(order, self.balances_of(order), xid)

    def check_barred(self, user_id: int, other_id: int) -> None:
        if self.is_banned(user_id):
            raise SendBarred(Barred.BANNED)
        if is_user(other_id) and (not self.is_known(other_id) or self.is_banned(other_id)):
            raise SendBarred(Barred.NO_SUCH_USER)

    def balances_of(self, order: WalletOrderRow) -> dict[int, BalanceRow]:
        return {one: self.balance(one) for one in (order.user_id, order.other_id) if one}

    def outcomes_of_orders(self, made: Sequence[Ordered]) -> list[Ordered | None]:
        return [
            one._replace(balances=self.balances_of(one.order)) if self.is_made(one.made) else None for one in made
        ]


def _is_same(before: EvidenceRow, change: PaymentChange) -> bool:
    """Whether a break, which is never closed here, is the one that a change would open."""
    if not before.is_break or before.verdict != change.verdict:
        return False
    return before.verdict in ENDED or (before.source, before.detail) == (change.source, change.detail)
