"""What operators are told by themselves: missing statements, and breaks by class and age."""

from __future__ import annotations

import asyncio
from pathlib import Path

from server.core.reconciliation.days import DAY_MS, first_ms
from server.core.reconciliation.rules import BREAK_CLASSES
from server.services.reconciliation.jobs import StatementFigures
from tests.conftest import PATIENCE_S, TurnedClock
from tests.reconciliation.books import ALICE, DAY, Sql, numbered, payment, record, row_of, write
from tests.reconciliation.conftest import Operators

OURS = [payment(first_ms(DAY) + DAY_MS // 2 + serial) for serial in range(5)]
ROWS = numbered(DAY, map(row_of, OURS))


async def looked(operators: Operators) -> StatementFigures:
    """The figures of a look that begins now: the first one may have begun before."""
    service = operators.services.statements
    for _ in range(2):
        service.figures = None
        service.use_sources(service.sources)
        async with asyncio.timeout(PATIENCE_S):
            while service.figures is None:  # noqa: ASYNC110  the loop sets no event
                await asyncio.sleep(0.01)
    return service.figures


async def test_missing_statement_is_told_from_eleven_on_until_it_comes(
    operators: Operators, stopped_clock: TurnedClock, sql: Sql, tmp_path: Path
) -> None:
    """The first day of a gateway is the one on which it was configured: here the one that the clock stands at."""
    assert (await looked(operators)).overdue_s == {"bank": 0.0}
    first = await sql.fetchval("SELECT since FROM statement_sources")
    eleven_ms = first_ms(first) + DAY_MS + 11 * 3_600_000
    stopped_clock.stopped_ms = eleven_ms - 1
    assert (await looked(operators)).overdue_s == {"bank": 0.0}
    stopped_clock.stopped_ms = eleven_ms + 90_000
    assert (await looked(operators)).overdue_s == {"bank": 90.0}
    sample = operators.server.app.operations.sampler.now()
    assert sample.bank is not None
    assert sample.bank.overdue_s == {"bank": 90.0}
    await operators.reconcile(write(tmp_path / "s.csv", [], day=first))
    assert (await looked(operators)).overdue_s == {"bank": 0.0}


async def test_open_breaks_are_counted_by_class_and_age_without_those_in_doubt(
    operators: Operators, stopped_clock: TurnedClock, sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    stopped_clock.stopped_ms = first_ms(DAY) + DAY_MS + 1
    await operators.reconcile(write(tmp_path / "s.csv", [ROWS[0]._replace(amount_fen=1), *ROWS[1:4]]))
    stopped_clock.stopped_ms += 3_600_000
    found = (await looked(operators)).breaks
    assert set(found) == set(map(str, BREAK_CLASSES))
    assert {name: one for name, one in found.items() if one.breaks} == {"amount": (1, 3_600.0)}
    stopped_clock.stopped_ms = first_ms(DAY) + 3 * DAY_MS + 5_000  # T+2 is over
    found = (await looked(operators)).breaks
    assert found["ours_only"] == (1, 5.0)
    (one,) = (await operators.ask(ALICE, "breaks", "--class", "amount"))["breaks"]
    await operators.ask(ALICE, "close-break", one["break_id"], "explained")
    assert (await looked(operators)).breaks["amount"] == (0, 0.0)


async def test_server_without_a_bank_has_no_figures(operators: Operators) -> None:
    service = operators.services.statements
    await looked(operators)
    service.use_sources({})
    async with asyncio.timeout(PATIENCE_S):
        while service.figures is not None:  # noqa: ASYNC110  the loop sets no event
            await asyncio.sleep(0.01)
    assert operators.server.app.operations.sampler.now().bank is None
