"""Old decisions end, a little at a time; those in force stay, and no younger ones can be deleted at all."""

from __future__ import annotations

import time
from typing import Final, TypeAlias

import asyncpg
import pytest

from server.services.risk import retention
from server.services.risk.retention import MARK_DAYS, RiskRetention
from storage.postgres.database import Database
from storage.postgres.risk.risk import NewDecision, RiskStore, VerdictRow

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
DAY_MS: Final = 86_400_000
KEEP_DAYS: Final = 40


async def decided(database: Database, user_id: int, at_ms: int, action: str = "review") -> int:
    """A decision of a round at a time; its number."""
    store = RiskStore(database)
    await store.use_rules("on", "v", b"[]", 1)
    async with store.apart() as part:
        made = [NewDecision(user_id, action, [f"at-{at_ms}"], [], {}, {})]  # repeats none
        number = (await part.decide("on", "v", at_ms, made))[user_id]
        await part.put_verdicts([VerdictRow(user_id, number, action, False, None, "", at_ms, 0)], at_ms)
    return number


async def numbers(sql: Sql) -> list[int]:
    return [row[0] for row in await sql.fetch("SELECT decision_id FROM risk_decisions ORDER BY decision_id")]


async def test_old_decisions_are_deleted_in_batches_and_those_in_force_stay(
    database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    now_ms = int(time.time() * 1000)
    keeps = now_ms - KEEP_DAYS * DAY_MS
    in_force = await decided(database, 1, keeps - 9)
    old = [await decided(database, 2, keeps - 8 + place) for place in range(5)]
    young = await decided(database, 2, keeps)
    allowed = await decided(database, 3, keeps - 1, "allow")
    service = RiskRetention(RiskStore(database), KEEP_DAYS, lambda: now_ms)
    assert await service.delete()
    assert await numbers(sql) == [in_force, *old[2:], young, allowed]
    while await service.delete():
        pass
    assert await numbers(sql) == [in_force, young]
    newest = await decided(database, 2, now_ms)
    service.keep_days = KEEP_DAYS - 1  # as a reload sets it
    await service.delete()
    assert await numbers(sql) == [in_force, newest]


async def test_decision_of_the_last_30_days_cannot_be_deleted_or_changed(database: Database, sql: Sql) -> None:
    now_ms = int(time.time() * 1000)
    young = await decided(database, 2, now_ms - 30 * DAY_MS + 60_000)
    old = await decided(database, 2, now_ms - 30 * DAY_MS - 60_000)
    with pytest.raises(asyncpg.RaiseError, match="kept for 30 days"):
        await sql.execute("DELETE FROM risk_decisions WHERE decision_id = $1", young)
    with pytest.raises(asyncpg.RaiseError, match="never changed"):
        await sql.execute("UPDATE risk_decisions SET at_ms = 1 WHERE decision_id = $1", young)
    with pytest.raises(asyncpg.RaiseError, match="never changed"):
        await sql.execute("TRUNCATE risk_decisions")
    await sql.execute("DELETE FROM risk_decisions WHERE decision_id = $1", old)
    assert await numbers(sql) == [young]


async def test_marks_end_when_they_were_not_seen_for_long(database: Database, sql: Sql) -> None:
    now_ms = int(time.time() * 1000)
    for user_id, ago_ms in ((1, MARK_DAYS * DAY_MS + 1), (2, MARK_DAYS * DAY_MS)):
        await sql.execute("INSERT INTO risk_marks VALUES (1, 'a', $1, $2)", user_id, now_ms - ago_ms)
    await RiskRetention(RiskStore(database), KEEP_DAYS, lambda: now_ms).delete()
    assert await sql.fetchval("SELECT array_agg(user_id) FROM risk_marks") == [2]
