"""The supervisor of loops, in virtual time: what it logs, when it starts a loop again, when a failure is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.services.runtime.supervised import Supervisor
from tests.sim.loop import SimLoop

Logged = list[MutableMapping[str, Any]]


def run_for(seconds: float, loop: Callable[[], Awaitable[None]]) -> tuple[Supervisor, Logged]:
    """Supervise a loop for so long; what the supervisor knows then, and what was logged."""

    async def scenario() -> Supervisor:
        supervisor = Supervisor()
        running = asyncio.ensure_future(supervisor.run("credits", loop))
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        return supervisor

    with capture_logs() as logged, asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(scenario()), logged


def test_loop_that_fails_is_logged_once_and_started_again_after_longer_and_longer_pauses() -> None:
    began_s: list[float] = []

    async def fails() -> None:
        began_s.append(round(asyncio.get_running_loop().time() - began_s[0], 2) if began_s else 0.0)
        if len(began_s) == 1:
            began_s[0] = asyncio.get_running_loop().time()
        raise LookupError(f"no right, attempt {len(began_s)}")

    supervisor, logged = run_for(8.0, fails)
    assert began_s[1:] == [0.2, 0.6, 1.4, 3.0, 5.0, 7.0]
    assert supervisor.failures == {"credits": 7}
    assert dict(supervisor.failing) == {"credits": "LookupError: no right, attempt 7"}
    (line,) = logged
    assert (line["event"], line["loop"], line["why"]) == (
        "loop_failed",
        "credits",
        "LookupError: no right, attempt 1",
    )


def test_loop_that_has_run_for_five_seconds_has_recovered_and_its_next_pause_is_short() -> None:
    lives: list[float] = []

    async def fails_twice() -> None:
        lives.append(asyncio.get_running_loop().time())
        if len(lives) <= 2:
            raise LookupError("no right")
        await asyncio.sleep(6.0 if len(lives) == 3 else 60.0)
        raise LookupError("again")

    supervisor, logged = run_for(10.0, fails_twice)
    assert [line["event"] for line in logged] == ["loop_failed", "loop_failed_no_longer", "loop_failed"]
    assert round(lives[3] - lives[2], 2) == 6.1
    assert supervisor.failures == {"credits": 3}


@pytest.mark.parametrize("error", [None, asyncio.CancelledError()])
def test_loop_that_ends_or_awaits_what_was_cancelled_is_started_again(error: BaseException | None) -> None:
    began = 0

    async def ends_once() -> None:
        nonlocal began
        began += 1
        if began > 1:
            await asyncio.sleep(60.0)
        if error is not None:
            raise error

    supervisor, _ = run_for(3.0, ends_once)
    assert (began, supervisor.failures) == (2, {"credits": 1})
