"""Risk control in the record: facts about users, decisions with what led to them, the verdicts in force."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from storage import statements
from storage.postgres.risk.neighbours import OneSetReader, neighbour_facts

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__, "risk_facts")
FACTS: Final = _SQL["facts"]
LOCK: Final = 0x7269736B  # "risk": any number that nothing else locks in this database
PAST_PAGE: Final = 1_000  # decisions read at once
CASES_MAX: Final = 100_000  # decisions that are looked through for cases
CLOCKS_MS: Final = 3_600_000  # by so much clocks of servers may differ: decisions stand in another order


class DecisionRow(NamedTuple):
    """A decision as it was made: by which rules, from which facts, and whether it changed anything (mode on)."""

    decision_id: int
    user_id: int
    at_ms: int
    mode: str
    rules: str
    action: str
    hits: list[str]
    errors: dict[str, str]
    facts: dict[str, int]


class NewDecision(msgspec.Struct, frozen=True):
    """What rules have decided about a user. `events`: what the chat backend is asked for.

    `is_again`: the user did nothing since the last decision.
    """

    user_id: int
    action: str
    hits: list[str]
    events: list[str]
    errors: dict[str, str]
    facts: dict[str, int]
    is_again: bool = False


class VerdictRow(NamedTuple):
    """What is in force for a user. `send_fen_a_day` None: any amount; `released_until_ms` 0: never released."""

    user_id: int
    decision_id: int
    action: str
    holds_withdrawals: bool
    send_fen_a_day: int | None
    says: str
    checked_at_ms: int
    released_until_ms: int


class RiskStateRow(NamedTuple):
    """The mode of the server that was started last, the version of its rules, the newest complete round."""

    mode: str
    rules: str
    round_at_ms: int


class RiskStore:
    """Statements on risk control."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = database.writer(plan_each_time=True)

    async def use_rules(self, mode: str, version: str, rules: bytes, now_ms: int) -> None:
        """From now on wallets that change are noted, and decisions may name these rules."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["use_rules"], mode, version, rules.decode(), now_ms)

    async def stop(self) -> None:
        """Nothing is noted any more."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["stop"])

    async def state(self) -> RiskStateRow:
        """What servers use."""
        async with self._database.reading() as connection:
            (row,) = await connection.fetch(_SQL["state"])
        return RiskStateRow(*row)

    @asynccontextmanager
    async def round(self) -> AsyncIterator[RiskRound | None]:
        """A transaction that judges users; None: another server makes the round."""
        async with self._writer.transaction() as connection:
            has_duty = await connection.fetchval(_SQL["try_lock"], LOCK)
            yield RiskRound(connection) if has_duty else None

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[RiskRound]:
        """A transaction that judges users beside the rounds: those who have no verdict yet."""
        async with self._database.transaction() as connection:
            yield RiskRound(connection, is_apart=True)

    async def verdicts(self, user_ids: Sequence[int]) -> list[VerdictRow]:
        """Those of these users who have one."""
        async with self._database.reading() as connection:
            return [VerdictRow(*row) for row in await connection.fetch(_SQL["verdicts"], user_ids)]

    async def sent_since(self, user_id: int, since_ms: int) -> int:
        """What a user has sent since then, in fen."""
        async with self._database.reading() as connection:
            return (await sent_since(connection, [user_id], since_ms))[user_id]

    async def facts(self, user_ids: Sequence[int], now_ms: int) -> dict[int, dict[str, int]]:
        """What rules may ask about users, of those who are no sponsors."""
        async with self._database.reading() as connection:
            return await _facts(connection, user_ids, now_ms)

    async def see(self, user_id: int, marks: Mapping[int, str], now_ms: int) -> dict[int, int]:
        """A user was seen with these marks, by kind. How many users each mark has had in its time, up to 1,000."""
        columns = list(marks), list(marks.values())
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["see"], user_id, *columns, now_ms)
            rows = await connection.fetch(_SQL["count_seen"], *columns, now_ms)
        return {row["kind"]: row["users"] for row in rows}

    async def delete_old(self, before_ms: int, marks_before_ms: int, most: int) -> int:
        """Delete the oldest decisions that are not in force, and marks that were not seen since; how many rows."""
        async with self._database.transaction() as connection:
            decisions = await connection.fetchval(_SQL["delete_decisions"], before_ms, most)
            marks = await connection.fetchval(_SQL["delete_marks"], marks_before_ms, most)
        return max(int(decisions), int(marks))

    # --- for people -------------------------------------------------------------------------------------------

    async def decision(self, decision_id: int) -> DecisionRow | None:
        """The decision with this number."""
        return next(iter(await self._decisions("decision", decision_id)), None)

    async def of_user(self, user_id: int, most: int) -> list[DecisionRow]:
        """The newest decisions about a user, the newest first."""
        return await self._decisions("of_user", user_id, most)

    async def cases(self, most: int, rule: str = "") -> list[DecisionRow]:
        """The newest of the newest CASES_MAX decisions with a hit, of this rule if one is named; newest first."""
        return await self._decisions("cases", most, rule, CASES_MAX)

    async def past(self, from_ms: int, to_ms: int) -> AsyncIterator[DecisionRow]:
        """All decisions of a time, the oldest first. Reads those of that time alone, however many there are."""
        last = await self._last_before(from_ms - CLOCKS_MS)
        while rows := await self._decisions("past", last, PAST_PAGE):
            for row in rows:
                if from_ms <= row.at_ms < to_ms:
                    yield row
            if rows[-1].at_ms >= to_ms + CLOCKS_MS:
                break
            last = rows[-1].decision_id

    async def _last_before(self, at_ms: int) -> int:
        """A number after which the decisions since a time come: found in some thirty steps."""
        async with self._database.reading() as connection:
            low, high = 0, await connection.fetchval(_SQL["newest_number"])
            while low < high:
                middle = (low + high) // 2
                found_ms = await connection.fetchval(_SQL["time_after"], middle)
                low, high = (middle + 1, high) if found_ms is not None and found_ms < at_ms else (low, middle)
        return int(low)

    async def rules(self, version: str) -> list[dict[str, Any]] | None:
        """The rules of a version, if any decision has named it."""
        async with self._database.reading() as connection:
            found = await connection.fetchval(_SQL["rules"], version)
        return None if found is None else msgspec.json.decode(found, type=list[dict[str, Any]])

    async def release(self, user_id: int, now_ms: int, uid: int, until_ms: int, reason: str) -> int | None:
        """Nothing holds a user back until then; the decision that did, or None: there was none."""
        async with self._database.reading() as connection:
            found = await connection.fetchval(_SQL["release"], user_id, now_ms, uid, until_ms, reason)
        return None if found is None else int(found)

    async def _decisions(self, statement: str, *arguments: object) -> list[DecisionRow]:
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL[statement], *arguments)
        return [_decision(row) for row in rows]


class RiskRound:
    """What is read and written while users are judged, in one transaction."""

    def __init__(self, connection: Connection, *, is_apart: bool = False) -> None:
        """`is_apart`: a round may judge the same users meanwhile, by newer facts."""
        self._connection, self._is_apart = connection, is_apart

    async def take_active(self, most: int) -> list[int]:
        """Users whose wallets have changed since they were judged. Fewer than `most` are all of them."""
        return await take_active(self._connection, most)

    async def due(self, before_ms: int, most: int, now_ms: int) -> list[int]:
        """Users who are held back, not for good, and were judged before then; they are looked at now."""
        return [row["user_id"] for row in await self._connection.fetch(_SQL["due"], before_ms, most, now_ms)]

    async def facts(self, user_ids: Sequence[int], now_ms: int) -> dict[int, dict[str, int]]:
        """What rules may ask about users, of those who are no sponsors."""
        return await _facts(self._connection, user_ids, now_ms)

    async def decide(self, mode: str, version: str, now_ms: int, made: Sequence[NewDecision]) -> dict[int, int]:
        """Record decisions; their numbers by user. One that only repeats the last one has none."""
        rows = [msgspec.json.encode(one).decode() for one in made]
        found = await self._connection.fetch(_SQL["decide"], rows, now_ms, mode, version)
        return {row["user_id"]: row["decision_id"] for row in found}

    async def put_verdicts(self, rows: Sequence[VerdictRow], now_ms: int) -> None:
        """These verdicts are in force, except of users who are frozen, were released, or judged by newer facts."""
        columns = [list(column) for column in zip(*(row[:6] for row in rows), strict=True)]
        if columns:
            await self._connection.execute(_SQL["put_verdicts"], *columns, now_ms, self._is_apart)

    async def end(self, began_at_ms: int) -> None:
        """All that was to be judged when the round began was judged."""
        await self._connection.execute(_SQL["end_round"], began_at_ms)


async def take_active(connection: Connection, most: int) -> list[int]:
    """Users whose wallets have changed in this database, which is noted there no more."""
    return [row["user_id"] for row in await connection.fetch(_SQL["take_active"], most)]


async def sent_since(connection: Connection, user_ids: Sequence[int], since_ms: int) -> dict[int, int]:
    """What users have sent since then, in fen, over a connection of the caller's."""
    rows = await connection.fetch(_SQL["sent_since"], user_ids, since_ms)
    return {row["user_id"]: row["sent_fen"] for row in rows}


async def _facts(connection: Connection, user_ids: Sequence[int], now_ms: int) -> dict[int, dict[str, int]]:
    rows = await connection.fetch(FACTS, user_ids, now_ms)
    own = {(facts := dict(row)).pop("user_id"): facts for row in rows}
    others = await neighbour_facts(OneSetReader(connection, now_ms), list(own), now_ms)
    return {user_id: own[user_id] | others[user_id] for user_id in own}


def _decision(row: Any) -> DecisionRow:
    fields: dict[str, Any] = dict(row)
    fields |= {name: msgspec.json.decode(fields[name]) for name in ("errors", "facts")}
    return DecisionRow(**fields)
