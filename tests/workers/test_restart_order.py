"""In which order the rolling restart replaces workers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from server.workers.restart import RollingRestart
from server.workers.worker import WorkerNotStarted


class OneWorker:
    """A worker in a state, whose successor perhaps does not start."""

    def __init__(self, number: int, state: str, replaced: list[int], *, fails: bool = False) -> None:
        self.number, self.state = number, state
        self._replaced, self._fails = replaced, fails

    async def replace(self) -> None:
        if self._fails:
            raise WorkerNotStarted("PostgreSQL is away")
        self._replaced.append(self.number)


async def restarted(workers: list[Any]) -> dict[str, Any]:
    """The state after a restart."""
    outcome = SimpleNamespace(fault="", changed=[], needs_restart=[])
    restart = RollingRestart(workers, lambda *_: outcome)  # type: ignore[arg-type,return-value]
    restart.start()
    assert restart._task is not None
    await restart._task
    state: dict[str, Any] = restart.state()["restart"]
    return state


async def test_workers_that_do_not_serve_are_started_before_a_failure_ends_the_restart() -> None:
    replaced = list[int]()
    states = ("serving", "given up", "serving", "waiting")
    workers = [OneWorker(number, state, replaced, fails=number == 0) for number, state in enumerate(states)]
    state = await asyncio.wait_for(restarted(workers), 10)
    assert replaced == [1, 3]
    assert state == {
        "state": "failed",
        "replaced": 2,
        "why": "worker 0 has no successor: PostgreSQL is away",
    }


async def test_workers_that_all_serve_are_replaced_in_their_order() -> None:
    replaced = list[int]()
    state = await asyncio.wait_for(restarted([OneWorker(one, "serving", replaced) for one in range(3)]), 10)
    assert (replaced, state["state"]) == ([0, 1, 2], "done")
