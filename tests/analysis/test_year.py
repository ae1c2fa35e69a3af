"""`hongbao year`: figures of the user's own records, over both sets, and a page that is harmless and complete."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from protocol.money_unit import YUAN
from server.report_page.year_page import year_page
from server.services.analysis.year import Friend, YearOfUser, year_of_user
from storage.postgres.database import Database
from tests.analysis.test_report_page import HOSTILE, seen_by
from tests.ops.dashboard.browser import browser, installed_or_skip
from tests.server.serving import here
from tests.services.books import FIRST_ID, NEW_YEAR_MS, NOW_MS, Books

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
DAY_MS = 86_400_000


@pytest.fixture
async def books(database: Database, sql: Sql) -> Books:
    """User 1 sends twice in 2026 and once before; 2, 3 and 1 open; user 2 sends one that 1 opens first."""
    made = Books(database)
    await made.populate(range(1, 8), 1_000_000)
    await sql.execute(
        "UPDATE users SET name = CASE user_id WHEN 1 THEN '小梅' ELSE $1 END WHERE user_id < 3", HOSTILE
    )
    before = await made.sent(NEW_YEAR_MS - DAY_MS, 5_000, 1)
    await made.open(before, [3], NEW_YEAR_MS - DAY_MS + 1_000)
    first = await made.sent(NOW_MS, 1_000, 3)
    await made.open(first, [2], NOW_MS + 400)
    await made.open(first, [3], NOW_MS + 500)
    await made.open(first, [1], NOW_MS + 2_000)
    second = await made.sent(NOW_MS + 31 * DAY_MS, 300, 2)
    await made.open(second, [2], NOW_MS + 31 * DAY_MS + 900)
    other = await made.sent(NOW_MS + 2 * DAY_MS, 900, 2, sender=2)
    await made.open(other, [1], NOW_MS + 2 * DAY_MS + 350)
    for _ in range(3):
        await made.settlement.settle(100, NOW_MS)
    return made


async def share_of(sql: Sql, packet: int, user: int) -> int:
    found = await sql.fetchval(
        "SELECT amount_fen FROM claims WHERE packet_id = $1 AND user_id = $2", FIRST_ID + packet, user
    )
    assert isinstance(found, int)
    return found


async def test_year_is_what_the_records_of_the_user_say(books: Books, sql: Sql) -> None:
    year = await year_of_user([books.database], 1, 2026)
    own, other = await share_of(sql, 2, 1), await share_of(sql, 4, 1)
    assert (year.name, year.sent, year.sent_fen) == ("小梅", 2, 1_300)
    assert (year.received, year.received_fen) == (2, own + other)
    assert year.received_fen == await sql.fetchval(
        "SELECT received_fen FROM years WHERE user_id = 1 AND year = 2026"
    )
    assert year.largest_sent is not None
    assert (year.largest_sent.total_fen, year.largest_sent.shares) == (1_000, 3)
    assert year.fastest_emptied_ms == 2_000
    assert year.best_share is not None
    assert year.best_share.amount_fen == max(own, other)


async def test_year_fastest_open_and_firsts_do_not_count_own_packets(books: Books) -> None:
    year = await year_of_user([books.database], 1, 2026)
    assert (year.fastest_ms, year.firsts, year.friends) == (350, 1, 1)
    two = await year_of_user([books.database], 2, 2026)
    assert (two.fastest_ms, two.firsts) == (400, 2)


async def test_year_is_generous_to_the_user_who_opened_most_and_never_to_oneself(books: Books, sql: Sql) -> None:
    year = await year_of_user([books.database], 1, 2026)
    two = await share_of(sql, 2, 2) + await share_of(sql, 3, 2)
    three = await share_of(sql, 2, 3)
    expected = [Friend(2, HOSTILE, 2, two), Friend(3, "", 1, three)]
    assert list(year.generous_to) == sorted(expected, key=lambda friend: -friend.amount_fen)
    assert [friend.user_id for friend in year.received_from] == [2]


async def test_year_months_are_those_of_beijing(books: Books, sql: Sql) -> None:
    year = await year_of_user([books.database], 1, 2026)
    assert list(year.months_sent_fen) == [1_000, 300, *[0] * 10]
    assert sum(year.months_received_fen) == year.received_fen
    assert (await year_of_user([books.database], 1, 2025)).sent_fen == 5_000


async def test_year_has_a_packet_that_was_scheduled_for_the_next_one_in_its_last_month(
    books: Books, sql: Sql
) -> None:
    made_ms = NEW_YEAR_MS - 5_000
    packet = await books.sent(made_ms, 700, 2)
    await books.open(packet, [2], NEW_YEAR_MS + 1_000)
    await books.open(packet, [3], NEW_YEAR_MS + 3_000)
    scheduled = "UPDATE packets SET send_at_ms = $2::bigint, expires_at_ms = $2 + 86400000 WHERE packet_id = $1"
    await sql.execute(scheduled, packet.row.packet_id, NEW_YEAR_MS)
    before, year = [await year_of_user([books.database], 1, number) for number in (2025, 2026)]
    assert (before.sent_fen, list(before.months_sent_fen)) == (5_700, [0] * 11 + [5_700])
    assert sum(year.months_sent_fen) == year.sent_fen == 1_300
    assert before.fastest_emptied_ms == 3_000  # from when it was posted


async def test_year_compares_with_others_only_if_twenty_sent(books: Books, sql: Sql) -> None:
    await sql.execute(
        "INSERT INTO years (user_id, year, sent_count, sent_fen) SELECT 100 + n, 2026, 1, 100 * n "
        "FROM generate_series(1, 17) n"
    )
    assert (await year_of_user([books.database], 1, 2026)).more_than is None
    await sql.execute("INSERT INTO years (user_id, year, sent_count, sent_fen) VALUES (200, 2026, 1, 5000)")
    # users 1 and 2, and 18 others of whom 12 sent less than 1,300
    assert (await year_of_user([books.database], 1, 2026)).more_than == pytest.approx((12 + 1) / 20)


async def test_year_of_an_unknown_user_is_empty(books: Books) -> None:
    year = await year_of_user([books.database], 6, 2020)
    assert (year.sent, year.received, year.best_share, year.busiest_hour) == (0, 0, None, None)
    assert "The next one is yours" in year_page(year, "en", YUAN)


async def test_year_over_two_sets_finds_shares_of_packets_in_the_other_one(
    books: Books, other: Database, sql: Sql
) -> None:
    """User 1, whose wallet is in the first set, opened a packet of the second one."""
    elsewhere = Books(other)
    elsewhere._made = 500
    await elsewhere.populate([9], 100_000)
    packet = await elsewhere.sent(NOW_MS, 2_000, 1, sender=9)
    await elsewhere.open(packet, [1], NOW_MS + 100)
    await sql.execute("INSERT INTO received VALUES (1, $1, $2)", NOW_MS + 100, packet.packet_id)
    alone = await year_of_user([books.database], 1, 2026)
    year = await year_of_user([books.database, other], 1, 2026)
    assert (year.fastest_ms, year.friends) == (100, alone.friends + 1)
    assert year.best_share is not None
    assert year.best_share.amount_fen == 2_000


def without_style(page: str) -> str:
    return re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_page_tells_the_year_and_no_name_is_markup(books: Books, language: str) -> None:
    year = await year_of_user([books.database], 1, 2026)
    page = without_style(year_page(year, language, YUAN))
    assert "小梅" in page
    assert YUAN.full(language, year.sent_fen) in page
    assert YUAN.full(language, year.received_fen) in page
    assert re.findall(r"<(?:script|link|img|iframe)\b|<[^>]*\s(?:src|href|style|on\w+)=", page) == []
    assert "&lt;script&gt;" in page


async def test_page_in_a_browser_is_quiet_and_fits_a_phone(books: Books, tmp_path: Path) -> None:
    year: YearOfUser = await year_of_user([books.database], 1, 2026)
    file = tmp_path / "year.html"
    file.write_text(year_page(year, "zh", YUAN), encoding="utf-8")
    async with browser(installed_or_skip()) as chromium:
        for width, dark in ((390, True), (1_280, False)):
            seen = await seen_by(chromium, file, width, dark)
            assert (seen.requests, seen.errors, seen.wide) == ([file.as_uri()], [], False)
            assert seen.title == "小梅的红包年"


def test_command_refuses_a_year_that_is_none(tmp_path: Path) -> None:
    refused = here("year", 1, "--year", "0", "--data", tmp_path)
    assert refused.code == 2
    missing = here("year", 1, "--data", tmp_path)
    assert (missing.code, "there are no records" in missing.stderr) == (1, True)
