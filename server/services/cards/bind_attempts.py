"""What the bank says about a card that a user wants to bind. Attempts that it declines are bounded a day.

Otherwise the reply to each attempt would say whether a number, a holder and a phone belong together, as often as a
user may ask, and one could try them all.
"""

from __future__ import annotations

from collections.abc import Callable

from server.core.cards import attempts as rules
from server.core.cards.attempts import DeclinedBinds
from server.core.refusals import Reason, RequestRefused
from server.gateways.port import CardAsk, CardDeclined, CardGateway, CardOffer, GatewayAway
from server.services.cards.secrets import CardSecrets
from storage.postgres.cards.bind_attempts import BindAttemptRow, BindAttemptStore, CountedBinds


class BindAttempts:
    """Asks a bank about cards. Raises RequestRefused, StoreUnavailable."""

    def __init__(self, store: BindAttemptStore, secrets: CardSecrets, now_ms: Callable[[], int]) -> None:
        self._store, self._secrets, self._now_ms = store, secrets, now_ms

    async def offer(self, gateway: CardGateway, user_id: int, ask: CardAsk) -> CardOffer:
        """What the bank offers. The attempt is counted before it asks; one that gets no answer proves nothing."""
        now_ms, attempt_id = self._now_ms(), int(ask.request_id)
        row = BindAttemptRow(attempt_id, user_id, self._secrets.number_mac(ask.number), now_ms)

        def judge(counted: CountedBinds) -> None:
            rules.check_binds(DeclinedBinds(*counted), now_ms)

        await self._store.begin(row, judge)
        try:
            offer = await gateway.bind(ask)
        except CardDeclined as declined:
            raise RequestRefused(Reason.BANK_DECLINED, str(declined)) from None
        except GatewayAway:
            await self._store.end(attempt_id)
            raise RequestRefused(Reason.BANK_AWAY) from None
        await self._store.end(attempt_id)
        return offer
