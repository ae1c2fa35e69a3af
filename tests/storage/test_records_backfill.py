"""Records of packets that are older than the tables of records: made by the migration, as if counted then."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from server.core.kinds import WITH_BEST_LUCK
from server.embedded import StoreAddresses
from storage.postgres import migrate
from storage.postgres.database import Database
from storage.postgres.money.audit import snapshot
from storage.postgres.money.records import RecordStore, Span
from storage.postgres.money.settlement import SettlementQueue

FIRST = 9_007_199_254_740_992
NEW_YEAR_MS = 1_767_196_800_000  # 2026 begins in Beijing
LIFETIME_MS = 86_400_000
EVERYTHING = Span(0, 2**62, 0)

# (packet, kind, total, shares, sent at, closed at, refunded); the sender is user 1
PACKETS = [
    (FIRST + 1, "lucky", 1_000, 3, NEW_YEAR_MS - 10, NEW_YEAR_MS + 2, 0),
    (FIRST + 2, "lucky", 4, 2, NEW_YEAR_MS - 9, NEW_YEAR_MS - 8, 0),
    (FIRST + 3, "equal", 200, 2, NEW_YEAR_MS, NEW_YEAR_MS + 5, 0),
    (FIRST + 4, "lucky", 90, 3, NEW_YEAR_MS + 1, NEW_YEAR_MS + 1 + LIFETIME_MS, 40),
    (FIRST + 5, "lucky", 50, 1, NEW_YEAR_MS + 2, None, 0),
    (FIRST + 6, "lucky", 30, 2, NEW_YEAR_MS + 3, NEW_YEAR_MS + 4, 0),
]
# (packet, index, user, amount, at, whether its money is in the wallet)
CLAIMS = [
    (FIRST + 1, 0, 2, 300, NEW_YEAR_MS - 1, True),
    (FIRST + 1, 1, 3, 400, NEW_YEAR_MS, True),
    (FIRST + 1, 2, 4, 300, NEW_YEAR_MS + 2, True),
    (FIRST + 2, 0, 4, 2, NEW_YEAR_MS - 8, True),
    (FIRST + 2, 1, 2, 2, NEW_YEAR_MS - 8, True),
    (FIRST + 3, 0, 2, 100, NEW_YEAR_MS + 5, True),
    (FIRST + 3, 1, 3, 100, NEW_YEAR_MS + 5, True),
    (FIRST + 4, 0, 2, 50, NEW_YEAR_MS + 9, True),
    (FIRST + 6, 0, 2, 10, NEW_YEAR_MS + 4, True),
    (FIRST + 6, 1, 3, 20, NEW_YEAR_MS + 4, False),
]


@pytest.fixture
async def old(stores: StoreAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database of the first version, with packets in it; the later migrations are the current ones."""
    admin = await asyncpg.connect(stores.postgres_dsn)
    await admin.execute("DROP DATABASE IF EXISTS test_old WITH (FORCE)")
    await admin.execute("CREATE DATABASE test_old")
    database = Database(stores.postgres_dsn.replace("/hongbao?", "/test_old?"), pool_max=2, timeout_s=10)
    try:
        await database.open()
        shutil.copy(migrate.FOLDER / "0001_books.sql", tmp_path)
        with monkeypatch.context() as first:
            first.setattr(migrate, "FOLDER", tmp_path)
            assert await migrate.migrate(database) == ["0001_books"]
        await fill(database)
        yield database
    finally:
        await database.close()
        await admin.execute("DROP DATABASE test_old WITH (FORCE)")
        await admin.close()


async def fill(database: Database) -> None:
    """The rows that a server of the first version would have written."""
    async with database.transaction() as connection:
        for packet_id, kind, total, shares, at_ms, closed_ms, refunded in PACKETS:
            claims = [claim for claim in CLAIMS if claim[0] == packet_id]
            await connection.execute(
                "INSERT INTO packets VALUES ($1, 1, ($1::bigint)::text, $2, $3, $4, $5, 1, 20000, '', sha256(''),"
                " $6, $7, $8, $9, $10, $11)",
                *(packet_id, kind, FIRST, total, shares, at_ms, at_ms + LIFETIME_MS, len(claims)),
                *(sum(claim[3] for claim in claims), refunded, closed_ms),
            )
            await connection.execute("INSERT INTO transfers VALUES (1, $1, 3, '', $2, $3)", packet_id, total, at_ms)
        for packet_id, index, user_id, fen, at_ms, credited in CLAIMS:
            await connection.execute(
                "INSERT INTO claims VALUES ($1, $2, $3, $4, $5)", packet_id, index, user_id, fen, at_ms
            )
            if credited:
                transfer = "INSERT INTO transfers VALUES ($1, $2, 4, '', $3, $4)"
                await connection.execute(transfer, packet_id, user_id, fen, NEW_YEAR_MS + 10**9)
            else:
                waits = "INSERT INTO settlement_queue VALUES ($1, $2, $3, $4)"
                await connection.execute(waits, packet_id, user_id, fen, at_ms)


async def totals(database: Database) -> set[tuple[int, ...]]:
    """(user, year, sent, fen, received, fen, best lucks)."""
    async with database.reading() as connection:
        return {tuple(row) for row in await connection.fetch("SELECT * FROM years")}


async def test_backfilled_totals_equal_the_counted_ones(old: Database) -> None:
    assert (await migrate.migrate(old))[0] == "0002_records"
    assert await totals(old) == {
        (1, 2025, 2, 1_004, 0, 0, 0),
        (1, 2026, 4, 370, 0, 0, 0),
        (2, 2025, 0, 0, 2, 302, 0),
        (2, 2026, 0, 0, 3, 160, 0),
        (3, 2026, 0, 0, 2, 500, 2),  # one of these is not credited yet
        (4, 2025, 0, 0, 1, 2, 1),  # the earlier of two largest
        (4, 2026, 0, 0, 1, 300, 0),
    }
    async with snapshot(old) as view:
        assert await view.discrepancies("records", WITH_BEST_LUCK) == []


async def test_backfilled_lines_are_complete_and_unsettled_claims_are_counted_once(old: Database) -> None:
    await migrate.migrate(old)
    records = RecordStore(old)
    packets = [row.packet.packet_id - FIRST for row in await records.sent(1, EVERYTHING)]
    assert packets == [6, 5, 4, 3, 2, 1]
    for _ in range(2):
        await SettlementQueue(old, WITH_BEST_LUCK).settle(10, NEW_YEAR_MS + 10**9)
    received = [
        (row.packet.packet_id - FIRST, row.amount_fen, row.is_best) for row in await records.received(3, EVERYTHING)
    ]
    assert received == [(3, 100, False), (6, 20, True), (1, 400, True)]
    assert (3, 2026, 0, 0, 3, 520, 2) in await totals(old)
    async with snapshot(old) as view:
        assert await view.discrepancies("records", WITH_BEST_LUCK) == []
