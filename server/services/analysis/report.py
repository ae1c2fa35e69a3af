"""A report: one snapshot of each set, copied into a DuckDB of its own, and asked."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from server.core.analysis.inequality import gini, lorenz, part_of_top, thinned
from server.core.analysis.suppression import may_show
from server.loop import lower_thread_priority
from server.services.analysis import answers, luck
from server.services.analysis.figures import Cell, FigureTable, ReportFacts, ReportFigures
from storage.analysis.workspace import Workspace
from storage.postgres.analysis.narrow_copy import SentSpan, copy_narrow
from storage.postgres.database import Database

MINUTE_MS: Final = 60_000
NICER: Final = 19  # than a server on the same machine, whose opens must not wait for a report
LORENZ_POINTS: Final = 200
LORENZ_COLUMNS: Final = (("people", float), ("amount", float))


async def make_report(databases: Sequence[Database], span: SentSpan, folder: Path | None = None) -> ReportFigures:
    """Copy, ask, and clean up. `folder`: where the columns are kept meanwhile (default: that for temporary files).

    Raises StoreUnavailable; OSError if the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="hongbao-report-", dir=folder) as name:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "report", lower_thread_priority, (NICER,)) as thread:
            workspace = await loop.run_in_executor(thread, Workspace, Path(name))  # its threads are as nice as this
            try:

                async def loaded(table: str, file: Path) -> None:
                    await loop.run_in_executor(thread, workspace.load, table, file)

                taken_ms = [await copy_narrow(one, span, Path(name), loaded) for one in databases]
                return await loop.run_in_executor(thread, figures_of, workspace, span, taken_ms)
            finally:
                workspace.close()


def figures_of(workspace: Workspace, span: SentSpan, taken_ms: Sequence[int]) -> ReportFigures:
    """All tables and facts. Blocks."""
    workspace.count_people()
    until_ms = min(span.to_ms, *taken_ms)
    tables: dict[str, FigureTable] = {}
    tables["totals"], whole = answers.totals(workspace)
    facts = _facts(workspace, whole, tables, until_ms)
    if may_show(facts.people):
        facts = _with_pace(workspace, facts, tables, _minutes(workspace))
        facts = _with_giving(workspace, facts, tables)
    for name, table_of in answers.BY_NAME.items():
        tables[name] = table_of(workspace)
    tables["retention"] = answers.retention(workspace, until_ms)
    verdict, more = luck.luck_of(workspace)
    problems = _problems(workspace, whole)
    return ReportFigures(span.from_ms, span.to_ms, taken_ms, facts, verdict, tables | more, problems)


def _minutes(workspace: Workspace) -> int:
    """The length of the curves: from the first packet to the last."""
    first_ms, last_ms = workspace.ask("sent_between")[0]
    return max(1, ((last_ms or 0) - (first_ms or 0)) // MINUTE_MS)


def _facts(
    workspace: Workspace, whole: tuple[int, ...], tables: dict[str, FigureTable], until_ms: int
) -> ReportFacts:
    """What may be told of any number of people; fills in the tables that it comes from."""
    packets, _, opened_shares, sent_fen, opened_fen, refunded_fen, unopened_fen, _ = whole
    tables["replies"], receivers = answers.replies(workspace, until_ms)
    tables["payments"], waiting = answers.payments(workspace)
    tables["breaks"], open_breaks = answers.breaks(workspace)
    replied = tables["replies"].column("part")
    own_shares, _, own_people = workspace.ask("own")[0]
    people, senders, openers, both = workspace.ask("people")[0]
    return ReportFacts(
        people=people,
        senders=senders,
        openers=openers,
        both=both,
        packets=packets,
        sent_fen=sent_fen,
        opened_shares=opened_shares,
        opened_fen=opened_fen,
        refunded_fen=refunded_fen,
        unopened_fen=unopened_fen,
        own_shares=own_shares if may_show(own_people) else None,
        replies_in_24_h=_number(replied[-1]) if replied else None,
        receivers_observed=receivers,
        unknown_payments=waiting,
        open_breaks=open_breaks,
    )


def _with_pace(
    workspace: Workspace, facts: ReportFacts, tables: dict[str, FigureTable], minutes: int
) -> ReportFacts:
    """How busy it was, and how fast packets were empty."""
    tables["sent_by_minute"], width = answers.curve(workspace, "sent_by_minute", minutes)
    tables["opened_by_minute"], _ = answers.curve(workspace, "opened_by_minute", minutes)
    rows = tables["sent_by_minute"].rows
    at_ms, _, busiest = max(rows, key=lambda row: int(row[2] or 0)) if rows else (None, 0, 0)
    tables["emptied"], emptied, fast = answers.emptied(workspace)
    tables["gone"] = gone = answers.gone(workspace)
    return facts._replace(
        busiest_ms=None if at_ms is None else int(at_ms),
        busiest_packets=int(busiest or 0),
        width_minutes=width,
        median_empty_s=workspace.ask("median_empty_s")[0][0],
        gone_in_10_s=next((_number(part) for seconds, part in gone.rows if seconds == 10), None),
        emptied_in_10_s=fast / emptied if emptied else None,
    )


def _with_giving(workspace: Workspace, facts: ReportFacts, tables: dict[str, FigureTable]) -> ReportFacts:
    """Who gives: the Gini coefficients of what people sent and of what they received; what the top tenth sent."""
    sent, received = (
        lorenz([(fen, count) for fen, count in workspace.ask(one)]) for one in ("giving", "receiving")
    )
    for name, points in (("lorenz_sent", sent), ("lorenz_received", received)):
        tables[name] = FigureTable(LORENZ_COLUMNS, [tuple(point) for point in thinned(points, LORENZ_POINTS)])
    return facts._replace(gini_sent=gini(sent), gini_received=gini(received), top_tenth_sent=part_of_top(sent, 0.1))


def _number(cell: Cell) -> float | None:
    return float(cell) if isinstance(cell, int | float) else None


def _problems(workspace: Workspace, whole: tuple[int, ...]) -> list[str]:
    """Sums that come two ways and differ: the records are damaged, or this report is wrong. See `hongbao audit`."""
    shares, fen = workspace.ask("claimed")[0]
    lines = []
    if (shares, fen) != (whole[2], whole[4]):
        lines.append(f"packets say {whole[2]} shares of {whole[4]} were opened, there are {shares} of {fen}")
    lines += [f"packet {packet_id}: its sums do not fit" for (packet_id,) in workspace.ask("unsound")]
    return lines
