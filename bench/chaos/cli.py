"""`hongbao chaos`: break everything under load, then prove from the users' own logs that no money was lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final, Literal

import cyclopts
from cyclopts import Parameter
from rich.console import Console

from bench.chaos import report
from bench.chaos.run import ChaosSpec, run
from bench.chaos.workload import GROUP_MEMBERS
from server.cli.numbers import Count, Rate, Seconds, Seed, Whole
from server.loop import run as run_loop

SECONDS: Final = 60.0
KILLS: Final = 20
CLAIMS_PER_S: Final = 2_000.0
USERS: Final = 100

chaos_cli = cyclopts.App(name="chaos", result_action="return_value")


@chaos_cli.default
def chaos(
    *,
    seconds: Seconds = SECONDS,
    kills: Whole = KILLS,
    seed: Seed = 1,
    durability: Literal["postgres", "redis"] = "postgres",
    rate: Rate = CLAIMS_PER_S,
    users: Count = USERS,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
    sum_files: Annotated[tuple[Path, ...], Parameter(name="--sum", consume_multiple=True)] = (),
) -> int:
    """Kill, freeze, cut and starve the server and its stores under load; exit 1 if a fen is not where it should be.

    On fresh stores of its own. Users ask again with their keys until they know, and keep their own logs; afterwards
    an auditor that believes only those logs and the database compares them, and checks that every packet's history
    has one order that explains what everybody was told. The same seed draws the same load and the same faults.

    Example: hongbao chaos --seconds 120 --kills 40 --seed 7 --json chaos.json

    Parameters
    ----------
    seconds
        for how long users act and things break; up to a minute more if kills are owed then
    kills
        how many SIGKILLs; a third as many other faults
    seed
        draws load and faults
    durability
        when "won" is said: postgres or redis; redis leaves out flushing Redis, which burns the books of that tier
    rate
        claims per second that users go for, on average (open loop)
    users
        how many users, in groups of 25
    json_file
        write all figures to this file
    sum_files
        run nothing, add up what earlier runs wrote to these files
    """
    for wrong, why in (
        (users < GROUP_MEMBERS, f"at least {GROUP_MEMBERS} users: a group of them"),
        (json_file is not None and not json_file.parent.is_dir(), f"there is no folder for {json_file}"),
    ):
        if wrong:
            raise ValueError(why)
    console = Console(highlight=False)
    if sum_files:
        told = report.total_of(sum_files)
    else:
        order = ChaosSpec(seconds, kills, seed, durability, rate, users - users % GROUP_MEMBERS)
        told = run_loop(run(order, lambda line: console.print(line, markup=False, soft_wrap=True)))
    report.show(console, told)
    if json_file is not None:
        json_file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 1 if told["discrepancies"] else 0
