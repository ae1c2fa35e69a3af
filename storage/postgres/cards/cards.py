"""Bound cards. What is personal in a row is sealed; what is inside a seal is not known here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.cards import bind_attempts, payers

if TYPE_CHECKING:
    from storage.postgres.cards.payers import Password
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class CardRow(NamedTuple):
    """A card; see migration 0018. `sealed` is None once the user was forgotten."""

    card_id: int
    user_id: int
    gateway: str
    card_ref: str
    bank: str
    last4: str
    sealed: bytes | None
    key_id: str
    bound_at_ms: int
    unbound_at_ms: int | None


class TooManyCards(Exception):
    """The user has as many cards as a user may have; nothing was recorded."""


class CardTaken(Exception):
    """Another user has bound the card; nothing was recorded."""


class CardStore:
    """Statements on cards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def bound(self, user_id: int) -> list[CardRow]:
        """The cards that a user has now, the oldest first."""
        async with self._database.reading() as connection:
            return [CardRow(*row) for row in await connection.fetch(_SQL["bound"], user_id)]

    async def has_any(self, user_id: int) -> bool:
        """Whether a user has a card now."""
        async with self._database.reading() as connection:
            return bool(await connection.fetchval(_SQL["has_any"], user_id))

    async def get(self, card_id: int) -> CardRow | None:
        """A card, bound or not."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["get"], card_id)
        return None if row is None else CardRow(*row)

    async def of_others(self, user_id: int, gateway: str, card_ref: str) -> list[CardRow]:
        """The same card, bound by other users."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["of_others"], user_id, gateway, card_ref)
        return [CardRow(*row) for row in rows]

    async def add(
        self,
        made: Callable[[CardRow | None], CardRow],
        most: int,
        may_share: Callable[[CardRow], bool],
        password: Password | None,
    ) -> CardRow:
        """Record a bound card. `made` makes its row, given the row of the same card if the user has it already.

        `most` cards a user. `may_share` judges the cards of other users that are this one. `password`: the first
        one of the user; one that is there stays. Raises TooManyCards, CardTaken.
        """
        card = made(None)
        async with self._database.transaction() as connection:
            await payers.lock(connection, card.user_id)
            await connection.execute(_SQL["lock_card"], card.gateway, card.card_ref)
            others = await connection.fetch(_SQL["of_others"], card.user_id, card.gateway, card.card_ref)
            if not all(may_share(CardRow(*row)) for row in others):
                raise CardTaken
            bound = [CardRow(*row) for row in await connection.fetch(_SQL["bound"], card.user_id)]
            same = [one for one in bound if (one.gateway, one.card_ref) == (card.gateway, card.card_ref)]
            if len(bound) - len(same) >= most:
                raise TooManyCards
            if password is not None:
                await payers.set_first(connection, card.user_id, password)
            (row,) = await connection.fetch(_SQL["put"], *(made(same[0]) if same else card)[:9])
            return CardRow(*row)

    async def unbind(self, user_id: int, card_id: int, at_ms: int, *, keeps_password: bool) -> None:
        """The user has the card no more. Again is harmless.

        `keeps_password`: also if it was the last card.
        """
        async with self._database.transaction() as connection:
            await payers.lock(connection, user_id)
            await connection.execute(_SQL["unbind"], user_id, card_id, at_ms)
            if not keeps_password and not await connection.fetchval(_SQL["has_any"], user_id):
                await payers.forget(connection, user_id)

    async def all_of(self, user_id: int) -> list[CardRow]:
        """All cards that a user has had."""
        async with self._database.reading() as connection:
            return [CardRow(*row) for row in await connection.fetch(_SQL["all_of"], user_id)]

    async def forget(self, user_id: int, at_ms: int) -> bool:
        """Erase what is personal of a user's cards and codes, and the password. False: a payment is still open."""
        async with self._database.transaction() as connection:
            await payers.lock(connection, user_id)
            if await has_open_payments(connection, user_id):
                return False
            await connection.execute(_SQL["forget_cards"], user_id, at_ms)
            await connection.execute(_SQL["forget_challenges"], user_id)
            await connection.execute(_SQL["forget_marks"], user_id)
            await bind_attempts.forget(connection, user_id)
            await payers.forget(connection, user_id)
            return True

    # --- another key ------------------------------------------------------------------------------------------

    async def sealed_otherwise(self, key_id: str, after: int, most: int) -> list[CardRow]:
        """Cards after an id that are sealed under another key."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["sealed_otherwise"], key_id, after, most)
        return [CardRow(*row) for row in rows]

    async def seal_again(self, before: Sequence[CardRow], sealed: Sequence[bytes], key_id: str) -> int:
        """Replace seals, where they are still the same; how many were."""
        columns = [one.card_id for one in before], [one.sealed for one in before], list(sealed)
        async with self._database.reading() as connection:
            return len(await connection.fetch(_SQL["seal_again"], *columns, key_id))


async def has_open_payments(connection: Connection, user_id: int) -> bool:
    """Whether a payment of a user by card has not ended; asked with the row of the payer locked."""
    return bool(await connection.fetchval(_SQL["has_open_payments"], user_id))
