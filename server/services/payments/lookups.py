"""Lookups of payments for operators: the newest ones, and one with all its evidence. Plain values come back."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from server.core.payments import ENDED
from storage.postgres.cards.cards import CardStore
from storage.postgres.money.payments import PaymentRow, PaymentStore


class PaymentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A payment. Times in ms since 1970; `next_try_ms` is None of one that has ended, `packet_id` 0: no packet,
    `of_number` 0: no refund, else the charge that it gives back.

    `card` is for people: bank and last four digits; empty without a card, and in lists.
    """

    number: int
    gateway: str
    kind: str
    state: str
    user_id: int
    amount_fen: int
    attempts: int
    age_s: float
    next_try_ms: int | None
    created_at_ms: int
    changed_at_ms: int
    reason: str
    key: str
    packet_id: int
    of_number: int = 0
    card: str = ""


class EvidenceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence about a payment, and the state after it."""

    at_ms: int
    source: str
    verdict: str
    detail: str
    state: str
    is_break: bool


class PaymentLookupService:
    """All methods raise StoreUnavailable."""

    def __init__(self, store: PaymentStore, cards: CardStore, now_ms: Callable[[], int]) -> None:
        self._store, self._cards = store, cards
        self._now_ms = now_ms

    async def newest(self, user_id: int, state: str, most: int) -> list[PaymentFacts]:
        """The newest payments, of one user (0: of all) and in one state (empty: in any)."""
        return [self._facts(row) for row in await self._store.newest(user_id, state, most)]

    async def payment(self, number: int) -> tuple[PaymentFacts, list[EvidenceFacts]] | None:
        """A payment and all evidence about it; None: there is no such payment."""
        row = await self._store.get(number)
        if row is None:
            return None
        evidence = await self._store.evidence(number)
        facts = msgspec.structs.replace(self._facts(row), card=await self._card(row))
        return facts, [
            EvidenceFacts(
                at_ms=one.at_ms,
                source=one.source,
                verdict=one.verdict,
                detail=one.detail,
                state=one.state,
                is_break=one.is_break,
            )
            for one in evidence
        ]

    async def _card(self, row: PaymentRow) -> str:
        card = None if row.card_id is None else await self._cards.get(row.card_id)
        if card is None:
            return ""
        return f"{card.bank} ****{card.last4}" + (" (unbound)" if card.unbound_at_ms is not None else "")

    def _facts(self, row: PaymentRow) -> PaymentFacts:
        is_over = row.state in ENDED
        end_ms = row.changed_at_ms if is_over else self._now_ms()
        return PaymentFacts(
            number=row.number,
            gateway=row.gateway,
            kind=row.kind,
            state=row.state,
            user_id=row.user_id,
            amount_fen=row.amount_fen,
            attempts=row.attempts,
            age_s=max(0, end_ms - row.created_at_ms) / 1000,
            next_try_ms=None if is_over else row.next_try_ms,
            created_at_ms=row.created_at_ms,
            changed_at_ms=row.changed_at_ms,
            reason=row.reason,
            key=row.key or "",
            packet_id=row.packet_id or 0,
            of_number=row.of_number or 0,
        )
