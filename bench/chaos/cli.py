"""`hongbao chaos`: inject faults under load, then prove from the users' own logs that no money was lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import cyclopts
from cyclopts import Parameter, Token
from rich.console import Console

from bench.chaos import report, soak_verdict
from bench.chaos import soak as soak_module
from bench.chaos.payments import report as payments_report
from bench.chaos.payments import run as payments_run
from bench.chaos.payments.run import PaymentChaosSpec
from bench.chaos.run import ChaosSpec, run
from bench.chaos.soak import SoakSpec
from bench.chaos.workload import GROUP_MEMBERS
from bench.load.setup import Say
from bench.report.files import check_folder, write_json
from bench.scenarios.flood import Flood
from server.cli.shared.numbers import Count, Rate, Seconds, Seed, Whole
from server.loop import run as run_loop

SECONDS: Final = 60.0
KILLS: Final = 20
CLAIMS_PER_S: Final = 2_000.0
PAYMENTS_PER_S: Final = 10.0
USERS: Final = 100
UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}

chaos_cli = cyclopts.App(name="chaos", result_action="return_value")


def _help(text: str, name: str | None = None) -> Parameter:
    return Parameter(name=name, help=text, consume_multiple=True)


def _duration(_: Any, words: Sequence[Token]) -> float:
    """Seconds of 90s, 30m or 2h. Raises ValueError, one line."""
    word = words[0].value
    number, unit = word[:-1], word[-1:]
    if unit not in UNITS or not (number.isascii() and number.isdecimal()):
        raise ValueError(f"{word!r} is not a duration: write 90s, 30m or 2h")
    return float(number) * UNITS[unit]


@chaos_cli.default
def chaos(
    *,
    seconds: Annotated[Seconds, _help("duration; up to a minute more for kills that are still missing")] = SECONDS,
    kills: Annotated[Whole, _help("number of SIGKILLs; a third as many other faults")] = KILLS,
    seed: Annotated[Seed, _help("draws load and faults")] = 1,
    durability: Annotated[
        Literal["postgres", "redis"],
        _help('the store that has a claim before "won" is answered; redis: no fault flushes Redis'),
    ] = "postgres",
    rate: Annotated[Rate, _help("claims per second on average (open loop)")] = CLAIMS_PER_S,
    payments: Annotated[
        Count | None,
        _help("instead: so many payments by card, 30 % of the bank's answers faulted, kills of the bank, too"),
    ] = None,
    users: Annotated[Count, _help(f"number of users, in groups of {GROUP_MEMBERS}")] = USERS,
    workers: Annotated[Count, _help("workers of the server; above 1 each is killed and frozen, too")] = 1,
    sets: Annotated[Count, _help("sets of PostgreSQL; strikes hit each of them")] = 1,
    json_file: Annotated[Path | None, _help("write all figures to this file", "--json")] = None,
    soak: Annotated[
        Seconds | None,
        Parameter(converter=_duration, help="instead: the server runs for so long (90s, 30m, 2h), never killed"),
    ] = None,
    sum_files: Annotated[tuple[Path, ...], _help("run nothing, add up the files of earlier runs", "--sum")] = (),
) -> int:
    """Kill, freeze, cut off and fill up the server and its stores under load; exit 1 if any money is missing.

    It uses fresh stores. Users repeat requests with their keys until they have an answer, and keep logs. An auditor
    that trusts only those logs and the database then compares them, and checks that one order of events explains
    all answers about each packet. The same seed draws the same load and the same faults.

    With --workers strikes hit one worker, the one that owns the packets that users open now, all workers, and the
    supervisor. A worker that was given up, because it ended too often, is restarted as an operator would do it.

    With --sets each strike at PostgreSQL hits one of the further sets, too, and the auditor joins their books and
    checks what was handed over between them.

    With --payments users pay by card, --rate payments per second, in each of the --sets, and a simulated bank is
    killed, too. Exit 1 if a payment is lost or doubled, if both books, the statements and what users were told do
    not agree, or if the p99 of the time until an unknown outcome is known exceeds 60 s.

    With --soak the default limits hold, a crowd reads without pause, and strikes hit the stores, never the server:
    exit 1 if it ends, if the audit or the auditor finds anything, or if the p99 of logins and opens, outside of the
    strikes and the 10 s after each, exceeds 3 × that of the calm phase at the begin.

    Example: hongbao chaos --workers 3 --sets 2 --seconds 120 --kills 40 --seed 7 --json chaos.json

    Example: hongbao chaos --soak 30m --seed 7 --json soak.json
    """
    asked = seconds, kills, seed, durability, rate, users, workers, sets
    return _run(Asked(*asked, payments, soak, sum_files), json_file)


class Asked(NamedTuple):
    """The options of a command line."""

    seconds: float
    kills: int
    seed: int
    durability: str
    rate: float
    users: int
    workers: int
    sets: int
    payments: int | None
    soak: float | None
    sum_files: tuple[Path, ...]

    def check(self) -> None:
        """Raises ValueError, one line."""
        if self.users < GROUP_MEMBERS:
            raise ValueError(f"at least {GROUP_MEMBERS} users: one group")
        if self.payments is not None and (self.sum_files or self.soak is not None or self.seconds != SECONDS):
            raise ValueError("--payments and --rate say how long it takes: leave out --seconds, --soak and --sum")
        if self.workers > 1 and (self.soak is not None or self.payments is not None):
            raise ValueError("--soak and --payments are for one process: leave out --workers")
        if self.sets > 1 and self.soak is not None:
            raise ValueError("--soak is for one set: leave out --sets")
        has_own = self.sum_files or (self.seconds, self.kills, self.rate) != (SECONDS, KILLS, CLAIMS_PER_S)
        if self.soak is not None and has_own:
            raise ValueError("--soak has a duration, strikes and a rate of its own: leave out the other options")


def _run(asked: Asked, json_file: Path | None) -> int:
    asked.check()
    check_folder(json_file)
    console = Console(highlight=False)
    say = partial(console.print, markup=False, soft_wrap=True)
    users = asked.users - asked.users % GROUP_MEMBERS
    if asked.payments is not None:
        rate = PAYMENTS_PER_S if asked.rate == CLAIMS_PER_S else asked.rate
        payments = PaymentChaosSpec(
            asked.payments, rate, asked.kills, asked.seed, asked.durability, users, asked.sets
        )
        return _payments(payments, say, console, json_file)
    if asked.soak is not None:
        return _soak(
            SoakSpec(asked.soak, asked.seed, asked.durability, users, Flood.standard.connections), say, json_file
        )
    if asked.sum_files:
        figures = report.total_of(asked.sum_files)
    else:
        drawn = asked.seconds, asked.kills, asked.seed, asked.durability, asked.rate
        planned = ChaosSpec(*drawn, users, asked.workers, asked.sets)
        figures = run_loop(run(planned, say))
    report.show(console, figures)
    write_json(figures, json_file)
    return 1 if figures["discrepancies"] else 0


def _payments(spec: PaymentChaosSpec, say: Say, console: Console, json_file: Path | None) -> int:
    figures = run_loop(payments_run.run(spec, say))
    payments_report.show(console, figures)
    write_json(figures, json_file)
    return 0 if payments_report.holds(figures) else 1


def _soak(spec: SoakSpec, say: Say, json_file: Path | None) -> int:
    figures = run_loop(soak_module.run(spec, say))
    for line in soak_verdict.lines(figures):
        say(line)
    write_json(figures, json_file)
    return 1 if figures["broken"] else 0
