"""Reports against real PostgreSQL: totals are the audit's, small groups stay out, several sets are one report."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any, TypeAlias

import asyncpg
import pytest

from bench.analysis.large_records import FIRST_MS, fill
from server.core.analysis.luck_test import ALPHA
from server.core.ledger import MOVES_NOTHING
from server.loop import NICE_MAX
from server.services.analysis.figures import OTHERS, ReportFigures
from server.services.analysis.report import make_report
from storage.postgres.analysis.narrow_copy import SentSpan
from storage.postgres.database import Database
from storage.postgres.money.audit import SumsRow, snapshot
from tests.services.books import FIRST_ID, LIFETIME_MS, NOW_MS, Books

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
ALL = SentSpan(0, 2**60)
DAY_MS = 86_400_000


async def sums_of(database: Database) -> SumsRow:
    async with snapshot(database) as records:
        return await records.sums(MOVES_NOTHING)


@pytest.fixture
async def large(postgres_dsn: str, database: Database) -> Database:
    """12,000 claims of 3,000 users."""
    await fill(postgres_dsn, 12_000, 3_000, lambda line: None)
    return database


async def crowd_of(books: Books, users: int) -> None:
    """So many open one packet of 100 yuan, and one of them sends 3 yuan that two open."""
    await books.populate(range(1, users + 2), 1_000_000)
    packet = await books.sent(NOW_MS, 10_000, users)
    await books.open(packet, range(2, users + 2), NOW_MS + 2_000)
    small = await books.sent(NOW_MS + 60_000, 300, 4, sender=2)
    await books.open(small, [1, 3], NOW_MS + 61_000)


def text_of(report: ReportFigures) -> str:
    """Everything that a report shows."""
    return repr((report.facts, report.tables))


async def test_totals_equal_those_of_the_audit_to_the_fen(database: Database) -> None:
    await crowd_of(Books(database), 30)
    report, sums = await make_report([database], ALL), await sums_of(database)
    facts = report.facts
    assert (facts.packets, facts.opened_shares) == (sums.packets, sums.claims) == (2, 32)
    assert (facts.sent_fen, facts.opened_fen) == (sums.funded_fen, sums.claimed_fen)
    assert (facts.refunded_fen, facts.unopened_fen) == (sums.refunded_fen, sums.unopened_fen)
    assert facts.sent_fen == facts.opened_fen + facts.refunded_fen + facts.unopened_fen == 10_300
    assert report.problems == []


async def test_totals_of_large_records_equal_those_of_the_audit(large: Database) -> None:
    report, sums = await make_report([large], ALL), await sums_of(large)
    facts = report.facts
    assert (facts.packets, facts.opened_shares) == (sums.packets, sums.claims)
    assert (facts.sent_fen, facts.opened_fen, facts.unopened_fen) == (
        sums.funded_fen,
        sums.claimed_fen,
        sums.unopened_fen,
    )
    assert facts.refunded_fen == facts.sent_fen - facts.opened_fen > 0
    assert report.problems == []


async def test_sum_that_differs_from_its_claims_is_a_problem(database: Database, sql: Sql) -> None:
    await crowd_of(Books(database), 30)
    await sql.execute("SET session_replication_role = replica")
    await sql.execute(
        "UPDATE claims SET amount_fen = amount_fen + 1 WHERE packet_id = $1 AND index = 0", FIRST_ID + 1
    )
    problems = (await make_report([database], ALL)).problems
    assert len(problems) == 2
    assert str(FIRST_ID + 1) in problems[1]


async def test_report_of_nineteen_people_has_totals_alone(database: Database) -> None:
    await crowd_of(Books(database), 18)
    report = await make_report([database], ALL)
    assert report.facts.people == 19
    assert report.facts.sent_fen == 10_300
    assert (report.facts.gini_sent, report.facts.median_empty_s, report.facts.own_shares) == (None, None, None)
    assert {name for name, table in report.tables.items() if any(None not in row for row in table.rows)} <= {
        "hours",
        "flows",
    }
    assert all(row[2] in (0, None) for name in ("hours", "flows") for row in report.tables[name].rows)


async def test_report_of_twenty_people_tells_of_them_together(database: Database) -> None:
    await crowd_of(Books(database), 19)
    report = await make_report([database], ALL)
    assert report.facts.people == 20
    assert report.facts.gini_sent is not None
    assert report.facts.busiest_packets == 1
    assert report.tables["totals"].rows == []  # two senders
    assert report.tables["greetings"].rows == []


async def test_greeting_of_one_user_is_never_shown(large: Database, sql: Sql) -> None:
    said = await sql.execute("UPDATE packets SET greeting = 'only I say this' WHERE sender_id = 1")
    assert int(said.split()[1]) > 20
    report = await make_report([large], ALL)
    assert "only I say this" not in text_of(report)
    greetings = report.tables["greetings"]
    assert OTHERS in greetings.column("greeting")
    packets = sum(int(count or 0) for count in greetings.column("packets"))
    assert packets == report.facts.packets
    # the row of others is no difference of a total and one user: it holds another greeting, too
    assert next(row[1] for row in greetings.rows if row[0] == OTHERS) > 20


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
async def test_report_is_asked_at_a_lower_priority_than_all_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by the threads that DuckDB starts: with this one as many as there are processors."""
    monkeypatch.setitem(make_report.__globals__, "NICER", NICE_MAX)
    await crowd_of(Books(database), 3)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    seen: list[int] = []
    real = make_report.__globals__["figures_of"]

    def spied(*asked: Any) -> ReportFigures:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        seen.extend(os.getpriority(os.PRIO_PROCESS, int(one)) for one in os.listdir("/proc/self/task"))
        return real(*asked)  # type: ignore[no-any-return]

    monkeypatch.setitem(make_report.__globals__, "figures_of", spied)
    await make_report([database], ALL)
    assert seen[0] == NICE_MAX
    assert seen[1:].count(NICE_MAX) >= len(os.sched_getaffinity(0))
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


async def test_span_holds_the_packets_of_its_days_and_all_that_became_of_them(database: Database) -> None:
    books = Books(database)
    await books.populate(range(1, 30), 1_000_000)
    for day in range(3):
        packet = await books.sent(NOW_MS + day * DAY_MS, 100 * (day + 1), 2)
        await books.open(packet, [2, 3], NOW_MS + day * DAY_MS + LIFETIME_MS - 1)
    facts = (await make_report([database], SentSpan(NOW_MS + DAY_MS, NOW_MS + 2 * DAY_MS))).facts
    assert (facts.packets, facts.sent_fen, facts.opened_fen) == (1, 200, 200)


async def test_scheduled_packet_belongs_to_the_day_it_is_sent(database: Database, sql: Sql) -> None:
    books = Books(database)
    await books.populate(range(1, 3), 1_000_000)
    await books.sent(NOW_MS, 500, 2)
    await sql.execute("UPDATE packets SET send_at_ms = $1", NOW_MS + 3_600_000)
    assert (await make_report([database], SentSpan(NOW_MS, NOW_MS + 3_600_000))).facts.packets == 0
    assert (await make_report([database], SentSpan(NOW_MS + 3_600_000, NOW_MS + DAY_MS))).facts.packets == 1


async def test_luck_of_draws_by_the_law_fits_and_a_thumb_on_the_scale_does_not(large: Database, sql: Sql) -> None:
    fair = (await make_report([large], ALL)).luck
    assert fair.tests > 40
    assert fair.draws > 8_000
    await sql.execute("SET session_replication_role = replica")
    await sql.execute(
        "UPDATE claims c SET amount_fen = greatest(1, c.amount_fen * 8 / 10) FROM packets p "
        "WHERE p.packet_id = c.packet_id AND c.index = 0"
    )
    unfair = (await make_report([large], ALL)).luck
    assert unfair.misfits >= 4  # the first turn of each kind of packet that was sent often
    assert unfair.least_p is not None
    assert unfair.least_p < ALPHA


async def test_first_share_and_packet_within_a_day_is_a_reply(database: Database) -> None:
    books = Books(database)
    await books.populate(range(1, 45), 1_000_000)
    packet = await books.sent(NOW_MS, 10_000, 40)
    await books.open(packet, range(2, 42), NOW_MS + 1_000)
    for user in range(2, 12):
        await books.sent(NOW_MS + 2 * 3_600_000, 100, 1, sender=user)
    await books.sent(NOW_MS + 25 * 3_600_000, 100, 1, sender=12)
    report = await make_report([database], ALL)
    assert report.facts.receivers_observed == 40
    assert report.facts.replies_in_24_h == pytest.approx(10 / 40)
    parts = dict(report.tables["replies"].rows)
    assert (parts[1], parts[2]) == (0, pytest.approx(0.25))


async def test_retention_counts_days_that_are_over_and_users_who_are_new(database: Database) -> None:
    books = Books(database)
    await books.populate(range(1, 60), 1_000_000)
    first = await books.sent(NOW_MS, 10_000, 50)
    await books.open(first, range(2, 32), NOW_MS + 1_000)
    second = await books.sent(NOW_MS + DAY_MS, 10_000, 50)
    await books.open(second, range(2, 17), NOW_MS + DAY_MS + 1_000)
    report = await make_report([database], SentSpan(0, NOW_MS + 3 * DAY_MS))
    rows = {(role, days): (users, part) for role, days, users, part in report.tables["retention"].rows}
    assert rows["opened", 1] == (30, pytest.approx(0.5))
    assert rows["opened", 2] == (30, 0)
    assert ("sent", 1) not in rows  # one user alone
    await books.settlement.settle(1_000, NOW_MS)
    later = await make_report([database], SentSpan(NOW_MS + DAY_MS, NOW_MS + 3 * DAY_MS))
    assert later.tables["retention"].rows == []  # none of them is new


HIT = """
INSERT INTO risk_decisions (user_id, at_ms, mode, rules, action, hits, errors, facts)
SELECT number, $1, $2, 'v', 'review', $3, '{}', '{}' FROM generate_series(1, $4) AS number
"""


async def test_risk_hits_are_those_of_the_days_by_rule_and_mode_and_few_users_are_not_told(
    database: Database, sql: Sql
) -> None:
    await sql.execute("INSERT INTO risk_rules VALUES ('v', '[]', 1)")
    for at_ms, mode, hits, users in (
        (NOW_MS, "on", ["ring", "many-opens"], 21),
        (NOW_MS + 1, "on", ["ring"], 30),
        (NOW_MS, "shadow", ["ring"], 25),
        (NOW_MS, "on", ["rare"], 19),
        (NOW_MS + DAY_MS, "on", ["ring"], 40),
        (NOW_MS - 1, "on", ["ring"], 40),
    ):
        await sql.execute(HIT, at_ms, mode, hits, users)
    for action, first, last in (("deny", 1, 24), ("limit", 25, 50), ("freeze", 51, 53)):
        await sql.execute(
            "INSERT INTO risk_verdicts SELECT unnest($2::bigint[]), 1, $1, true, NULL, '', 1",
            action,
            list(range(first, last + 1)),
        )
    assert (await make_report([database], SentSpan(NOW_MS, NOW_MS + DAY_MS))).tables["risk_in_force"].rows == []
    await sql.execute("UPDATE risk_state SET mode = 'on'")
    tables = (await make_report([database], SentSpan(NOW_MS, NOW_MS + DAY_MS))).tables
    assert tables["risk_hits"].rows == [
        ("ring", "on", 51, 30),
        ("ring", "shadow", 25, 25),
        (OTHERS, "", 40, None),  # rare, and many-opens with it
    ]
    assert tables["risk_in_force"].rows == [("limit", 26), (OTHERS, 27)]


async def test_two_sets_are_one_report(database: Database, other: Database) -> None:
    await crowd_of(Books(database), 25)
    books = Books(other)
    books._made = 1_000
    await crowd_of(books, 30)
    report = await make_report([database, other], ALL)
    sums = [await sums_of(one) for one in (database, other)]
    assert len(report.taken_ms) == 2
    assert report.facts.sent_fen == sum(one.funded_fen for one in sums) == 20_600
    assert report.facts.opened_shares == sum(one.claims for one in sums)
    assert report.problems == []


async def test_snapshot_is_one_moment_while_others_write(large: Database, sql: Sql) -> None:
    """A claim that comes in between two copies would leave its packet without it."""
    books = Books(large)
    await books.populate(range(1, 10), 1_000)
    busy = True

    async def write() -> None:
        while busy:
            packet = await books.sent(FIRST_MS, 10, 2)
            await books.open(packet, [2, 3], FIRST_MS + 1)

    writing = asyncio.create_task(write())
    reports = [await make_report([large], ALL) for _ in range(3)]
    busy = False
    await writing
    assert [report.problems for report in reports] == [[], [], []]
    assert reports[0].facts.packets < reports[2].facts.packets
