"""Statements of a bank against the payments of two sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from client_sim.sdk import BankUnknown
from server.core.ids import set_of
from server.core.reconciliation.days import DAY_MS, first_ms
from server.core.reconciliation.rules import OurPayment
from server.services.reconciliation.bank_audit import audit_bank
from server.services.reconciliation.breaks import BreakService
from server.services.reconciliation.files import verify_file
from server.services.reconciliation.service import ReconciliationService
from storage.postgres.database import Database
from storage.postgres.reconciliation.statements import BankStatementStore
from storage.postgres.sets.payments import SetPaymentStore
from storage.postgres.sets.places import Sets
from storage.postgres.sets.reconciliation import SetBreakStore, SetMatchingStore
from tests.cards.conftest import NUMBER, OTHER_NUMBER, PASSWORD, Bank, bank, no_answer
from tests.conftest import TurnedClock
from tests.reconciliation.books import (
    BOB,
    DAY,
    FAULTS,
    Books,
    numbered,
    payment,
    record,
    row_of,
    source_of,
    write,
)
from tests.reconciliation.conftest import Reconciler, SetClock
from tests.reconciliation.test_classes import open_breaks, pure_breaks
from tests.sets.conftest import EACH_FEN, FindDiscrepancies, MakeCrowd, Sql
from tests.sets.paying import payers_of

__all__ = ["bank"]

SET_1 = 1 << 16  # in a number
NOON_MS = first_ms(DAY) + DAY_MS // 2


class BooksOfSets(Books):
    """Every other payment is in set 1."""

    def _payment(self, serial: int) -> OurPayment:
        one = super()._payment(serial)
        return one._replace(number=one.number | SET_1) if serial % 2 else one


async def record_in(sql: Sql, other_sql: Sql, payments: Iterable[OurPayment]) -> None:
    """Each in its set."""
    given = list(payments)
    await record(sql, [one for one in given if not one.number & SET_1])
    await record(other_sql, [one for one in given if one.number & SET_1])


@pytest.fixture
async def sets(database: Database, other_dsn: str) -> AsyncIterator[Sets]:
    """Both databases, without a server."""
    other = Database(other_dsn, pool_max=4, timeout_s=10)
    await other.open()
    yield Sets([database, other], set_of)
    await other.close()


@pytest.fixture
async def reconciler(sets: Sets) -> AsyncIterator[Reconciler]:
    """Reconciliation of one gateway, `bank`."""
    clock = SetClock()
    stores = BankStatementStore(sets.home), SetMatchingStore(sets), SetBreakStore(sets), SetPaymentStore(sets)
    service = ReconciliationService(*stores, None, source_of("bank"), clock)
    running = asyncio.create_task(service.run())
    yield Reconciler(service, clock)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_every_fault_of_statements_is_found_whichever_set_has_the_payment(
    reconciler: Reconciler, sets: Sets, sql: Sql, other_sql: Sql, tmp_path: Path
) -> None:
    books = BooksOfSets(7, payments=200)
    await record_in(sql, other_sql, books.payments)
    for fault in FAULTS:
        fault(books)
        fault(books)
    files = [write(tmp_path / f"{day}.csv", books.statement(day), day=day) for day in books.days]
    for file in files:
        await reconciler.done(file)
    assert await open_breaks(sql) == books.expected == await pure_breaks(books, books.days)
    assert await open_breaks(other_sql) == set()
    for name in ("payments_of_sets",):  # nothing is left of what was brought
        assert await sql.fetchval(f"SELECT count(*) FROM {name}") == 0
    verified = [verify_file(file, source_of("bank"), NOON_MS + 3 * DAY_MS) for file in files]
    (report,) = await audit_bank(sets.databases, verified)
    assert len(report.finding.discrepancies) == len(books.expected)
    breaks = BreakService(SetBreakStore(sets), lambda: NOON_MS, "fen")
    for one in await breaks.newest(only_open=True, most=1_000):
        await breaks.close(one.break_id, BOB, "explained by the bank")
    (report,) = await audit_bank(sets.databases, verified)
    assert report.finding.discrepancies == []


async def test_break_of_a_payment_of_a_further_set_is_resolved_by_a_later_statement(
    reconciler: Reconciler, sql: Sql, other_sql: Sql, tmp_path: Path
) -> None:
    ours = [payment(NOON_MS, serial) for serial in (0, SET_1, SET_1 + 1)]
    await record_in(sql, other_sql, ours)
    rows = [row_of(one) for one in ours]
    await reconciler.done(write(tmp_path / "1.csv", numbered(DAY, [rows[0], rows[1]._replace(amount_fen=299)])))
    found = await open_breaks(sql)
    assert {(one.row_class, one.subject) for one in found} == {
        ("amount", str(ours[1].number)),
        ("ours_only", str(ours[2].number)),
    }
    await reconciler.done(write(tmp_path / "2.csv", numbered(DAY, rows), issue=2))
    assert await open_breaks(sql) == set()


async def test_set_that_is_away_lets_a_statement_wait(
    reconciler: Reconciler, sets: Sets, sql: Sql, other_sql: Sql, tmp_path: Path
) -> None:
    """It is not compared with less than all payments: what is away would look as if only the bank had it."""
    ours = payment(NOON_MS, SET_1)
    await record_in(sql, other_sql, [ours])
    sets.databases[1].hold("it was not there")
    job = await reconciler.job(write(tmp_path / "1.csv", numbered(DAY, [row_of(ours)])))
    assert (job.state, "it was not there" in job.why) == ("refused", True)
    assert await open_breaks(sql) == set()
    sets.databases[1].hold("")
    again = await reconciler.done(tmp_path / "1.csv")
    assert [(one.row_class, one.rows) for one in again.results] == [("matched", 1)]


async def test_statement_ends_open_payments_of_both_sets_and_matches_them(
    crowd: MakeCrowd,
    bank: Bank,
    server_clock: TurnedClock,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    tmp_path: Path,
) -> None:
    """What the bank never answered is evidence in its statement: the money comes in, once."""
    server_clock.stopped_ms = NOON_MS
    one = await payers_of(crowd, bank, (sql, other_sql))
    bank.faults["charge"], bank.faults["query"] = [no_answer] * 100, [no_answer] * 100
    for user, number in zip(one.users, (NUMBER, OTHER_NUMBER), strict=True):
        card_id = await one.bound(user, number)
        with pytest.raises(BankUnknown):
            await user.top_up_by_card(card_id, 500, PASSWORD, key="in")
    columns = "number, kind, account, amount_fen, 'succeeded', created_at_ms, changed_at_ms"
    ours = [
        OurPayment(*row) for side in (sql, other_sql) for row in await side.fetch(f"SELECT {columns} FROM payments")
    ]
    server_clock.stopped_ms = NOON_MS + 2 * DAY_MS
    statements = one.crowd.server.app.services.reconciliation.statements
    statements.use_sources(source_of("bank"))
    file = write(tmp_path / "1.csv", numbered(DAY, map(row_of, ours)))
    job = await Reconciler(statements, SetClock()).done(file)
    assert [tuple(row) for row in job.results] == [("matched", 2, 1_000)]
    assert [await user.balance() for user in one.users] == [EACH_FEN + 500] * 2
    for side in (sql, other_sql):
        assert await side.fetchval("SELECT state FROM payments") == "succeeded"
    assert await sql.fetchval("SELECT count(*) FROM payment_breaks") == 0
    assert await discrepancies() == []
