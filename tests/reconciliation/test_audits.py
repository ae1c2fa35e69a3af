"""The audits of a third party: `hongbao audit --bank`, and the stand-alone auditor of the docs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from protocol.money_unit import YUAN
from server.cli.payments import _export
from server.cli.shared.audit_report import print_classes
from server.core.reconciliation.days import DAY_MS, SKEW_MS, first_ms
from server.core.reconciliation.statement_file import BadStatement
from server.services.reconciliation import bank_audit, explained
from server.services.reconciliation.bank_audit import audit_bank
from server.services.reconciliation.breaks import BreakService
from server.services.reconciliation.files import verify_file
from server.services.reconciliation.placed_rows import PlacedRows
from storage.postgres.database import Database
from storage.postgres.reconciliation.breaks import BreakStore
from tests.reconciliation.books import (
    BOB,
    DAY,
    FAULTS,
    MERCHANT,
    PUBLIC,
    SERIAL,
    Books,
    Sql,
    numbered,
    payment,
    record,
    row_of,
    source_of,
    write,
)
from tests.reconciliation.conftest import Reconciler

AUDITOR = Path(__file__).parents[2] / "docs" / "example_books_auditor.py"
NOW_MS = first_ms(DAY) + 3 * DAY_MS
OURS = [payment(first_ms(DAY) + DAY_MS // 2 + serial) for serial in range(5)]
ROWS = numbered(DAY, map(row_of, OURS))


async def discrepancies(database: Database, *files: Path) -> list[str]:
    verified = [verify_file(file, source_of("bank"), NOW_MS) for file in files]
    return [line for one in await audit_bank([database], verified) for line in one.finding.discrepancies]


async def close_all(database: Database) -> None:
    breaks = BreakService(BreakStore(database), lambda: NOW_MS, "fen")
    for one in await breaks.newest(only_open=True, most=1_000):
        await breaks.close(one.break_id, BOB, "explained by the bank")


async def stand_alone(database: Database, folder: Path, *files: Path) -> tuple[int, str]:
    """The auditor of the docs in a process of its own, on an export of ours: exit code and output."""
    ours = folder / "ours.csv"
    with ours.open("w") as file:
        await _export([database], "bank", first_ms(DAY) - SKEW_MS, NOW_MS, file)
    command = [sys.executable, AUDITOR, "--ours", ours, "--bank", *files, "--key", f"{SERIAL}={PUBLIC}"]
    run = partial(subprocess.run, capture_output=True, text=True, check=False)
    done = await asyncio.to_thread(run, [*command, "--merchant", MERCHANT])
    assert done.stderr == ""
    return done.returncode, done.stdout


async def book(sql: Sql, gateway: str = "bank") -> None:
    """Give payments that succeeded the transfers that a server would have made."""
    await sql.execute(
        "INSERT INTO transfers SELECT CASE kind WHEN 'charge' THEN 0 ELSE -2 END, "
        "CASE kind WHEN 'charge' THEN user_id ELSE 0 END, CASE kind WHEN 'charge' THEN 9 ELSE 11 END, "
        "number::text, amount_fen, changed_at_ms FROM payments WHERE state = 'succeeded' AND gateway = $1",
        gateway,
    )


async def test_books_that_agree_have_no_discrepancy_in_either_audit(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path
) -> None:
    books = Books(3)
    await record(sql, books.payments)
    await book(sql)
    files = [write(tmp_path / f"{day}.csv", books.statement(day), day=day) for day in books.days]
    for file in files:
        await reconciler.done(file)
    assert await discrepancies(database, *files) == []
    code, told = await stand_alone(database, tmp_path, *files)
    assert (code, "both books agree" in told) == (0, True), told


async def test_both_audits_find_the_planted_differences_and_the_first_wants_them_explained(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path
) -> None:
    books = Books(11, payments=120)
    await record(sql, books.payments)
    await book(sql)
    for fault in FAULTS:
        fault(books)
    files = [write(tmp_path / f"{day}.csv", books.statement(day), day=day) for day in books.days]
    await reconciler.done(files[0])
    assert f"issue 1 of {books.days[1]} was not imported" in await discrepancies(database, *files)
    await reconciler.done(files[1])
    told = await discrepancies(database, *files)
    assert len(told) == len(books.expected)
    assert all(re.search(r"; break \d+ is open$", line) for line in told)
    assert {tuple(line.partition(":")[0].split()) for line in told} == {tuple(one) for one in books.expected}
    await close_all(database)
    assert await discrepancies(database, *files) == []
    code, output = await stand_alone(database, tmp_path, *files)
    found = re.findall(r"^(\w+) [\w#-]+: the bank says", output, re.MULTILINE)
    assert (code, sorted(found)) == (1, sorted(one.row_class for one in books.expected)), output


async def test_audit_names_stored_rows_that_were_changed_and_breaks_that_were_invented_or_removed(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path
) -> None:
    """As a bad hand with the rights of the owner would do it."""
    await record(sql, OURS)
    rows = [ROWS[0]._replace(amount_fen=1), *ROWS[1:]]
    file = write(tmp_path / "s.csv", rows)
    await reconciler.done(file)
    await sql.execute("ALTER TABLE statement_rows DISABLE TRIGGER USER")
    await sql.execute("UPDATE payment_breaks SET subject = '7', number = 7")
    told = await discrepancies(database, file)
    number = OURS[0].number
    assert told == [
        f"amount {number}: the bank charge of 1 ¤ succeeded, we 300 ¤ succeeded; no break tells it",
        "break 1 (amount 7) is open, and both books agree",
    ]
    await sql.execute("UPDATE statement_rows SET account = 'card-8' WHERE line = 2")
    assert (await discrepancies(database, file))[0].startswith("issue 1 of 2026-11-27, line 2: the records have")
    await sql.execute("DELETE FROM statement_rows WHERE line = 5")
    await sql.execute("UPDATE statement_rows SET account = 'card-1' WHERE line = 2")
    assert (await discrepancies(database, file))[0] == (
        "issue 1 of 2026-11-27, line 5: the records have another row, None"
    )


async def test_audit_that_sorts_on_the_disk_and_asks_in_pages_finds_the_same_in_the_same_order(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = Books(23, payments=120)
    await record(sql, books.payments)
    for fault in FAULTS * 3:
        fault(books)
    files = [write(tmp_path / f"{day}.csv", books.statement(day), day=day) for day in books.days]
    for file in files:
        await reconciler.done(file)
    await sql.execute("UPDATE payment_breaks SET subject = number - 1, number = number - 1 WHERE class = 'state'")
    told = await discrepancies(database, *files)
    assert len([line for line in told if line.endswith("both books agree")]) == 3
    assert len(told) == len(books.expected) + 3
    for run_bytes, page, numbers in ((1_500, 1, 1), (20_000, 7, 10)):
        monkeypatch.setattr(bank_audit, "PlacedRows", partial(PlacedRows, run_bytes))
        monkeypatch.setattr(explained, "PAGE", page)
        monkeypatch.setattr(bank_audit, "NUMBERS_PAGE", numbers)
        assert await discrepancies(database, *files) == told


async def test_audit_names_a_thousand_differences_and_counts_the_others(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(sql, OURS)
    file = write(tmp_path / "s.csv", [row._replace(amount_fen=1) for row in ROWS])
    await reconciler.done(file)
    monkeypatch.setattr(explained, "LINES_MAX", 2)
    told = await discrepancies(database, file)
    assert [line.partition(":")[0] for line in told] == [
        f"amount {OURS[0].number}",
        f"amount {OURS[1].number}",
        "and 3 differences more",
    ]


async def test_audit_finds_the_payment_of_a_number_from_another_time(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path
) -> None:
    old = payment(first_ms(DAY) - 40 * DAY_MS)
    await record(sql, [old, *OURS])
    file = write(tmp_path / "s.csv", numbered(DAY, [row_of(old)._replace(at_ms=first_ms(DAY)), *ROWS]))
    await reconciler.done(file)
    assert await discrepancies(database, file) == [
        f"other_day {old.number}: the bank charge of 300 ¤ succeeded, we 300 ¤ succeeded; break 1 is open"
    ]


async def test_audit_names_payments_after_the_last_row(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    file = write(tmp_path / "s.csv", ROWS[:2])
    await reconciler.done(file)
    told = await discrepancies(database, file)
    assert [line.partition(":")[0] for line in told] == [f"ours_only {one.number}" for one in OURS[2:]]
    assert told[-1].endswith("the bank no row, we 300 ¤ succeeded; break 3 is open")


async def test_audit_wants_the_corrected_statement(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    first = write(tmp_path / "s.csv", ROWS[:-1])
    second = write(tmp_path / "t.csv", ROWS, issue=2)
    for file in (first, second):
        await reconciler.done(file)
    assert await discrepancies(database, first, second) == []
    assert any("was corrected by a later issue" in line for line in await discrepancies(database, first))


async def test_auditor_of_the_docs_trusts_neither_book(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    file = write(tmp_path / "s.csv", ROWS)
    code, told = await stand_alone(database, tmp_path, file)
    assert code == 1
    assert told.count("is succeeded, its transfers moved 0") == 5  # the state is not what the transfers say
    await book(sql)
    assert (await stand_alone(database, tmp_path, file))[0] == 0
    file.write_bytes(file.read_bytes().replace(b",300,", b",301,", 1))
    code, told = await stand_alone(database, tmp_path, file)
    assert (code, "its digest is" in told, "amount" in told) == (1, True, True)
    other = write(tmp_path / "u.csv", ROWS)
    beside = other.with_name("u.csv.sig")
    beside.write_text(beside.read_text().replace('"issue": 1', '"issue": 2'))
    assert "the signature is not one of the bank" in (await stand_alone(database, tmp_path, other))[1]


async def test_file_that_is_not_proven_is_not_audited(tmp_path: Path) -> None:
    file = write(tmp_path / "s.csv", ROWS)
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(BadStatement, match="it has 4 of 5 rows"):
        verify_file(file, source_of("bank"), NOW_MS)


async def test_report_has_rows_and_amounts_by_class(
    reconciler: Reconciler, database: Database, sql: Sql, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await record(sql, OURS[:-1])
    following = DAY + timedelta(days=1)
    verified = [
        verify_file(write(tmp_path / "s.csv", ROWS), source_of("bank"), NOW_MS),
        verify_file(write(tmp_path / "t.csv", [], day=following), source_of("bank"), NOW_MS),
    ]
    (report,) = await audit_bank([database], verified)
    assert report.classes == {"matched": (4, 1_200), "bank_only": (1, 300)}
    print_classes(Console(width=80), report, YUAN)
    assert re.search(r"matched +4 +12\.00", capsys.readouterr().out)
