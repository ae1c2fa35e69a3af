"""Facts about a user that others are part of: who shares a device, an address or a card, and circles of money.

They are read in a few statements for all users of a round, and joined here, because with several sets each of these
users may be elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from storage import statements
from storage.postgres.risk.circles import Circle, FlowGraph

if TYPE_CHECKING:
    from storage.postgres.database import Connection

SQL: Final = statements.load(__file__)
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
MARKS: Final = {1: "device", 2: "address", 3: "card"}
COUNTED: Final = (
    *("opens_1m", "opens_1h", "opens_1d"),
    *("withdrawn_fen_1m", "withdrawn_fen_1h", "withdrawn_fen_1d"),
)
LEVELS: Final = 3  # of users who are read from each side: a circle of six is three from here and three from there
FOLLOWED: Final = 8  # flows of a user, the largest
FLOW_FEN_MIN: Final = 1_000  # smaller ones are not followed
USERS_OF_LEVEL_MAX: Final = 500  # of all users of a round together, those with the largest flows


class Flow(NamedTuple):
    """What one user got of another in 24 hours: shares, each as the average of its packet, and transfers."""

    giver: int
    receiver: int
    amount_fen: int


class NeighbourReader(Protocol):
    """Reads where the users are. What cannot be read now is left out."""

    async def at_home(self, statement: str, *arguments: object) -> Sequence[Any]:
        """The rows of a statement on what belongs to no set of a user."""

    async def activity(self, user_ids: Collection[int]) -> Sequence[Any]:
        """User and COUNTED of each of these users."""

    async def given(self, user_ids: Collection[int]) -> list[Flow]:
        """What others got of these users."""

    async def got(self, user_ids: Collection[int]) -> list[Flow]:
        """What these users got."""


class OneSetReader:
    """All is in one database."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self._connection, self._now_ms = connection, now_ms

    async def at_home(self, statement: str, *arguments: object) -> Sequence[Any]:
        """The rows of a statement."""
        return list(await self._connection.fetch(statement, *arguments))

    async def activity(self, user_ids: Collection[int]) -> Sequence[Any]:
        """See NeighbourReader."""
        return await self.at_home(SQL["activity"], list(user_ids), self._now_ms)

    async def given(self, user_ids: Collection[int]) -> list[Flow]:
        """See NeighbourReader."""
        rows = await self.at_home(SQL["given"], list(user_ids), *since(self._now_ms))
        return [Flow(*row[:3]) for row in rows]

    async def got(self, user_ids: Collection[int]) -> list[Flow]:
        """See NeighbourReader."""
        rows = await self.at_home(SQL["got"], list(user_ids), self._now_ms - DAY_MS)
        return [Flow(*row) for row in rows]


def since(now_ms: int) -> tuple[int, int, int]:
    """The moments of the statement `given`: a day, a minute and an hour ago."""
    return now_ms - DAY_MS, now_ms - MINUTE_MS, now_ms - HOUR_MS


async def neighbour_facts(
    reader: NeighbourReader, user_ids: Collection[int], now_ms: int
) -> dict[int, dict[str, int]]:
    """The facts of devices, addresses, cards and circles of these users."""
    of_marks = await _facts_of_marks(reader, user_ids, now_ms)
    circles = await _facts_of_circles(reader, user_ids)
    return {user_id: circles[user_id] | of_marks[user_id] for user_id in user_ids}


# --- devices, addresses, cards ------------------------------------------------------------------------------------


async def _facts_of_marks(
    reader: NeighbourReader, user_ids: Collection[int], now_ms: int
) -> dict[int, dict[str, int]]:
    mine = await reader.at_home(SQL["marks"], list(user_ids), now_ms)
    marks = sorted({(row[1], row[2]) for row in mine})
    users: dict[tuple[int, str], set[int]] = defaultdict(set)
    if marks:
        asked = [mark[0] for mark in marks], [mark[1] for mark in marks], now_ms
        for kind, mark, user_id in await reader.at_home(SQL["users_of_marks"], *asked):
            users[kind, mark].add(user_id)
    everybody = {one for some in users.values() for one in some}
    rows = await reader.activity(sorted(everybody)) if everybody else ()
    activity = {row[0]: tuple(row[1:]) for row in rows}
    shared: dict[int, dict[int, list[set[int]]]] = defaultdict(lambda: defaultdict(list))
    for user_id, kind, mark in mine:
        shared[user_id][kind].append(users[kind, mark])
    return {user_id: _of_marks(shared.get(user_id, {}), activity) for user_id in user_ids}


def _of_marks(
    shared: Mapping[int, Sequence[Collection[int]]], activity: Mapping[int, tuple[int, ...]]
) -> dict[str, int]:
    """Of each kind the largest count of any of the user's marks: each count may be of another one."""
    facts: dict[str, int] = {}
    for kind, name in MARKS.items():
        crowds = shared.get(kind, ())
        facts[f"{name}_users"] = max(map(len, crowds), default=0)
        sums = [
            [sum(column) for column in zip(*found, strict=True)]
            for crowd in crowds
            if (found := [activity[one] for one in crowd if one in activity])
        ]
        for place, counted in enumerate(COUNTED):
            facts[f"{name}_{counted}"] = max((one[place] for one in sums), default=0)
    return facts


# --- circles ------------------------------------------------------------------------------------------------------


async def _facts_of_circles(reader: NeighbourReader, user_ids: Collection[int]) -> dict[int, dict[str, int]]:
    given, got = await reader.given(user_ids), await reader.got(user_ids)
    given_fen: dict[int, int] = defaultdict(int)
    for flow in given:
        given_fen[flow.giver] += flow.amount_fen
    perhaps = {flow.giver for flow in given} & {flow.receiver for flow in got}
    onward = _followed((one for one in given if one.giver in perhaps), lambda flow: flow.giver)
    back = _followed((one for one in got if one.receiver in perhaps), lambda flow: flow.receiver)
    graph = FlowGraph([*onward, *back])
    seen_onward, seen_back = set(user_ids), set(user_ids)
    for _ in range(LEVELS - 1):
        ahead = _next(onward, lambda flow: flow.receiver, seen_onward)
        behind = _next(back, lambda flow: flow.giver, seen_back)
        onward = _followed(await reader.given(ahead) if ahead else (), lambda flow: flow.giver)
        back = _followed(await reader.got(behind) if behind else (), lambda flow: flow.receiver)
        graph.add([*onward, *back])
    return {
        user_id: _of_circle(graph.widest_circle(user_id) if user_id in perhaps else None, given_fen[user_id])
        for user_id in user_ids
    }


def _of_circle(circle: Circle | None, given_fen: int) -> dict[str, int]:
    users, fen = (0, 0) if circle is None else circle
    percent = min(100, 100 * fen // given_fen) if given_fen else 0
    return {"circle_users_1d": users, "circle_fen_1d": fen, "circle_percent_1d": percent}


def _followed(flows: Iterable[Flow], side: Any) -> list[Flow]:
    """Of each user on this side the largest flows."""
    of_user: dict[int, list[Flow]] = defaultdict(list)
    for flow in flows:
        if flow.amount_fen >= FLOW_FEN_MIN:
            of_user[side(flow)].append(flow)
    return [
        one
        for some in of_user.values()
        for one in sorted(some, key=lambda flow: (-flow.amount_fen, flow.giver, flow.receiver))[:FOLLOWED]
    ]


def _next(flows: Sequence[Flow], side: Any, seen: set[int]) -> list[int]:
    """Users at the other end who were not read yet, those with the largest flows; they count as read."""
    largest: dict[int, int] = {}
    for flow in flows:
        other = side(flow)
        if other not in seen:
            largest[other] = max(largest.get(other, 0), flow.amount_fen)
    chosen = sorted(largest, key=lambda one: (-largest[one], one))[:USERS_OF_LEVEL_MAX]
    seen.update(chosen)
    return chosen
