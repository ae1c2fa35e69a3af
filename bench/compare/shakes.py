"""What shakes cost: losing ones against the bare echo, wins against opens, and opens beside a shaking crowd.

All is measured in one command, in rounds, on the same machine, because only ratios of the same minutes mean
something: a losing shake against the bare server that answers a frame of the same length; wins against opens, which
take the same way to the record; and the p99 of opens at a rate, alone and while a crowd shakes. Crowd and
generators are processes of the same machine and use its cores.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from cyclopts import Parameter
from msgspec.structs import replace
from rich.console import Console

from bench.load.generator_pool import GeneratorPool
from bench.load.run import run
from bench.load.run_spec import RunSpec
from bench.load.target import Target, bare_server, own_server
from bench.report.files import check_folder
from bench.report.screen import Screen
from server.cli.shared.numbers import Count, Rate, Seconds, Seed
from server.loop import run as run_loop

SHAKERS: Final = 200
WINNERS: Final = 1_000
DEPTH: Final = 8
SHAKES: Final = 200_000
WINS: Final = 20_000
OPENS_PER_S: Final = 1_000.0
SHAKES_PER_S: Final = 3_000.0
CROWD_S: Final = 600.0  # the crowd shakes until it is ended
ECHO_LEAST: Final = 0.85
WINS_LEAST: Final = 1.0
P99_MOST: Final = 2.0
RIVAL_PER_CORE: Final = 60_000 / 8  # shakes a second of 10billionhongbaos, in memory alone
RIVAL_LEAST: Final = 1.25


class Round(NamedTuple):
    """Rates a second, latencies in ms. `_us`: processor time of the server, µs each. `valid`: all books hold."""

    echo_per_s: float
    shakes_per_s: float
    echo_us: float
    shakes_us: float
    wins_per_s: float
    opens_per_s: float
    alone_p99_ms: float
    beside_p99_ms: float
    valid: bool


class Sizes(NamedTuple):
    """How much is measured."""

    shakes: int
    wins: int
    opens_per_s: float
    shakes_per_s: float
    seconds: float
    seed: int

    def closed(self, scenario: str, connections: int, depth: int, requests: int) -> RunSpec:
        """A closed loop."""
        return RunSpec(scenario, connections, depth=depth, requests=requests, seed=self.seed)


async def play(bare: Target, ours: Target, sizes: Sizes, screen: Screen) -> Round:
    """One round. Raises BenchFailed, ServerFailed, StoreUnavailable."""
    echo = await run(bare, sizes.closed("echo", SHAKERS, DEPTH, sizes.shakes), screen)
    shakes = await run(ours, sizes.closed("shakes", SHAKERS, DEPTH, sizes.shakes), screen)
    wins = await run(ours, sizes.closed("wins", WINNERS, 1, sizes.wins), screen)
    opens = await run(ours, sizes.closed("opens", WINNERS, 1, sizes.wins), screen)
    spec = RunSpec("opens", SHAKERS, rate_per_s=sizes.opens_per_s, seconds=sizes.seconds, seed=sizes.seed)
    alone = await run(ours, spec, screen)
    async with _shaking(ours, sizes, screen):
        beside = await run(ours, spec, screen)
    every = (shakes, wins, opens, alone, beside)
    return Round(
        echo["rate_per_s"],
        shakes["rate_per_s"],
        _server_us(echo),
        _server_us(shakes),
        wins["rate_per_s"],
        opens["rate_per_s"],
        alone["latency_ms"]["p99"],
        beside["latency_ms"]["p99"],
        all(one["valid"] for one in every),
    )


def _server_us(figures: dict[str, Any]) -> float:
    """Processor time of the server for each operation, µs."""
    used_s, answered = float(figures["cpu_s"]["server"]), sum(figures["answers"].values())
    return float(used_s * 1e6 / max(1, answered))


@asynccontextmanager
async def _shaking(target: Target, sizes: Sizes, screen: Screen) -> AsyncIterator[None]:
    """A crowd shakes all the time inside."""
    spec = RunSpec("shakes", SHAKERS, rate_per_s=sizes.shakes_per_s, seconds=CROWD_S, seed=sizes.seed)
    async with GeneratorPool(target.generator_specs(replace(spec, warmup_s=0.0)), screen.say) as pool:
        await pool.prepared()
        pool.go()
        yield


def figures_of(rounds: list[Round]) -> dict[str, Any]:
    """Medians, their ratios, and whether each is within its bound."""
    median = {
        name: round(statistics.median(getattr(one, name) for one in rounds), 3)
        for name in Round._fields
        if name != "valid"
    }
    ratios = {
        "shakes_to_echo": statistics.median(one.shakes_per_s / one.echo_per_s for one in rounds),
        "wins_to_opens": statistics.median(one.wins_per_s / one.opens_per_s for one in rounds),
        "p99_beside_to_alone": statistics.median(one.beside_p99_ms / one.alone_p99_ms for one in rounds),
        "shakes_to_rival_per_core": median["shakes_per_s"] / RIVAL_PER_CORE,
    }
    return {
        "rounds": [one._asdict() for one in rounds],
        "median": median,
        "ratio": {name: round(value, 3) for name, value in ratios.items()},
        "within": {
            "shakes_to_echo": ratios["shakes_to_echo"] >= ECHO_LEAST,
            "wins_to_opens": ratios["wins_to_opens"] >= WINS_LEAST,
            "p99_beside_to_alone": ratios["p99_beside_to_alone"] <= P99_MOST,
            "shakes_to_rival_per_core": ratios["shakes_to_rival_per_core"] >= RIVAL_LEAST,
        },
        "valid": all(one.valid for one in rounds),
    }


def lines_of(figures: dict[str, Any]) -> list[str]:
    """The verdict."""
    median, ratio = figures["median"], figures["ratio"]
    words = {name: "within" if holds else "NOT within" for name, holds in figures["within"].items()}
    return [
        f"losing shakes  {median['shakes_per_s']:,.0f}/s, bare echo {median['echo_per_s']:,.0f}/s: "
        f"{ratio['shakes_to_echo']:.2f}, {words['shakes_to_echo']} ≥ {ECHO_LEAST}; "
        f"in the server {median['shakes_us']:.1f} µs each, echo {median['echo_us']:.1f}",
        f"per core       {ratio['shakes_to_rival_per_core']:.2f} × 10billionhongbaos (60,000/s on 8 cores), "
        f"{words['shakes_to_rival_per_core']} ≥ {RIVAL_LEAST}",
        f"wins           {median['wins_per_s']:,.0f}/s, opens {median['opens_per_s']:,.0f}/s: "
        f"{ratio['wins_to_opens']:.2f}, {words['wins_to_opens']} ≥ {WINS_LEAST:g}",
        f"opens, p99     {median['alone_p99_ms']:.2f} ms alone, {median['beside_p99_ms']:.2f} ms beside the crowd: "
        f"{ratio['p99_beside_to_alone']:.2f}, {words['p99_beside_to_alone']} ≤ {P99_MOST:g}",
        f"money verdict: {'holds' if figures['valid'] else 'INVALID'}",
    ]


def command(
    *,
    shakes: Annotated[Count, Parameter(help="losing shakes of a round, and as many echoes")] = SHAKES,
    wins: Annotated[Count, Parameter(help="wins of a round, and as many opens")] = WINS,
    rate: Annotated[Rate, Parameter(help="opens that begin per second, alone and beside the crowd")] = OPENS_PER_S,
    crowd_rate: Annotated[Rate, Parameter(help="shakes of the crowd per second")] = SHAKES_PER_S,
    seconds: Annotated[Seconds, Parameter(help="of opens alone, and beside the crowd")] = 5.0,
    rounds: Annotated[Count, Parameter(help="how often all of it is measured")] = 3,
    seed: Annotated[Seed, Parameter(help="the same seed gives the same arrivals")] = 1,
    json_file: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """Shakes that lose against the bare echo, wins against opens, opens beside a shaking crowd, in rounds.

    Exit 1 if the books do not hold. The comparison is printed: it means little on a machine that others use.

    Example: hongbao bench shake --rounds 5 --json shake.json
    """
    check_folder(json_file)
    screen = Screen(Console())
    sizes = Sizes(shakes, wins, rate, crowd_rate, seconds, seed)
    with bare_server() as bare, own_server("postgres", {}, screen.say) as ours:
        figures = figures_of([run_loop(play(bare, ours, sizes, screen)) for _ in range(rounds)])
    for line in lines_of(figures):
        screen.say(line)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2))
    return 0 if figures["valid"] else 1
