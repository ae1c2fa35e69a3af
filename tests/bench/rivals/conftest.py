"""Running a rival as a program."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from tests.conftest import PATIENCE_S

FIGURES = {
    "rival",
    "connections",
    "depth",
    "claims",
    "seconds",
    "rate_per_s",
    "latency_ms",
    "answers",
    "cpu_s",
    "generator_busy",
    "extra",
}
PERCENTILES = ["p50", "p90", "p99", "p99_9", "p99_99", "max"]


class Ended(NamedTuple):
    """The exit code and the output of a program."""

    code: int | None
    out: str
    err: str


Program = Callable[..., Awaitable[Ended]]


@pytest.fixture
def program() -> Program:
    """Runs `python -m bench.compare.rivals.NAME` to its end: `await program(name, *words)`."""

    async def run(name: str, *words: str) -> Ended:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"bench.compare.rivals.{name}",
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
        return Ended(process.returncode, out.decode(), err.decode())

    return run
