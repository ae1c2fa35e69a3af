"""How soon the outcome of a payment is known, and a notice acknowledged, at a healthy bank whose replies get lost.

After the comparison with opens, payments run by themselves. 30 % of the orders at the bank have a fault: a reply
that is lost, an error after the commit, a code that is not in the protocol, a notice before the reply. What was
unknown is read from the evidence, and what a notice took from the books of the bank, which has sent it.
"""

from __future__ import annotations

import asyncio
import time
from time import perf_counter
from typing import Any, Final

from bench.chaos.payments import books
from bench.chaos.payments.report import NOTICE_P99_MS, UNKNOWN_P99_S, resolved_s, spread
from bench.chaos.payments.workload import PaymentWorkload
from bench.load.target import Target
from server.cli.shared.demo_bank import DemoBank

ANSWERS_S: Final = 60.0  # after the last payment, for every request
RESOLVE_S: Final = 120.0  # and then for all that is unknown
POLL_S: Final = 0.2


async def measure(
    target: Target, bank: DemoBank, workload: PaymentWorkload, payments: int, rate_per_s: float
) -> dict[str, Any]:
    """The figures of so many payments. Raises OSError, asyncpg.PostgresError, sqlite3.Error, CommandFailed."""
    await bank.open_desk(target.http_url)
    began_s = time.time()
    await workload.run(payments, rate_per_s, workload.begun)
    unanswered = await workload.wait_for_answers(ANSWERS_S)
    file = bank.folder / books.FILE
    ends_s = perf_counter() + RESOLVE_S
    left = 1
    while left and perf_counter() < ends_s:
        await asyncio.sleep(POLL_S)
        left = await books.unsettled_payments(target.dsn) + books.untold(file)
    return figures_of(await books.read_ours(target.dsn), books.read_notices(file), began_s, left + unanswered)


def figures_of(
    ours: books.OurBooks, notice_ms: list[tuple[float, float]], began_s: float, left: int
) -> dict[str, Any]:
    """The figures. `began_s`: earlier notices came beside opens. `left`: what has no outcome, or no answer, yet."""
    unknown = spread(resolved_s(ours, ()))
    alone = spread([took for at_s, took in notice_ms if at_s >= began_s])
    return {
        "unknown_resolved_s": unknown,
        "notice_ms": alone,
        "notice_beside_opens_ms": spread([took for at_s, took in notice_ms if at_s < began_s]),
        "left": left,
        "unknown_is_within": not left and (unknown["p99"] or 0.0) <= UNKNOWN_P99_S,
        "notice_is_within": (alone["p99"] or 0.0) <= NOTICE_P99_MS,
    }


def lines_of(figures: dict[str, Any]) -> list[str]:
    """The verdict."""
    words = {True: "within", False: "NOT within"}
    unknown, alone, beside = (
        figures[name] for name in ("unknown_resolved_s", "notice_ms", "notice_beside_opens_ms")
    )
    return [
        f"unknown outcomes, resolved  {_p99(unknown, 's')}, "
        f"{words[figures['unknown_is_within']]} {UNKNOWN_P99_S:g} s; {figures['left']} are not",
        f"notices, acknowledged       {_p99(alone, 'ms')}, "
        f"{words[figures['notice_is_within']]} {NOTICE_P99_MS:g} ms; beside opens {_p99(beside, 'ms')}",
    ]


def _p99(found: dict[str, Any], unit: str) -> str:
    if not found["count"]:
        return "none"
    return f"p50 {found['p50']:.2f} {unit}, p99 {found['p99']:.2f} {unit} of {found['count']:,}"
