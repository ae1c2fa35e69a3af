"""Records: the fields of a line, and pages without a gap or a duplicate."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from client_sim.sdk.errors import Refusal
from server.core import beijing_year
from server.core.refusals import Reason, RequestRefused
from server.services.money.records import RECORDS_PAGE, RecordItem, RecordPage, RecordService
from storage.postgres.chat.users import UserStore
from tests.cases import each
from tests.conftest import StartServer
from tests.services.books import ALL, GROUP, NEW_YEAR_MS, NOW_MS, Books, Right
from tests.services.conftest import SENDER, MakeParty, until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SEED = 20260217


async def test_lines_show_the_state_of_each_packet(books: Books, records: RecordService, sql: Sql) -> None:
    await UserStore(books.database).put({1: "Wang", 2: "Li"})
    day_before_ms = NEW_YEAR_MS + 1_000  # expired when the records are read
    expired = await books.sent(day_before_ms - 1_000, 100, 1)
    refunded = await books.sent(day_before_ms - 2_000, 100, 2)
    await books.open(refunded, [2], day_before_ms - 1_500)
    await books.packets.refund([refunded.packet_id], NOW_MS)
    finished = await books.sent(day_before_ms + 5_000, 70, 1, kind="personal", to=2)
    await books.open(finished, [2], day_before_ms + 6_000)
    still_open = await books.sent(day_before_ms + 9_000, 600, 3)
    await books.settlement.settle(ALL, NOW_MS)

    def seen(shown: RecordPage) -> list[tuple[object, ...]]:
        return [
            (one.packet_id, one.state, one.user_id, one.name, one.amount_fen, one.opened) for one in shown.lines
        ]

    assert seen(await records.show(1, "sent", 2026)) == [
        (still_open.packet_id, "open", GROUP, "", 600, 0),
        (finished.packet_id, "finished", 2, "Li", 70, 1),
        (expired.packet_id, "expired", GROUP, "", 100, 0),
    ]
    assert seen(await records.show(1, "sent", 2025)) == [(refunded.packet_id, "refunded", GROUP, "", 100, 1)]
    share_fen = refunded.rules.claims[2].amount_fen
    assert seen(await records.show(2, "received", 2026)) == [
        (finished.packet_id, "finished", 1, "Wang", 70, 1),
    ]
    assert seen(await records.show(2, "received", 2025)) == [
        (refunded.packet_id, "refunded", 1, "Wang", share_fen, 1)
    ]


async def test_unknown_direction_is_refused(records: RecordService) -> None:
    for direction in ("", "lost", "SENT", "sent\0"):
        with pytest.raises(RequestRefused) as caught:
            await records.show(1, direction, 2026)
        assert caught.value.reason is Reason.BAD_REQUEST


@each("year", [-(2**63), -1, 1, 1969, 9_998, 9_999, 10_000, 2**63 - 1])
async def test_year_without_packets_is_an_empty_page(books: Books, records: RecordService, year: int) -> None:
    await books.sent(NEW_YEAR_MS, 100, 1)
    shown = await records.show(1, "sent", year)
    assert (shown.year, shown.years, shown.packets, shown.lines, shown.more) == (year, [2026], 0, [], False)


@pytest.mark.parametrize("at_ms", [-(2**63), -1, 1, NEW_YEAR_MS - 1, NEW_YEAR_MS, 2**63 - 1])
@pytest.mark.parametrize("packet_id", [-(2**63), 0, 2**63 - 1])
async def test_page_after_any_position_stays_within_the_year(
    books: Books, records: RecordService, at_ms: int, packet_id: int
) -> None:
    for moment_ms in (NEW_YEAR_MS - 1, NEW_YEAR_MS, beijing_year.bounds(2027)[0]):
        await books.sent(moment_ms, 100, 1)
    shown = await records.show(1, "sent", 2026, at_ms, packet_id)
    position = (at_ms, packet_id)
    assert [line.at_ms for line in shown.lines] == [NEW_YEAR_MS] * (position > (NEW_YEAR_MS, 2**62 - 1))


@pytest.mark.parametrize(
    ("sent", "more"), [(RECORDS_PAGE - 1, False), (RECORDS_PAGE, False), (RECORDS_PAGE + 1, True)]
)
async def test_page_is_full_before_more_pages_follow(
    books: Books, records: RecordService, sent: int, more: bool
) -> None:
    await books.send(*(books.draft(NEW_YEAR_MS + n, 100, 1) for n in range(sent)))
    shown = await records.show(1, "sent", 2026)
    assert (len(shown.lines), shown.more, shown.packets) == (min(sent, 20), more, sent)


async def pages(
    records: RecordService, user_id: int, direction: str, meanwhile: Callable[[], Awaitable[None]]
) -> list[RecordItem]:
    """All lines of 2026, a page at a time; `meanwhile` runs between two pages."""
    lines: list[RecordItem] = []
    shown = await records.show(user_id, direction, 2026)
    while True:
        lines += shown.lines
        if not shown.more:
            return lines
        await meanwhile()
        last = lines[-1]
        shown = await records.show(user_id, direction, 2026, last.at_ms, last.packet_id)


@pytest.mark.parametrize("direction", ["sent", "received"])
async def test_pages_have_no_gap_and_no_duplicate_while_new_rows_arrive(
    books: Books, records: RecordService, direction: str
) -> None:
    """Many rows have the same time, so the packet id must break the tie; new rows are newer than all others."""
    rng = random.Random(SEED)
    print("seed", SEED)

    async def add(*times_ms: int) -> list[tuple[int, int]]:
        drafts = [books.draft(at_ms, 100, 1) for at_ms in times_ms]
        await books.send(*drafts)
        for one in drafts:
            await books.open(one, [2], one.row.created_at_ms)
        while (await books.settlement.settle(7, NOW_MS))[0]:
            pass
        return [(one.row.created_at_ms, one.packet_id) for one in drafts]

    async def meanwhile() -> None:
        await add(NEW_YEAR_MS + 1_000, NEW_YEAR_MS + 1_000)

    there = await add(*(NEW_YEAR_MS + rng.randrange(9) for _ in range(95)))
    await add(NEW_YEAR_MS - 1)  # in the year before
    user_id = 1 if direction == "sent" else 2
    lines = await pages(records, user_id, direction, meanwhile)
    assert [(line.at_ms, line.packet_id) for line in lines] == sorted(there, reverse=True)


async def test_claim_that_is_credited_late_is_listed_at_its_own_time(books: Books, records: RecordService) -> None:
    """Large amounts are settled first, so an older line may appear between two pages; it is listed by time."""
    small = [await books.sent(NEW_YEAR_MS + n, 1, 1) for n in range(5)]
    large = [await books.sent(NEW_YEAR_MS + 100 + n, 1_000, 1) for n in range(30)]
    for packet in small + large:
        await books.open(packet, [2], packet.row.created_at_ms)
    await books.settlement.settle(30, NOW_MS)

    async def meanwhile() -> None:
        await books.settlement.settle(ALL, NOW_MS)

    lines = await pages(records, 2, "received", meanwhile)
    assert [line.at_ms - NEW_YEAR_MS for line in lines] == [*range(129, 99, -1), 4, 3, 2, 1, 0]


async def test_records_over_the_wire_are_the_same(
    start_server: StartServer, party: MakeParty, sql: Sql, books_balance: Right
) -> None:
    room = await party(await start_server(), 2)
    packet_id = await room.lucky(1_000, 2)
    opened = await room.all_open(packet_id)

    async def settled() -> bool:
        return await sql.fetchval("SELECT count(*) FROM settlement_queue") == 0

    await until(settled)
    sent = await room.sender.records("sent")
    (line,) = sent.lines
    assert (sent.direction, sent.years, sent.count, sent.total_fen, sent.more) == (
        "sent",
        [sent.year],
        1,
        1_000,
        False,
    )
    assert (line.packet_id, line.packet_kind, line.user_id, line.amount_fen) == (
        packet_id,
        "lucky",
        room.group,
        1_000,
    )
    assert (line.shares, line.opened, line.state, line.is_best) == (2, 2, "finished", False)
    best = max(opened, key=lambda one: (one.amount_fen, -one.index))
    for guest, mine in zip(room.guests, opened, strict=True):
        received = await guest.records("received", sent.year)
        assert (received.count, received.total_fen, received.best_lucks) == (1, mine.amount_fen, int(mine is best))
        (line,) = received.lines
        assert (line.packet_id, line.user_id, line.amount_fen, line.is_best) == (
            packet_id,
            SENDER,
            mine.amount_fen,
            mine is best,
        )
        behind = await guest.records("received", sent.year, line.at_ms, line.packet_id)
        assert (behind.count, behind.lines) == (1, [])
    with pytest.raises(Refusal) as caught:
        await room.sender.records("lost")
    assert caught.value.name == "bad_request"
    await books_balance()
