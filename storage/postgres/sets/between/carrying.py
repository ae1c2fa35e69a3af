"""Money of two sets: a transaction in one set takes it out of a wallet, one in the other set gives it to a wallet.

The transfer between both wallets stands in both sets, and so does the record that it comes from. In the first set
transfer 23 takes what the other wallet got on to the account in transit of the other set; there transfer 24 brings
it from the account in transit of the first. The copied record is the key: what is brought twice arrives once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from storage import statements
from storage.errors import StoreBusy
from storage.postgres.money import wallets
from storage.postgres.money.wallets import BalanceRow, TransferRow
from storage.postgres.sets.opening import TRANSIT
from storage.postgres.sets.places import any_of, grouped

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Connection, Database, WriterConnection
    from storage.postgres.sessions import Session
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)
SENT_TO_SET, CAME_FROM_SET = 23, 24  # kinds of transfers, see docs/money.md


class Cargo(NamedTuple):
    """What is brought: its place in the queue, the transfer, the record of it, the key of transfers 23 and 24."""

    place: int
    transfer: TransferRow
    record: tuple[Any, ...]
    key: str


class Freight(NamedTuple):
    """One kind of what is brought: its statements, and how a row of `oldest` is read.

    `lock`: any number that nothing else locks in the database. `oldest`: behind a place, so many rows. `copy`:
    answers once. `remove`: from the queue, by places.
    """

    lock: int
    oldest: str
    copy: str
    remove: str
    cargo_of: Callable[[asyncpg.Record], Cargo]


class Arrived(NamedTuple):
    """A transfer whose money has arrived in the wallet that it credits, and what is in the wallet."""

    transfer: TransferRow
    balance: BalanceRow


async def leave(connection: Connection, transfer: TransferRow, to_set: int, key: str) -> None:
    """What a transfer gave to a wallet of another set passes on to there: see `MoneyCarrier`."""
    _, receiver, _, _, amount_fen, at_ms = transfer
    leaves = TransferRow(receiver, TRANSIT - to_set, SENT_TO_SET, key, amount_fen, at_ms)
    await wallets.insert_transfer(connection, leaves)


class MoneyCarrier:
    """Brings what waits in one set to the sets of the wallets that get it."""

    def __init__(self, sets: Sets, number: int, freight: Freight, writer: WriterConnection) -> None:
        """`writer`: to the set where it waits; carriers may share one."""
        self._sets, self._number, self._freight, self._writer = sets, number, freight, writer

    async def bring(self, most: int) -> tuple[int, list[Arrived]]:
        """Bring the oldest: how many left the queue, and what came of them.

        Those to a set that is away wait, behind them no others. One server at a time brings those of a set.
        Raises StoreUnavailable: some of them may have arrived, and arrive no second time.
        """
        async with self._writer.transaction() as connection:
            if not await connection.fetchval(SQL["try_lock"], self._freight.lock):
                return 0, []
            waiting = await self._waiting(connection, most)
            if not waiting:
                return 0, []
            calls = {
                number: _arrive(self._sets.databases[number], self._freight, some, TRANSIT - self._number)
                for number, some in waiting.items()
            }
            arrived = [one for some in (await any_of(calls)).values() for one in some]
            await connection.execute(self._freight.remove, [cargo.place for cargo, _ in arrived])
        return len(arrived), [Arrived(cargo.transfer, balance) for cargo, balance in arrived]

    async def _waiting(self, connection: Session, most: int) -> dict[int, list[Cargo]]:
        """The oldest to sets that are not away, by these sets."""
        after = 0
        while True:
            rows = await connection.fetch(self._freight.oldest, after, most)
            if not rows:
                return {}
            after = rows[-1][0]
            by_set = await self._by_set([self._freight.cargo_of(row) for row in rows])
            near = {number: some for number, some in by_set.items() if not self._sets.databases[number].away}
            if near:
                return near

    async def _by_set(self, cargo: Sequence[Cargo]) -> dict[int, list[Cargo]]:
        """By the sets of the wallets that get it."""
        places = await self._sets.of_users({one.transfer.credit_account for one in cargo})
        return grouped(cargo, lambda one: places[one.transfer.credit_account])


async def _arrive(
    database: Database, freight: Freight, cargo: Sequence[Cargo], from_account: int
) -> list[tuple[Cargo, BalanceRow]]:
    """Record in one set what has left another one, each once; what arrived, and what is in its wallet.

    What goes to a wallet that another transaction locks waits, and holds up no others. Raises StoreUnavailable.
    """
    try:
        return await _arrive_together(database, freight, cargo, from_account)
    except StoreBusy:
        arrived = []
        for one in cargo:
            with suppress(StoreBusy):
                arrived += await _arrive_together(database, freight, [one], from_account)
        return arrived


async def _arrive_together(
    database: Database, freight: Freight, cargo: Sequence[Cargo], from_account: int
) -> list[tuple[Cargo, BalanceRow]]:
    """In one transaction. What arrived before is answered, too: perhaps its user was not told."""
    receivers = {one.transfer.credit_account for one in cargo}
    async with database.transaction() as connection:
        await wallets.lock(connection, receivers)
        for one in cargo:
            if await connection.fetchval(freight.copy, *one.record) is not None:
                giver, receiver, _, _, amount_fen, at_ms = one.transfer
                comes = TransferRow(from_account, giver, CAME_FROM_SET, one.key, amount_fen, at_ms)
                await wallets.insert_transfer(connection, comes)
                await wallets.credit(connection, one.transfer, receiver)
        rows = await connection.fetch(SQL["balances"], list(receivers))
    balances = {user_id: BalanceRow(fen, version) for user_id, fen, version in rows}
    return [(one, balances[one.transfer.credit_account]) for one in cargo]
