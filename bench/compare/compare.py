"""Ours against what people would pick: alternating in one go, on the same stores, with the same durability.

A bout is one load, put on our server and on one rival or two. Every round plays all bouts, one round ours first
and the next one theirs first, so that whatever changes on the machine meanwhile meets both. A ratio is that of
the two rates of one round; the median over the rounds counts, and the spread is told. Nothing warms up: all turns
of both sides count.

A rival finds the stores as our server uses them: both tiers have a server with stores of its own, which does
nothing, its settlement at rest, while a rival runs. Users of a rival come over TCP as ours do; the embedded
Valkey has no port, so it gets one for the time of the comparison.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from statistics import median
from typing import Any, Final, NamedTuple

from redis import asyncio as aioredis
from redis.exceptions import RedisError
from rich import box
from rich.console import Console
from rich.table import Table

from bench.compare.matchups import SCENARIOS_USED, SIZES, Figures, Matchup, Rival, Sizes, Stands, bouts
from bench.compare.targets import RATIOS, must_of
from bench.load import settlement, target
from bench.load.generator_pool import BenchFailed
from bench.report.about import about
from bench.report.chart import number
from bench.report.screen import Screen
from bench.scenarios import SCENARIOS
from server.loop import run as run_loop

ROUNDS: Final = 3
LOOPBACK: Final = "127.0.0.1"


class Trial(NamedTuple):
    """One run of a comparison; `rival` is None for ours."""

    round: int
    bout: Matchup
    rival: Rival | None


class Pair(NamedTuple):
    """What one bout came to against one rival; lists and ratios by round."""

    name: str
    setting: str
    run: str  # the name of the run of ours
    rival: str
    ours: list[int]
    theirs: list[int]
    ratio: float
    low: float
    high: float


class Comparison:
    """What all runs measured: by the name of the bout, and of the bout and the rival."""

    def __init__(self, bouts: Sequence[Matchup]) -> None:
        self.bouts = bouts
        self.ours: dict[str, list[Figures]] = {}
        self.theirs: dict[tuple[str, str], list[Figures]] = {}

    def note(self, heat: Trial, figures: Figures) -> None:
        """One run has ended."""
        if heat.rival is None:
            self.ours.setdefault(heat.bout.name, []).append(figures)
        else:
            self.theirs.setdefault((heat.bout.name, heat.rival.name), []).append(figures)

    def theirs_by_name(self) -> dict[str, list[Figures]]:
        """What the rivals did, each with its setting."""
        return {
            f"{rival.name}, {bout.setting}": self.theirs[bout.name, rival.name]
            for bout in self.bouts
            for rival in bout.rivals
        }

    def pairs(self) -> list[Pair]:
        """Every bout against each of its rivals."""
        return [
            pair_of(
                rival.pair,
                bout.setting,
                bout.name,
                rival.name,
                [figures["rate_per_s"] for figures in self.ours[bout.name]],
                [figures["rate_per_s"] for figures in self.theirs[bout.name, rival.name]],
            )
            for bout in self.bouts
            for rival in bout.rivals
        ]


class Progress(Screen):
    """A line for each run that has ended; of what generators say nothing."""

    def __init__(self, console: Console, runs: int) -> None:
        super().__init__(console)
        self._runs = runs
        self._ended = 0

    def say(self, text: str) -> None:
        """Too much for so many runs."""

    def ended(self, what: str, figures: Figures) -> None:
        """One run more."""
        self._ended += 1
        rate = f"{figures['rate_per_s']:,}/s" if figures["rate_per_s"] else "done"
        errors = ", ".join(f"{count:,} {name}" for name, count in figures.get("errors", {}).items())
        super().say(f"run {self._ended:2} of {self._runs}  {what}: {rate}{errors and f'  ({errors})'}")


# --- how it is played -----------------------------------------------------------------------------------------


def heats(table: Sequence[Matchup], rounds: int) -> Iterator[Trial]:
    """All runs in their order: ours first, in the next round theirs first."""
    for number_of_round in range(1, rounds + 1):
        for bout in table:
            sides: list[Rival | None] = [None, *bout.rivals]
            for side in sides if number_of_round % 2 else reversed(sides):
                yield Trial(number_of_round, bout, side)


@contextmanager
def stands(limits: Mapping[str, float], say: Callable[[str], None]) -> Iterator[Stands]:
    """A server for each tier with stores of its own, and the bare one. Raises ServerFailed, EmbeddedError."""
    with (
        target.own("redis", limits, say) as fast,
        target.own("postgres", limits, lambda _: None) as safe,  # its config is the same
        target.ceiling() as bare,
    ):
        yield Stands(fast, safe, bare)


def limits_of(scenarios: Iterable[str]) -> dict[str, float]:
    """What a server needs that all of these run on."""
    limits: dict[str, float] = {}
    for scenario in scenarios:
        for name, value in SCENARIOS[scenario].limits.items():
            limits[name] = max(value, limits.get(name, value))
    return limits


async def compare(on: Stands, rounds: int, sizes: Sizes, screen: Progress) -> Comparison:
    """Play it all. Raises BenchFailed, ServerFailed, StoreUnavailable."""
    found = Comparison(bouts(sizes))
    async with on_tcp(on.fast.redis_url) as redis_url:
        for heat in heats(found.bouts, rounds):
            await _rest(on)
            who = heat.bout if heat.rival is None else heat.rival
            figures = await who.play(on._replace(redis_url=redis_url), screen)
            whose = f"{heat.bout.name}, {'ours' if heat.rival is None else heat.rival.name}"
            screen.ended(f"round {heat.round}  {whose}", figures)
            if not figures["rate_per_s"]:
                raise BenchFailed(f"{whose}: nothing was measured")
            found.note(heat, figures)
    return found


async def _rest(on: Stands) -> None:
    """No server has anything left to do. Raises BenchFailed."""
    for stand in (on.fast, on.safe):
        await settlement.drained(stand.status)
        state = await settlement.state(stand.status)
        if state is None or state.backlog:
            raise BenchFailed(f"settlement of tier {stand.durability} does not come to an end")


@asynccontextmanager
async def on_tcp(url: str) -> AsyncIterator[str]:
    """Valkey listens on loopback as well. Raises BenchFailed."""
    try:
        async with aioredis.Redis.from_url(url) as redis:
            port = _free_port()
            await redis.config_set("bind", LOOPBACK)
            await redis.config_set("port", port)
            try:
                yield f"redis://{LOOPBACK}:{port}"
            finally:
                await redis.config_set("port", 0)
    except RedisError as error:
        raise BenchFailed(f"Redis: {error}") from error


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def runs_of(rounds: int, sizes: Sizes) -> int:
    """How many runs there will be."""
    return sum(1 for _ in heats(bouts(sizes), rounds))


def measure(rounds: int, console: Console, sizes: Sizes = SIZES) -> dict[str, Any]:
    """The whole comparison, on stands of its own that are gone afterwards. Raises as `stands` and `compare` do."""
    screen = Progress(console, runs_of(rounds, sizes))
    with stands(limits_of(SCENARIOS_USED), Screen(console).say) as on:
        return run_loop(_measured(on, rounds, sizes, screen))


async def _measured(on: Stands, rounds: int, sizes: Sizes, screen: Progress) -> dict[str, Any]:
    found = await compare(on, rounds, sizes, screen)
    return document(found.pairs(), rounds, await about(on.fast))


# --- what it comes to -----------------------------------------------------------------------------------------


def pair_of(name: str, setting: str, run_name: str, rival: str, ours: list[int], theirs: list[int]) -> Pair:
    """Rates by round, as ratios by round."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    low, middle, high = (round(value, 3) for value in (min(ratios), median(ratios), max(ratios)))
    return Pair(name, setting, run_name, rival, ours, theirs, middle, low, high)


def document(pairs: Sequence[Pair], rounds: int, what: dict[str, Any]) -> dict[str, Any]:
    """As JSON. Where a ratio was measured in several settings, the lowest is the one that counts."""
    lowest = {name: min((pair for pair in pairs if pair.name == name), key=_ratio) for name in RATIOS}
    return {
        "ratios": {name: pair.ratio for name, pair in lowest.items()},
        "spread": {name: {"low": pair.low, "high": pair.high} for name, pair in lowest.items()},
        "pairs": [pair._asdict() for pair in pairs],
        "rounds": rounds,
        "about": what,
    }


def _ratio(pair: Pair) -> float:
    return pair.ratio


def show(console: Console, told: Mapping[str, Any]) -> None:
    """The table for people."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("ours", "rival"):
        table.add_column(title)
    for title in ("ours/s", "theirs/s", "ratio", "(min–max)", "must"):
        table.add_column(title, justify="right")
    for pair in told["pairs"]:
        must = must_of(pair["name"])
        table.add_row(
            pair["run"],
            pair["rival"],
            f"{median(pair['ours']):,.0f}",
            f"{median(pair['theirs']):,.0f}",
            number(pair["ratio"]),
            f"({number(pair['low'])}–{number(pair['high'])})",
            "–" if must is None else number(must),
        )
    console.print(table, highlight=False)
