"""The parent and its generator processes: a whole run, and one line when a generator fails."""

from __future__ import annotations

import asyncio
import os
import signal

import psutil
import pytest

from bench.load.generator_pool import BenchFailed, GeneratorPool
from bench.load.run_spec import RunSpec
from tests.bench.conftest import LIMITS, generator_spec
from tests.conftest import StartServer

RUN = RunSpec("opens", connections=20, depth=2, requests=40)


def generators() -> list[psutil.Process]:
    """The running generators of this process."""
    children = psutil.Process(os.getpid()).children()
    return [child for child in children if "bench.load.generator" in " ".join(child.cmdline())]


async def test_generator_prepares_waits_for_go_and_writes_its_outcome(start_server: StartServer) -> None:
    server = await start_server(**LIMITS)
    notes: list[str] = []
    async with GeneratorPool([generator_spec(RUN, server.url)], notes.append) as pool:
        await pool.prepared()
        assert notes == ["20 users log in", "2 packets are sent", "users grab their packets"]
        assert len(server.app.listener.sessions) == 21  # and the sender
        assert server.app.services.commit.recorded_claims == 0
        pool.go()
        (done,) = await pool.done()
        assert 0 < done.cpu_s <= done.wall_s + 0.1
        (outcome,) = await pool.outcomes()
    assert outcome.answers == {"won": 40}
    assert len(outcome.claims) == 40
    assert generators() == []


async def test_failed_generator_gives_its_reason() -> None:
    async with GeneratorPool([generator_spec(RUN, "tcp://127.0.0.1:1")], print) as pool:
        with pytest.raises(BenchFailed, match=r"Connect call failed|Connection refused"):
            await pool.prepared()


async def test_killed_generator_is_named_with_its_signal(start_server: StartServer) -> None:
    server = await start_server(**LIMITS)
    async with GeneratorPool([generator_spec(RUN, server.url)], print) as pool:
        await pool.prepared()
        (child,) = generators()
        child.send_signal(signal.SIGKILL)
        pool.go()
        with pytest.raises(BenchFailed, match=r"^generator 0 ended by itself \(signal 9\): its log is empty$"):
            await asyncio.wait_for(pool.done(), 10)
