"""Wallets and transfers: the books. Every change of a wallet stands beside its transfer in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.errors import StoreUnavailable, Unanswered

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class TransferRow(NamedTuple):
    """One movement of money; never changed. `key` is '' where a packet is one of the accounts."""

    debit_account: int
    credit_account: int
    kind: int
    key: str
    amount_fen: int
    at_ms: int


class BalanceRow(NamedTuple):
    """What is in a wallet. `version` counts its changes: of two balances the one with the higher is newer."""

    fen: int
    version: int


class EntryRow(NamedTuple):
    """One change of a wallet. (kind, account, key) name its transfer; `account` is the other one of the two."""

    version: int
    kind: int
    account: int
    key: str
    change_fen: int
    balance_fen: int
    at_ms: int


class HoldingRow(NamedTuple):
    """What a user has, and what of their claims is recorded and not in the wallet yet; both of one moment."""

    balance: BalanceRow
    arriving_fen: int


EMPTY_ROW = BalanceRow(0, 0)  # a wallet that nothing was ever paid into


class MadeTransfer(NamedTuple):
    """How a transfer is known that a transaction may have made: by its key, its time and that transaction."""

    debit_account: int
    credit_account: int
    kind: int
    key: str
    at_ms: int
    xid: int | None  # None: another one has made it


class Booked(NamedTuple):
    """A keyed transfer that stands in the books, and what is in its wallet after it, or by now.

    `xid`: of the transaction that this call has made it in; None if an earlier call had made it.
    """

    transfer: TransferRow
    balance: BalanceRow
    xid: int | None

    @property
    def moved_now(self) -> bool:
        """Whether this call has moved the money, not an earlier one with its key."""
        return self.xid is not None

    @property
    def made(self) -> MadeTransfer:
        """How it is known."""
        return MadeTransfer(*self.transfer[:4], self.transfer.at_ms, self.xid)


class NotEnoughMoney(Exception):
    """The wallet holds less than the amount; nothing was recorded."""


class KeyReused(Exception):
    """The key was used before with another amount; nothing was recorded."""


class UnknownUser(Exception):
    """The wallet would be that of a user who is not known; nothing was recorded."""


class WalletStore:
    """Statements on wallets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def holdings(self, user_ids: Sequence[int]) -> dict[int, HoldingRow]:
        """What these users have; zeros for a user without a wallet."""
        async with self._database.reading() as connection:
            return await holdings(connection, user_ids)

    async def move(
        self, transfer: TransferRow, user_id: int, change_fen: int, *, known_only: bool = False
    ) -> Booked:
        """Record a keyed transfer and change one wallet by `change_fen`, once. Raises NotEnoughMoney, KeyReused.

        `known_only`: raises UnknownUser, too. Raises Unanswered, with the Booked if this very call may have
        recorded it: then `find_outcome` it. Two calls may have the same key in the same millisecond.
        """
        made: list[Booked] = []
        try:
            async with self._database.transaction() as connection:
                xid = await connection.fetchval(_SQL["insert_transfer"], *transfer)
                if xid is None:
                    recorded = await connection.fetchval(_SQL["transfer_before"], *transfer[:4])
                    if recorded != transfer.amount_fen:
                        raise KeyReused
                    return Booked(transfer, await _balance(connection, user_id), None)
                if known_only and not await connection.fetchval(_SQL["is_known"], user_id):
                    raise UnknownUser
                balance = await _change(connection, user_id, change_fen)
                await _enter(connection, transfer, user_id, change_fen, balance)
                booked = Booked(transfer, balance, xid)
                made.append(booked)
        except StoreUnavailable as error:
            raise Unanswered(error, made) from error
        return booked

    async def entries(self, user_id: int, after_version: int) -> list[EntryRow]:
        """The changes of a wallet after a version, oldest first: 100, and one more if others follow."""
        async with self._database.reading() as connection:
            return [EntryRow(*row) for row in await connection.fetch(_SQL["entries"], user_id, after_version)]

    async def stands(self, transfer: TransferRow) -> bool:
        """Whether the key of this transfer has moved money, perhaps another amount."""
        async with self._database.reading() as connection:
            return await connection.fetchval(_SQL["transfer_before"], *transfer[:4]) is not None

    async def find_outcome(self, made: Sequence[Booked]) -> list[Booked | None]:
        """Which of these transfers stand in the books, with what is in their wallets by now; None: not this one."""
        async with self._database.reading() as connection:
            found = await find_made(connection, [one.made for one in made])
        return [
            one._replace(balance=next(iter(balances.values()))) if balances else None
            for one, balances in zip(made, found, strict=True)
        ]


async def find_made(connection: Connection, made: Sequence[MadeTransfer]) -> list[dict[int, BalanceRow]]:
    """What is in the wallets of each of these transfers by now, by user; empty: it does not stand in the books."""
    columns = [[one[column] for one in made] for column in range(len(MadeTransfer._fields))]
    found: list[dict[int, BalanceRow]] = [{} for _ in made]
    for place, user_id, *balance in await connection.fetch(_SQL["find_made"], *columns):
        found[place - 1][user_id] = BalanceRow(*balance)
    return found


async def holdings(connection: Connection, user_ids: Sequence[int]) -> dict[int, HoldingRow]:
    """The same over a connection of the caller's."""
    rows = await connection.fetch(_SQL["holdings"], user_ids)
    return {
        user_id: HoldingRow(BalanceRow(fen, version), arriving_fen) for user_id, fen, version, arriving_fen in rows
    }


async def _change(connection: Connection, user_id: int, change_fen: int) -> BalanceRow:
    """Give to one wallet, or take from it; what is in it then. Raises NotEnoughMoney."""
    if change_fen >= 0:
        return BalanceRow(*(await connection.fetch(_SQL["credit"], user_id, change_fen))[0])
    balance = (await debit(connection, {user_id: -change_fen}, {user_id: 1})).get(user_id)
    if balance is None:
        raise NotEnoughMoney
    return balance


async def _balance(connection: Connection, user_id: int) -> BalanceRow:
    row = await connection.fetchrow(_SQL["balance"], user_id)
    return EMPTY_ROW if row is None else BalanceRow(*row)


class Purse(NamedTuple):
    """What a wallet can spend, the server seed of the next packet that it pays, and all that is in it."""

    free_fen: int
    next_seed: int
    fen: int
    version: int


async def lock(connection: Connection, user_ids: Collection[int]) -> dict[int, Purse]:
    """Keep these wallets as they are until the transaction ends; what they can spend, where there is one."""
    rows = await connection.fetch(_SQL["lock"], list(user_ids))
    return {user_id: Purse(*purse) for user_id, *purse in rows}


async def debit(
    connection: Connection,
    amounts_fen: Mapping[int, int],
    transfers: Mapping[int, int],
    next_seeds: Mapping[int, int] | None = None,
) -> dict[int, BalanceRow]:
    """Take amounts out of wallets that hold enough; the balances after it, of those alone.

    `transfers`: how many transfers, and so changes of the wallet, an amount is the sum of. `next_seeds`: the server
    seed of the next packet of each, if packets were paid.
    """
    users, amounts = list(amounts_fen), list(amounts_fen.values())
    counts, seeds = [transfers[one] for one in users], [next_seeds and next_seeds[one] for one in users]
    rows = await connection.fetch(_SQL["debit"], users, amounts, counts, seeds)
    return {row["user_id"]: BalanceRow(row["balance_fen"], row["version"]) for row in rows}


async def credit(connection: Connection, transfer: TransferRow, user_id: int) -> BalanceRow:
    """Record a transfer into a wallet, with its entry; what is in the wallet then."""
    await insert_transfer(connection, transfer)
    return await enter_credit(connection, transfer, user_id)


async def enter_credit(connection: Connection, transfer: TransferRow, user_id: int) -> BalanceRow:
    """The same, of a transfer that is recorded: its other side was another wallet."""
    balance = BalanceRow(*(await connection.fetch(_SQL["credit"], user_id, transfer.amount_fen))[0])
    await _enter(connection, transfer, user_id, transfer.amount_fen, balance)
    return balance


async def move_between(
    connection: Connection, transfer: TransferRow, elsewhere: Collection[int] = ()
) -> dict[int, BalanceRow]:
    """Record a transfer between any two accounts, with an entry in each wallet; what is in these then.

    `elsewhere`: wallets of another database, which are left alone. Raises NotEnoughMoney; a second transfer with
    the same key fails the transaction.
    """
    debit_account, credit_account, _, _, amount_fen, _ = transfer
    changes = {debit_account: -amount_fen, credit_account: amount_fen}
    users = sorted(account for account in changes if account > 0 and account not in elsewhere)
    await lock(connection, users)
    await insert_transfer(connection, transfer)
    balances = {}
    for user_id in users:
        if changes[user_id] < 0:
            balance = (await debit(connection, {user_id: amount_fen}, {user_id: 1})).get(user_id)
            if balance is None:
                raise NotEnoughMoney
        else:
            balance = BalanceRow(*(await connection.fetch(_SQL["credit"], user_id, amount_fen))[0])
        await _enter(connection, transfer, user_id, changes[user_id], balance)
        balances[user_id] = balance
    return balances


async def insert_transfer(connection: Connection, transfer: TransferRow) -> None:
    """Record a transfer that changes no wallet; a second one with the same key fails the transaction."""
    await connection.execute(_SQL["insert_new_transfer"], *transfer)


async def insert_debits(
    connection: Connection, transfers: Sequence[TransferRow], after: Mapping[int, BalanceRow]
) -> None:
    """Record transfers out of wallets, with their entries; a second one with the same key fails the transaction.

    `after`: what is in the wallets after all of them.
    """
    left = dict(after)
    balances = []
    for transfer in reversed(transfers):  # backwards from what is known
        fen, version = balance = left[transfer.debit_account]
        balances.append(balance)
        left[transfer.debit_account] = BalanceRow(fen + transfer.amount_fen, version - 1)
    balances.reverse()
    columns = [[row[column] for row in transfers] for column in range(6)]
    versions, balances_fen = [one.version for one in balances], [one.fen for one in balances]
    await connection.execute(_SQL["insert_debits"], *columns, versions, balances_fen)


async def _enter(
    connection: Connection, transfer: TransferRow, user_id: int, change_fen: int, balance: BalanceRow
) -> None:
    """The entry of one transfer."""
    debit_account, credit_account, kind, key, _, at_ms = transfer
    other = credit_account if user_id == debit_account else debit_account
    row = (user_id, balance.version, kind, other, key, change_fen, balance.fen, at_ms)
    await connection.execute(_SQL["enter"], *row)
