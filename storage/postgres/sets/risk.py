"""Risk control over sets: decisions and verdicts are in set 0, what they judge by is read in all sets.

Wallets that change are noted in their set. A round deletes these notes there in a transaction that ends after that
of set 0, which has the decisions: a server that is killed between the two judges some users again. What is in a
set that is away is not counted, and its users wait, so it holds up no other ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from storage import statements
from storage.postgres.risk import risk
from storage.postgres.risk.neighbours import DAY_MS, Flow, neighbour_facts, since
from storage.postgres.risk.neighbours import SQL as FACT_SQL
from storage.postgres.risk.risk import LOCK, RiskRound, RiskStore
from storage.postgres.risk.shares import GivenShares, GotTransfer, OpenedShare, of_shares
from storage.postgres.sets.places import HOME, grouped, settled

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)
# Facts of what is in set 0; the others but those of `of_shares` are in the set of the user.
AT_HOME: Final = (
    "account_age_s",
    "reactions",
    "reaction_median_ms",
    "reaction_spread_ms",
    "grabs",
    "first_places_percent",
)
Held = Mapping[int, "Connection"]
Found = TypeVar("Found")


class SetRiskRound(RiskRound):
    """A round in set 0, with notes and facts of all sets."""

    def __init__(self, connection: Connection, sets: Sets, held: Held, *, is_apart: bool = False) -> None:
        super().__init__(connection, is_apart=is_apart)
        self._sets, self._held = sets, {HOME: connection, **held}

    async def take_active(self, most: int) -> list[int]:
        """At most so many changes of each set whose notes this round has."""
        users: dict[int, None] = {}
        for connection in self._held.values():
            users |= dict.fromkeys(await risk.take_active(connection, most))
        return list(users)

    async def facts(self, user_ids: Sequence[int], now_ms: int) -> dict[int, dict[str, int]]:
        """Of users whose set answers."""
        return await facts_of(self._sets, self._held, user_ids, now_ms)


class SetRiskStore(RiskStore):
    """Risk control of a server with several sets."""

    def __init__(self, sets: Sets) -> None:
        super().__init__(sets.home)
        self._sets = sets
        self._further = {n: one.writer(plan_each_time=True) for n, one in enumerate(sets.databases) if n != HOME}
        self._mode = ""
        self._untold: set[int] = set()  # sets that do not know the mode yet

    async def use_rules(self, mode: str, version: str, rules: bytes, now_ms: int) -> None:
        """Further sets note wallets that change, too; one that is away does it once a round finds it."""
        await super().use_rules(mode, version, rules, now_ms)
        self._mode, self._untold = mode, set(self._further)
        await self._tell()

    async def stop(self) -> None:
        """In the sets that answer."""
        await super().stop()
        self._mode, self._untold = "off", set(self._further)
        await self._tell()

    async def _tell(self) -> None:
        asked = {number: _use_mode(self._sets.databases[number], self._mode) for number in sorted(self._untold)}
        done, _ = await settled(asked)
        self._untold -= done.keys()

    @asynccontextmanager
    async def round(self) -> AsyncIterator[RiskRound | None]:
        """The transactions of further sets end after that of set 0. Sets that are away are left out."""
        await self._tell()
        async with AsyncExitStack() as stack:
            held: dict[int, Connection] = {}
            for number, writer in self._further.items():
                if self._sets.databases[number].away:
                    continue
                connection = await stack.enter_async_context(writer.transaction())
                if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                    held[number] = connection
            async with self._writer.transaction() as connection:
                has_duty = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK)
                yield SetRiskRound(connection, self._sets, held) if has_duty else None

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[RiskRound]:
        """In set 0, with the facts of all sets."""
        async with self._database.transaction() as connection:
            yield SetRiskRound(connection, self._sets, {}, is_apart=True)

    async def sent_since(self, user_id: int, since_ms: int) -> int:
        """In the set of the user."""
        number = (await self._sets.of_users([user_id]))[user_id]
        async with self._sets.databases[number].reading() as connection:
            return (await risk.sent_since(connection, [user_id], since_ms))[user_id]

    async def facts(self, user_ids: Sequence[int], now_ms: int) -> dict[int, dict[str, int]]:
        """Of users whose set answers."""
        return await facts_of(self._sets, {}, user_ids, now_ms)


async def tell_late(home: Database, late: Database) -> None:
    """A set that was away when the server started notes wallets that change as set 0 does, or no more."""
    async with home.reading() as connection:
        mode = await connection.fetchval(SQL["mode"])
    await _use_mode(late, mode)


async def _use_mode(database: Database, mode: str) -> None:
    async with database.reading() as connection:
        await connection.execute(SQL["use_mode"], mode)


class _FactReader:
    """Reads in each set over the connection that a round has there, if it has one."""

    def __init__(self, sets: Sets, held: Held, now_ms: int) -> None:
        self._sets, self._held, self._now_ms = sets, held, now_ms

    async def fetch(self, number: int, statement: str, *arguments: object) -> list[Any]:
        """The rows of a statement in a set."""
        if (connection := self._held.get(number)) is not None:
            return list(await connection.fetch(statement, *arguments))
        async with self._sets.databases[number].reading() as connection:
            return list(await connection.fetch(statement, *arguments))

    async def at_home(self, statement: str, *arguments: object) -> Sequence[Any]:
        """The rows of a statement in set 0."""
        return await self.fetch(HOME, statement, *arguments)

    async def activity(self, user_ids: Collection[int]) -> Sequence[Any]:
        """In the sets of the users."""
        return await self._of_users(
            user_ids, lambda n, some: self.fetch(n, FACT_SQL["activity"], some, self._now_ms)
        )

    async def given(self, user_ids: Collection[int]) -> list[Flow]:
        """Packets are in the sets of their senders, with what was opened of them; so are transfers."""
        return [Flow(*row[:3]) for row in await self._of_users(user_ids, self.given_in)]

    async def got(self, user_ids: Collection[int]) -> list[Flow]:
        """What users got is in their sets, what it was in those of the packets."""
        received = await self._of_users(user_ids, self.received)
        flows: dict[tuple[int, int], int] = defaultdict(int)
        for user_id, shares in (await _opened(self, self._sets, received)).items():
            for one in shares:
                if one.sender_id not in (0, user_id):
                    flows[one.sender_id, user_id] += one.average_fen
        for user_id, _, giver_id, amount_fen in await self._of_users(user_ids, self.transfers_got):
            flows[giver_id, user_id] += amount_fen
        return [Flow(*pair, fen) for pair, fen in flows.items()]

    async def _of_users(
        self, user_ids: Collection[int], asked: Callable[[int, Sequence[int]], Awaitable[list[Any]]]
    ) -> list[Any]:
        """The rows of the sets of users that answer."""
        by_set = grouped(user_ids, (await self._sets.of_users(user_ids)).__getitem__)
        found = await _answered({number: asked(number, some) for number, some in by_set.items()})
        return [row for rows in found.values() for row in rows]

    async def own(self, number: int, user_ids: Sequence[int]) -> dict[int, dict[str, int]]:
        """Facts from one set alone."""
        rows = await self.fetch(number, risk.FACTS, user_ids, self._now_ms)
        return {(facts := dict(row)).pop("user_id"): facts for row in rows}

    async def received(self, number: int, user_ids: Sequence[int]) -> list[tuple[int, int, int]]:
        """User, packet and time of shares that were credited in a set."""
        return [tuple(row) for row in await self.fetch(number, SQL["received"], user_ids, self._now_ms - DAY_MS)]

    async def transfers_got(self, number: int, user_ids: Sequence[int]) -> list[Any]:
        """Rows of `transfers_got` of a set: it has the orders of its senders, and copies of those of other sets."""
        return await self.fetch(number, FACT_SQL["transfers_got"], user_ids, self._now_ms - DAY_MS)

    async def given_in(self, number: int, user_ids: Sequence[int]) -> list[Any]:
        """Rows of `given` of a set."""
        return await self.fetch(number, FACT_SQL["given"], user_ids, *since(self._now_ms))

    async def shares(self, number: int, pairs: Sequence[tuple[int, int, int]]) -> list[Any]:
        """Of users and packets the share, and the average share of the packet."""
        columns = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return await self.fetch(number, SQL["shares"], *columns)


async def facts_of(sets: Sets, held: Held, user_ids: Sequence[int], now_ms: int) -> dict[int, dict[str, int]]:
    """What rules may ask about users, of those who are no sponsors, and whose set answers."""
    reader = _FactReader(sets, held, now_ms)
    at_home = await reader.own(HOME, user_ids)  # without sponsors
    places = await sets.of_users(list(at_home))
    by_set = grouped(at_home, places.__getitem__)
    own = {HOME: at_home} | await _answered({n: reader.own(n, some) for n, some in by_set.items() if n != HOME})
    received = [
        row
        for rows in (await _answered({n: reader.received(n, some) for n, some in by_set.items()})).values()
        for row in rows
    ]
    given = await _answered({n: reader.given_in(n, some) for n, some in by_set.items()})
    got: dict[int, list[GotTransfer]] = defaultdict(list)
    for rows in (await _answered({n: reader.transfers_got(n, some) for n, some in by_set.items()})).values():
        for user_id, *transfer in rows:
            got[user_id].append(GotTransfer(*transfer))
    opened = await _opened(reader, sets, received)
    to_others: dict[int, dict[int, GivenShares]] = defaultdict(dict)
    for user_id, other, *shares in (row for rows in given.values() for row in rows):
        to_others[user_id][other] = GivenShares(*shares)
    found = {
        user_id: own[number][user_id]
        | {name: at_home[user_id][name] for name in AT_HOME}
        | of_shares(user_id, opened.get(user_id, ()), got.get(user_id, ()), to_others.get(user_id, {}), now_ms)
        for user_id, number in places.items()
        if user_id in own.get(number, ())
    }
    others = await neighbour_facts(reader, list(found), now_ms)
    return {user_id: found[user_id] | others[user_id] for user_id in found}


async def _opened(
    reader: _FactReader, sets: Sets, received: Sequence[tuple[int, int, int]]
) -> dict[int, list[OpenedShare]]:
    """The shares of each user, with what the sets of their packets know of them."""
    by_set = grouped(received, lambda row: sets.of_packet(row[1]))
    found = await _answered({number: reader.shares(number, some) for number, some in by_set.items()})
    shares = {(row[0], row[1]): row[2:] for rows in found.values() for row in rows}
    opened: dict[int, list[OpenedShare]] = defaultdict(list)
    for user_id, packet_id, at_ms in received:
        opened[user_id].append(OpenedShare(at_ms, *shares.get((user_id, packet_id), (None, 0, 0, 0))))
    return opened


async def _answered(calls: Mapping[int, Awaitable[Found]]) -> dict[int, Found]:
    """The results of the sets that answer; that of set 0 is needed."""
    done, failed = await settled(calls)
    if HOME in failed:
        raise failed[HOME]
    return done
