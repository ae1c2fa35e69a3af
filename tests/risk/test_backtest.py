"""Backtest: other rules judge the facts that were recorded, and nothing is changed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from server.core.risk.actions import RiskAction
from server.core.risk.facts import FACTS
from server.core.risk.rules import RiskRule, RuleBook
from server.services.risk.backtest import backtest
from storage.postgres.database import Database
from storage.postgres.risk import risk
from storage.postgres.risk.risk import NewDecision, RiskStore
from tests.risk.test_path import rules_file, run

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
DAY_MS = 86_400_000
FROM_MS = 1_795_795_200_000 - 8 * 3_600_000  # the begin of 2026-11-28 in Beijing
OLD = {name: 0 for name in FACTS if name != "card_users"}  # a fact that was not known then


async def record(database: Database, at_ms: int, opens: dict[int, int], hits: list[str]) -> None:
    """Decisions as a round records them: opens of the last minute by user."""
    store = RiskStore(database)
    await store.use_rules("shadow", "v", b"[]", 1)
    action = "review" if hits else "allow"
    made = [NewDecision(user, action, hits, [], {}, OLD | {"opens_1m": count}) for user, count in opens.items()]
    async with store.apart() as part:
        await part.decide("shadow", "v", at_ms, made)


@pytest.fixture
def book() -> RuleBook:
    """Rules that hit above ten opens, and one that fails where nothing was opened."""
    rules = [
        RiskRule("ten", "opens_1m > 10", RiskAction.DENY, "s"),
        RiskRule("fails", "1 / opens_1m > 1", RiskAction.DENY, "s"),
        RiskRule("cards", "card_users > 0", RiskAction.DENY, "s"),
    ]
    return RuleBook(rules)


async def test_backtest_tells_what_would_be_otherwise_in_the_days_and_changes_nothing(
    database: Database, sql: Sql, book: RuleBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(risk, "PAST_PAGE", 2)
    await record(database, FROM_MS - 1, {5: 99}, [])
    await record(database, FROM_MS, {1: 11, 2: 10}, [])
    await record(database, FROM_MS + 5, {2: 12, 3: 0}, ["old"])
    await record(database, FROM_MS + DAY_MS, {4: 99}, [])
    before = await sql.fetch("SELECT * FROM risk_decisions ORDER BY decision_id")
    result = await backtest(RiskStore(database).past(FROM_MS, FROM_MS + DAY_MS), book, 2)
    assert (result.decisions, result.users, result.different) == (4, 3, 3)
    assert (dict(result.hit_then), dict(result.hit_now)) == ({"old": 2}, {"ten": 2})
    assert dict(result.errors) == {"fails": 1}
    shown = [(one.row.user_id, one.row.action, one.now.verdict.action) for one in result.differences]
    assert shown == [(1, "allow", RiskAction.DENY), (2, "review", RiskAction.DENY)]
    assert await sql.fetch("SELECT * FROM risk_decisions ORDER BY decision_id") == before


async def test_past_reads_what_is_near_its_time_and_nothing_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(risk, "PAST_PAGE", 3)
    for day in range(40):
        at_ms = FROM_MS + day * DAY_MS
        await record(database, at_ms, {1: 11}, ["hit"])
        await record(database, at_ms + 5, {2: 11}, ["hit"])
    pages: list[int] = []
    real = RiskStore._decisions

    async def counted(store: RiskStore, *asked: Any) -> Any:
        rows = await real(store, *asked)
        pages.append(len(rows))
        return rows

    monkeypatch.setattr(RiskStore, "_decisions", counted)
    for day, found in ((0, [1, 2]), (20, [1, 2]), (39, [1, 2]), (40, [])):
        pages.clear()
        from_ms = FROM_MS + day * DAY_MS
        assert [row.user_id async for row in RiskStore(database).past(from_ms, from_ms + DAY_MS)] == found
        assert sum(pages) <= 6


async def test_cases_of_a_rule_are_looked_for_among_the_newest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(risk, "CASES_MAX", 2)
    for user_id, rule in enumerate(("old", "often", "often", "new"), 1):
        await record(database, FROM_MS + user_id, {user_id: 11}, [rule])
    store = RiskStore(database)
    found = {rule: [row.user_id for row in await store.cases(9, rule)] for rule in ("", "old", "often", "new")}
    assert found == {"": [4, 3], "old": [], "often": [3], "new": [4]}


async def test_command_shows_decisions_beside_what_the_rules_of_a_file_say(
    database: Database,
    postgres_dsn: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await record(database, FROM_MS + DAY_MS - 1, {1: 11, 2: 10}, [])
    monkeypatch.setenv("COLUMNS", "200")
    file = rules_file(tmp_path, '[[rules]]\nname = "ten"\nwhen = "opens_1m > 10"\nthen = "deny"\nsays = "s"\n')
    words = "risk", "backtest", "2026-11-28", "2026-11-28", "--file", file, "--postgres", postgres_dsn
    code, told = await asyncio.get_running_loop().run_in_executor(None, run, capsys, *words)
    assert (code, "2 decisions, 2 users; 1 would be otherwise" in told) == (0, True), told


@pytest.mark.parametrize("hits", [[], ["hit"]])
async def test_decision_that_repeats_the_last_one_is_stored_once_in_ten_minutes(
    database: Database, sql: Sql, hits: list[str]
) -> None:
    for at_ms in (0, 1, 599_999, 600_000, 600_001, 1_200_001):
        await record(database, FROM_MS + at_ms, {1: at_ms}, hits)
    stored = await sql.fetch("SELECT at_ms FROM risk_decisions ORDER BY decision_id")
    assert [row["at_ms"] - FROM_MS for row in stored] == [0, 600_001]
    for ago_ms, others in enumerate((["other"], ["hit", "other"], ["hit"], [], ["hit"]), 1_200_002):
        await record(database, FROM_MS + ago_ms, {1: 0}, others)
    stored = await sql.fetch("SELECT hits FROM risk_decisions ORDER BY decision_id OFFSET 2")
    assert [row["hits"] for row in stored] == [["other"], ["hit", "other"], ["hit"], [], ["hit"]]
