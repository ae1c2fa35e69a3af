"""The engine: rounds that judge the users whose wallets have changed. The server that has the lock makes them.

It runs beside the requests: none waits for a round. A round takes what it judges out of the record in the
transaction that records its decisions, so a crash repeats it, and no server counts by itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from server.core.risk.actions import RiskAction, RiskVerdict
from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from storage.postgres.risk.risk import NewDecision, RiskRound, RiskStore, VerdictRow

if TYPE_CHECKING:
    from server.core.risk.rules import RiskDecision, RuleBook

ACTIVE_MAX: Final = 2_000  # users whose wallets have changed, taken in one transaction
USERS_MAX: Final = 500  # judged in one transaction; of those who are only looked at again, in one round
CHUNK: Final = 10  # judged before the loop serves others; some tens of microseconds for each rule
CHECK_AGAIN_MS: Final = 60_000  # users who are held back are judged again so often
FRESH_MS: Final = 86_400_000  # an older verdict of a user who did nothing since is made again when it is asked for
PAUSE_S_PER_USER: Final = 0.015  # after a round: to judge a user takes a sixtieth of it, the rest is for requests
PAUSE_S_MAX: Final = 15.0  # and withdrawals do not wait for the next round
ALIVE_S_MIN: Final = 30.0  # so old the newest round may be, or ten intervals, before withdrawals wait


class RoundPart(NamedTuple):
    """How many users a transaction of a round has judged, and whether the round is complete with it."""

    judged: int
    is_last: bool


class RiskEngine:
    """Makes rounds, and verdicts of users who have none. Raises StoreUnavailable."""

    def __init__(
        self,
        store: RiskStore,
        book: RuleBook,
        mode: str,
        interval_s: float,
        now_ms: Callable[[], int],
        elapsed_s: Callable[[], float],
    ) -> None:
        """`mode`: shadow or on. `elapsed_s` is a monotonic clock."""
        self._store, self.book, self.mode, self._interval_s = store, book, mode, interval_s
        self._next_book = book  # the rules of the newest reload, in force once the record knows them
        self._now_ms, self._elapsed_s = now_ms, elapsed_s
        self._round_at_ms = 0  # the newest that was completed, on whichever server
        self._heard_s = elapsed_s()  # when it was last found to be another one
        self._is_begun = False
        self.decided: Counter[str] = Counter()
        self.rule_errors = 0
        self._outage_log = OutageLog("risk_waits")

    def is_alive(self) -> bool:
        """Rounds are made, here or elsewhere."""
        return self._elapsed_s() - self._heard_s < max(ALIVE_S_MIN, 10 * self._interval_s)

    @property
    def round_age_s(self) -> float:
        """For how long no round was completed."""
        return max(0.0, self._elapsed_s() - self._heard_s)

    async def run(self) -> None:
        """Make rounds. Never ends; to be supervised."""
        await look_again(self._look, asyncio.Event(), self._outage_log)

    async def _look(self) -> float:
        judged = await self.round()
        return max(self._interval_s, min(judged * PAUSE_S_PER_USER, PAUSE_S_MAX))

    def use(self, book: RuleBook, interval_s: float) -> None:
        """Judge by these rules from the next round on."""
        self._interval_s = interval_s
        if book.version != self._next_book.version:
            self._next_book, self._is_begun = book, False

    async def begin(self) -> None:
        """The record knows the newest rules, which hold from now on, and notes wallets that change."""
        book = self._next_book
        await self._store.use_rules(self.mode, book.version, book.encoded, self._now_ms())
        self.book, self._is_begun = book, book is self._next_book

    async def round(self) -> int:
        """Judge all users who are to be judged now, if no other server does; how many."""
        if not self._is_begun:
            await self.begin()
        began_at_ms, judged, is_first = self._now_ms(), 0, True
        while (part := await self._part(began_at_ms, looks_again=is_first)) is not None:
            judged, is_first = judged + part.judged, False
            if part.is_last:
                break
        state = await self._store.state()
        if state.mode != self.mode or state.rules != self.book.version:
            await self.begin()  # a server that was started meanwhile has another config
        if state.round_at_ms != self._round_at_ms:
            self._round_at_ms, self._heard_s = state.round_at_ms, self._elapsed_s()
        return judged

    async def _part(self, began_at_ms: int, *, looks_again: bool) -> RoundPart | None:
        """One transaction of a round. None: another server makes the round.

        It is the last one if it took all wallets that had changed when it began. What changes meanwhile is left to
        the next round: users who open without a pause would keep a round from its end, and withdrawals wait for it.

        Users who are held back are looked at again in its first part alone: a round with all new accounts of a
        festival would last longer than withdrawals go on without a round.
        """
        async with self._store.round() as part:
            if part is None:
                return None
            active = await part.take_active(ACTIVE_MAX)
            asked = began_at_ms - CHECK_AGAIN_MS, USERS_MAX, self._now_ms()
            again = {*(await part.due(*asked) if looks_again else ())} - {*active}
            judged = sorted({*active, *again})  # two writers of verdicts lock rows in one order
            for first in range(0, len(judged), USERS_MAX):
                await self._judge(part, judged[first : first + USERS_MAX], again)
            if is_last := len(active) < ACTIVE_MAX:
                await part.end(began_at_ms)
            return RoundPart(len(judged), is_last)

    async def verdicts(self, user_ids: Sequence[int]) -> dict[int, RiskVerdict]:
        """What is in force for users (mode on). Those who have no verdict of this day are judged now."""
        now_ms = self._now_ms()
        rows = {row.user_id: row for row in await self._store.verdicts(user_ids)}
        missing = [one for one in user_ids if one not in rows or _is_stale(rows[one], now_ms)]
        if missing:
            if not self._is_begun:
                await self.begin()
            async with self._store.apart() as part:
                await self._judge(part, missing)
            rows |= {row.user_id: row for row in await self._store.verdicts(missing)}
        return {one: _verdict(rows[one]) if one in rows else RiskVerdict() for one in user_ids}

    async def _judge(self, part: RiskRound, user_ids: Sequence[int], again: Collection[int] = ()) -> None:
        """Decide about users, record that, and put the verdicts in force if the mode is on.

        `again`: those who did nothing since they were judged.
        """
        now_ms, book = self._now_ms(), self.book  # a reload may come meanwhile
        facts = await part.facts(user_ids, now_ms)
        made: dict[int, RiskDecision] = {}
        for place, (user_id, known) in enumerate(facts.items(), 1):
            made[user_id] = book.decide(known)
            if place % CHUNK == 0:
                await asyncio.sleep(0)
        news = [_new(user_id, one, facts[user_id], user_id in again) for user_id, one in made.items()]
        numbers = await part.decide(self.mode, book.version, now_ms, news)
        if self.mode == "on":
            await part.put_verdicts(_rows(made, numbers, now_ms), now_ms)
        self.decided.update(str(one.verdict.action) for one in made.values())
        self.rule_errors += sum(len(one.errors) for one in made.values())


def _new(user_id: int, one: RiskDecision, facts: dict[str, int], is_again: bool) -> NewDecision:
    return NewDecision(user_id, one.verdict.action, one.hits, one.events, one.errors, facts, is_again)


def _rows(made: dict[int, RiskDecision], numbers: dict[int, int], now_ms: int) -> list[VerdictRow]:
    return [VerdictRow(user_id, numbers.get(user_id, 0), *one.verdict, now_ms, 0) for user_id, one in made.items()]


def _is_stale(row: VerdictRow, now_ms: int) -> bool:
    """A user who was frozen or released stays so, however often they are judged."""
    stays = row.action == RiskAction.FREEZE or row.released_until_ms > now_ms
    return not stays and row.checked_at_ms < now_ms - FRESH_MS


def _verdict(row: VerdictRow) -> RiskVerdict:
    return RiskVerdict(RiskAction(row.action), row.holds_withdrawals, row.send_fen_a_day, row.says)
