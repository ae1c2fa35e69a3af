"""Results of audits: kept in the database, so that every server shows the newest, whichever program ran it."""

from __future__ import annotations

from typing import Final

from server.services.money.audit import Report
from storage.postgres.database import Database
from storage.postgres.money import last_audit
from storage.postgres.money.last_audit import AuditRow

__all__ = ["AuditResults", "AuditRow", "row_of"]
DISCREPANCIES_KEPT: Final = 100


class AuditResults:
    """Reads and writes the newest result. All methods raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, row: AuditRow) -> AuditRow:
        """Store a result that has just been found; it comes back with its time, which is the database's."""
        return await last_audit.keep(self._database, row)

    async def newest(self) -> AuditRow | None:
        """The newest result; None if no audit has completed."""
        return await last_audit.newest(self._database)


def row_of(took_s: float, report: Report) -> AuditRow:
    """The part of a report that is kept; its time is known when it is stored."""
    found = [f"{finding.name}: {line}" for finding in report.findings for line in finding.discrepancies]
    return AuditRow(0, took_s, len(found), tuple(found[:DISCREPANCIES_KEPT]), report.checked)
