"""Our server against the usual alternatives: in turns, on the same stores, with the same durability.

A matchup is one load, put on our server and on one rival or two. Every round plays all matchups, in one round ours
first and in the next one theirs first, so that a change on the machine affects both sides. A ratio is that of the
two rates of one round; the median over the rounds counts, and the spread is reported. There is no warm-up: all
operations of both sides count.

A rival uses the stores as our server does: each durability has a server with stores of its own, which is idle, its
settlement finished, while a rival runs. Users of a rival come over TCP as ours do; the embedded Valkey has no port,
so it gets one for the time of the comparison.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from statistics import median
from typing import Any, Final, NamedTuple

from redis import asyncio as aioredis
from redis.exceptions import RedisError
from rich import box
from rich.console import Console
from rich.table import Table

from bench.compare.matchups import MATCHUPS, Figures, Matchup, Rival, Stands
from bench.compare.targets import RATIOS
from bench.load import settlement, target
from bench.load.generator_pool import BenchFailed
from bench.report.about import about
from bench.report.screen import Screen
from bench.report.words import NONE, number
from bench.scenarios import SCENARIOS
from bench.scenarios.basic import WEBSOCKET
from server.loop import run as run_loop

ROUNDS: Final = 3
LOOPBACK: Final = "127.0.0.1"
LIMITS: Final = {name: value for scenario in SCENARIOS.values() for name, value in scenario.limits.items()}

Results = dict[tuple[str, str], list[Figures]]  # (matchup, "ours" or the rival) -> a run of each round


class Trial(NamedTuple):
    """One run of a comparison; `rival` is None for ours."""

    round: int
    matchup: Matchup
    rival: Rival | None

    @property
    def key(self) -> tuple[str, str]:
        return self.matchup.name, "ours" if self.rival is None else self.rival.name


class Pair(NamedTuple):
    """One matchup against one rival; rates by round."""

    name: str  # key of the ratio
    setting: str
    run: str  # the name of our run
    rival: str
    ours: list[int]
    theirs: list[int]
    ratio: float
    low: float
    high: float


class ComparisonScreen(Screen):
    """A line for each run that has ended; notes of generators are not shown."""

    def __init__(self, console: Console, runs: int) -> None:
        super().__init__(console)
        self._runs = runs
        self._ended = 0

    def say(self, text: str) -> None:
        """Show nothing: too many lines for so many runs."""

    def show_ended(self, name: str, figures: Figures) -> None:
        self._ended += 1
        rate = f"{figures['rate_per_s']:,}/s" if figures["rate_per_s"] else "done"
        errors = ", ".join(f"{count:,} {error}" for error, count in figures.get("errors", {}).items())
        super().say(f"run {self._ended:2} of {self._runs}  {name}: {rate}{errors and f'  ({errors})'}")


def trials(matchups: Sequence[Matchup], rounds: int) -> Iterator[Trial]:
    """All runs in their order: ours first, in the next round theirs first."""
    for number_of_round in range(1, rounds + 1):
        for matchup in matchups:
            sides: list[Rival | None] = [None, *matchup.rivals]
            for side in sides if number_of_round % 2 else reversed(sides):
                yield Trial(number_of_round, matchup, side)


def measure(rounds: int, console: Console, matchups: Sequence[Matchup] = MATCHUPS) -> dict[str, Any]:
    """The whole comparison, on temporary servers. Raises as `start_stands` and `compare` do."""
    screen = ComparisonScreen(console, len(list(trials(matchups, rounds))))

    async def measured(stands: Stands) -> dict[str, Any]:
        results = await compare(stands, rounds, matchups, screen)
        return document(pairs_of(matchups, results), rounds, await about(stands.fast))

    with start_stands(Screen(console).say) as stands:
        return run_loop(measured(stands))


@contextmanager
def start_stands(say: Callable[[str], None]) -> Iterator[Stands]:
    """A server for each durability with stores of its own, and the bare one. Raises ServerFailed, EmbeddedError."""
    with (
        target.own_server("redis", LIMITS, say, sections=WEBSOCKET) as fast,
        target.own_server("postgres", LIMITS, lambda _: None, sections=WEBSOCKET) as safe,  # the config is the same
        target.bare_server() as bare,
        target.redis_service(fast, "usual") as usual,
        target.redis_service(fast, "lean") as lean,
    ):
        yield Stands(fast, safe, bare, usual, lean)


async def compare(stands: Stands, rounds: int, matchups: Sequence[Matchup], screen: ComparisonScreen) -> Results:
    """Run all trials. Raises BenchFailed, ServerFailed, StoreUnavailable."""
    results: Results = {}
    async with valkey_on_tcp(stands.fast.redis_url) as redis_url:
        for trial in trials(matchups, rounds):
            await _wait_until_idle(stands)
            side = trial.matchup if trial.rival is None else trial.rival
            figures = await side.play(stands._replace(redis_url=redis_url), screen)
            name = ", ".join(trial.key)
            screen.show_ended(f"round {trial.round}  {name}", figures)
            if not figures["rate_per_s"]:
                raise BenchFailed(f"{name}: nothing was measured")
            results.setdefault(trial.key, []).append(figures)
    return results


async def _wait_until_idle(stands: Stands) -> None:
    """Wait for settlement. Raises BenchFailed."""
    for stand in (stands.fast, stands.safe):
        await settlement.wait_until_drained(stand.status)
        state = await settlement.state(stand.status)
        if state is None or state.backlog:
            raise BenchFailed(f"settlement with durability {stand.durability} does not finish")


@asynccontextmanager
async def valkey_on_tcp(url: str) -> AsyncIterator[str]:
    """Valkey listens on loopback too; the url there. Raises BenchFailed."""
    try:
        async with aioredis.Redis.from_url(url) as redis:
            with socket.create_server((LOOPBACK, 0)) as probe:
                port = probe.getsockname()[1]
            await redis.config_set("bind", LOOPBACK)
            await redis.config_set("port", port)
            try:
                yield f"redis://{LOOPBACK}:{port}"
            finally:
                await redis.config_set("port", 0)
    except RedisError as error:
        raise BenchFailed(f"Redis: {error}") from error


def pairs_of(matchups: Sequence[Matchup], results: Results) -> list[Pair]:
    rates = {key: [figures["rate_per_s"] for figures in runs] for key, runs in results.items()}
    return [
        pair_of(
            rival.ratio, one.setting, one.name, rival.name, rates[one.name, "ours"], rates[one.name, rival.name]
        )
        for one in matchups
        for rival in one.rivals
    ]


def pair_of(name: str, setting: str, run_name: str, rival: str, ours: list[int], theirs: list[int]) -> Pair:
    """The ratios of the rounds: median, lowest and highest."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    low, middle, high = (round(value, 3) for value in (min(ratios), median(ratios), max(ratios)))
    return Pair(name, setting, run_name, rival, ours, theirs, middle, low, high)


def document(pairs: Sequence[Pair], rounds: int, facts: dict[str, Any]) -> dict[str, Any]:
    """The comparison as JSON. Of a ratio that was measured in several settings, the lowest counts."""
    lowest = {
        name: min((pair for pair in pairs if pair.name == name), key=lambda pair: pair.ratio) for name in RATIOS
    }
    return {
        "ratios": {name: pair.ratio for name, pair in lowest.items()},
        "spread": {name: {"low": pair.low, "high": pair.high} for name, pair in lowest.items()},
        "pairs": [pair._asdict() for pair in pairs],
        "rounds": rounds,
        "about": facts,
    }


def show(console: Console, comparison: Mapping[str, Any]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("ours", "rival", "ours/s", "theirs/s", "ratio", "(min–max)", "required"):
        table.add_column(title, justify="left" if title in ("ours", "rival") else "right")
    for pair in comparison["pairs"]:
        table.add_row(
            pair["run"],
            pair["rival"],
            f"{median(pair['ours']):,.0f}",
            f"{median(pair['theirs']):,.0f}",
            number(pair["ratio"]),
            f"({number(pair['low'])}–{number(pair['high'])})",
            number(RATIOS[pair["name"]].required or 0) if pair["name"] in RATIOS else NONE,
        )
    console.print(table, highlight=False)
