"""One run: generators on a ground, what it cost, the money verdict, the figures."""

from __future__ import annotations

from typing import Any, Final

from bench.load import settlement, usage
from bench.load.generator_pool import BenchFailed, GeneratorPool
from bench.load.outcome import Outcome, merged
from bench.load.run_spec import RunSpec
from bench.load.settlement import SettlementProgress
from bench.load.target import Target, with_bare
from bench.load.verdict import Verdict, judge
from bench.report.about import about
from bench.report.figures import Costs, figures
from bench.report.screen import Screen
from bench.scenarios import SCENARIOS
from storage.postgres.database import Database

TIMEOUT_S: Final = 60.0  # the audit reads everything


async def run(ground: Target, order: RunSpec, screen: Screen) -> dict[str, Any]:
    """The figures of one run. Raises BenchFailed, ServerFailed, StoreUnavailable."""
    if SCENARIOS[order.scenario].server == "both" and not ground.bare_url:
        with with_bare(ground) as both:
            return await run(both, order, screen)
    try:
        outcome, costs, settled = await _measure(ground, order, screen)
    except BenchFailed:
        ground.check()  # a server that has ended explains more
        raise
    finally:
        screen.clock_stops()
    ground.check()
    if ground.dsn:
        screen.say("the books are checked")
    return figures(
        order, ground.durability, outcome, costs, settled, await _verdict(ground, outcome), await about(ground)
    )


async def _measure(ground: Target, order: RunSpec, screen: Screen) -> tuple[Outcome, Costs, SettlementProgress]:
    async with GeneratorPool(ground.jobs(order), screen.hear) as fleet:
        await fleet.prepared()
        await settlement.drained(ground.status)  # of what the preparation claimed
        screen.say(f"{order.turns:,} turns" if order.turns else f"{order.seconds:g} s")
        before, cpu_before = await settlement.state(ground.status), usage.cpu_s(ground.pids)
        screen.clock_runs(order.turns)
        fleet.go()
        done = await fleet.done()
        cpu = usage.cpu_s(ground.pids).since(cpu_before)
        costs = Costs(cpu, usage.rss_mb(ground.pids.server), done)
        screen.clock_stops()
        settled = await settlement.account(ground.status, before)
        return merged(await fleet.outcomes()), costs, settled


async def _verdict(ground: Target, outcome: Outcome) -> Verdict | None:
    """None where no records are kept."""
    if not ground.dsn:
        return None
    database = Database(ground.dsn, pool_max=2, timeout_s=TIMEOUT_S)
    await database.open()
    try:
        return await judge(database, outcome)
    finally:
        await database.close()
