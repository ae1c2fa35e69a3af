"""Statements of a bank against the payments of two sets, and corrections of wallets in either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from client_sim.sdk.client import Client
from server.core.ids import set_of
from server.core.reconciliation.days import DAY_MS, first_ms
from server.core.reconciliation.rules import OurPayment
from server.services.reconciliation.bank_audit import audit_bank
from server.services.reconciliation.breaks import BreakRefused, BreakService
from server.services.reconciliation.corrections import CorrectionFacts, CorrectionService
from server.services.reconciliation.files import verify_file
from server.services.reconciliation.service import ReconciliationService
from storage.errors import StoreUnavailable
from storage.postgres.database import Database
from storage.postgres.reconciliation.corrections import CorrectionStore
from storage.postgres.reconciliation.statements import BankStatementStore
from storage.postgres.sets.payments import SetPaymentStore
from storage.postgres.sets.places import Sets
from storage.postgres.sets.reconciliation import SetBreakStore, SetMatchingStore
from tests.reconciliation.books import (
    ALICE,
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
from tests.sets.conftest import EACH_FEN, NEW, OLD, FindDiscrepancies, MakeCrowd, Sql

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


# --- corrections ----------------------------------------------------------------------------------------------


@pytest.fixture
async def users(crowd: MakeCrowd) -> tuple[Client, Client, Any]:
    """A user of each set, and the services of their server."""
    one = await crowd(1, 1)
    return one.old[0], one.new[0], one.server.app.services.reconciliation


@pytest.fixture
async def break_id(users: tuple[Client, Client, Any], sql: Sql) -> int:
    """A break in set 0, of 3.00 yuan that only the bank has."""
    return int(
        await sql.fetchval(
            "INSERT INTO payment_breaks (class, gateway, subject, difference_fen, detail, at_ms)"
            " VALUES ('bank_only', 'bank', 'r1', 300, '', 1) RETURNING break_id"
        )
    )


async def proposed(service: CorrectionService, *correction: int) -> CorrectionFacts:
    """A proposal of what a dry run has shown."""
    return await service.propose(*correction, ALICE, (await service.dry_run(*correction)).digest)


@pytest.mark.parametrize("number", [0, 1])
async def test_correction_moves_a_wallet_of_either_set_once_and_holds_its_break(
    users: tuple[Client, Client, Any],
    break_id: int,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    number: int,
) -> None:
    user, books = users[number], users[2]
    made = await proposed(books.corrections, break_id, 0, (OLD, NEW)[number], 300)
    assert made.correction_id // 10**9 == number
    with pytest.raises(BreakRefused, match="a correction of it waits"):
        await books.breaks.close(break_id, ALICE, "too early")
    done = await asyncio.gather(*(books.corrections.approve(made.correction_id, BOB) for _ in range(3)))
    assert {one.state for one in done} == {"approved"}
    assert await user.balance() == EACH_FEN + 300
    kept = "SELECT count(*) FROM transfers WHERE kind = 15 AND key = $1"
    key = f"break {break_id} correction {made.correction_id}"
    assert [await one.fetchval(kept, key) for one in (sql, other_sql)] == [[1, 0], [0, 1]][number]
    assert (await books.breaks.get(break_id)).corrections == 1
    (listed,) = await books.corrections.newest(break_id, 10)
    assert listed.correction_id == made.correction_id
    await books.breaks.close(break_id, ALICE, "paid")
    with pytest.raises(BreakRefused, match="is closed"):
        await books.corrections.dry_run(break_id, 0, (OLD, NEW)[number], 300)
    assert await discrepancies() == []


async def test_correction_of_more_than_its_break_in_the_other_set_is_refused_and_named(
    users: tuple[Client, Client, Any], break_id: int, sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    books = users[2]
    with pytest.raises(BreakRefused, match="is a difference of 300, not 301"):
        await proposed(books.corrections, break_id, 0, NEW, 301)
    made = await proposed(books.corrections, break_id, 0, NEW, 300)
    await books.corrections.approve(made.correction_id, BOB)
    await sql.execute("UPDATE payment_breaks SET difference_fen = 299")
    assert await discrepancies() == [
        f"correction {made.correction_id} moved 300 fen, break {break_id} is a difference of 299 fen"
    ]


async def test_correction_between_wallets_of_two_sets_is_refused_with_the_way_to_do_it(
    users: tuple[Client, Client, Any], break_id: int, discrepancies: FindDiscrepancies
) -> None:
    books = users[2]
    with pytest.raises(BreakRefused, match="are in two sets of PostgreSQL: propose two corrections"):
        await books.corrections.dry_run(break_id, OLD, NEW, 300)
    for debit, credit in ((OLD, -3), (-3, NEW)):
        made = await proposed(books.corrections, break_id, debit, credit, 300)
        await books.corrections.approve(made.correction_id, BOB)
    assert [await user.balance() for user in users[:2]] == [EACH_FEN - 300, EACH_FEN + 300]
    shown = await books.corrections.dry_run(break_id, -3, -4, 300)
    assert [one.before_fen for one in shown.changes] == [0, 0]
    assert await discrepancies() == []


async def test_approval_whose_reply_is_lost_has_moved_the_money_once(
    users: tuple[Client, Client, Any],
    break_id: int,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The commit in the set of the wallet is done, and the one that held the break is lost: approve again."""
    books = users[2]
    made = await proposed(books.corrections, break_id, 0, NEW, 300)
    approve = CorrectionStore.approve

    async def lost(self: CorrectionStore, *words: Any) -> Any:
        await approve(self, *words)
        raise StoreUnavailable("lost behind the commit")

    monkeypatch.setattr(CorrectionStore, "approve", lost)
    with pytest.raises(StoreUnavailable):
        await books.corrections.approve(made.correction_id, BOB)
    monkeypatch.setattr(CorrectionStore, "approve", approve)
    assert (await books.corrections.approve(made.correction_id, BOB)).state == "approved"
    assert await users[1].balance() == EACH_FEN + 300
    assert await discrepancies() == []


async def test_break_is_not_closed_while_a_correction_in_the_other_set_is_being_approved(
    users: tuple[Client, Client, Any], break_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = users[2]
    made = await proposed(books.corrections, break_id, 0, NEW, 300)
    approve, refused = CorrectionStore.approve, list[bool]()

    async def with_a_close(self: CorrectionStore, *words: Any) -> Any:
        done = await approve(self, *words)
        with pytest.raises(StoreUnavailable):  # its lock is waited for
            await books.breaks.close(break_id, ALICE, "meanwhile")
        refused.append(True)
        return done

    monkeypatch.setattr(CorrectionStore, "approve", with_a_close)
    await books.corrections.approve(made.correction_id, BOB)
    assert refused == [True]
    assert (await books.breaks.close(break_id, ALICE, "now")).state == "closed"
