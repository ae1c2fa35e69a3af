"""Breaks over time: in doubt until T+2, resolved by a corrected statement, closed, and not opened again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from server.core.reconciliation.days import DAY_MS, first_ms
from server.services.reconciliation.breaks import BreakRefused, BreakService
from storage.postgres.database import Database
from storage.postgres.reconciliation.breaks import BreakStore
from tests.reconciliation.books import ALICE, BOB, DAY, Sql, numbered, payment, record, row_of, write
from tests.reconciliation.conftest import Reconciler
from tests.reconciliation.test_classes import Expected, open_breaks

NOON_MS = first_ms(DAY) + DAY_MS // 2
OURS = [payment(NOON_MS + serial) for serial in range(5)]
ROWS = numbered(DAY, map(row_of, OURS))
LAST = str(OURS[-1].number)


@pytest.fixture
def breaks(database: Database, reconciler: Reconciler) -> BreakService:
    return BreakService(BreakStore(database), reconciler.clock.now_ms, "fen")


async def test_payment_that_the_bank_does_not_have_is_in_doubt_until_the_end_of_t_plus_2(
    reconciler: Reconciler, breaks: BreakService, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    reconciler.clock.at_ms = first_ms(DAY) + DAY_MS + 1
    job = await reconciler.done(write(tmp_path / "s.csv", ROWS[:-1]))
    assert [tuple(one) for one in job.results] == [("matched", 4, 1_200), ("ours_only", 1, 300)]
    reconciler.clock.at_ms = first_ms(DAY) + 3 * DAY_MS - 1
    (one,) = await breaks.newest(only_open=True)
    assert (one.break_class, one.state, one.number, one.difference_fen) == ("ours_only", "in_doubt", int(LAST), 300)
    assert await BreakStore(reconciler.service._breaks._database).figures(reconciler.clock.at_ms) == {}
    reconciler.clock.at_ms += 1
    (one,) = await breaks.newest(only_open=True)
    assert one.state == "open"


async def test_doubt_ends_with_a_corrected_statement_that_lacks_the_payment_too(
    reconciler: Reconciler, breaks: BreakService, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    reconciler.clock.at_ms = first_ms(DAY) + DAY_MS + 1
    await reconciler.done(write(tmp_path / "s.csv", ROWS[:-1]))
    assert (await breaks.newest(only_open=True))[0].state == "in_doubt"
    await reconciler.done(write(tmp_path / "t.csv", ROWS[:-1], issue=2))
    assert [one.state for one in await breaks.newest(only_open=True)] == ["open"]


async def test_corrected_statement_resolves_what_it_corrects_and_keeps_the_rest_with_history(
    reconciler: Reconciler, breaks: BreakService, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    wrong = [ROWS[0]._replace(amount_fen=1), ROWS[1]._replace(amount_fen=2), ROWS[2], ROWS[3]]
    await reconciler.done(write(tmp_path / "s.csv", wrong))
    first, second = str(OURS[0].number), str(OURS[1].number)
    assert await open_breaks(sql) == {("amount", first), ("amount", second), ("ours_only", LAST)}
    kept = {one.number: one.break_id for one in await breaks.newest(only_open=True)}
    corrected = numbered(DAY, [ROWS[4], ROWS[0], ROWS[1]._replace(amount_fen=3), ROWS[2], ROWS[3]])
    job = await reconciler.done(write(tmp_path / "t.csv", corrected, issue=2))
    assert [tuple(one) for one in job.results] == [("matched", 4, 1_200), ("amount", 1, 3)]
    (left,) = await breaks.newest(only_open=True)
    assert (left.break_id, left.issue, left.line, left.difference_fen) == (kept[OURS[1].number], 2, 3, 297)
    closed = [one for one in await breaks.newest(only_open=False) if one.state == "closed"]
    assert {one.number for one in closed} == {OURS[0].number, OURS[4].number}
    assert all(one.closed_uid is None and "both books agree" in one.reason for one in closed)
    assert await sql.fetchval("SELECT count(*) FROM statement_rows") == 9  # the first issue is history
    assert await sql.fetch("SELECT issue, is_current FROM statements ORDER BY 1") == [(1, False), (2, True)]


async def test_first_issue_that_comes_after_the_corrected_one_is_history_at_once(
    reconciler: Reconciler, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    await reconciler.done(write(tmp_path / "t.csv", ROWS, issue=2))
    await reconciler.done(write(tmp_path / "s.csv", ROWS[:2]))
    assert await open_breaks(sql) == set()
    assert await sql.fetchval("SELECT issue FROM statements WHERE is_current") == 2


async def test_payment_around_midnight_waits_for_both_statements_and_matches_on_either_day(
    reconciler: Reconciler, sql: Sql, tmp_path: Path
) -> None:
    midnight_ms, following = first_ms(DAY) + DAY_MS, DAY + timedelta(days=1)
    ours = [payment(midnight_ms - 100), payment(midnight_ms - 99), payment(midnight_ms - 98)]
    await record(sql, ours)
    rows = numbered(DAY, [row_of(ours[0], at_ms=midnight_ms - 1)])
    assert [one.row_class for one in (await reconciler.done(write(tmp_path / "s.csv", rows))).results] == [
        "matched"
    ]
    assert await open_breaks(sql) == set()
    rows = numbered(following, [row_of(ours[1], at_ms=midnight_ms)])
    await reconciler.done(write(tmp_path / "t.csv", rows, day=following))
    assert await open_breaks(sql) == {("ours_only", str(ours[2].number))}


async def test_break_that_was_closed_is_not_opened_again_unless_the_difference_changes(
    reconciler: Reconciler, breaks: BreakService, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    rows = [*ROWS[:-1], ROWS[-1]._replace(amount_fen=200)]
    await reconciler.done(write(tmp_path / "s.csv", rows))
    (one,) = await breaks.newest(only_open=True)
    owned = await breaks.own(one.break_id, ALICE)
    assert (owned.state, owned.owner_uid) == ("owned", ALICE)
    closed = await breaks.close(one.break_id, BOB, "the bank pays the difference")
    assert (closed.state, closed.closed_uid, closed.reason) == ("closed", BOB, "the bank pays the difference")
    await reconciler.done(write(tmp_path / "t.csv", rows, issue=2))
    assert await open_breaks(sql) == set()
    rows[-1] = rows[-1]._replace(amount_fen=100)
    await reconciler.done(write(tmp_path / "u.csv", rows, issue=3))
    assert await open_breaks(sql) == {Expected("amount", LAST)}


async def test_closed_or_unknown_break_is_neither_owned_nor_closed_and_a_reason_is_needed(
    reconciler: Reconciler, breaks: BreakService, sql: Sql, tmp_path: Path
) -> None:
    await reconciler.done(write(tmp_path / "s.csv", ROWS[:1]))
    (one,) = await breaks.newest(only_open=True)
    for reason in ("", "  ", "x" * 201, "two\nlines"):
        with pytest.raises(BreakRefused, match="the reason must have 1 to 200 printable characters"):
            await breaks.close(one.break_id, ALICE, reason)
    await breaks.close(one.break_id, ALICE, "explained")
    with pytest.raises(BreakRefused, match="closed already"):
        await breaks.close(one.break_id, ALICE, "again")
    with pytest.raises(BreakRefused, match="is closed"):
        await breaks.own(one.break_id, ALICE)
    for call in (breaks.own(999, ALICE), breaks.close(999, ALICE, "why")):
        with pytest.raises(BreakRefused, match="there is no break 999"):
            await call


async def test_breaks_are_listed_by_class_and_day(
    reconciler: Reconciler, breaks: BreakService, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS[1:])
    await reconciler.done(write(tmp_path / "s.csv", ROWS[:-1]))
    found = await breaks.newest(only_open=False)
    assert sorted(one.break_class for one in found) == ["bank_only", "ours_only"]
    assert [one.number for one in await breaks.newest(only_open=True, break_class="ours_only")] == [int(LAST)]
    assert len(await breaks.newest(only_open=False, day=DAY)) == 2
    assert await breaks.newest(only_open=False, day=DAY + timedelta(days=1)) == []
    assert len(await breaks.newest(only_open=False, most=1)) == 1
