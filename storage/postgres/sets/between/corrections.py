"""Corrections over sets: each is in the set of the wallet that it moves, and first of the one that it takes from.

So proposal, decision and transfer are one transaction. The break that it cites is held in its own set meanwhile, so
it is not closed. Does a correction give to a wallet of another set, then its money arrives there in a second
transaction, with a copy of the correction (see `carrying`). Corrections of set n have numbers from n × 10^9 on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from storage import statements
from storage.postgres.money import wallets
from storage.postgres.reconciliation import corrections
from storage.postgres.reconciliation.corrections import CorrectionRow, CorrectionStore
from storage.postgres.sets.between import carrying
from storage.postgres.sets.between.carrying import Cargo, Freight
from storage.postgres.sets.places import HOME, USER_ID_MAX, all_of

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Connection, Database
    from storage.postgres.money.wallets import BalanceRow
    from storage.postgres.reconciliation.corrections import CitedBreak, CorrectedBreak, Decided
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)


def _cargo_of(row: asyncpg.Record) -> Cargo:
    one = CorrectionRow(*row[1:])
    return Cargo(row[0], one.transfer, one, one.key)


CORRECTIONS: Final = Freight(0x636F7272, SQL["oldest"], SQL["copy_correction"], SQL["remove"], _cargo_of)  # "corr"


class CorrectionsOfSet(CorrectionStore):
    """The corrections of one set."""

    def __init__(self, sets: Sets, number: int) -> None:
        super().__init__(sets.databases[number])
        self._sets = sets
        self._number = number

    async def _moved(self, connection: Connection, break_id: int, besides: int) -> Mapping[int, int]:
        """In all sets. Raises StoreUnavailable if one of them gives no answer."""
        moved = Counter(await super()._moved(connection, break_id, besides))
        others = {n: one for n, one in enumerate(self._sets.databases) if n != self._number}
        for found in (await all_of({n: _moved_in(one, break_id, besides) for n, one in others.items()})).values():
            moved.update(found)
        return moved

    async def _move(self, connection: Connection, one: CorrectionRow) -> dict[int, BalanceRow]:
        """Here, or what a wallet of another set gets is in flight to there; its user is in one from now on."""
        receiver = one.credit_account
        to_set = (await self._sets.place([receiver]))[receiver] if _is_wallet(receiver) else self._number
        if to_set == self._number:
            return await super()._move(connection, one)
        balances = await wallets.move_between(connection, one.transfer, elsewhere=(receiver,))
        await carrying.leave(connection, one.transfer, to_set, one.key)
        await connection.execute(SQL["bring_later"], one.correction_id)
        return balances


class SetCorrectionStore(CorrectionStore):
    """The corrections of all sets, each in that of the wallet that it moves."""

    def __init__(self, sets: Sets) -> None:
        super().__init__(sets.home)  # which knows the users
        self._sets = sets
        self._stores = [CorrectionsOfSet(sets, number) for number in range(len(sets.databases))]

    async def get(self, correction_id: int) -> CorrectionRow | None:
        """In the set of the correction."""
        return await self._of(correction_id).get(correction_id)

    async def newest(self, break_id: int, most: int) -> list[CorrectionRow]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        found = await all_of({number: one.newest(break_id, most) for number, one in enumerate(self._stores)})
        rows = sorted((row for some in found.values() for row in some), key=lambda row: row.proposed_at_ms)
        return rows[::-1][:most]

    async def balance(self, account: int) -> int | None:
        """A wallet in the set of its user; of an account of the system what all sets have there."""
        if _is_wallet(account):
            return await self._stores[(await self._sets.of_users([account]))[account]].balance(account)
        found = await all_of({number: one.balance(account) for number, one in enumerate(self._stores)})
        parts = [fen for fen in found.values() if fen is not None]
        return sum(parts) if parts else None

    async def find_break(self, break_id: int) -> CorrectedBreak | None:
        """In the set of the break."""
        return await self._stores[self._sets.of_break(break_id)].find_break(break_id)

    async def propose(
        self,
        one: CorrectionRow,
        check: Callable[[CorrectedBreak | None], None],
        cited: CitedBreak | None = None,
    ) -> CorrectionRow:
        """In the set of the wallet, while the break is held in its own."""
        number = await self._place(one)
        of_break = self._sets.of_break(one.break_id)
        if number == of_break:
            return await self._stores[number].propose(one, check)
        async with corrections.held(self._sets.databases[of_break], one.break_id) as cited:
            return await self._stores[number].propose(one, check, cited)

    async def approve(
        self,
        correction_id: int,
        uid: int,
        now_ms: int,
        check: Callable[[CorrectionRow, CorrectedBreak | None], None],
        cited: CitedBreak | None = None,
    ) -> Decided | None:
        """In the set of the correction, while the break is held in its own."""
        store = self._of(correction_id)
        row = await store.get(correction_id)
        if row is None:
            return None
        of_break = self._sets.of_break(row.break_id)
        if of_break == self._sets.of_break(correction_id):
            return await store.approve(correction_id, uid, now_ms, check)
        async with corrections.held(self._sets.databases[of_break], row.break_id) as cited:
            return await store.approve(correction_id, uid, now_ms, check, cited)

    async def reject(self, correction_id: int, uid: int, reason: str, now_ms: int) -> Decided | None:
        """In the set of the correction."""
        return await self._of(correction_id).reject(correction_id, uid, reason, now_ms)

    async def _place(self, one: CorrectionRow) -> int:
        """That of the wallet which a correction takes from, or gives to.

        Of accounts of the system that of the payment which the break is about, or set 0.
        """
        for account in (one.debit_account, one.credit_account):
            if _is_wallet(account):
                return (await self._sets.place([account]))[account]
        async with self._sets.databases[self._sets.of_break(one.break_id)].reading() as connection:
            number = await connection.fetchval(SQL["payment_of"], one.break_id)
        return HOME if number is None else self._sets.of_packet(number)

    def _of(self, correction_id: int) -> CorrectionStore:
        return self._stores[self._sets.of_break(correction_id)]


def _is_wallet(account: int) -> bool:
    return 0 < account <= USER_ID_MAX


async def _moved_in(database: Database, break_id: int, besides: int) -> dict[int, int]:
    async with database.reading() as connection:
        return await corrections.moved_in(connection, break_id, besides)
