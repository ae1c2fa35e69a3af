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

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from cyclopts import Parameter
from rich.console import Console

from bench.compare.checkout import Checkout, checked_out, this
from bench.compare.guard_report import Lines, show
from bench.compare.match import Extent, Match, Side, SideName, cores
from bench.load.generator_pool import BenchFailed
from bench.load.run_spec import RunSpec
from bench.load.target import own_server, with_bare_server
from bench.scenarios import SCENARIOS
from server.loop import run as run_loop

CaseName = Literal[
    "opens-1000x1-postgres",
    "opens-200x8-postgres",
    "opens-1000x1-redis",
    "opens-200x8-redis",
    "grab",
    "push",
    "login",
    "send",
]


def _closed(scenario: str, connections: int, depth: int, requests: int) -> RunSpec:
    return RunSpec(scenario, connections, depth, requests, warmup_s=0.0)


# Durability, and the order of a warm-up of standard length: it tells how many requests fill a given time.
CASES: Final[dict[CaseName, tuple[str, RunSpec]]] = {
    "opens-1000x1-postgres": ("postgres", _closed("opens", 1_000, 1, 10_000)),
    "opens-200x8-postgres": ("postgres", _closed("opens", 200, 8, 10_000)),
    "opens-1000x1-redis": ("redis", _closed("opens", 1_000, 1, 10_000)),
    "opens-200x8-redis": ("redis", _closed("opens", 200, 8, 10_000)),
    "grab": ("postgres", _closed("grab", 200, 1, 10_000)),
    "push": ("postgres", _closed("push", 2_000, 4, 12)),
    "login": ("postgres", _closed("login", 2_000, 256, 10_000)),
    "send": ("postgres", _closed("send", 200, 1, 10_000)),
}


STANDARD: Final = Extent()


def measure(
    revision: str, names: Sequence[CaseName], extent: Extent, console: Console, new_config: str = ""
) -> dict[str, Any]:
    """All these cases. `new_config`: TOML that only the new server has besides.

    Raises BenchFailed, ServerFailed, EmbeddedError, StoreUnavailable.
    """
    began_s, screen = time.perf_counter(), Lines(console)
    new = this()
    with checked_out(revision, new) as old:
        for side, checkout in (("old", old), ("new", new)):
            checkout.check_imports()
            screen.tell(f"{side}: {checkout.compile_modules() or 'pure Python: it has no compiled modules'}")
        cases = [_case(name, {"old": old, "new": new}, extent, screen, new_config) for name in names]
    told = {"against": revision, "commit_old": old.commit, "new_config": new_config, **asdict(extent)}
    return told | {"cases": cases, "took_s": round(time.perf_counter() - began_s)}


def _case(
    name: CaseName, checkouts: dict[SideName, Checkout], extent: Extent, screen: Lines, new_config: str
) -> dict[str, Any]:
    durability, run_spec = CASES[name]
    requests = max(1, round(run_spec.requests * extent.seconds / STANDARD.seconds))
    run_spec = msgspec.structs.replace(run_spec, requests=requests)
    scenario = SCENARIOS[run_spec.scenario]
    with ExitStack() as stack:
        sides = {}
        for side, checkout in checkouts.items():
            sections = new_config if side == "new" else ""
            program = checkout.program, checkout.limits, sections
            server = own_server(durability, scenario.limits, screen.say, *program)
            target = stack.enter_context(server)
            if scenario.server == "both":
                target = stack.enter_context(with_bare_server(target))
            sides[side] = Side(checkout, target)
            os.sched_setaffinity(target.pids.server, cores().server)
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
    extent: Extent = STANDARD,
    new_config: Annotated[Path | None, Parameter(help="TOML that only the new server has: the cost of it")] = None,
    json_file: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """This checkout against another revision: exit 1 if a request costs the server more processor time.

    Both servers are measured in turns, in up to 15 pairs of runs for each of eight cases, until the ratio is known
    to ±3 %: 10 to 25 minutes. Without exit 1 a case is "ok", or "unclear" if the ratio stays less well known.

    Example: hongbao bench guard --against HEAD~1 --case grab --json guard.json

    Example: hongbao bench guard --against HEAD --new-config risk.toml --case opens-1000x1-postgres
    """
    if extent.pairs < 2:
        raise ValueError("an interval needs two --pairs or more")
    if json_file is not None and not json_file.parent.is_dir():
        raise ValueError(f"there is no folder for {json_file}")
    console = Console()
    sections = new_config.read_text() if new_config is not None else ""
    told = measure(against, case or list(CASES), extent, console, sections)
    show(console, told["cases"])
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2))
    return 1 if any(one["verdict"] == "slower" for one in told["cases"]) else 0
