"""New payments: their rows, and how one that has not ended is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.core.payments import PaymentKind, PaymentState
from server.core.refusals import Reason, RequestRefused
from storage.postgres.money.payments import PaymentRow

if TYPE_CHECKING:
    from server.clock import Clock
    from server.core.ids import IdMaker
    from server.gateways.port import Gateway
    from storage.postgres.sets.places import Sets

RETRY_MS: Final = (500, 30_000)


class NewPayments:
    """Makes the rows of payments."""

    def __init__(self, ids: IdMaker, clock: Clock, lease_ms: int, sets: Sets) -> None:
        """`lease_ms`: so long the first attempt may take before another server may begin one.

        `sets`: a payment is in the set of its user, which its number has.
        """
        self._ids, self._clock, self._lease_ms, self._sets = ids, clock, lease_ms, sets

    async def row(
        self,
        gateway: Gateway,
        kind: PaymentKind,
        user_id: int,
        amount_fen: int,
        key: str,
        content: str | None,
        card_id: int | None = None,
    ) -> PaymentRow:
        """A payment that has a number now, and is to be recorded. Raises StoreUnavailable."""
        place = (await self._sets.place([user_id]))[user_id]
        now_ms = self._clock.now_ms()
        return PaymentRow(
            number=self._ids.next(now_ms, place),
            gateway=gateway.name,
            kind=kind,
            user_id=user_id,
            amount_fen=amount_fen,
            key=key,
            content=content,
            state=PaymentState.CREATED,
            version=0,
            attempts=0,
            next_try_ms=now_ms + self._lease_ms,
            created_at_ms=now_ms,
            changed_at_ms=now_ms,
            reason="",
            packet_id=None,
            card_id=card_id,
        )

    def unknown(self, payment: PaymentRow) -> RequestRefused:
        """The refusal of a request whose payment has not ended: when it is asked about next."""
        least, most = RETRY_MS
        wait_ms = min(max(payment.next_try_ms - self._clock.now_ms(), least), most)
        return RequestRefused(Reason.BANK_UNKNOWN, retry_after_ms=wait_ms)
