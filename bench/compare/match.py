"""A case of the guard: two servers under the same load, in turns."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgpack
import msgspec
from cyclopts import Parameter

from bench.compare.checkout import Checkout
from bench.compare.guard_report import Lines, Pair, Run, case_result, is_enough, line_of
from bench.load import settlement, usage
from bench.load.generator_pool import BenchFailed, GeneratorPool
from bench.load.outcome import Outcome, merged
from bench.load.run_spec import RunSpec
from bench.load.target import Target
from bench.report.about import about
from client_sim.sdk.transport import parse_url
from protocol import messages
from server.cli.shared.numbers import Count, Rate, Seconds

SideName = Literal["old", "new"]
SETTLED_WITHIN_S: Final = 60.0
POLL_S: Final = 0.25
SLICE_S: Final = 0.1


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
    """Where processes run: a server that changes cores, or shares one with its generator, costs more."""

    server: set[int]
    generators: set[int]


def cores() -> Cores:
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
                pool.pin(cores().generators)
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
            while not await _is_settled(target):  # noqa: ASYNC110  no event
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise BenchFailed(f"settlement does not come to an end within {SETTLED_WITHIN_S:g} s") from None


async def _is_settled(target: Target) -> bool:
    state = await settlement.state(target.status)
    return state is not None and not state.backlog and not state.unposted


async def _can_share(side: Side) -> bool:
    """Whether our generator can drive this server: our protocol, and settlement and verdict can be asked."""
    reader, writer = await asyncio.open_connection(*parse_url(side.target.url))
    length = int.from_bytes(await reader.readexactly(4))
    _, _, version, *_ = msgpack.unpackb(await reader.readexactly(length))  # the rest of a hello may have changed
    writer.close()
    is_understood = version == messages.VERSION and await settlement.state(side.target.status) is not None
    return is_understood and side.checkout.can_judge
