"""What tests of the harness share: a scenario played in the test's own process."""

from __future__ import annotations

from typing import Any

from bench.job import Job, Order
from bench.outcome import Outcome
from bench.scenarios import SCENARIOS
from tests.conftest import KEYS, Server

# Nothing lapses and nothing is refused as too late, however busy the machine is.
LIMITS = {
    "limits__ticket_lifetime_s": 600.0,
    "limits__groups_of_user_max": 10_000,
    "limits__wait_ms_max": 60_000.0,
}


def job_for(order: Order, url: str, **known: Any) -> Job:
    """The whole order for one generator, and what else it knows of its run."""
    return Job(order, 0, "1", url, "test", KEYS["test"].hex(), first_user=1_000_000, **known)


async def play(order: Order, server: Server, **known: Any) -> Outcome:
    """What a generator does, without the process."""
    scenario = SCENARIOS[order.scenario](job_for(order, server.url, **known), lambda _: None)
    try:
        await scenario.prepare()
        await scenario.measure()
        return scenario.outcome()
    finally:
        scenario.stage.close()
