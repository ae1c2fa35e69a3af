"""Statements come in: verified, imported, applied as evidence, and matched with our payments, one after the other.

What is imported stands in the records with the time of its match, or without one: then the loop goes on with it,
also after a kill. Reading and checking a file is done in threads, in small pieces, and comparing in PostgreSQL, so
that other requests do not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from server.core.payments import Evidence
from server.core.reconciliation.days import SKEW_MS, day_of, late_s, missing
from server.core.reconciliation.rules import BREAK_CLASSES, VERDICTS
from server.core.reconciliation.statement_file import BadStatement, StatementClaim
from server.gateways.port import CardGateway, NoStatement
from server.services.reconciliation.files import SignedStatement, pieces_of, verify_file, write_statement
from server.services.reconciliation.jobs import BreakFigure, JobState, ReconciliationJob, RowCount, StatementFigures
from server.services.reconciliation.sources import Sources
from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable
from storage.postgres.reconciliation.breaks import BreakStore
from storage.postgres.reconciliation.matching import MatchingStore, RowEvidence
from storage.postgres.reconciliation.statements import BankStatementRow, BankStatementStore, RowsRefused

if TYPE_CHECKING:
    from server.clock import Clock
    from server.services.payments.evidence import EvidenceService
    from storage.postgres.money.payments import PaymentStore

LOG = structlog.get_logger()
LOOK_S: Final = 5.0
EVIDENCE_PAGE: Final = 500
AT_ONCE: Final = 8  # payments that evidence is applied to
MATCHES_MAX: Final = 3  # while payments are begun; then the loop goes on
JOBS_KEPT: Final = 20
NO_GATEWAYS: Final[Mapping[str, CardGateway]] = {}


class ReconciliationService:
    """Imports and matches. Without a gateway that has statements it does nothing."""

    def __init__(
        self,
        statements: BankStatementStore,
        matching: MatchingStore,
        breaks: BreakStore,
        payments: PaymentStore,
        evidence: EvidenceService | None,
        sources: Sources,
        clock: Clock,
        gateways: Mapping[str, CardGateway] = NO_GATEWAYS,
        *,
        is_on_duty: Callable[[], bool] = lambda: True,
    ) -> None:
        """`evidence` is None without a gateway: then payments that are open stay open.

        `gateways`: those that give statements when they are asked. `is_on_duty`: figures are read here, and by no
        other worker.
        """
        self._is_on_duty = is_on_duty
        self._statements, self._matching, self._breaks = statements, matching, breaks
        self._payments, self._evidence, self._clock = payments, evidence, clock
        self._gateways = gateways
        self._jobs: dict[int, ReconciliationJob] = {}
        self._waiting: list[ReconciliationJob] = []
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("reconciliation_waits")
        self.sources = sources
        self.figures: StatementFigures | None = None  # None: no gateway has statements, or not known yet

    def use_sources(self, sources: Sources) -> None:
        """Statements are verified with these keys from now on."""
        self.sources = sources
        self._wake.set()

    def start(self, path: Path, uid: int) -> ReconciliationJob:
        """Begin to import a file, for a user of the system. Its state tells how it goes."""
        return self._begin(ReconciliationJob(self._next_number(), path, uid))

    def fetch(self, gateway: str, day: date, folder: Path, uid: int) -> ReconciliationJob:
        """Begin to fetch the newest statement of a day from a gateway into a folder, and to import it."""
        return self._begin(ReconciliationJob(self._next_number(), folder, uid, gateway, day))

    def _next_number(self) -> int:
        return max(self._jobs, default=0) + 1

    def _begin(self, job: ReconciliationJob) -> ReconciliationJob:
        self._jobs[job.number] = job
        self._waiting.append(job)
        for old in [one for one in self._jobs if self._jobs[one].is_over][:-JOBS_KEPT]:
            del self._jobs[old]
        self._wake.set()
        return job

    def job(self, number: int) -> ReconciliationJob | None:
        """A file that was begun lately."""
        return self._jobs.get(number)

    # --- the loop ---------------------------------------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Import and match what waits. Never ends; to be supervised."""
        await look_again(self._look, self._wake, self._outage_log)

    async def _look(self) -> float:
        while self._waiting:
            await self._work(self._waiting.pop(0))
        if not self.sources:
            self.figures = None
            return LOOK_S
        while (left := await self._statements.unmatched(list(self.sources))) is not None:
            if not await self._match(left):
                break  # a payment could not be ended now
        self.figures = await self._query_figures() if self._is_on_duty() else None
        return LOOK_S

    async def _work(self, job: ReconciliationJob) -> None:
        """One file, from the disk to its breaks. Whatever goes wrong is told by the job."""
        try:
            if job.fetched_day is not None:
                await self._fetch(job, job.fetched_day)
            job.state = JobState.VERIFYING
            signed = await asyncio.to_thread(verify_file, job.path, self.sources, self._clock.now_ms())
            job.claim = signed.claim
            if job.fetched_day not in (None, signed.claim.day):
                raise BadStatement(f"the bank gave the statement of {signed.claim.day}")
            row = await self._import(signed, job)
            job.state = JobState.MATCHING
            for _ in range(MATCHES_MAX):
                if row.matched_at_ms is not None or await self._match(row):
                    break
            job.results = await self._results(row)
            job.state = JobState.DONE
        except (BadStatement, NoStatement, RowsRefused) as error:
            job.refuse(str(error))
            LOG.warning("statement_refused", path=str(job.path), why=str(error))
        except StoreUnavailable as error:
            job.refuse(f"{error}; give the file again: it is imported once")
            raise
        except BaseException:
            job.refuse("a defect in the server; see its log" if not _is_cancelled() else "the server ends")
            raise

    async def _fetch(self, job: ReconciliationJob, day: date) -> None:
        """The files of a statement, from its gateway. Raises BadStatement, NoStatement."""
        job.state = JobState.FETCHING
        gateway = self._gateways.get(job.gateway)
        if gateway is None:
            raise NoStatement(f"the gateway {job.gateway!r} gives no statements here")
        statement = await gateway.statement(day)
        job.path = await asyncio.to_thread(write_statement, job.path, job.gateway, statement)

    async def _import(self, signed: SignedStatement, job: ReconciliationJob) -> BankStatementRow:
        """The statement as it is recorded, now or earlier. Raises BadStatement, RowsRefused, StoreUnavailable."""
        claim = signed.claim
        known = await self._known(claim)
        if known is not None:
            job.is_new = False
            return known
        job.state = JobState.IMPORTING
        now_ms = self._clock.now_ms()
        row = BankStatementRow(0, *claim, signed.serial, signed.signature, True, now_ms, job.uid, None)
        await self._statements.insert(row, partial(_lines, signed, job))
        found = await self._known(claim)
        assert found is not None
        LOG.info(
            "statement_imported", gateway=claim.gateway, day=str(claim.day), issue=claim.issue, rows=claim.rows
        )
        return found

    async def _known(self, claim: StatementClaim) -> BankStatementRow | None:
        known = await self._statements.known(claim.gateway, claim.day, claim.issue)
        if known is not None and known.sha256 != claim.sha256:
            raise BadStatement(
                f"issue {claim.issue} of {claim.day} was imported with another digest; a corrected statement has "
                "a higher issue"
            )
        return known

    # --- one statement ----------------------------------------------------------------------------------------

    async def _match(self, row: BankStatementRow) -> bool:
        """Apply a statement as evidence, then compare it with our payments; False: a payment has to wait."""
        after = 0
        while self._evidence is not None:
            page = await self._matching.evidence(row.gateway, row.statement_id, after, EVIDENCE_PAGE)
            if not page:
                break
            for begin in range(0, len(page), AT_ONCE):
                ends = [self._apply(row, one) for one in page[begin : begin + AT_ONCE]]
                await asyncio.gather(*ends)
            after = page[-1].number
        outcome = await self._matching.match(
            row.gateway, row.statement_id, self._clock.now_ms(), SKEW_MS, is_final=self._evidence is None
        )
        if outcome.opened:
            LOG.warning("statement_breaks", gateway=row.gateway, day=str(row.day), opened=outcome.opened)
        return self._evidence is None or not outcome.open

    async def _apply(self, row: BankStatementRow, found: RowEvidence) -> None:
        """The bank's statement says how a payment has ended."""
        payment = await self._payments.get(found.number)
        assert payment is not None
        assert self._evidence is not None
        detail = f"statement of {row.day}, line {found.line}, {found.bank_ref}: {found.state}"
        await self._evidence.apply(payment, Evidence("statement", VERDICTS[found.state], detail))

    async def _results(self, row: BankStatementRow) -> list[RowCount]:
        found = await self._statements.results(row.statement_id)
        return [RowCount(name, *found[name]) for name in sorted(found, key=lambda one: (one != "matched", one))]

    # --- figures ----------------------------------------------------------------------------------------------

    async def _query_figures(self) -> StatementFigures:
        now_ms = self._clock.now_ms()
        known = await self._statements.since(list(self.sources))
        for gateway in self.sources.keys() - known.keys():
            await self._statements.begin_source(gateway, day_of(now_ms))
        overdue: dict[str, float] = {}
        for gateway in self.sources:
            since = known.get(gateway, day_of(now_ms))
            lacking = missing(since, await self._statements.days(gateway, since), now_ms)
            overdue[gateway] = late_s(lacking[0], now_ms) if lacking else 0.0
        found = await self._breaks.figures(now_ms)
        breaks = {
            name: BreakFigure(count, max(0, now_ms - since_ms) / 1000) for name, (count, since_ms) in found.items()
        }
        return StatementFigures(overdue, {str(one): breaks.get(one, BreakFigure(0, 0.0)) for one in BREAK_CLASSES})


async def _lines(signed: SignedStatement, job: ReconciliationJob, statement_id: int) -> AsyncIterator[bytes]:
    """The lines of a file as the table takes them. Raises BadStatement."""
    pieces, prefix = pieces_of(signed), f"{statement_id},".encode()
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            job.rows_read += piece.count(b"\n")
            yield prefix + piece[:-1].replace(b"\n", b"\n" + prefix) + b"\n"
    finally:
        pieces.close()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
