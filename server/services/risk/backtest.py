"""What the rules of a file would have decided on recorded facts, beside what was decided."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, NamedTuple

from server.core.risk.facts import FACTS
from storage.postgres.risk.risk import DecisionRow

if TYPE_CHECKING:
    from server.core.risk.rules import RiskDecision, RuleBook

CHUNK: Final = 100  # decisions before the loop serves others


class Difference(NamedTuple):
    """A recorded decision, and what these rules would say."""

    row: DecisionRow
    now: RiskDecision


class Backtest(NamedTuple):
    """Counts over all decisions of the time. `differences`: the first ones in which the action is another."""

    decisions: int
    users: int
    different: int
    hit_then: Counter[str]
    hit_now: Counter[str]
    errors: Counter[str]
    differences: list[Difference]


async def backtest(past: AsyncIterator[DecisionRow], book: RuleBook, most: int) -> Backtest:
    """Judge recorded facts by these rules; nothing is recorded. A fact that was not known then is 0."""
    unknown = dict.fromkeys(FACTS, 0)
    users: set[int] = set()
    hit_then: Counter[str] = Counter()
    hit_now: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    differences: list[Difference] = []
    decisions = different = 0
    async for row in past:
        now = book.decide({**unknown, **row.facts})
        decisions += 1
        users.add(row.user_id)
        hit_then.update(row.hits)
        hit_now.update(now.hits)
        errors.update(now.errors.keys())
        if now.verdict.action != row.action:
            different += 1
            if len(differences) < most:
                differences.append(Difference(row, now))
        if decisions % CHUNK == 0:
            await asyncio.sleep(0)
    return Backtest(decisions, len(users), different, hit_then, hit_now, errors, differences)
