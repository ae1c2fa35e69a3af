"""The generator process: reads its spec as one line of JSON and then `go`, writes lines of JSON."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from typing import Final

import msgspec

from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import SetupFailed
from bench.scenarios import SCENARIOS
from bench.scenarios.scenario import Scenario
from server.loop import run

PROGRESS_INTERVAL_S: Final = 1.0
GO: Final = "go"


class Note(msgspec.Struct, tag="note"):
    """A line for the terminal."""

    text: str


class Ready(msgspec.Struct, tag="ready"):
    """The preparation is done; the generator waits for `go`."""


class Progress(msgspec.Struct, tag="progress"):
    """The operations that have ended until now."""

    completed: int


class Done(msgspec.Struct, tag="done"):
    """The clock has stopped; the outcome follows."""

    cpu_s: float
    wall_s: float


class Failed(msgspec.Struct, tag="failed"):
    """No outcome follows; the text is one line."""

    text: str


GeneratorLine = Note | Ready | Progress | Done | Failed | Outcome
DECODER: Final = msgspec.json.Decoder(GeneratorLine)
EXPECTED: Final = (SetupFailed, OSError, TimeoutError)
_encode = msgspec.json.Encoder().encode


def write(line: GeneratorLine) -> None:
    sys.stdout.buffer.write(_encode(line) + b"\n")
    sys.stdout.buffer.flush()


async def work(spec: GeneratorSpec) -> None:
    scenario = SCENARIOS[spec.run_spec.scenario](spec, lambda text: write(Note(text)))
    try:
        await scenario.prepare()
        gc.collect()
        gc.freeze()
        gc.disable()  # the run makes no cycles, and a collection would delay the measurement
        write(Ready())
        if await _next_word() == GO:
            await _measure(scenario)
            write(scenario.outcome())
            await _next_word()  # users stay until the parent ends this process: a logout costs the server time
    finally:
        scenario.setup.close()


async def _next_word() -> str:
    line: str = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return line.strip()


async def _measure(scenario: Scenario) -> None:
    progress = asyncio.create_task(_write_progress(scenario))
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await scenario.measure()
    write(Done(time.process_time() - cpu_s, time.perf_counter() - wall_s))
    progress.cancel()


async def _write_progress(scenario: Scenario) -> None:
    while True:
        await asyncio.sleep(PROGRESS_INTERVAL_S)
        write(Progress(scenario.completed))


def main() -> None:
    """Exit code 1 without an outcome."""
    spec = msgspec.json.decode(sys.stdin.readline(), type=GeneratorSpec)
    try:
        run(work(spec))
    except EXPECTED as error:
        write(Failed(" ".join(str(error).split()) or type(error).__name__))
        sys.exit(1)


if __name__ == "__main__":
    main()
