"""`hongbao bench`: one command for each scenario, all with the same options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter
from msgspec.structs import replace
from rich.console import Console

from bench.analysis import report_cost
from bench.compare import compare, document, guard, payments, pool, scale, shakes, suite
from bench.load import target as targets
from bench.load.findmax import find_max, run_at_maximum
from bench.load.run import run
from bench.load.run_spec import RunSpec
from bench.load.target import GENERATORS_MAX, Target, connections_max
from bench.report import page
from bench.report.files import check_folder, write_json
from bench.report.screen import Screen, show
from bench.scenarios import SCENARIOS
from server.cli.shared.numbers import Count, Rate, Seconds, Seed
from server.loop import run as run_loop

DATA = Path(".hongbao")
SECONDS = 10.0
STEP_SECONDS = 5.0  # of each step of --find-max

bench_cli = cyclopts.App(
    name="bench",
    help="""Measure a server under load, then check its books: exit 1 if they contradict what users were told.

    It starts a server on fresh stores, or uses the one at --url. The loop is open unless you add --closed: users
    act at moments that are planned from a seed, and a latency counts from that moment, however late the request
    leaves.

    Example: hongbao bench opens --rate 10000 --seconds 10 --json opens.json
    """,
    result_action="return_value",
)


def _help(text: str, name: str | None = None) -> Parameter:
    return Parameter(name=name, help=text, negative="")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a run; None is the scenario's standard."""

    rate: Annotated[Rate | None, _help("open loop: operations that begin per second")] = None
    seconds: Annotated[Seconds | None, _help("open loop: duration (default 10; a step of --find-max: 5)")] = None
    closed: Annotated[bool, _help("closed loop: an operation begins when the one before it has ended")] = False
    connections: Annotated[Count | None, _help("users, each on one connection")] = None
    depth: Annotated[Count | None, _help("closed loop: operations in flight on each connection")] = None
    requests: Annotated[Count | None, _help("closed loop: number of operations in all")] = None
    find_max: Annotated[bool, _help("find the highest rate whose p99 stays under --p99-ms, from --rate on")] = False
    p99_ms: Annotated[Rate | None, _help("--find-max: the bound in ms")] = None
    durability: Annotated[
        Literal["postgres", "redis"] | None,
        _help('the store that has a claim before "won" is answered (default postgres)'),
    ] = None
    warmup_s: Annotated[
        float | None, _help("seconds that do not count (default 1; closed loop: a tenth of the operations)")
    ] = None
    seed: Annotated[Seed, _help("the same seed gives the same arrivals")] = 1
    generators: Annotated[Count, _help("processes that generate the load")] = 1
    url: Annotated[str | None, _help("measure this server (tcp, tls, ws or wss) instead of a new one")] = None
    ca_file: Annotated[Path | None, _help("--url tls:// or wss://: CA file to trust, instead of the system's")] = (
        None
    )
    data: Annotated[Path, _help("--url: folder of the keys, and of the stores if it uses embedded ones")] = DATA
    postgres: Annotated[str | None, _help("--url: DSN of its records, which the verdict needs")] = None
    json_file: Annotated[Path | None, _help("write all figures to this file", "--json")] = None
    report: Annotated[Path | None, _help("write an HTML page with charts into this folder")] = None


def spec_of(scenario: str, options: Options) -> RunSpec:
    """The run that a command line asks for. Raises ValueError, one line."""
    standard = SCENARIOS[scenario].standard
    is_open = bool(options.rate or options.find_max or standard.rate_per_s) and not options.closed
    seconds = options.seconds or ((STEP_SECONDS if options.find_max else SECONDS) if is_open else standard.seconds)
    connections = options.connections or standard.connections
    check_folder(options.json_file)
    for is_wrong, reason in _wrong(options, scenario, is_open):
        if is_wrong:
            raise ValueError(reason)
    spec = RunSpec(
        scenario=scenario,
        connections=connections,
        warmup_s=options.warmup_s,
        seconds=seconds,
        seed=options.seed,
        generators=max(options.generators, standard.generators),
    )
    if not is_open:
        requests = options.requests or standard.requests_of(connections)
        return replace(spec, depth=options.depth or standard.depth, requests=requests)
    if options.warmup_s is not None and options.warmup_s >= seconds:
        raise ValueError(f"a warm-up of {options.warmup_s:g} s leaves nothing of {seconds:g} s to measure")
    return replace(spec, rate_per_s=options.rate or standard.rate_per_s)


def _wrong(options: Options, scenario: str, is_open: bool) -> Iterator[tuple[bool, str]]:
    """All checks of a command line: whether it is wrong, and the message."""
    kind, standard = SCENARIOS[scenario], SCENARIOS[scenario].standard
    only_closed = (options.depth, options.requests)
    only_open = (
        options.rate,
        options.p99_ms,
        options.find_max or None,
        None if standard.seconds else options.seconds,
    )
    numbers = (*only_closed, *only_open, options.seconds, options.connections, options.generators)
    yield any(number is not None and number <= 0 for number in numbers), "rates, times and counts are above 0"
    yield options.warmup_s is not None and options.warmup_s < 0, "a warm-up takes 0 s or more"

    unusable = " and ".join(name for name in kind.refuses if _is_given(name, options))
    yield bool(unusable), f"{scenario} takes no {unusable}: {kind.because}"
    connections, most = options.connections or standard.connections, connections_max()
    yield options.generators > GENERATORS_MAX, f"at most {GENERATORS_MAX} generators"
    yield connections < options.generators, "every generator needs a connection"
    yield connections > most, f"at most {most:,} connections: each is an open file, whose number is limited"

    reason = f"{scenario} is a closed loop without --rate"
    if options.closed:
        reason = "--rate, --seconds, --find-max and --p99-ms only without --closed"
    yield not is_open and any(one is not None for one in only_open), reason
    yield (
        is_open and not (options.rate or standard.rate_per_s),
        f"{scenario} --find-max needs a --rate to begin with",
    )
    yield is_open and any(one is not None for one in only_closed), "--depth and --requests only with --closed"
    yield options.find_max != (options.p99_ms is not None), "--find-max and --p99-ms belong together"

    is_tls, ca_file = (options.url or "").startswith(("tls://", "wss://")), options.ca_file
    yield bool(options.url and options.durability), "the server at --url has its own durability"
    yield options.postgres is not None and options.url is None, "--postgres only with --url"
    yield ca_file is not None and not is_tls, "--ca-file only with --url tls:// or wss://"
    yield ca_file is not None and not ca_file.is_file(), f"there is no file {ca_file}"
    yield is_tls and not kind.supports_tls, f"{scenario} takes no tls://: its dialer uses tcp only"


def _is_given(name: str, options: Options) -> bool:
    attribute = name.removeprefix("--").replace("-", "_")
    return bool(getattr(options, attribute) != getattr(Options(), attribute))


def execute(scenario: str, options: Options) -> int:
    """A whole command; returns the exit code. Raises the exceptions that the command line expects."""
    kind, spec, screen = SCENARIOS[scenario], spec_of(scenario, options), Screen(Console())
    if options.url is not None:
        figures = run_loop(_measure_running(options.url, spec, options, screen))
    else:
        server = targets.own_server(
            options.durability or "postgres", kind.limits, screen.say, sections=kind.sections
        )
        with targets.bare_server() if kind.server == "bare" else server as target:
            figures = run_loop(measure(target, spec, options, screen))
    show(screen.console, figures)
    write_json(figures, options.json_file)
    if options.report is not None:
        print(f"report: {page.write(figures, options.report)}")
    beyond = kind.beyond(figures["extra"])
    for line in beyond:
        print(line)
    return 0 if figures["valid"] and not beyond else 1


async def _measure_running(url: str, spec: RunSpec, options: Options, screen: Screen) -> dict[str, Any]:
    ca_file = None if options.ca_file is None else str(options.ca_file)
    target = await targets.running_server(url, options.data, options.postgres or "", ca_file)
    return await measure(target, spec, options, screen)


async def measure(target: Target, spec: RunSpec, options: Options, screen: Screen) -> dict[str, Any]:
    """The figures of a run, or of the last run of a search for the maximum. Raises as `run` does."""

    async def run_one(one: RunSpec) -> dict[str, Any]:
        return await run(target, one, screen)

    async def run_at(rate_per_s: float) -> dict[str, Any]:
        return await run_one(replace(spec, rate_per_s=rate_per_s))

    if options.p99_ms is not None:
        return await find_max(spec.rate_per_s, options.p99_ms, run_at, screen.say)
    maximum_of = SCENARIOS[spec.scenario].maximum_of
    if maximum_of and options.rate is None:
        return await run_at_maximum(spec, maximum_of, run_one, screen.say)
    return await run_one(spec)


def _command(scenario: str) -> Callable[..., int]:
    def command(options: Options = Options()) -> int:
        return execute(scenario, options)

    about = SCENARIOS[scenario].about
    example = f"Example: hongbao bench {scenario} --closed --json figures.json"
    command.__doc__ = f"{about[0].upper()}{about[1:]}.\n\n{example}"
    return command


for _scenario in SCENARIOS:
    bench_cli.command(_command(_scenario), name=_scenario)
bench_cli.command(guard.command, name="guard")
bench_cli.command(payments.command, name="payments")
bench_cli.command(shakes.command, name="shake")
bench_cli.command(scale.command, name="scale")
bench_cli.command(pool.command, name="pool")
bench_cli.command(report_cost.command, name="report")


# --- all scenarios --------------------------------------------------------------------------------------------

Rounds = Annotated[Count, _help("how often each comparison runs")]
JsonFile = Annotated[Path | None, _help("write all figures to this file", "--json")]


@bench_cli.command(name="compare")
def compare_command(*, rounds: Rounds = compare.ROUNDS, json_file: JsonFile = None) -> int:
    """Our server against redis-lua, sql-lock and echo, in turns on the same stores: ratios, median and spread.

    Example: hongbao bench compare --json ratios.json
    """
    check_folder(json_file)
    comparison = compare.measure(rounds, Console())
    compare.show(Console(), comparison)
    write_json(comparison, json_file)
    return 0


@bench_cli.command(name="short")
def short_command(
    *,
    rounds: Rounds = compare.ROUNDS,
    write: Annotated[Path | None, _help("write the page to this file (default docs/benchmarks.md)")] = None,
    json_file: JsonFile = None,
) -> int:
    """The comparison and every scenario once, about five minutes: writes docs/benchmarks.md.

    The section by hand of an existing page stays as it is.

    Example: hongbao bench short --write benchmarks.md --json benchmarks.json
    """
    file = write or document.PAGE
    check_folder(json_file)
    check_folder(file)
    document.section_by_hand(file)  # a damaged section by hand must be known before the measurement
    measured = suite.measure(rounds, Console())
    compare.show(Console(), measured)
    write_json(measured, json_file)
    document.write(measured, file)
    print(f"page: {file}")
    return 0
