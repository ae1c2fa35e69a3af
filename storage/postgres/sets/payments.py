"""Payments over sets: each is in the set of its user, which its number has, beside the wallet that it moves.

A packet that a charge pays is made in that set, too, as any packet of this sender. Cards, codes and passwords are
in set 0, because they are counted over all users: who else has bound a card, how many codes a phone got. The row of
the payer in the user's set is the lock under which the payments of the user are counted; that in set 0 has the
password.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from storage import statements
from storage.postgres.cards import cards, payers
from storage.postgres.cards.card_payments import CardPaymentStore
from storage.postgres.cards.cards import CardStore
from storage.postgres.money.payments import PaymentFigure, PaymentStore
from storage.postgres.sets.places import HOME, all_of, any_of, grouped
from storage.postgres.sets.sends import ChatOfSets

if TYPE_CHECKING:
    from storage.postgres.cards.payers import DayLimit
    from storage.postgres.money.payments import (
        AppliedChange,
        EvidenceRow,
        PaidPacket,
        PaymentChange,
        PaymentRow,
    )
    from storage.postgres.money.wallets import BalanceRow, TransferRow
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)


class SetPaymentStore(PaymentStore):
    """The payments of all sets."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [PaymentStore(one, ChatOfSets(sets, number)) for number, one in enumerate(sets.databases)]

    def set_of(self, number: int) -> int:
        """Its number has it."""
        return self._sets.of_packet(number)

    async def of_send(self, user_id: int, key: str) -> PaymentRow | None:
        """In the set of the user."""
        return await self._stores[(await self._sets.of_users([user_id]))[user_id]].of_send(user_id, key)

    async def get(self, number: int) -> PaymentRow | None:
        """In the set of the payment."""
        return await self._of(number).get(number)

    async def create_charge(self, row: PaymentRow) -> tuple[PaymentRow, bool]:
        """In the set of the payment, which is that of its user."""
        return await self._of(row.number).create_charge(row)

    async def create_payouts(
        self,
        numbers: Mapping[int, int],
        gateway: str,
        transfer_of: Callable[[PaymentRow], TransferRow],
        now_ms: int,
        failed_after_ms: int,
    ) -> list[AppliedChange]:
        """A transaction in each set; those of the sets that answer. The scan looks at users of others again.

        Raises StoreUnavailable if none does.
        """
        by_set = grouped(numbers, lambda user_id: self.set_of(numbers[user_id]))
        about = gateway, transfer_of, now_ms, failed_after_ms
        done = await any_of(
            {
                number: self._stores[number].create_payouts({one: numbers[one] for one in users}, *about)
                for number, users in by_set.items()
            }
        )
        return [one for some in done.values() for one in some]

    async def page_of_wallets(self, after_user: int, most: int) -> tuple[list[int], int | None]:
        """Of the sets that answer, up to the user whom each of them has looked at. Raises if none does."""
        done = await any_of(
            {number: one.page_of_wallets(after_user, most) for number, one in enumerate(self._stores)}
        )
        ends = [last for _, last in done.values() if last is not None]
        last = min(ends, default=None)
        found = sorted(user_id for users, _ in done.values() for user_id in users)
        return [user_id for user_id in found if last is None or user_id <= last], last

    async def due(self, gateway: str, now_ms: int, besides: Sequence[int], most: int) -> list[PaymentRow]:
        """Of the sets that answer. Raises StoreUnavailable if none does."""
        done = await any_of(
            {number: one.due(gateway, now_ms, besides, most) for number, one in enumerate(self._stores)}
        )
        rows = [row for some in done.values() for row in some]
        return sorted(rows, key=lambda row: row.next_try_ms)[:most]

    async def apply(self, change: PaymentChange, packet: PaidPacket | None) -> AppliedChange | None:
        """In the set of the payment."""
        return await self._of(change.number).apply(change, packet)

    async def evidence(self, number: int) -> list[EvidenceRow]:
        """In the set of the payment."""
        return await self._of(number).evidence(number)

    async def newest(self, user_id: int, state: str, most: int) -> list[PaymentRow]:
        """Raises StoreUnavailable if one of the sets that are asked gives no answer."""
        numbers = (await self._sets.of_users([user_id])).values() if user_id else range(len(self._stores))
        found = await all_of({number: self._stores[number].newest(user_id, state, most) for number in numbers})
        return sorted((row for rows in found.values() for row in rows), key=lambda row: -row.number)[:most]

    async def figures(self, not_asked: Sequence[str]) -> list[PaymentFigure]:
        """Of the sets that answer. Raises StoreUnavailable if none does."""
        done = await any_of({number: one.figures(not_asked) for number, one in enumerate(self._stores)})
        rows = [row for some in done.values() for row in some]
        return [
            PaymentFigure(
                kind,
                state,
                sum(row.payments for row in same),
                min((row.oldest_ms for row in same if row.oldest_ms is not None), default=None),
            )
            for kind, state in dict.fromkeys((row.kind, row.state) for row in rows)
            if (same := [row for row in rows if (row.kind, row.state) == (kind, state)])
        ]

    async def without_gateway(self, gateways: Sequence[str]) -> dict[str, int]:
        """Of the sets that answer. Raises StoreUnavailable if none does."""
        done = await any_of({number: one.without_gateway(gateways) for number, one in enumerate(self._stores)})
        return dict(sum((Counter(some) for some in done.values()), Counter()))

    def _of(self, number: int) -> PaymentStore:
        return self._stores[self.set_of(number)]


class PaymentsOfSet(CardPaymentStore):
    """The payments by card of the users of one set."""

    def __init__(self, sets: Sets, number: int) -> None:
        super().__init__(sets.databases[number])
        self._home = sets.home
        self._number = number

    async def _account(self, row: PaymentRow) -> str | None:
        """From the card in set 0. It never changes."""
        if self._number == HOME or row.card_id is None:
            return None
        async with self._home.reading() as connection:
            return str(await connection.fetchval(SQL["card_ref"], row.card_id) or "")


class SetCardPaymentStore(CardPaymentStore):
    """The payments by card of all users, each in the set of its user, with the limits of the day."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [PaymentsOfSet(sets, number) for number in range(len(sets.databases))]

    async def withdrawal(self, user_id: int, key: str) -> PaymentRow | None:
        """In the set of the user."""
        return await (await self._of_user(user_id)).withdrawal(user_id, key)

    async def card_refund(self, user_id: int, key: str) -> PaymentRow | None:
        """In the set of the user."""
        return await (await self._of_user(user_id)).card_refund(user_id, key)

    async def charge(self, row: PaymentRow, day: DayLimit) -> tuple[PaymentRow, bool]:
        """In the set of the payment, which is that of its user."""
        return await self._of(row).charge(row, day)

    async def withdraw(
        self, row: PaymentRow, transfer: TransferRow, day: DayLimit
    ) -> tuple[PaymentRow, BalanceRow | None]:
        """In the set of the payment, which is that of its user."""
        return await self._of(row).withdraw(row, transfer, day)

    async def refund(self, row: PaymentRow, transfer: TransferRow) -> tuple[PaymentRow, BalanceRow | None]:
        """In the set of the payment, which is that of its charge, too."""
        return await self._of(row).refund(row, transfer)

    def _of(self, row: PaymentRow) -> PaymentsOfSet:
        return self._stores[self._sets.of_packet(row.number)]

    async def _of_user(self, user_id: int) -> PaymentsOfSet:
        return self._stores[(await self._sets.of_users([user_id]))[user_id]]


class SetCardStore(CardStore):
    """Cards are in set 0; whether a payment of a user has ended, the set of the user knows."""

    def __init__(self, sets: Sets) -> None:
        super().__init__(sets.home)
        self._sets = sets

    async def forget(self, user_id: int, at_ms: int) -> bool:
        """While the payer is held in the set of the user: no payment of the user begins meanwhile."""
        number = (await self._sets.of_users([user_id]))[user_id]
        if number == HOME:
            return await super().forget(user_id, at_ms)
        async with self._sets.databases[number].transaction() as connection:
            await payers.lock(connection, user_id)
            if await cards.has_open_payments(connection, user_id):
                return False
            return await super().forget(user_id, at_ms)
