"""What a report costs: seconds and memory for large records, and what opens notice of it.

The records are made in a database of their own in the PostgreSQL of a server. While a report of them is written,
again and again, users open packets of the server: it has the same processors and the same disk, not the same
tables. Turns without a report, with one, and with a busy loop alternate: the loop is the yardstick, what any
program that computes costs opens on this machine.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import asyncpg
from cyclopts import Parameter
from rich.console import Console

from bench.analysis.large_records import DAYS, FIRST_MS, fill
from bench.load.generator_pool import BenchFailed
from bench.load.run import run
from bench.load.run_spec import RunSpec
from bench.load.target import Target, own_server
from bench.report.files import check_folder, write_json
from bench.report.screen import Screen
from server.cli.shared.numbers import Count, Rate, Seconds, Seed
from server.core.reconciliation.days import day_of
from server.loop import run as run_loop
from storage.postgres.database import Database
from storage.postgres.migrate import migrate

CLAIMS: Final = 1_000_000
CLAIMS_OF_BOUND: Final = 10_000_000  # the bounds are for so many
SECONDS_MOST: Final = 60.0
MEMORY_MOST_MIB: Final = 1_024.0
P99_MOST: Final = 1.10
CLAIMS_OF_USER: Final = 20
RECORDS: Final = "bench_report"  # the name of the database
REPORT_S: Final = 3_600.0
TIMEOUT_S: Final = 60.0
Beside = Callable[[], AbstractAsyncContextManager[None]]
# A report as a process, which tells the peak of its memory at its end.
PROGRAM: Final = """
import atexit, pathlib, sys
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: print(status.read_text() if status.exists() else "", file=sys.stderr))
from server.cli.__main__ import run
run()
"""


class Cost(NamedTuple):
    """Of one report: seconds, and the peak of the memory of its process in MiB (0: not known)."""

    seconds: float
    memory_mib: float


class Measured(NamedTuple):
    """Reports alone, and the p99 of opens in ms: without a report, beside one, and beside a busy loop."""

    claims: int
    alone: Cost
    without_ms: list[float]
    beside_ms: list[float]
    loop_ms: list[float]
    valid: bool


async def made_records(target: Target, claims: int, screen: Screen) -> str:
    """Make the records; the DSN of their database. Raises BenchFailed."""
    admin = await asyncpg.connect(target.dsn)
    try:
        await admin.execute(f"CREATE DATABASE {RECORDS}")
    finally:
        await admin.close()
    dsn = target.dsn.replace("/hongbao?", f"/{RECORDS}?")
    if dsn == target.dsn:
        raise BenchFailed("the database of the server has another name than hongbao")
    database = Database(dsn, 2, TIMEOUT_S)
    await database.open()
    try:
        await migrate(database)
    finally:
        await database.close()
    await fill(dsn, claims, max(100, claims // CLAIMS_OF_USER), screen.say)
    return dsn


async def report_once(dsn: str, folder: Path) -> Cost:
    """Write one report, as the command does. Raises BenchFailed."""
    first, last = day_of(FIRST_MS), day_of(FIRST_MS + DAYS * 86_400_000)
    words = ["report", "--postgres", dsn, "--from", f"{first}", "--to", f"{last}", "--out", str(folder)]
    began_s = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *words),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, told = await asyncio.wait_for(process.communicate(), REPORT_S)
    except (TimeoutError, asyncio.CancelledError):
        process.kill()
        await process.wait()
        raise
    seconds = time.perf_counter() - began_s
    if process.returncode:
        raise BenchFailed(f"hongbao report: {told.decode(errors='replace').strip().splitlines()[0]}")
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", told.decode(errors="replace"), re.MULTILINE)
    return Cost(seconds, int(peak[1]) / 1024 if peak else 0.0)


async def measure(target: Target, claims: int, spec: RunSpec, rounds: int, screen: Screen) -> Measured:
    """Reports alone, then opens in turns. Raises BenchFailed, ServerFailed, StoreUnavailable."""
    dsn = await made_records(target, claims, screen)
    with tempfile.TemporaryDirectory(prefix="hongbao-bench-") as name:
        folder = Path(name)
        alone = await report_once(dsn, folder)
        beside: dict[str, Beside] = {
            "without": nullcontext,
            "report": partial(_reports, dsn, folder),
            "loop": _busy_loop,
        }
        p99_ms: dict[str, list[float]] = {side: [] for side in beside}
        valid = True
        for _ in range(rounds):
            for side, program in beside.items():
                async with program():
                    figures = await run(target, spec, screen)
                p99_ms[side].append(float(figures["latency_ms"]["p99"]))
                valid = valid and bool(figures["valid"])
    return Measured(claims, alone, p99_ms["without"], p99_ms["report"], p99_ms["loop"], valid)


@asynccontextmanager
async def _reports(dsn: str, folder: Path) -> AsyncIterator[None]:
    """One report after the other is written. Raises BenchFailed."""

    async def write() -> None:
        while True:
            await report_once(dsn, folder)

    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        if not writing.done():
            writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        if not writing.cancelled() and (error := writing.exception()) is not None:
            raise error


@asynccontextmanager
async def _busy_loop() -> AsyncIterator[None]:
    """A program that computes on one core, and needs neither memory nor disk."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
    try:
        yield
    finally:
        process.kill()
        await process.wait()


def figures_of(measured: Measured) -> dict[str, Any]:
    """What was measured, and whether it is within its bound. A small one says nothing about the bounds."""
    ratio, loop_ratio = (
        statistics.median(
            with_it / without if without else 1.0
            for without, with_it in zip(measured.without_ms, with_ms, strict=True)
        )
        for with_ms in (measured.beside_ms, measured.loop_ms)
    )
    is_full = measured.claims >= CLAIMS_OF_BOUND
    return {
        "claims": measured.claims,
        "seconds": round(measured.alone.seconds, 2),
        "memory_mib": round(measured.alone.memory_mib, 1),
        "p99_ms": [measured.without_ms, measured.beside_ms, measured.loop_ms],
        "p99_ratio": round(ratio, 3),
        "p99_ratio_of_loop": round(loop_ratio, 3),
        "within": {
            "seconds": measured.alone.seconds <= SECONDS_MOST if is_full else None,
            "memory_mib": measured.alone.memory_mib <= MEMORY_MOST_MIB if is_full else None,
            "p99_ratio": ratio <= P99_MOST if is_full else None,
        },
        "valid": measured.valid,
    }


def lines_of(figures: dict[str, Any]) -> list[str]:
    """The verdict."""
    words = {None: "bound for 10 million claims:", True: "within", False: "NOT within"}
    within = {name: words[holds] for name, holds in figures["within"].items()}
    without, beside, loop = (statistics.median(one) for one in figures["p99_ms"])
    return [
        f"report  {figures['claims']:,} claims in {figures['seconds']:.1f} s, "
        f"{within['seconds']} ≤ {SECONDS_MOST:g} s",
        f"memory  {figures['memory_mib']:.0f} MiB, {within['memory_mib']} ≤ {MEMORY_MOST_MIB:g} MiB",
        f"opens   p99 {beside:.2f} ms beside a report, {without:.2f} ms without: {figures['p99_ratio']:.2f}, "
        f"{within['p99_ratio']} ≤ {P99_MOST:g}",
        f"loop    p99 {loop:.2f} ms beside a program that only computes, on one core: "
        f"{figures['p99_ratio_of_loop']:.2f}",
        f"money verdict: {'holds' if figures['valid'] else 'INVALID'}",
    ]


def command(
    *,
    claims: Annotated[Count, Parameter(help="about so many claims in the records")] = CLAIMS,
    rate: Annotated[Rate, Parameter(help="opens that begin per second")] = 1_000.0,
    seconds: Annotated[Seconds, Parameter(help="of opens in each turn")] = 10.0,
    rounds: Annotated[Count, Parameter(help="turns without a report, with one, and with a busy loop")] = 3,
    seed: Annotated[Seed, Parameter(help="the same seed gives the same arrivals")] = 1,
    json_file: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """Write a report of large records: seconds, peak memory, and the p99 of opens beside it.

    Exit 1 if the books of the server do not hold. The records are made first, about ten seconds for a million
    claims. The bounds are for ten million.

    Example: hongbao bench report --claims 10000000 --json report.json
    """
    check_folder(json_file)
    screen = Screen(Console())
    spec = RunSpec("opens", 200, rate_per_s=rate, seconds=seconds, seed=seed)
    with own_server("postgres", {}, screen.say) as target:
        figures = figures_of(run_loop(measure(target, claims, spec, rounds, screen)))
    for line in lines_of(figures):
        print(line)
    write_json(figures, json_file)
    return 0 if figures["valid"] else 1
