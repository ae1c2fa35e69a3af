"""What is personal of a user is erased: name, picture, cards, phones, the pay password. The books stay."""

from __future__ import annotations

import structlog

from server.services.cards.service import CardService
from server.services.chat.people import PeopleService

LOG = structlog.get_logger()


class ForgetService:
    """Use case forget. Raises RequestRefused, StoreUnavailable: then ask again."""

    def __init__(self, people: PeopleService, cards: CardService) -> None:
        self._people, self._cards = people, cards

    async def forget(self, user_id: int) -> None:
        """Erase; again is harmless. Refused while a payment of the user has not ended: it may need the card."""
        await self._people.check_known([user_id])
        await self._cards.forget(user_id)
        await self._people.put({user_id: ""}, {user_id: ""})
        LOG.info("user_forgotten", user_id=user_id)
