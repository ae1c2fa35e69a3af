"""A day with a million payments: `python -m tests.reconciliation.million DSN FOLDER import|audit [ROWS]`.

On a migrated database it makes both books with planted faults, unless FOLDER has them. Then it imports and matches
the statement in this process, or audits it, and prints the times, the memory and the classes as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import asyncpg

from server.core.ids import id_at
from server.core.reconciliation.days import SKEW_MS, first_ms
from server.core.reconciliation.statement_file import HEADER
from server.services.reconciliation.bank_audit import audit_bank
from server.services.reconciliation.files import verify_file
from server.services.reconciliation.service import ReconciliationService
from storage.postgres.database import Database
from storage.postgres.money.payments import PaymentStore
from storage.postgres.reconciliation.breaks import BreakStore
from storage.postgres.reconciliation.matching import MatchingStore
from storage.postgres.reconciliation.statements import BankStatementStore
from tests.peak_memory import peak_kib
from tests.reconciliation.books import ALICE, DAY, SERIAL, signature_of, source_of
from tests.reconciliation.conftest import SetClock

ROWS: Final = 1_000_000
EACH: Final = 1_000  # one of so many has each of the faults below
# number modulo EACH: the fault of that row
MISSING, AMOUNT, STATE, ACCOUNT, TWICE = 1, 2, 3, 4, 5
EXTRA: Final = 77  # rows of the bank alone


_PAYMENTS: Final = """
INSERT INTO payments (number, gateway, kind, user_id, amount_fen, key, content, state, next_try_ms, created_at_ms,
                      changed_at_ms, reason, account)
SELECT $1::bigint + n * 4096, 'bank', 'charge', n + 1, n % 20000 + 1, n::text, '{}', 'succeeded', 0,
       $2::bigint + n * 80, $2 + n * 80 + 500, 'no packet', 'card-' || n % 9
FROM generate_series(0::bigint, $3::int - 1) AS n
"""
_STATEMENT: Final = """
SELECT row_number() OVER (ORDER BY n, copy) AS line, 'r' || n || repeat('x', copy) AS bank_ref,
       CASE WHEN n < $3 THEN $1::bigint + n * 4096 END AS number, 'charge' AS kind,
       'card-' || CASE n % $4 WHEN 4 THEN 77 ELSE n % 9 END AS account,
       n % 20000 + CASE n % $4 WHEN 2 THEN 2 ELSE 1 END AS amount_fen,
       CASE n % $4 WHEN 3 THEN 'reversed' ELSE 'succeeded' END AS state,
       to_char(to_timestamp(($2::bigint + n % $3 * 80 + 200) / 1000.0) AT TIME ZONE 'Asia/Shanghai',
               'YYYY-MM-DD"T"HH24:MI:SS.MS"+08:00"') AS at
FROM (SELECT n, 0 AS copy FROM generate_series(0::bigint, $3::int + $5 - 1) AS n WHERE n % $4 <> 1 OR n >= $3
      UNION ALL SELECT n, 1 FROM generate_series(0::bigint, $3::int - 1) AS n WHERE n % $4 = 5) AS rows
ORDER BY n, copy
"""


async def make(dsn: str, folder: Path, rows: int = ROWS) -> Path:
    """Both books; the file of the statement."""
    sql = await asyncpg.connect(dsn)
    path = folder / f"{DAY}.csv"
    try:
        begin_ms = first_ms(DAY) + SKEW_MS + 1_000
        await sql.execute(_PAYMENTS, id_at(begin_ms) + 1, begin_ms, rows)
        await sql.execute("ANALYZE payments")
        with path.open("wb") as file:
            file.write(HEADER)
            arguments = id_at(begin_ms) + 1, begin_ms, rows, EACH, EXTRA
            await sql.copy_from_query(_STATEMENT, *arguments, output=file, format="csv")
    finally:
        await sql.close()
    text = path.read_bytes()
    signature = signature_of(text, gateway="bank", day=DAY, issue=1, rows=text.count(b"\n") - 1)
    path.with_name(path.name + ".sig").write_text(json.dumps(signature | {"serial": SERIAL}))
    return path


async def reconcile(dsn: str, path: Path) -> dict[str, Any]:
    """Import and match a file in this process: seconds, peak memory, the classes."""
    database = Database(dsn, pool_max=2, timeout_s=10)
    await database.open()
    stores = BankStatementStore(database), MatchingStore(database), BreakStore(database), PaymentStore(database)
    service = ReconciliationService(*stores, None, source_of("bank"), SetClock())
    loop = asyncio.create_task(service.run())
    began_s, imported_s, lag_s = time.monotonic(), 0.0, 0.0
    job = service.start(path, ALICE)
    while not job.is_over:
        asked_s = time.monotonic()
        await asyncio.sleep(0.01)
        lag_s = max(lag_s, time.monotonic() - asked_s - 0.01)
        if job.state == "matching" and not imported_s:
            imported_s = time.monotonic() - began_s
    took_s = time.monotonic() - began_s
    loop.cancel()
    await asyncio.wait({loop})
    await database.close()
    return {
        "state": job.state,
        "why": job.why,
        "imported_s": round(imported_s, 1),
        "took_s": round(took_s, 1),
        "loop_lag_ms": round(lag_s * 1000),
        "peak_mib": peak_kib() >> 10,
        "classes": {one.row_class: one.rows for one in job.results},
    }


async def audit_both(dsn: str, path: Path) -> dict[str, Any]:
    """Audit both books in this process: seconds, peak memory, the classes, how many lines are told."""
    database = Database(dsn, pool_max=2, timeout_s=10)
    await database.open()
    began_s = time.monotonic()
    signed = verify_file(path, source_of("bank"), SetClock().now_ms())
    (report,) = await audit_bank([database], [signed])
    await database.close()
    return {
        "took_s": round(time.monotonic() - began_s, 1),
        "peak_mib": peak_kib() >> 10,
        "classes": {name: rows for name, (rows, _) in report.classes.items()},
        "last_line": report.finding.discrepancies[-1],
        "lines": len(report.finding.discrepancies),
    }


async def _main(dsn: str, folder: Path, what: str, rows: int) -> None:
    path = folder / f"{DAY}.csv"
    if not path.exists():
        path = await make(dsn, folder, rows)
    print(json.dumps(await WORK[what](dsn, path)))


WORK: Final = {"import": reconcile, "audit": audit_both}


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else ROWS))
