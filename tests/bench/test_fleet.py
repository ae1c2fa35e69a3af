"""The parent and its generators as processes: a whole job, and one clear line when one of them fails."""

from __future__ import annotations

import asyncio
import os
import signal

import psutil
import pytest

from bench.load.generator_pool import BenchFailed, GeneratorPool, Hear
from bench.load.run_spec import RunSpec
from tests.bench.conftest import LIMITS, job_for
from tests.conftest import StartServer

ORDER = RunSpec("opens", connections=20, depth=2, requests=40)


def hear(said: list[str]) -> Hear:
    """Remember what is said."""
    return Hear(said.append, lambda _: None)


def generators() -> list[psutil.Process]:
    """Those of ours that live."""
    children = psutil.Process(os.getpid()).children()
    return [child for child in children if "bench.load.generator" in " ".join(child.cmdline())]


async def test_a_generator_prepares_waits_for_go_and_tells_its_outcome(start_server: StartServer) -> None:
    server = await start_server(**LIMITS)
    said: list[str] = []
    async with GeneratorPool([job_for(ORDER, server.url)], hear(said)) as fleet:
        await fleet.prepared()
        assert said == ["20 users log in", "2 packets are sent", "everybody takes their tickets"]
        assert len(server.app.listener.sessions) == 21  # and the sender
        assert server.app.services.commit.recorded_claims == 0
        fleet.go()
        (done,) = await fleet.done()
        assert 0 < done.cpu_s <= done.wall_s + 0.1
        (outcome,) = await fleet.outcomes()
    assert outcome.answers == {"won": 40}
    assert len(outcome.claims) == 40
    assert generators() == []


async def test_a_generator_that_fails_says_why() -> None:
    async with GeneratorPool([job_for(ORDER, "tcp://127.0.0.1:1")], hear([])) as fleet:
        with pytest.raises(BenchFailed, match=r"Connect call failed|Connection refused"):
            await fleet.prepared()


async def test_a_generator_that_is_killed_is_named(start_server: StartServer) -> None:
    server = await start_server(**LIMITS)
    async with GeneratorPool([job_for(ORDER, server.url)], hear([])) as fleet:
        await fleet.prepared()
        (child,) = generators()
        child.send_signal(signal.SIGKILL)
        fleet.go()
        with pytest.raises(BenchFailed, match=r"^generator 0 ended by itself \(signal 9\): its log is silent$"):
            await asyncio.wait_for(fleet.done(), 10)
