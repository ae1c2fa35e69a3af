"""Movements with a text: a transfer to another user (转账), and a pay that the chat backend orders (消费)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.core import ids, ledger
from server.core.ledger import TransferKind, WalletBalance
from server.core.limits import check_bytes, check_number, check_text
from server.core.refusals import Reason, RequestRefused
from server.services.risk.gate import over_cap
from server.services.runtime.events import BalanceChange
from server.services.runtime.in_doubt import InDoubt
from storage.errors import Unanswered
from storage.postgres.cards.payers import DayLimit, OverDayLimit
from storage.postgres.chat.users import SendBarred
from storage.postgres.money.wallet_orders import Ordered, OverSendCap, WalletOrderRow, WalletOrderStore
from storage.postgres.money.wallets import KeyReused, NotEnoughMoney

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.core.limits import Limits
    from server.services.cards.authorisation import Authorisation
    from server.services.payments.day_limits import DayLimits
    from server.services.risk.gate import MoneyGate
    from server.services.runtime.bus import Bus


class WalletOrder(NamedTuple):
    """An order that stands in the books."""

    other_id: int
    amount_fen: int
    at_ms: int


class OrderService:
    """Use cases transfer and pay, each once per user and key. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: WalletOrderStore,
        authorisation: Authorisation,
        day_limits: DayLimits,
        limits: Limits,
        now_ms: Callable[[], int],
        bus: Bus,
        smallest: str,
        gate: MoneyGate,
    ) -> None:
        """`smallest`: what an amount counts, as people say it (fen). `gate`: what risk control lets pass."""
        self._gate = gate
        self._store, self._authorisation, self._day_limits = store, authorisation, day_limits
        self._limits, self._now_ms, self._bus, self._smallest = limits, now_ms, bus, smallest
        self.in_doubt: InDoubt[Ordered, Ordered] = InDoubt(store.find_outcome, self._publish)

    async def transfer(
        self, user_id: int, other_id: int, amount_fen: int, key: str, text: str, password: str | None
    ) -> WalletOrder:
        """Money from a user to another one. `password` None: the chat backend asks for it."""
        if not ids.is_user(other_id) or other_id == user_id:
            raise RequestRefused(Reason.BAD_TARGET, "user_id: a transfer goes to another user")
        now_ms = self._now_ms()
        order = WalletOrderRow(user_id, TransferKind.TRANSFER, key, other_id, amount_fen, text, now_ms)
        self._check(order)
        await self._unless_stands(order, self._gate.check_send(user_id, amount_fen))
        # of a repeated order the password has been checked then
        if await self._authorisation.is_needed(user_id, password) and not await self._store.stands(order):
            await self._authorisation.prove(user_id, password)
        cap_fen = (await self._gate.send_caps((user_id,))).get(user_id)
        return await self._move(order, self._day_limits.of(now_ms), cap_fen)

    async def pay(self, user_id: int, amount_fen: int, key: str, text: str) -> WalletOrder:
        """Money from a user to the outside, for what the text says."""
        order = WalletOrderRow(user_id, TransferKind.PAY, key, ledger.OUTSIDE, amount_fen, text, self._now_ms())
        self._check(order)
        await self._unless_stands(order, self._gate.check_withdrawal(user_id))
        return await self._move(order, None)

    async def _unless_stands(self, order: WalletOrderRow, check: Awaitable[None]) -> None:
        """Raises the RequestRefused of a check, unless the order has been carried out before."""
        try:
            await check
        except RequestRefused:
            if not await self._store.stands(order):
                raise

    def _check(self, order: WalletOrderRow) -> None:
        check_bytes("key", order.key, 1, self._limits.key_bytes_max, Reason.BAD_KEY)
        check_number("amount_fen", order.amount_fen, 1, ledger.MOVE_FEN_MAX, Reason.BAD_AMOUNT, self._smallest)
        check_text("text", order.text, 0, self._limits.greeting_bytes_max, Reason.BAD_TEXT)

    async def _move(self, order: WalletOrderRow, day: DayLimit | None, cap_fen: int | None = None) -> WalletOrder:
        try:
            ordered = await self._store.move(order, day, cap_fen)
        except OverSendCap as over:  # by a send at the same time
            raise over_cap(cap_fen or 0, over.sent_fen, self._smallest) from None
        except NotEnoughMoney:
            raise RequestRefused(Reason.NOT_ENOUGH_MONEY) from None
        except KeyReused:
            raise RequestRefused(Reason.KEY_REUSED, "the key has moved money with other content") from None
        except SendBarred as barred:
            raise RequestRefused(Reason(barred.why)) from None
        except OverDayLimit as over:
            raise self._day_limits.refusal(over) from None
        except Unanswered as unanswered:
            self.in_doubt.add(unanswered.asked)
            raise
        self._publish(ordered)
        return WalletOrder(ordered.order.other_id, ordered.order.amount_fen, ordered.order.at_ms)

    def _publish(self, ordered: Ordered) -> None:
        """The new balances to their users, once."""
        order = ordered.order
        reason = TransferKind(order.kind).name.lower()
        for user_id, balance in ordered.balances.items():
            change_fen = -order.amount_fen if user_id == order.user_id else order.amount_fen
            event = BalanceChange(user_id, WalletBalance(*balance), change_fen, reason)
            self._bus.publish(event, (user_id,))
