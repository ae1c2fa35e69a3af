"""The guard: no change costs speed unseen. This checkout and another one under the same loads, in turns.

What is judged is the processor time of the server's own process per request. Rates also depend on the stores, on
the generator and on what else the machine does, so they are only printed. Each pair of runs gives a ratio, new by
old; pairs are added until the 95 % interval of the mean ratio is ±3 %, or until there are enough of them.

The processor time counts from the first request until the server has settled everything that the run left behind:
otherwise a server that only does its work later would look faster. A request that was refused does not count as
answered, so a server that refuses more does not look faster either.

Both servers run for a whole case, each on fresh stores of its own: to make a database for every run would take
longer than the run. While one is measured the other has nothing to do, and both databases grow alike. The
generators of a pair prepare at the same time and work in turns, a tenth of a second each: a machine that is shared
with others can be half as fast a second later, and so both runs of a pair meet the same machine.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgpack
import msgspec
from cyclopts import Parameter
from rich.console import Console

from bench.compare.checkout import Checkout, checked_out, this
from bench.compare.guard_report import Lines, Pair, Run, case_result, is_enough, line_of, show
from bench.load import settlement, usage
from bench.load.generator_pool import BenchFailed, GeneratorPool
from bench.load.outcome import Outcome, merged
from bench.load.run_spec import RunSpec
from bench.load.target import Target, own_server, with_bare_server
from bench.report.about import about
from bench.scenarios import SCENARIOS
from client_sim.sdk.transport import parse_url
from protocol import messages
from server.cli.numbers import Count, Rate, Seconds
from server.loop import run as run_loop

CaseName = Literal[
    "opens-1000x1-postgres", "opens-200x8-postgres", "opens-1000x1-redis", "opens-200x8-redis", "grab", "push"
]
SideName = Literal["old", "new"]
SETTLED_WITHIN_S: Final = 60.0
POLL_S: Final = 0.25
SLICE_S: Final = 0.1


def _closed(scenario: str, connections: int, depth: int, requests: int) -> RunSpec:
    return RunSpec(scenario, connections, depth, requests, warmup_s=0.0)


# Durability, and the order of a warm-up: it tells how many requests fill a given time.
CASES: Final[dict[CaseName, tuple[str, RunSpec]]] = {
    "opens-1000x1-postgres": ("postgres", _closed("opens", 1_000, 1, 10_000)),
    "opens-200x8-postgres": ("postgres", _closed("opens", 200, 8, 10_000)),
    "opens-1000x1-redis": ("redis", _closed("opens", 1_000, 1, 10_000)),
    "opens-200x8-redis": ("redis", _closed("opens", 200, 8, 10_000)),
    "grab": ("postgres", _closed("grab", 200, 1, 10_000)),
    "push": ("postgres", _closed("push", 2_000, 4, 12)),
}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured, and what is too slow."""

    limit: Annotated[Rate, Parameter(help="slower is what is surely above this, new by old")] = 1.05
    pairs: Annotated[Count, Parameter(help="at most so many pairs of runs for each case")] = 15
    seconds: Annotated[Seconds, Parameter(help="seconds of load in each run")] = 2.0


@dataclass
class Side:
    """A checkout's server during a case, and what its users were told in all runs."""

    checkout: Checkout
    target: Target
    outcomes: list[Outcome] = field(default_factory=list)


class Cores(NamedTuple):
    """Where processes run: a server that changes cores, or shares one with its generator, costs now more, now less."""

    server: set[int]
    generators: set[int]


def _cores() -> Cores:
    """The first core for the servers, of which one works at a time, the others for generators; one is for all."""
    first, *others = sorted(os.sched_getaffinity(0))
    return Cores({first}, set(others) or {first})


def sides_in_turn(pair: int) -> tuple[SideName, SideName]:
    """The order of the runs of this pair, counted from 0; it alternates, so that a drift of the machine cancels."""
    return ("old", "new") if pair % 2 else ("new", "old")


class Match:
    """Both servers during one case."""

    def __init__(self, warm_up: RunSpec, sides: dict[SideName, Side], screen: Lines) -> None:
        self._order = warm_up
        self._sides = sides
        self._screen = screen

    async def played(self, name: str, extent: Extent) -> dict[str, Any]:
        """All pairs and the money verdict. Raises BenchFailed, StoreUnavailable."""
        is_shared = all([await _can_share(side) for side in self._sides.values()])
        play = self._with_one_generator if is_shared else self._with_own_generators
        pairs = list[Pair]()
        run_spec = _resized(self._order, await play(self._order, 0), extent.seconds)
        while not is_enough([pair.ratio for pair in pairs], extent.pairs):
            pairs.append(await play(run_spec, len(pairs)))
            self._screen.tell(line_of(name, pairs))
            run_spec = _resized(run_spec, pairs[-1], extent.seconds)
        if is_shared:  # otherwise every run has had its verdict
            for side in self._sides.values():
                side.checkout.check_books(side.target.dsn, merged(side.outcomes))
        generator = "one for both" if is_shared else "each its own"
        what = await about(self._sides["new"].target)
        return case_result(name, pairs, extent.limit) | {"generator": generator, "about": what}

    async def _with_one_generator(self, run_spec: RunSpec, pair: int) -> Pair:
        """A pair with the generator of this checkout, in slices of time. Raises BenchFailed."""
        async with AsyncExitStack() as stack:
            completed = Counter[SideName]()
            pools = dict[SideName, GeneratorPool]()
            for name in sides_in_turn(pair):
                specs = self._sides[name].target.generator_specs(run_spec)
                pool = GeneratorPool(specs, self._screen.say, partial(self._show_progress, completed, name))
                pools[name] = await stack.enter_async_context(pool)
                pool.pin(_cores().generators)
            await asyncio.gather(*(pool.prepared() for pool in pools.values()))
            await self._all_settled()
            before = {name: self._costs(name) for name in pools}
            self._screen.start_clock(len(pools) * run_spec.operations)
            try:
                seconds = await _in_slices(pools)
            finally:
                self._screen.stop_clock()
            outcomes = {name: merged(await pool.outcomes()) for name, pool in pools.items()}
            await self._all_settled()
            return Pair(**{name: self._run(name, outcomes[name], before[name], seconds[name]) for name in pools})

    def _show_progress(self, completed: Counter[SideName], name: SideName, operations: int) -> None:
        completed[name] = operations
        self._screen.show_progress(completed.total())

    async def _all_settled(self) -> None:
        await asyncio.gather(*(_settled(side.target) for side in self._sides.values()))

    def _costs(self, name: SideName) -> tuple[float, float]:
        """Processor time so far: of the server to the nanosecond, and of its PostgreSQL."""
        pids = self._sides[name].target.pids
        return usage.exact_cpu_s(pids.server), usage.cpu_s(pids).postgres

    def _run(self, name: SideName, outcome: Outcome, before: tuple[float, float], seconds: float) -> Run:
        server_s, postgres_s = (now - then for now, then in zip(self._costs(name), before, strict=True))
        self._sides[name].outcomes.append(outcome)
        errors = sum(outcome.errors.values())
        return _measured(Run(outcome.counted, errors, server_s, postgres_s, outcome.counted / seconds, seconds))

    async def _with_own_generators(self, run_spec: RunSpec, pair: int) -> Pair:
        """A pair driven by `hongbao bench` of each checkout, whose processor time is that while the clock ran.

        Raises BenchFailed.
        """
        runs = {}
        for name in sides_in_turn(pair):
            checkout, target = self._sides[name].checkout, self._sides[name].target
            assert target.status is not None
            told = checkout.bench(run_spec, target.url, target.status.parent)
            errors = sum(told["errors"].values())
            cpu, rate_per_s, seconds = told["cpu_s"], told["rate_per_s"], told["seconds"]
            answered = told["requests"] - errors
            runs[name] = _measured(Run(answered, errors, cpu["server"], cpu["postgres"], rate_per_s, seconds))
        return Pair(**runs)


async def _in_slices(pools: Mapping[SideName, GeneratorPool]) -> dict[SideName, float]:
    """Let one side's generators work at a time until all are done; the seconds that each side had.

    Raises BenchFailed.
    """
    for pool in pools.values():
        pool.pause()
        pool.go()
    ends = {name: asyncio.ensure_future(pool.done()) for name, pool in pools.items()}
    seconds = dict.fromkeys(pools, 0.0)
    try:
        while waiting := [name for name, end in ends.items() if not end.done()]:
            for name in waiting:
                began_s = time.perf_counter()
                pools[name].resume()
                await asyncio.wait([ends[name]], timeout=SLICE_S)
                pools[name].pause()
                seconds[name] += time.perf_counter() - began_s
        await asyncio.gather(*ends.values())
    finally:
        for pool, end in zip(pools.values(), ends.values(), strict=True):
            end.cancel()
            pool.resume()
    return seconds


def _resized(run_spec: RunSpec, pair: Pair, seconds: float) -> RunSpec:
    """The same with as many requests as the slower side of this pair would answer in this time."""
    requests = run_spec.requests * seconds / max(run.seconds for run in pair)
    return msgspec.structs.replace(run_spec, requests=max(1, round(requests)))


def _measured(run: Run) -> Run:
    if run.requests <= 0 or run.cpu_s <= 0:
        raise BenchFailed("nothing was measured: a run needs more --seconds")
    return run


async def _settled(target: Target) -> None:
    """The server has nothing left to do. It is asked rarely: an answer costs it time. Raises BenchFailed."""
    try:
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while (state := await settlement.state(target.status)) is None or state.backlog:  # noqa: ASYNC110  no event
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise BenchFailed(f"settlement does not come to an end within {SETTLED_WITHIN_S:g} s") from None


async def _can_share(side: Side) -> bool:
    """Whether our generator can drive this server: our protocol, and settlement and verdict can be asked."""
    reader, writer = await asyncio.open_connection(*parse_url(side.target.url))
    length = int.from_bytes(await reader.readexactly(4))
    _, _, version, *_ = msgpack.unpackb(await reader.readexactly(length))  # the rest of a hello may have changed
    writer.close()
    is_understood = version == messages.VERSION and await settlement.state(side.target.status) is not None
    return is_understood and side.checkout.can_judge


def measure(revision: str, names: Sequence[CaseName], extent: Extent, console: Console) -> dict[str, Any]:
    """All these cases. Raises BenchFailed, ServerFailed, EmbeddedError, StoreUnavailable."""
    began_s, screen = time.perf_counter(), Lines(console)
    new = this()
    with checked_out(revision, new) as old:
        for checkout in (old, new):
            checkout.check_imports()
        cases = [_case(name, {"old": old, "new": new}, extent, screen) for name in names]
    seconds = round(time.perf_counter() - began_s)
    return {"against": revision, "commit_old": old.commit, **asdict(extent), "cases": cases, "took_s": seconds}


def _case(name: CaseName, checkouts: dict[SideName, Checkout], extent: Extent, screen: Lines) -> dict[str, Any]:
    durability, run_spec = CASES[name]
    scenario = SCENARIOS[run_spec.scenario]
    with ExitStack() as stack:
        sides = {}
        for side, checkout in checkouts.items():
            server = own_server(durability, scenario.limits, screen.say, checkout.program, checkout.limits)
            target = stack.enter_context(server)
            if scenario.server == "both":
                target = stack.enter_context(with_bare_server(target))
            sides[side] = Side(checkout, target)
            os.sched_setaffinity(target.pids.server, _cores().server)
        try:
            return run_loop(Match(run_spec, sides, screen).played(name, extent))
        except BenchFailed:
            for one in sides.values():
                one.target.check()  # a server that has ended explains more
            raise


def command(
    *,
    against: Annotated[str, Parameter(help="the revision that this checkout is compared with")],
    case: Annotated[list[CaseName] | None, Parameter(help="only this case; may be said again", negative="")] = None,
    extent: Extent = Extent(),
    json_file: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """This checkout against another revision: exit 1 if a request costs the server more processor time.

    Both servers are measured in turns, in up to 15 pairs of runs for each of six cases, until the ratio is known to
    ±3 %: 8 to 20 minutes. Without exit 1 a case is "ok", or "unclear" if the ratio stays less well known.

    Example: hongbao bench guard --against HEAD~1 --case grab --json guard.json
    """
    if extent.pairs < 2:
        raise ValueError("an interval needs two --pairs or more")
    if json_file is not None and not json_file.parent.is_dir():
        raise ValueError(f"there is no folder for {json_file}")
    console = Console()
    told = measure(against, case or list(CASES), extent, console)
    show(console, told["cases"])
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2))
    return 1 if any(one["verdict"] == "slower" for one in told["cases"]) else 0
