"""`hongbao bench`: one command for each scenario, all with the same options."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
import msgspec
from cyclopts import Parameter
from rich.console import Console

from bench.compare import compare, document, guard, suite
from bench.load import target as ground_module
from bench.load.findmax import at_maximum, find_max
from bench.load.run import run
from bench.load.run_spec import RunSpec
from bench.load.target import GENERATORS_MAX, Target, connections_max
from bench.report import page
from bench.report.screen import Screen, show
from bench.scenarios import SCENARIOS
from server.cli.numbers import Count, Rate, Seconds, Seed
from server.loop import run as run_loop

DATA = Path(".hongbao")
SECONDS = 10.0
STEP_SECONDS = 5.0  # of each step of --find-max

bench_cli = cyclopts.App(
    name="bench",
    help="""Measure a server under load, then check the books: exit 1 if they contradict what users were told.

    It starts fresh stores and a server of its own, or takes the one at --url. Open loop unless you say --closed:
    users act when a seeded plan says so, and a latency counts from that moment, however late the request leaves.

    Example: hongbao bench opens --rate 10000 --seconds 10 --json opens.json
    """,
    result_action="return_value",
)


def _option(help_text: str, name: str | None = None) -> Parameter:
    return Parameter(name=name, help=help_text)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run can be told; None is what the scenario does by itself."""

    rate: Annotated[Rate | None, _option("open loop: turns that begin per second")] = None
    seconds: Annotated[Seconds | None, _option("open loop: for how long (default 10; a step of --find-max: 5)")] = (
        None
    )
    closed: Annotated[bool, Parameter(help="closed loop: the next turn begins when one has ended", negative="")] = (
        False
    )
    connections: Annotated[Count | None, _option("users, each on a connection")] = None
    depth: Annotated[Count | None, _option("closed loop: turns in flight on each connection")] = None
    requests: Annotated[Count | None, _option("closed loop: turns in all")] = None
    find_max: Annotated[
        bool, Parameter(help="search the highest rate whose p99 stays under --p99-ms, from --rate on", negative="")
    ] = False
    p99_ms: Annotated[Rate | None, _option("--find-max: the bound in ms")] = None
    durability: Annotated[Literal["postgres", "redis"] | None, _option('when "won" is said (default postgres)')] = (
        None
    )
    warmup_s: Annotated[
        float | None, _option("seconds that do not count (default 1; closed loop: a tenth of the turns)")
    ] = None
    seed: Annotated[Seed, _option("the same seed gives the same arrivals")] = 1
    generators: Annotated[Count, _option("processes that make the load")] = 1
    url: Annotated[str | None, _option("measure this server (tcp:// or tls://) instead of one of our own")] = None
    ca_file: Annotated[Path | None, _option("--url tls://: PEM of whom to believe, instead of the system's")] = None
    data: Annotated[Path, _option("--url: folder of the keys, and of the stores if it uses embedded ones")] = DATA
    postgres: Annotated[str | None, _option("--url: DSN of its records, which the verdict needs")] = None
    json_file: Annotated[Path | None, _option("write all figures to this file", "--json")] = None
    report: Annotated[Path | None, _option("write a page with the curves into this folder")] = None


def order_of(scenario: str, options: Options) -> RunSpec:
    """What a command line asks for. Raises ValueError, one line."""
    kind = SCENARIOS[scenario]
    standard = kind.standard
    is_open = bool(options.rate or options.find_max or standard.rate_per_s) and not options.closed
    for wrong, why in _contradictions(options, scenario, is_open):
        if wrong:
            raise ValueError(why)
    order = RunSpec(
        scenario=scenario,
        connections=_or(options.connections, standard.connections),
        warmup_s=options.warmup_s,
        seed=options.seed,
        generators=options.generators,
    )
    if not is_open:
        return msgspec.structs.replace(
            order,
            depth=_or(options.depth, standard.depth),
            requests=_or(options.requests, standard.requests_of(order.connections)),
            seconds=_or(options.seconds, standard.seconds),
        )
    seconds = _or(options.seconds, STEP_SECONDS if options.find_max else SECONDS)
    if options.warmup_s is not None and options.warmup_s >= seconds:
        raise ValueError(f"a warm-up of {options.warmup_s:g} s leaves nothing of {seconds:g} s to measure")
    return msgspec.structs.replace(order, rate_per_s=_or(options.rate, standard.rate_per_s), seconds=seconds)


def _contradictions(options: Options, scenario: str, is_open: bool) -> list[tuple[bool, str]]:
    kind = SCENARIOS[scenario]
    unusable = " and ".join(name for name in kind.refuses if _is_given(name, options))
    connections = _or(options.connections, kind.standard.connections)
    lasts = bool(kind.standard.seconds)
    of_open = (options.rate, None if lasts else options.seconds, options.p99_ms, options.find_max or None)
    of_closed = (options.depth, options.requests)
    numbers = (*of_open, *of_closed, options.seconds, options.connections, options.generators)
    start_per_s = options.rate or kind.standard.rate_per_s
    is_tls = options.url is not None and options.url.startswith("tls://")
    return [
        (bool(unusable), f"{scenario} takes no {unusable}: {kind.because}"),
        (any(number is not None and number <= 0 for number in numbers), "rates, times and counts are above 0"),
        (options.warmup_s is not None and options.warmup_s < 0, "a warm-up takes 0 s or more"),
        (
            not is_open and any(one is not None for one in of_open),
            "--rate, --seconds, --find-max and --p99-ms only without --closed"
            if options.closed
            else f"{scenario} is a closed loop unless you say --rate",
        ),
        (is_open and not start_per_s, f"{scenario} --find-max needs a --rate to begin with"),
        (is_open and any(one is not None for one in of_closed), "--depth and --requests only with --closed"),
        (options.find_max != (options.p99_ms is not None), "--find-max and --p99-ms belong together"),
        (not _writable(options.json_file), f"there is no folder for {options.json_file}"),
        (options.generators > GENERATORS_MAX, f"at most {GENERATORS_MAX} generators"),
        (connections < options.generators, "every generator needs a connection"),
        (
            connections > connections_max(),
            f"at most {connections_max():,} connections: each is an open file, and a process may not have more",
        ),
        (options.url is not None and options.durability is not None, "the server at --url has its own durability"),
        (options.url is None and options.postgres is not None, "--postgres only with --url"),
        (options.ca_file is not None and not is_tls, "--ca-file only with --url tls://"),
        (options.ca_file is not None and not options.ca_file.is_file(), f"there is no file {options.ca_file}"),
        (is_tls and not kind.speaks_tls, f"{scenario} takes no tls://: its dialer speaks tcp only"),
    ]


def _is_given(name: str, options: Options) -> bool:
    attribute = name.removeprefix("--").replace("-", "_")
    return bool(getattr(options, attribute) != getattr(Options(), attribute))


def _writable(file: Path | None) -> bool:
    return file is None or file.parent.is_dir()


def _or(given: Any, standard: Any) -> Any:
    return standard if given is None else given


def execute(scenario: str, options: Options) -> int:
    """A whole command; its exit code. Raises what the command line expects."""
    order = order_of(scenario, options)
    screen = Screen(Console())
    if options.url is not None:
        figures = run_loop(_on_theirs(order, options, screen))
    else:
        with _ground(scenario, options, screen) as ground:
            figures = run_loop(measured(ground, order, options, screen))
    show(screen.console, figures)
    _write(figures, options)
    return 0 if figures["valid"] else 1


def _ground(scenario: str, options: Options, screen: Screen) -> AbstractContextManager[Target]:
    kind = SCENARIOS[scenario]
    if kind.server == "bare":
        return ground_module.ceiling()
    return ground_module.own(options.durability or "postgres", kind.limits, screen.say)


async def _on_theirs(order: RunSpec, options: Options, screen: Screen) -> dict[str, Any]:
    ca_file = None if options.ca_file is None else str(options.ca_file)
    ground = await ground_module.theirs(options.url or "", options.data, options.postgres or "", ca_file)
    return await measured(ground, order, options, screen)


async def measured(ground: Target, order: RunSpec, options: Options, screen: Screen) -> dict[str, Any]:
    """The figures of a run, or of the one that a search for the maximum ends with. Raises as `run` does."""

    async def play(one: RunSpec) -> dict[str, Any]:
        return await run(ground, one, screen)

    async def at(rate_per_s: float) -> dict[str, Any]:
        return await play(msgspec.structs.replace(order, rate_per_s=rate_per_s))

    if options.p99_ms is not None:
        return await find_max(order.rate_per_s, options.p99_ms, at, screen.say)
    maximum_of = SCENARIOS[order.scenario].maximum_of
    if maximum_of and options.rate is None:
        return await at_maximum(order, maximum_of, play, screen.say)
    return await play(order)


def _write(figures: dict[str, Any], options: Options) -> None:
    _write_json(figures, options.json_file)
    if options.report is not None:
        print(f"report: {page.write([figures], options.report)}")


def _command(scenario: str) -> Callable[..., int]:
    def command(options: Options = Options()) -> int:
        return execute(scenario, options)

    about = SCENARIOS[scenario].about
    command.__doc__ = (
        f"{about[0].upper()}{about[1:]}.\n\nExample: hongbao bench {scenario} --closed --json figures.json"
    )
    return command


for _scenario in SCENARIOS:
    bench_cli.command(_command(_scenario), name=_scenario)
bench_cli.command(guard.command, name="guard")


# --- all of them ----------------------------------------------------------------------------------------------

Rounds = Annotated[Count, _option("how often everything that is compared runs")]
JsonFile = Annotated[Path | None, _option("write all figures to this file", "--json")]


@bench_cli.command(name="compare")
def compare_command(*, rounds: Rounds = compare.ROUNDS, json_file: JsonFile = None) -> int:
    """Ours against redis-lua, sql-lock and echo, in turns on the same stores: ratios, median and spread.

    Example: hongbao bench compare --json ratios.json
    """
    _check(json_file)
    told = compare.measure(rounds, Console())
    compare.show(Console(), told)
    _write_json(told, json_file)
    return 0


@bench_cli.command(name="short")
def short_command(
    *,
    rounds: Rounds = compare.ROUNDS,
    write: Annotated[Path | None, _option("write the page here (default docs/benchmarks.md)")] = None,
    json_file: JsonFile = None,
) -> int:
    """The comparison and every scenario once, about three minutes: writes docs/benchmarks.md.

    The section by hand of a page that is there already stays as it is.

    Example: hongbao bench short --write benchmarks.md --json benchmarks.json
    """
    file = write or document.PAGE
    _check(json_file, file)
    document.kept(file)  # a section by hand that cannot be kept is to be known before everything is measured
    told = suite.measure(rounds, Console())
    compare.show(Console(), told)
    _write_json(told, json_file)
    document.write(told, file)
    print(f"page: {file}")
    return 0


def _check(*files: Path | None) -> None:
    for file in files:
        if not _writable(file):
            raise ValueError(f"there is no folder for {file}")


def _write_json(figures: dict[str, Any], file: Path | None) -> None:
    if file is not None:
        file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", "utf-8")
