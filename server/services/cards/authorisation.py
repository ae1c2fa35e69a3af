"""Whether a payment from the wallet needs the pay password."""

from __future__ import annotations

from typing import Literal, TypeAlias

from server.core.refusals import Reason, RequestRefused
from server.services.cards.passwords import PasswordService
from storage.postgres.cards.cards import CardStore

WalletPassword: TypeAlias = Literal["card", "always", "never"]


class Authorisation:
    """Judges by the rule of the config: `card`: users with a card need it; or all users, or none."""

    def __init__(self, cards: CardStore, passwords: PasswordService, rule: WalletPassword) -> None:
        self._cards, self._passwords = cards, passwords
        self.rule = rule  # a reload changes it

    async def is_needed(self, user_id: int, password: str | None) -> bool:
        """Whether a payment of the user's own needs it. `password` None: the chat backend orders the payment."""
        if password is None or self.rule == "never":
            return False
        return self.rule == "always" or await self._cards.has_any(user_id)

    async def check(self, user_id: int, password: str | None) -> None:
        """Refuse a payment from the wallet whose password is needed, and missing or wrong."""
        if await self.is_needed(user_id, password):
            await self.prove(user_id, password)

    async def prove(self, user_id: int, password: str | None) -> None:
        """Refuse unless the password is the user's, or the chat backend orders the payment."""
        if password is None:
            return
        if not password:
            raise RequestRefused(Reason.PASSWORD_NEEDED)
        await self._passwords.check(user_id, password)
