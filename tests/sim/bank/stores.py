"""Simulated stores of payments, orders, cards, codes and pay passwords, above their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from storage.postgres.cards import bind_attempts, card_payments, cards, challenges, payers
from storage.postgres.cards.bind_attempts import BindAttemptRow, CountedBinds
from storage.postgres.cards.cards import CardRow
from storage.postgres.cards.challenges import ChallengeRow, Sends
from storage.postgres.cards.payers import CountedAttempt, DayLimit, Password, Tries
from storage.postgres.money import payments, wallet_orders
from storage.postgres.money.payments import AppliedChange, PaidPacket, PaymentChange, PaymentFigure, PaymentRow
from storage.postgres.money.wallet_orders import Ordered, WalletOrderRow
from storage.postgres.money.wallets import BalanceRow, TransferRow
from tests.sim.faults import Late


class SimPayments(payments.PaymentStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def of_send(self, user_id: int, key: str) -> PaymentRow | None:
        return await self._line.call("of_send", lambda: self._tables.keyed_payment("charge", user_id, key))

    async def get(self, number: int) -> PaymentRow | None:
        return await self._line.call("payment", lambda: self._tables.payments.get(number))

    async def due(self, gateway: str, now_ms: int, besides: Sequence[int], most: int) -> list[PaymentRow]:
        asked = gateway, now_ms, tuple(besides), most
        return await self._line.call("due_payments", lambda: self._tables.due_payments(*asked))

    async def apply(self, change: PaymentChange, packet: PaidPacket | None) -> AppliedChange | None:
        return await self._line.call("apply", lambda: self._tables.apply_change(change, packet))

    async def evidence(self, number: int) -> Any:
        return await self._line.call("evidence", lambda: list(self._tables.evidence.get(number, ())))

    async def figures(self, not_asked: Sequence[str]) -> list[PaymentFigure]:
        return await self._line.call("figures", lambda: self._tables.payment_figures(not_asked))

    async def without_gateway(self, gateways: Sequence[str]) -> dict[str, int]:
        return await self._line.call("without_gateway", lambda: self._tables.payments_without_gateway(gateways))


class SimCardPayments(card_payments.CardPaymentStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def withdrawal(self, user_id: int, key: str) -> PaymentRow | None:
        return await self._line.call("withdrawal", lambda: self._tables.keyed_payment("payout", user_id, key))

    async def card_refund(self, user_id: int, key: str) -> PaymentRow | None:
        return await self._line.call("card_refund", lambda: self._tables.keyed_payment("refund", user_id, key))

    async def refund(self, row: PaymentRow, transfer: TransferRow) -> tuple[PaymentRow, BalanceRow | None]:
        return await self._line.call("refund_to_card", lambda: self._tables.add_refund(row, transfer))

    async def charge(self, row: PaymentRow, day: DayLimit) -> tuple[PaymentRow, bool]:
        return await self._line.call("charge", lambda: self._tables.add_charge(row, day))

    async def withdraw(
        self, row: PaymentRow, transfer: TransferRow, day: DayLimit
    ) -> tuple[PaymentRow, BalanceRow | None]:
        return await self._line.call("withdraw", lambda: self._tables.add_withdrawal(row, transfer, day))


class SimWalletOrders(wallet_orders.WalletOrderStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres
        self.on_late_commit: Late = lambda made: None

    async def move(self, order: WalletOrderRow, day: DayLimit | None, cap_fen: int | None = None) -> Ordered:
        assert cap_fen is None  # these worlds have no risk control
        made: list[Ordered] = []

        def move() -> Ordered:
            ordered: Ordered = self._tables.move_order(order, day)
            made.extend([ordered] * (ordered.xid is not None))
            return ordered

        ordered: Ordered = await self._line.commit("order", move, made, self.on_late_commit)
        return ordered

    async def stands(self, order: WalletOrderRow) -> bool:
        key = order.user_id, order.kind, order.key
        return await self._line.call("stands", lambda: key in self._tables.orders)

    async def find_outcome(self, made: Sequence[Ordered]) -> list[Ordered | None]:
        return await self._line.call("ordered", lambda: self._tables.outcomes_of_orders(made))


class SimCards(cards.CardStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def bound(self, user_id: int) -> list[CardRow]:
        return await self._line.call("bound", lambda: self._tables.bound_cards(user_id))

    async def has_any(self, user_id: int) -> bool:
        return await self._line.call("has_any", lambda: bool(self._tables.bound_cards(user_id)))

    async def get(self, card_id: int) -> CardRow | None:
        return await self._line.call("card", lambda: self._tables.cards.get(card_id))

    async def of_others(self, user_id: int, gateway: str, card_ref: str) -> list[CardRow]:
        asked = user_id, gateway, card_ref
        return await self._line.call("cards_of_others", lambda: self._tables.cards_of_others(*asked))

    async def add(
        self,
        made: Callable[[CardRow | None], CardRow],
        most: int,
        may_share: Callable[[CardRow], bool],
        password: Password | None,
    ) -> CardRow:
        return await self._line.call("add_card", lambda: self._tables.add_card(made, most, may_share, password))

    async def unbind(self, user_id: int, card_id: int, at_ms: int, *, keeps_password: bool) -> None:
        change = user_id, card_id, at_ms, keeps_password
        await self._line.call("unbind", lambda: self._tables.unbind_card(*change))


class SimBindAttempts(bind_attempts.BindAttemptStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def begin(self, row: BindAttemptRow, judge: Callable[[CountedBinds], None]) -> None:
        await self._line.call("begin_bind", lambda: self._tables.begin_bind(row, judge))

    async def end(self, attempt_id: int) -> None:
        await self._line.call("end_bind", lambda: self._tables.bind_attempts.pop(attempt_id, None))


class SimChallenges(challenges.ChallengeStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def add(self, row: ChallengeRow, judge: Callable[[Sends], None]) -> None:
        await self._line.call("add_challenge", lambda: self._tables.add_challenge(row, judge))

    async def send_again(
        self,
        challenge_id: int,
        user_id: int,
        now_ms: int,
        change: Callable[[ChallengeRow], ChallengeRow],
        judge: Callable[[Sends], None],
    ) -> ChallengeRow | None:
        asked = challenge_id, user_id, now_ms, change, judge
        return await self._line.call("code_again", lambda: self._tables.send_again(*asked))

    async def change(
        self, challenge_id: int, user_id: int, change: Callable[[ChallengeRow], ChallengeRow]
    ) -> ChallengeRow | None:
        asked = challenge_id, user_id, change
        return await self._line.call("change_challenge", lambda: self._tables.change_challenge(*asked))

    async def use(self, challenge_id: int, at_ms: int) -> bool:
        return await self._line.call("use_code", lambda: self._tables.use_challenge(challenge_id, at_ms))

    async def release(self, challenge_id: int, used_at_ms: int) -> None:
        await self._line.call("release_code", lambda: self._tables.release_challenge(challenge_id, used_at_ms))

    async def remove(self, challenge_id: int) -> None:
        await self._line.call("remove_code", lambda: self._tables.challenges.pop(challenge_id, None))


class SimPayers(payers.PayerStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def password(self, user_id: int) -> Password | None:
        return await self._line.call("password", lambda: self._tables.password(user_id))

    async def attempt(self, user_id: int, counted: Callable[[Tries], Tries]) -> CountedAttempt | None:
        return await self._line.call("attempt", lambda: self._tables.attempt(user_id, counted))

    async def fitted(self, user_id: int, compared: Password, replacement: Password | None) -> bool:
        return await self._line.call("fitted", lambda: self._tables.fitted(user_id, compared, replacement))

    async def put(self, user_id: int, password: Password, *, only_first: bool = False) -> bool:
        return await self._line.call(
            "put_password", lambda: self._tables.put_password(user_id, password, only_first)
        )
