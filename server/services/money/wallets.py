"""Wallets: the balance, and money that the chat backend moves in from and out to the outside world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from server.core import ledger
from server.core.ids import USER_ID_MAX
from server.core.ledger import Holding, WalletBalance
from server.core.limits import Limits, check_bytes, check_number
from server.core.refusals import SET_AWAY, Reason, RequestRefused
from server.services.risk.gate import MoneyGate
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from server.services.runtime.in_doubt import InDoubt
from storage.errors import Unanswered
from storage.postgres.money import wallets as store
from storage.postgres.money.wallets import Booked, EntryRow, TransferRow

HOLDINGS_MAX: Final = 500  # read at once
ENTRIES_PAGE: Final = 100  # lines; storage/postgres/money/wallets.sql reads one more


class EntryItem(NamedTuple):
    """One change of a wallet. `packet_id` is 0 where no packet moved the money."""

    version: int
    at_ms: int
    reason: str
    change_fen: int
    balance_fen: int
    packet_id: int


class EntryPage(NamedTuple):
    """Changes in their order; if there are more, they follow after the last one."""

    lines: list[EntryItem]
    more: bool


class WalletService:
    """Use cases on wallets. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        wallets: store.WalletStore,
        limits: Limits,
        now_ms: Callable[[], int],
        bus: Bus,
        smallest: str,
        gate: MoneyGate,
    ) -> None:
        """`smallest`: what an amount counts, as people say it (fen). `gate`: what risk control lets pass."""
        self._gate = gate
        self._store = wallets
        self._limits = limits
        self._now_ms = now_ms
        self._bus = bus
        self._smallest = smallest
        self.in_doubt: InDoubt[Booked, Booked] = InDoubt(wallets.find_outcome, self._publish)
        self.batcher: Batcher[int, Holding] = Batcher(self._load, HOLDINGS_MAX, limits)
        self.moved_fen = {ledger.TransferKind.TOP_UP: 0, ledger.TransferKind.WITHDRAW: 0}

    async def holding(self, user_id: int) -> Holding:
        """What a user has, and what is arriving."""
        return await self.batcher.submit(user_id)

    async def _load(self, user_ids: list[int]) -> list[Holding | Exception]:
        rows = await self._store.holdings(user_ids)
        return [
            Holding(WalletBalance(*rows[one].balance), rows[one].arriving_fen)
            if one in rows
            else RequestRefused(Reason.STORE_UNAVAILABLE, SET_AWAY)
            for one in user_ids
        ]

    async def entries(self, user_id: int, after_version: int) -> EntryPage:
        """The changes of a wallet after a version of it, oldest first."""
        rows = await self._store.entries(user_id, after_version)
        lines = [_item(row) for row in rows[:ENTRIES_PAGE] if row.kind != ledger.OPENING]
        return EntryPage(lines, len(rows) > ENTRIES_PAGE)

    async def top_up(self, user_id: int, amount_fen: int, key: str, *, known_only: bool = False) -> int:
        """Money from outside, once per key; the balance in fen. `known_only`: an unknown user is refused."""
        return await self._move(ledger.TransferKind.TOP_UP, user_id, amount_fen, key, known_only=known_only)

    async def withdraw(self, user_id: int, amount_fen: int, key: str) -> int:
        """Money to the outside, once per key; the balance in fen."""
        return await self._move(ledger.TransferKind.WITHDRAW, user_id, amount_fen, key)

    async def _move(
        self, kind: ledger.TransferKind, user_id: int, amount_fen: int, key: str, *, known_only: bool = False
    ) -> int:
        check_bytes("key", key, 1, self._limits.key_bytes_max, Reason.BAD_KEY)
        check_number("amount_fen", amount_fen, 1, ledger.MOVE_FEN_MAX, Reason.BAD_AMOUNT, self._smallest)
        comes_in = ledger.DIRECTIONS[kind][0].credit is ledger.Account.WALLET
        debit, credit = (ledger.OUTSIDE, user_id) if comes_in else (user_id, ledger.OUTSIDE)
        transfer = TransferRow(debit, credit, kind, key, amount_fen, self._now_ms())
        if not comes_in:
            await self._check_withdrawal(transfer)
        try:
            booked = await self._store.move(transfer, *_change(transfer), known_only=known_only)
        except store.NotEnoughMoney:
            raise RequestRefused(Reason.NOT_ENOUGH_MONEY) from None
        except store.UnknownUser:
            raise RequestRefused(Reason.NO_SUCH_USER, f"the server knows no user {user_id}") from None
        except store.KeyReused:
            raise RequestRefused(Reason.KEY_REUSED, "the key has moved another amount before") from None
        except Unanswered as unanswered:
            self.in_doubt.add(unanswered.asked)
            raise
        if booked.moved_now:
            self._publish(booked)
        return booked.balance.fen

    async def _check_withdrawal(self, transfer: TransferRow) -> None:
        """Raises RequestRefused if risk control holds it back, unless the same key has moved the money already."""
        try:
            await self._gate.check_withdrawal(transfer.debit_account)
        except RequestRefused:
            if not await self._store.stands(transfer):
                raise

    def _publish(self, booked: Booked) -> None:
        """The new balance to its user, once."""
        transfer, balance, _ = booked
        kind = ledger.TransferKind(transfer.kind)
        user_id, change_fen = _change(transfer)
        self.moved_fen[kind] += transfer.amount_fen
        event = BalanceChange(user_id, WalletBalance(*balance), change_fen, kind.name.lower())
        self._bus.publish(event, (user_id,))


def _item(row: EntryRow) -> EntryItem:
    packet_id = row.account if row.account > USER_ID_MAX else 0
    reason = ledger.reason_of(row.kind)
    return EntryItem(row.version, row.at_ms, reason, row.change_fen, row.balance_fen, packet_id)


def _change(transfer: TransferRow) -> tuple[int, int]:
    """Whose wallet it changes, and by how much: below 0 if money leaves."""
    if transfer.debit_account == ledger.OUTSIDE:
        return transfer.credit_account, transfer.amount_fen
    return transfer.debit_account, -transfer.amount_fen
