"""Records: packets sent and received by year, and best lucks, each counted once despite retries."""

from __future__ import annotations

import random
from typing import TypeAlias

import asyncpg
import pytest

from server.core import beijing_year
from server.services.money.records import RecordService
from storage.postgres.packets.sends import Unsent
from tests.seeds import SeedsInPlain
from tests.services.books import ALL, LIFETIME_MS, NEW_YEAR_MS, NOW_MS, Books, Right, lucks, transfer

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SEED = 20260217


async def totals(records: RecordService, user_id: int, year: int) -> dict[str, tuple[int, ...]]:
    """(count, fen) sent and (count, fen, best lucks) received."""
    sent = await records.show(user_id, "sent", year)
    received = await records.show(user_id, "received", year)
    return {
        "sent": (sent.packets, sent.total_fen),
        "received": (received.packets, received.total_fen, received.best_lucks),
    }


# --- what is counted ------------------------------------------------------------------------------------------


async def test_sent_and_received_count_in_their_beijing_year(
    books: Books, records: RecordService, records_are_right: Right
) -> None:
    old = await books.sent(NEW_YEAR_MS - 1, 300, 1)
    await books.sent(NEW_YEAR_MS, 500, 1)
    await books.open(old, [2], NEW_YEAR_MS + 5)
    await books.settlement.settle(ALL, NOW_MS)
    assert await totals(records, 1, 2025) == {"sent": (1, 300), "received": (0, 0, 0)}
    assert await totals(records, 1, 2026) == {"sent": (1, 500), "received": (0, 0, 0)}
    assert await totals(records, 2, 2025) == {"sent": (0, 0), "received": (0, 0, 0)}
    assert await totals(records, 2, 2026) == {"sent": (0, 0), "received": (1, 300, 1)}
    assert (await records.show(1, "sent", 0)).years == [2026, 2025]
    assert (await records.show(1, "sent", 0)).year == 2026  # 0 is this year
    assert (await records.show(1, "received", 0)).years == []
    await records_are_right()


async def test_years_of_database_and_rules_are_equal(sql: Sql) -> None:
    rng = random.Random(SEED)
    moments = [0, NEW_YEAR_MS - 1, NEW_YEAR_MS, *(rng.randrange(4_000_000_000_000) for _ in range(2_000))]
    moments += [
        edge + off for year in range(1971, 2100) for edge in beijing_year.bounds(year) for off in (-1, 0, 1)
    ]
    found = await sql.fetch("SELECT beijing_year(at_ms) FROM unnest($1::bigint[]) AS m (at_ms)", moments)
    assert [row[0] for row in found] == [beijing_year.year_of(at_ms) for at_ms in moments]


async def test_claim_counts_once_when_it_is_credited(
    books: Books, records: RecordService, sql: Sql, records_are_right: Right
) -> None:
    packet = await books.sent(NEW_YEAR_MS, 900, 3)
    (claim,) = await books.open(packet, [2], NEW_YEAR_MS + 1)
    assert await totals(records, 2, 2026) == {"sent": (0, 0), "received": (0, 0, 0)}
    await books.settlement.settle(ALL, NOW_MS)
    for _ in range(2):  # the same claim again, in one batch and in another
        again = (packet.packet_id, 2, claim.amount_fen, NEW_YEAR_MS + 1, claim.index)
        await sql.executemany("INSERT INTO settlement_queue VALUES ($1, $2, $3, $4, $5)", [again, again])
        await books.settlement.settle(ALL, NOW_MS)
    assert await totals(records, 2, 2026) == {"sent": (0, 0), "received": (1, claim.amount_fen, 0)}
    assert len((await records.show(2, "received", 2026)).lines) == 1
    await records_are_right()


async def test_claim_that_is_queued_twice_in_one_batch_counts_once(
    books: Books, records: RecordService, sql: Sql, records_are_right: Right
) -> None:
    packet = await books.sent(NEW_YEAR_MS, 900, 3)
    await books.open(packet, [2], NEW_YEAR_MS + 1)
    await sql.execute("INSERT INTO settlement_queue SELECT * FROM settlement_queue")
    await books.settlement.settle(ALL, NOW_MS)
    received = await records.show(2, "received", 2026)
    assert (received.packets, len(received.lines)) == (1, 1)
    assert received.total_fen == received.lines[0].amount_fen
    await records_are_right()


async def test_send_with_a_repeated_key_counts_once(
    books: Books, records: RecordService, records_are_right: Right
) -> None:
    draft = books.draft(NEW_YEAR_MS, 500, 1)
    for _ in range(2):
        await books.sends.record([draft.row, draft.row], transfer, lambda row: (), SeedsInPlain)
    poor = books.draft(NEW_YEAR_MS, 1_000_000_000, 100_000, sender=3)
    unsent = await books.sends.record([poor.row], transfer, lambda row: (), SeedsInPlain)
    assert unsent == [Unsent.NOT_ENOUGH_MONEY]
    assert (await totals(records, 1, 2026))["sent"] == (1, 500)
    assert (await totals(records, 3, 2026))["sent"] == (0, 0)
    await records_are_right()


# --- best luck ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, ALL])
async def test_best_luck_is_the_largest_claim_counted_once_in_batches_of_any_size(
    books: Books, sql: Sql, most: int, records_are_right: Right
) -> None:
    expected: dict[int, int] = {}
    for number in range(6):
        packet = await books.sent(NEW_YEAR_MS + number, 1_000, 4)
        await books.open(packet, [2, 3, 4, 5], NEW_YEAR_MS + 10)
        best = packet.rules.best_luck()
        assert best is not None
        expected[best.user_id] = expected.get(best.user_id, 0) + 1
    while (await books.settlement.settle(most, NOW_MS))[0]:
        await records_are_right()
    assert await lucks(sql) == expected


async def test_best_luck_of_two_equal_claims_is_the_earliest(books: Books, sql: Sql) -> None:
    packet = await books.sent(NEW_YEAR_MS, 2, 2)  # a fen each
    await books.open(packet, [7], NEW_YEAR_MS)
    await books.open(packet, [2], NEW_YEAR_MS)
    await books.settlement.settle(ALL, NOW_MS)
    assert await lucks(sql) == {7: 1}


async def test_best_luck_is_known_only_when_the_packet_is_finished(
    books: Books, records: RecordService, sql: Sql, records_are_right: Right
) -> None:
    packet = await books.sent(NEW_YEAR_MS - 1_000, 1_000, 3)
    early = await books.open(packet, [2, 3], NEW_YEAR_MS - 500)
    await books.settlement.settle(ALL, NOW_MS)
    assert await lucks(sql) == {}
    (last,) = await books.open(packet, [4], NEW_YEAR_MS + 500)
    await books.settlement.settle(ALL, NOW_MS)
    best = packet.rules.best_luck()
    assert best in early  # the seed is literal, so this is not left to chance
    assert await lucks(sql) == {best.user_id: 1}
    assert (await totals(records, best.user_id, 2025))["received"] == (1, best.amount_fen, 1)  # of the claim's year
    assert (await totals(records, 4, 2026))["received"] == (1, last.amount_fen, 0)
    marked = {
        user: (await records.show(user, "received", year)).lines[0].is_best for user, year in YEARS_OF.items()
    }
    assert marked == {2: best.user_id == 2, 3: best.user_id == 3, 4: False}
    await records_are_right()


YEARS_OF = {2: 2025, 3: 2025, 4: 2026}


async def test_only_finished_lucky_packets_have_a_best_luck(
    books: Books, sql: Sql, records_are_right: Right
) -> None:
    equal = await books.sent(NEW_YEAR_MS, 600, 2, kind="equal")
    personal = await books.sent(NEW_YEAR_MS, 600, 1, kind="personal", to=2)
    rest = await books.sent(NEW_YEAR_MS, 600, 3)
    await books.open(equal, [2, 3], NEW_YEAR_MS)
    await books.open(personal, [2], NEW_YEAR_MS)
    await books.open(rest, [2, 3], NEW_YEAR_MS)
    await books.packets.refund([rest.packet_id], NEW_YEAR_MS + LIFETIME_MS)
    while (await books.settlement.settle(1, NOW_MS))[0]:
        pass
    assert await lucks(sql) == {}
    await records_are_right()
