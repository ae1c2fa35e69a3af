"""Settlement over sets: a claim is queued in the set of its packet and credited in the set of its user.

First the credit, under a unique key (packet, user), in the set of the user; then the queue row is deleted in the
set of the packet, with a transfer to the account in transit of the other set. A server that is killed between the
two finds the row again, and the key makes twice once. If both sets are the same, it is one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.errors import StoreBusy, StoreUnavailable, Unanswered
from storage.postgres.money.settlement import Backlog, Credit, SettlementQueue
from storage.postgres.money.wallets import BalanceRow
from storage.postgres.sets.opening import TRANSIT
from storage.postgres.sets.places import HOME, any_of, grouped, in_order

if TYPE_CHECKING:
    from storage.postgres.database import Connection
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)
LOOKS_MAX: Final = 20  # for claims of users whose set can be reached, behind those of others
AVOID_S: Final = 2.0  # so long a set is left alone in which a credit has failed


class QueuedClaim(NamedTuple):
    """A row of the queue, and its place in it."""

    place: str
    packet_id: int
    user_id: int
    amount_fen: int
    queued_at_ms: int
    index: int  # type: ignore[assignment]  # the column's name hides tuple.index, which is not called


class QueueOfSet(SettlementQueue):
    """The queue of one set. Each batch is of claims of users of one set."""

    def __init__(self, sets: Sets, number: int, best_luck_kinds: Sequence[str]) -> None:
        super().__init__(sets.databases[number], best_luck_kinds)
        self._sets = sets
        self._number = number
        self._of_sets = [SettlementQueue(one, best_luck_kinds) for one in sets.databases]
        self._crediting = [one.writer(plan_each_time=True) for one in sets.databases]
        self._avoided: dict[int, float] = {}  # sets, and until when (the clock of the loop)
        self._suspects: dict[int, list[int]] = {}  # by set the users of whom one has a locked wallet

    async def settle(self, most: int, now_ms: int) -> tuple[int, list[Credit]]:
        """Credit up to `most` claims of users of one set, the largest first; how many left the queue.

        Raises Unanswered.
        """
        found = await self._next(most)
        if found is None:
            return 0, []
        to_set, claims = found
        credits: list[Credit] = []
        try:
            if to_set == self._number:
                async with self._crediting[to_set].transaction() as connection:
                    credits = await _credit(connection, claims, now_ms)
                    taken = await self._take_off(connection, claims, now_ms, None)
            else:
                async with self._crediting[to_set].transaction() as connection:
                    credits = await _credit(connection, claims, now_ms)
                async with self._crediting[self._number].transaction() as connection:
                    taken = await self._take_off(connection, claims, now_ms, TRANSIT - to_set)
        except StoreUnavailable as error:
            if isinstance(error, StoreBusy):
                self._suspects[to_set] = [row.user_id for row in claims]
            else:
                self._avoided[to_set] = asyncio.get_running_loop().time() + AVOID_S
            raise Unanswered(error, credits) from error
        return taken, credits

    async def find_outcome(self, credits: Sequence[Credit]) -> list[Credit | None]:
        """In the sets of the users. Raises StoreUnavailable if one of them gives no answer."""
        places = await self._sets.of_users({credit.user_id for credit in credits})
        return await in_order(
            credits,
            lambda credit: places[credit.user_id],
            lambda number, some: self._of_sets[number].find_outcome(some),
        )

    async def _next(self, most: int) -> tuple[int, list[QueuedClaim]] | None:
        """The next claims, and the set of their users: the one with the most of them that can be reached."""
        passed_over = await self._find_locked_in_sets()
        for _ in range(LOOKS_MAX):
            async with self._database.reading() as connection:
                rows = [QueuedClaim(*row) for row in await connection.fetch(SQL["next"], most, passed_over)]
            if not rows:
                return None
            by_set = await self._by_set(rows)
            reachable = {number: claims for number, claims in by_set.items() if self._is_reachable(number)}
            if reachable:
                return max(reachable.items(), key=lambda one: len(one[1]))
            passed_over += [row.user_id for row in rows]
        return None

    async def _find_locked_in_sets(self) -> list[int]:
        """Users whose wallet another transaction locks: their claims wait, others go on."""
        found: list[int] = []
        for number, suspects in list(self._suspects.items()):
            if not self._is_reachable(number):
                continue
            async with self._sets.databases[number].reading() as connection:
                locked = [row["user_id"] for row in await connection.fetch(SQL["locked"], suspects)]
            if locked:
                self._suspects[number] = locked
                found += locked
            else:
                del self._suspects[number]
        return found

    async def _by_set(self, rows: Sequence[QueuedClaim]) -> dict[int, list[QueuedClaim]]:
        """By the sets of their users; a new user is placed."""
        places = await self._sets.place({row.user_id for row in rows})
        return grouped(rows, lambda row: places[row.user_id])

    def _is_reachable(self, number: int) -> bool:
        is_avoided = self._avoided.get(number, 0.0) > asyncio.get_running_loop().time()
        return number == self._number or not (is_avoided or self._sets.databases[number].away)

    async def _take_off(
        self, connection: Connection, claims: Sequence[QueuedClaim], now_ms: int, account: int | None
    ) -> int:
        """Delete rows of the queue whose claims are credited, and tell what follows; how many were still there."""
        columns = [[row[column] for row in claims] for column in range(3)]
        arguments = now_ms, account, self._best_luck_kinds, self._number == HOME
        return int(await connection.fetchval(SQL["take_off"], *columns, *arguments))


async def _credit(connection: Connection, claims: Sequence[QueuedClaim], now_ms: int) -> list[Credit]:
    columns = [[row[column] for row in claims] for column in (1, 2, 3, 4)]
    rows = await connection.fetch(SQL["credit"], *columns, now_ms)
    return [Credit(row[0], row[1], row[2], row[3], now_ms, BalanceRow(row[4], row[5]), row[6]) for row in rows]


class SetSettlementQueue(SettlementQueue):
    """The queues of all sets, each emptied by itself."""

    def __init__(self, sets: Sets, queues: Sequence[QueueOfSet]) -> None:
        self._sets = sets
        self._queues = queues

    @property
    def parts(self) -> Sequence[SettlementQueue]:
        """One for each set."""
        return self._queues

    async def settle(self, most: int, now_ms: int) -> tuple[int, list[Credit]]:
        """In one set after the other; the server asks each by itself (`parts`)."""
        taken, credits = 0, list[Credit]()
        for queue in self._queues:
            some_taken, some = await queue.settle(most, now_ms)
            taken, credits = taken + some_taken, [*credits, *some]
        return taken, credits

    async def find_outcome(self, credits: Sequence[Credit]) -> list[Credit | None]:
        """In the sets of the users; each queue knows them all."""
        return await self._queues[HOME].find_outcome(credits)

    async def uncredited(self, user_id: int, packet_id: int) -> bool:
        """By the transfer in the set of the user."""
        number = (await self._sets.of_users([user_id]))[user_id]
        return await self._queues[number].uncredited(user_id, packet_id)

    async def backlog(self) -> Backlog:
        """In the sets that answer."""
        done = await any_of({number: queue.backlog() for number, queue in enumerate(self._queues)})
        oldest_ms = [one.oldest_ms for one in done.values() if one.oldest_ms is not None]
        claims, amount_fen = sum(one.claims for one in done.values()), sum(one.amount_fen for one in done.values())
        return Backlog(claims, amount_fen, min(oldest_ms, default=None))
