"""Every fault that is planted into statements is found and classified, and nothing else is told."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import date
from pathlib import Path

import pytest

from server.core.reconciliation.match import match
from server.core.reconciliation.rules import AGREED, OurPayment
from server.services.reconciliation.placed_rows import PlacedRows
from tests.reconciliation.books import FAULTS, Books, Expected, Sql, line_of, record, source_of, write
from tests.reconciliation.conftest import Reconciler

SEEDS = 12
RUN_BYTES = 2_000  # so few that rows are sorted on the disk


async def open_breaks(sql: Sql, gateway: str = "bank") -> set[Expected]:
    """The open breaks of a gateway; each is there once."""
    rows = await sql.fetch(
        "SELECT class, subject FROM payment_breaks WHERE gateway = $1 AND closed_at_ms IS NULL", gateway
    )
    found = {Expected(*row) for row in rows}
    assert len(found) == len(rows)
    return found


async def pure_breaks(books: Books, days: tuple[date, ...]) -> set[Expected]:
    """What the rules say by themselves, without PostgreSQL."""
    with PlacedRows(RUN_BYTES) as rows:
        for day in days:
            for row in books.statement(day):
                rows.add(row, line_of(row))
        await rows.place(lambda count: asyncio.sleep(0))
        found = [one async for one in match(rows, _in_order(books.payments), days)]
    return {Expected(one.row_class.value, one.subject) for one in found if one.row_class not in AGREED}


async def _in_order(payments: Iterable[OurPayment]) -> AsyncIterator[OurPayment]:
    for one in sorted(payments, key=lambda one: one.number):
        yield one


async def reconcile(reconciler: Reconciler, books: Books, folder: Path, gateway: str, *days: date) -> None:
    """Import the statements of these days in this order."""
    for day in days:
        path = folder / f"{gateway}-{day}.csv"
        await reconciler.done(write(path, books.statement(day), gateway=gateway, day=day))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_fault_of_a_kind_is_found_and_classified_and_nothing_else_is_told(
    reconciler: Reconciler, sql: Sql, tmp_path: Path, fault: Callable[[Books], None]
) -> None:
    books = Books(7)
    await record(sql, books.payments)
    for _ in range(2):
        fault(books)
    assert len(books.expected) >= 2
    await reconcile(reconciler, books, tmp_path, "bank", *books.days)
    assert await open_breaks(sql) == books.expected == await pure_breaks(books, books.days)


async def test_random_faults_are_all_found_in_any_order_of_the_statements(
    reconciler: Reconciler, sql: Sql, tmp_path: Path
) -> None:
    """Each seed has a gateway of its own. Late statements come after the next day's."""
    seeds = {f"bank{place}": secrets.randbits(32) for place in range(SEEDS)}
    print("seeds", seeds)
    reconciler.service.use_sources(source_of(*seeds))
    for place, (gateway, seed) in enumerate(seeds.items()):
        books = Books(seed, payments=150, first_serial=place * 1_000)
        for fault in books.random.choices(FAULTS, k=15):
            fault(books)
        await record(sql, books.payments, gateway)
        days = books.days if books.random.random() < 0.5 else books.days[::-1]
        await reconcile(reconciler, books, tmp_path, gateway, *days)
        found = await open_breaks(sql, gateway)
        assert found == books.expected == await pure_breaks(books, books.days), seed
