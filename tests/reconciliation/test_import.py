"""Files of statements: what is not proven is refused in one line and imports nothing; a file counts once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.core.reconciliation.days import DAY_MS, first_ms
from server.core.reconciliation.statement_file import HEADER
from server.services.reconciliation.service import ReconciliationService
from server.services.reconciliation.sources import StatementSource
from storage.postgres.database import Database
from storage.postgres.money.payments import PaymentStore
from storage.postgres.reconciliation.breaks import BreakStore
from storage.postgres.reconciliation.matching import MatchingStore
from storage.postgres.reconciliation.statements import BankStatementStore
from tests.conftest import PATIENCE_S
from tests.reconciliation.books import (
    DAY,
    MERCHANT,
    PUBLIC,
    Sql,
    csv_of,
    numbered,
    payment,
    record,
    row_of,
    signature_of,
    write,
)
from tests.reconciliation.conftest import Reconciler

NOON_MS = first_ms(DAY) + DAY_MS // 2
OURS = [payment(NOON_MS + serial) for serial in range(20)]
ROWS = numbered(DAY, map(row_of, OURS))
Break: Any = Callable[[Path], None]


def signed_again(path: Path, text: bytes, **changed: Any) -> None:
    """Another text, signed by the bank as it is."""
    path.write_bytes(text)
    about = {"gateway": "bank", "day": DAY, "issue": 1, "rows": len(ROWS), **changed}
    path.with_name(path.name + ".sig").write_text(json.dumps(signature_of(text, **about)))


def signature_with(**changed: Any) -> Callable[[Path], None]:
    """The signature beside the right file says something else."""
    return lambda path: signed_again(path, csv_of(ROWS), **changed)


def signed_text(change: Callable[[bytes], bytes], **about: Any) -> Callable[[Path], None]:
    """The bank has signed a file that is no statement."""
    return lambda path: signed_again(path, change(csv_of(ROWS)), **about)


def changed_text(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """The file is not the one that was signed."""
    return lambda path: (path.write_bytes(change(path.read_bytes())), None)[1]


FORMAT = "not as the format says"
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "no file": (lambda path: path.unlink(), "no such file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir(), None)[2], "is a directory"),
    "unsigned": (lambda path: path.with_name(path.name + ".sig").unlink(), "it is not signed"),
    "signature is no JSON": (
        lambda path: (path.with_name(path.name + ".sig").write_text("x"), None)[1],
        "cannot be read",
    ),
    "signature is not UTF-8": (
        lambda path: (path.with_name(path.name + ".sig").write_bytes(b'{"gateway": "\xd3\xe0"}'), None)[1],
        "cannot be read",
    ),
    "signature is nested without end": (
        lambda path: (_beside(path, '{"more": ' + "[" * 7_000 + "]" * 7_000 + "}"), None)[1],
        "cannot be read",
    ),
    "truncated": (changed_text(lambda text: text[:-200]), "it has 18 of 20 rows"),
    "cut in a line": (changed_text(lambda text: text[:-5]), "it has 19 of 20 rows"),
    "wrong digest": (changed_text(lambda text: text.replace(b",300,", b",301,", 1)), "it was changed"),
    "digest changed, too": (signature_with(sha256=hashlib.sha256(b"").hexdigest()), "not one of the bank"),
    "other merchant": (signature_with(merchant="m-1"), "for the merchant 'm-1', not 'm-1001'"),
    "signed for another merchant": (
        lambda path: (
            signed_again(path, csv_of(ROWS), merchant="m-1"),
            _edit(path, merchant=MERCHANT),
        )[1],
        "not one of the bank",
    ),
    "other day": (lambda path: _edit(path, day="2026-11-26"), "not one of the bank"),
    "other issue": (lambda path: _edit(path, issue=2), "not one of the bank"),
    "other number of rows": (lambda path: _edit(path, rows=19), "not one of the bank"),
    "signed by a stranger": (signature_with(private=STRANGER), "not one of the bank"),
    "signature is no base64": (lambda path: _edit(path, signature="?"), "not one of the bank"),
    "unknown key": (lambda path: _edit(path, serial="b9"), "key 'b9' is not known"),
    "unknown gateway": (lambda path: _edit(path, gateway="other"), "gateway 'other' has no statements here"),
    "day that is not over": (signature_with(day=DAY + timedelta(days=2)), "is not over"),
    "issue out of bounds": (signature_with(issue=0), "out of bounds"),
    "rows of another day": (signature_with(day=DAY - timedelta(days=2)), "line 1 is of another day"),
    "fewer rows than signed": (signature_with(rows=21), "it has 20 rows, 21 were signed"),
    "no header": (signed_text(lambda text: text.removeprefix(HEADER)), "not the header"),
    "line twice": (
        signed_text(lambda text: text.replace(b"\n20,", b"\n19,")),
        "row 20 has the number of",
    ),
    "line left out": (signed_text(lambda text: text.replace(b"\n20,", b"\n21,")), "it has 20 rows"),
    "amount is not a number": (
        signed_text(lambda text: text.replace(b",300,", b",3.0,", 1)),
        FORMAT,
    ),
    "amount below zero": (signed_text(lambda text: text.replace(b",300,", b",-3,", 1)), FORMAT),
    "unknown state": (signed_text(lambda text: text.replace(b"succeeded", b"done", 1)), FORMAT),
    "unknown kind": (signed_text(lambda text: text.replace(b"charge", b"fee", 1)), FORMAT),
    "quotes": (signed_text(lambda text: text.replace(b"card-1", b'"card-1"', 1)), FORMAT),
    "no bank_ref": (signed_text(lambda text: text.replace(b"1,r", b"1,,", 1)), FORMAT),
    "other time zone": (signed_text(lambda text: text.replace(b"+08:00", b"+07:00", 1)), FORMAT),
    "no such day": (
        signed_text(lambda text: text.replace(b"2026-11-27T12", b"2026-11-31T12", 1)),
        "row 1 cannot be read",
    ),
    "not UTF-8": (signed_text(lambda text: text.replace(b"card-1", b"\xff\xfe", 1)), FORMAT),
    "CRLF": (signed_text(lambda text: text.replace(b"\n", b"\r\n")), "not the header"),
    "no end of the last line": (signed_text(lambda text: text[:-1]), FORMAT),
    "one endless line": (signed_text(lambda text: text + b"x" * 100_000), FORMAT),
}


def _beside(path: Path, text: str) -> None:
    path.with_name(path.name + ".sig").write_text(text)


def _edit(path: Path, **changed: Any) -> None:
    """Change what stands beside the file, without signing it."""
    beside = path.with_name(path.name + ".sig")
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **changed}))


@pytest.mark.parametrize("name", REFUSED)
async def test_file_that_is_not_proven_is_refused_in_one_line_and_imports_nothing(
    reconciler: Reconciler, sql: Sql, tmp_path: Path, name: str
) -> None:
    spoil, why = REFUSED[name]
    path = write(tmp_path / "s.csv", ROWS)
    spoil(path)
    job = await reconciler.job(path)
    assert job.state == "refused"
    assert "\n" not in job.why
    assert why in job.why
    for table in ("statements", "statement_rows", "statement_results", "payment_breaks"):
        assert await sql.fetchval(f"SELECT count(*) FROM {table}") == 0
    await reconciler.done(write(tmp_path / "right.csv", ROWS))  # and nothing is left that would be in the way


async def test_same_file_twice_changes_nothing_and_gives_the_same_answer(
    reconciler: Reconciler, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS[1:])
    path = write(tmp_path / "s.csv", ROWS)
    first = await reconciler.done(path)
    assert (first.is_new, first.rows_read) == (True, 20)
    assert [tuple(one) for one in first.results] == [("matched", 19, 5_700), ("bank_only", 1, 300)]
    before = await sql.fetch("SELECT * FROM statements"), await sql.fetch("SELECT * FROM payment_breaks")
    again = await reconciler.done(path)
    assert (again.is_new, again.rows_read, again.results) == (False, 0, first.results)
    assert before == (await sql.fetch("SELECT * FROM statements"), await sql.fetch("SELECT * FROM payment_breaks"))


async def test_other_file_of_the_same_issue_is_refused(reconciler: Reconciler, tmp_path: Path) -> None:
    await reconciler.done(write(tmp_path / "s.csv", ROWS))
    job = await reconciler.job(write(tmp_path / "t.csv", ROWS[:-1]))
    assert "was imported with another digest; a corrected statement has a higher issue" in job.why


async def test_statement_of_a_day_without_payments_is_empty(reconciler: Reconciler, tmp_path: Path) -> None:
    assert (await reconciler.done(write(tmp_path / "s.csv", []))).results == []


async def test_file_that_changes_while_it_is_read_imports_nothing(
    reconciler: Reconciler, sql: Sql, tmp_path: Path
) -> None:
    """It is right when it is verified, and another one when its rows are read."""
    path = write(tmp_path / "s.csv", ROWS)
    other = path.read_bytes().replace(b",300,", b",301,", 1)
    known = reconciler.service._statements.known

    async def changing(*key: Any) -> Any:
        path.write_bytes(other)
        return await known(*key)

    reconciler.service._statements.known = changing  # type: ignore[method-assign]
    assert (await reconciler.job(path)).why == "the file has changed while it was read"
    assert await sql.fetchval("SELECT count(*) FROM statement_rows") == 0


async def test_keys_that_are_replaced_verify_from_then_on(reconciler: Reconciler, tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", ROWS)
    reconciler.service.use_sources({"bank": StatementSource(MERCHANT, {"b1": bytes(32).hex(), "b2": PUBLIC})})
    assert "not one of the bank" in (await reconciler.job(path)).why
    _edit(path, serial="b2")
    await reconciler.done(path)


async def test_rows_of_a_statement_stay_as_they_are(reconciler: Reconciler, sql: Sql, tmp_path: Path) -> None:
    await reconciler.done(write(tmp_path / "s.csv", ROWS))
    for statement in ("UPDATE statement_rows SET amount_fen = 1", "DELETE FROM statement_rows"):
        with pytest.raises(Exception, match="never changed"):
            await sql.execute(statement)


async def test_statement_that_was_imported_and_not_matched_is_matched_by_the_next_server(
    reconciler: Reconciler, sql: Sql, tmp_path: Path
) -> None:
    """As after a kill between both."""
    await record(sql, OURS)
    await reconciler.done(write(tmp_path / "s.csv", ROWS[:-1]))
    await sql.execute("UPDATE statements SET matched_at_ms = NULL")
    await sql.execute("DELETE FROM payment_breaks")
    reconciler.service.use_sources(reconciler.service.sources)  # looks again
    async with asyncio.timeout(PATIENCE_S):
        while await sql.fetchval("SELECT matched_at_ms IS NULL FROM statements"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await sql.fetchval("SELECT subject FROM payment_breaks") == str(OURS[-1].number)


async def test_two_servers_that_get_the_same_file_import_and_match_it_once(
    reconciler: Reconciler, sql: Sql, database: Database, tmp_path: Path
) -> None:
    """The second one waits for the first, however long that takes, and finds its work done."""
    await record(sql, OURS)
    path = write(tmp_path / "s.csv", ROWS[:-1])
    holder = sql.transaction()
    await holder.start()
    await sql.execute("SELECT pg_advisory_xact_lock(7237, hashtext('bank'))")  # as a match that takes its time
    other = ReconciliationService(
        *(BankStatementStore(database), MatchingStore(database), BreakStore(database), PaymentStore(database)),
        *(None, reconciler.service.sources, reconciler.clock),
    )
    running = asyncio.create_task(other.run())
    jobs = [service.start(path, 1) for service in (reconciler.service, other)]
    async with asyncio.timeout(PATIENCE_S):
        while len(await sql.fetch("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.1)  # longer than the lock_timeout of everyday statements
        await holder.rollback()
        while not all(job.is_over for job in jobs):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
    assert [(job.state, job.why) for job in jobs] == [("done", "")] * 2
    assert jobs[0].results == jobs[1].results
    assert await sql.fetchval("SELECT count(*) FROM statement_rows") == 19
    assert await sql.fetchval("SELECT count(*) FROM payment_breaks") == 1
