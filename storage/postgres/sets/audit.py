"""What the audit of several sets reads: a snapshot of each, and questions about what stands in another one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from storage import statements
from storage.postgres.sets.opening import TRANSIT
from storage.postgres.sets.places import HOME

if TYPE_CHECKING:
    from storage.postgres.sessions import Session

SQL: Final = statements.load(__file__)
CHUNK: Final = 20_000  # pairs in one question
One = TypeVar("One")


class CreditedShare(NamedTuple):
    """A claim as one of the two sets has it."""

    packet_id: int
    user_id: int
    amount_fen: int


class HandedOver(NamedTuple):
    """A claim that left the queue because it was credited in another set."""

    packet_id: int
    user_id: int
    amount_fen: int
    to_set: int


class ClaimInGroups(NamedTuple):
    """A claim, and the groups whose members might make it."""

    packet_id: int
    user_id: int
    group_ids: Sequence[int]


class ToldElsewhere(NamedTuple):
    """What another set is told once: a stream (or a user), what of, and of which packet."""

    stream_id: int
    topic: int
    packet_id: int


class LateRow(NamedTuple):
    """What another set should have been told."""

    packet_id: int
    topic: int
    stream_id: int
    age_s: int


class OrderBetween(NamedTuple):
    """A transfer or correction between users of two sets, as one of them has it.

    `key`: sender and key of the order, or that of the correction.
    """

    key: str
    receiver_id: int
    amount_fen: int
    other_set: int


class LateOrder(NamedTuple):
    """A transfer or correction that should have arrived in another set; with the same key."""

    key: str
    age_s: int


class CardNamed(NamedTuple):
    """A card as payments of a user name it, and one of these."""

    card_id: int
    user_id: int
    gateway: str
    number: int


class BreakCited(NamedTuple):
    """A correction that was approved, and the break that it cites."""

    correction_id: int
    break_id: int
    debit_account: int
    credit_account: int
    amount_fen: int


class NamedPayments:
    """The payments of one set, and what they name, as of the same moment."""

    def __init__(self, number: int, connection: Session) -> None:
        self._number = number
        self._connection = connection

    async def payers(self) -> dict[int, int]:
        """The users whose payments are in this set, each with the number of one of them."""
        return {row["user_id"]: row["number"] for row in await self._connection.fetch(SQL["payers"])}

    async def strangers(self, first_id: int, first_number: int) -> list[str]:
        """Payments, breaks and corrections whose number says another set. `first_number`: of breaks of a set."""
        rows = await self._connection.fetch(SQL["strangers"], first_id, self._number, first_number)
        return [row["name"] for row in rows]

    async def cards_named(self) -> list[CardNamed]:
        """The cards that payments of this set name."""
        return [CardNamed(*row) for row in await self._connection.fetch(SQL["cards_named"])]

    async def owners_of_cards(self, card_ids: Collection[int]) -> dict[int, tuple[int, str]]:
        """User and gateway of cards; asked in set 0."""
        found: dict[int, tuple[int, str]] = {}
        for some in chunks(card_ids):
            rows = await self._connection.fetch(SQL["owners_of_cards"], some)
            found |= {row["card_id"]: (row["user_id"], row["gateway"]) for row in rows}
        return found

    async def breaks_cited(self) -> list[BreakCited]:
        """The corrections of this set that were approved."""
        return [BreakCited(*row) for row in await self._connection.fetch(SQL["breaks_cited"])]

    async def breaks(self, break_ids: Collection[int]) -> dict[int, int | None]:
        """The most that a correction of these breaks may move, in fen; None: it is not known."""
        rows = await self._connection.fetch(SQL["breaks"], list(break_ids))
        return {row["break_id"]: row["difference_fen"] for row in rows}


class SetSnapshot:
    """One set as of one moment."""

    def __init__(self, number: int, connection: Session) -> None:
        self.number = number
        self.payments = NamedPayments(number, connection)
        self._connection = connection

    async def handed_over(self) -> list[HandedOver]:
        """Claims of this set that are credited in others."""
        return [HandedOver(*row) for row in await self._connection.fetch(SQL["handed_over"])]

    async def credited_for_others(self, first_id: int) -> list[CreditedShare]:
        """Credits in this set for packets of others."""
        rows = await self._connection.fetch(SQL["credited_for_others"], first_id, self.number)
        return [CreditedShare(*row) for row in rows]

    async def credits_of(self, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """The credits in this set of these (packet, user), in fen."""
        return await self._amounts("credits_of", pairs)

    async def claims_of(self, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """The claims in this set of these (packet, user), in fen."""
        return await self._amounts("claims_of", pairs)

    async def _amounts(self, question: str, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
        found: dict[tuple[int, int], int] = {}
        for some in chunks(pairs):
            columns = [one for one, _ in some], [other for _, other in some]
            rows = await self._connection.fetch(SQL[question], *columns)
            found |= {(packet_id, user_id): amount_fen for packet_id, user_id, amount_fen in rows}
        return found

    async def claims_in_groups(self, others: Sequence[str]) -> list[ClaimInGroups]:
        """Claims of packets that go to groups, so not of these kinds."""
        return [ClaimInGroups(*row) for row in await self._connection.fetch(SQL["claims_in_groups"], others)]

    async def were_members(self, pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of these (user, group) that let the user open what is sent to the group."""
        found: set[tuple[int, int]] = set()
        for some in chunks(pairs):
            columns = [one for one, _ in some], [other for _, other in some]
            found |= {tuple(row) for row in await self._connection.fetch(SQL["were_members"], *columns)}
        return found

    async def due_elsewhere(self) -> set[ToldElsewhere]:
        """What other sets are to be told of packets of this set that are over, or were told."""
        rows = await self._connection.fetch(SQL["due_elsewhere"], self.number == HOME)
        return {ToldElsewhere(*row) for row in rows}

    async def waiting(self) -> set[ToldElsewhere]:
        """What waits to be told."""
        return {ToldElsewhere(*row) for row in await self._connection.fetch(SQL["waiting"])}

    async def told(self, asked: Iterable[ToldElsewhere]) -> set[ToldElsewhere]:
        """Those of these that this set was told."""
        found: set[ToldElsewhere] = set()
        for some in chunks(asked):
            columns = [[row[column] for row in some] for column in range(3)]
            found |= {ToldElsewhere(*row) for row in await self._connection.fetch(SQL["told"], *columns)}
        return found

    async def late(self) -> list[LateRow]:
        """What waits for more than a minute."""
        return [LateRow(*row) for row in await self._connection.fetch(SQL["late"])]

    async def orders_sent(self) -> list[OrderBetween]:
        """Transfers and corrections that have left this set for others, without those that are in flight."""
        return [OrderBetween(*row) for row in await self._connection.fetch(SQL["orders_sent"])]

    async def orders_come(self) -> list[OrderBetween]:
        """Transfers and corrections that came to this set from others."""
        return [OrderBetween(*row) for row in await self._connection.fetch(SQL["orders_come"])]

    async def orders_of(self, question: str, other_set: int, keys: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Receiver and amount of those with these keys that this set has sent to another one (`sent_of`), or
        got from it (`come_of`).
        """
        found: dict[str, tuple[int, int]] = {}
        for some in chunks(keys):
            rows = await self._connection.fetch(SQL[question], TRANSIT - other_set, some)
            found |= {key: (receiver_id, amount_fen) for key, receiver_id, amount_fen in rows}
        return found

    async def late_orders(self) -> list[LateOrder]:
        """Transfers and corrections that are in flight for more than a minute."""
        return [LateOrder(*row) for row in await self._connection.fetch(SQL["late_orders"])]

    async def wallets(self) -> list[int]:
        """The users whose wallets are in this set."""
        return [row["user_id"] for row in await self._connection.fetch(SQL["wallets"])]

    async def sets_of_users(self, user_ids: Collection[int]) -> dict[int, int]:
        """Where users are; asked in set 0."""
        found: dict[int, int] = {}
        for some in chunks(user_ids):
            rows = await self._connection.fetch(SQL["sets_of_users"], some)
            found |= {row["user_id"]: row["set_number"] for row in rows}
        return found


def chunks(items: Iterable[One]) -> Iterator[list[One]]:
    """Items in parts of CHUNK."""
    left = iter(items)
    while some := list(islice(left, CHUNK)):
        yield some
