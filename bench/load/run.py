"""One run: generators on a target, its cost, the money verdict, the figures."""

from __future__ import annotations

from typing import Any, Final

from bench.load import settlement, usage
from bench.load.batches import work_state
from bench.load.generator_pool import BenchFailed, GeneratorPool
from bench.load.outcome import Outcome, merged
from bench.load.run_spec import RunSpec
from bench.load.settlement import SettlementProgress
from bench.load.target import Target, with_bare_server
from bench.load.verdict import Verdict, judge
from bench.report.about import about
from bench.report.figures import Costs, figures
from bench.report.screen import Screen
from bench.scenarios import SCENARIOS
from storage.postgres.database import Database

AUDIT_TIMEOUT_S: Final = 60.0  # it reads all records


async def run(target: Target, run_spec: RunSpec, screen: Screen) -> dict[str, Any]:
    """The figures of one run. Raises BenchFailed, ServerFailed, StoreUnavailable."""
    if SCENARIOS[run_spec.scenario].server == "both" and not target.bare_url:
        with with_bare_server(target) as both:
            return await run(both, run_spec, screen)
    try:
        outcome, costs, settled = await _measure(target, run_spec, screen)
    except BenchFailed:
        target.check()  # if the server has ended, that error explains more
        raise
    finally:
        screen.stop_clock()
    target.check()
    verdict = await _judge(target, outcome, screen)
    return figures(run_spec, target.durability, outcome, costs, settled, verdict, await about(target))


async def _measure(target: Target, run_spec: RunSpec, screen: Screen) -> tuple[Outcome, Costs, SettlementProgress]:
    async with GeneratorPool(target.generator_specs(run_spec), screen.say, screen.show_progress) as pool:
        await pool.prepared()
        await settlement.wait_until_drained(target.status)  # claims of the preparation
        screen.say(f"{run_spec.operations:,} operations" if run_spec.operations else f"{run_spec.seconds:g} s")
        work_before = await work_state(target.status)
        before, cpu_before = await settlement.state(target.status), usage.cpu_s(target.pids)
        screen.start_clock(run_spec.operations)
        pool.go()
        done = await pool.done()
        cpu = usage.cpu_s(target.pids).since(cpu_before)
        rss_mb, work = usage.rss_mb(target.pids.server), await work_state(target.status)
        screen.stop_clock()
        settled = await settlement.progress_since(target.status, before, target.dsn)
        sizes = None if work is None or work_before is None else work.since(work_before).sizes
        costs = Costs(cpu, usage.cpu_s(target.pids).since(cpu_before), rss_mb, done, sizes)
        return merged(await pool.outcomes()), costs, settled


async def _judge(target: Target, outcome: Outcome, screen: Screen) -> Verdict | None:
    """None for a server without records."""
    if not target.dsn:
        return None
    screen.say("checking the books")
    database = Database(target.dsn, pool_max=2, timeout_s=AUDIT_TIMEOUT_S)
    await database.open()
    try:
        return await judge(database, outcome, target.seed_keys, target.money.smallest)
    finally:
        await database.close()
