"""The generator as a process of its own: a job in as one line of JSON, lines of JSON out, `go` in between."""

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

LIVE_EVERY_S: Final = 1.0
GO: Final = "go"


class Said(msgspec.Struct, tag="said"):
    """What is going on, for people."""

    text: str


class Ready(msgspec.Struct, tag="ready"):
    """The stage is set; say go."""


class Live(msgspec.Struct, tag="live"):
    """How many turns have ended by now."""

    completed: int


class Done(msgspec.Struct, tag="done"):
    """The clock has stopped; the outcome follows."""

    cpu_s: float
    wall_s: float


class Failed(msgspec.Struct, tag="failed"):
    """There will be no outcome; the text is one line."""

    text: str


Line = Said | Ready | Live | Done | Failed | Outcome
LINE: Final = msgspec.json.Decoder(Line)
_encode = msgspec.json.Encoder().encode
EXPECTED: Final = (SetupFailed, OSError, TimeoutError)


def tell(line: Line) -> None:
    """One line to the parent."""
    sys.stdout.buffer.write(_encode(line) + b"\n")
    sys.stdout.buffer.flush()


async def work(job: GeneratorSpec) -> None:
    """The whole job."""
    scenario = SCENARIOS[job.order.scenario](job, lambda text: tell(Said(text)))
    try:
        await scenario.prepare()
        gc.collect()
        gc.freeze()
        gc.disable()  # what comes now holds no cycles, and looking for them would stop the clock's owner
        tell(Ready())
        if await _next_word() == GO:
            await _measure(scenario)
            tell(scenario.outcome())
            await _next_word()  # users stay until the parent ends us: their going would cost the server time, too
    finally:
        scenario.stage.close()


async def _next_word() -> str:
    line: str = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return line.strip()


async def _measure(scenario: Scenario) -> None:
    live = asyncio.create_task(_live(scenario))
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await scenario.measure()
    tell(Done(time.process_time() - cpu_s, time.perf_counter() - wall_s))
    live.cancel()


async def _live(scenario: Scenario) -> None:
    while True:
        await asyncio.sleep(LIVE_EVERY_S)
        tell(Live(scenario.completed))


def main() -> None:
    """Exit code 1 if there is no outcome."""
    job = msgspec.json.decode(sys.stdin.readline(), type=GeneratorSpec)
    try:
        run(work(job))
    except EXPECTED as error:
        tell(Failed(" ".join(str(error).split()) or type(error).__name__))
        sys.exit(1)


if __name__ == "__main__":
    main()
