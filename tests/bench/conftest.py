"""What tests of the harness share: a scenario played in the test's own process."""

from __future__ import annotations

from typing import Any

from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec, RunSpec
from bench.scenarios import SCENARIOS
from tests.conftest import KEYS, Server

LIMITS = {"limits__ticket_lifetime_s": 600.0, "limits__groups_of_user_max": 10_000}


def job_for(order: RunSpec, url: str, **known: Any) -> GeneratorSpec:
    """The whole order for one generator, and what else it knows of its run."""
    return GeneratorSpec(order, 0, "1", url, "test", KEYS["test"].hex(), first_user=1_000_000, **known)


async def play(order: RunSpec, server: Server, **known: Any) -> Outcome:
    """What a generator does, without the process."""
    scenario = SCENARIOS[order.scenario](job_for(order, server.url, **known), lambda _: None)
    try:
        await scenario.prepare()
        await scenario.measure()
        return scenario.outcome()
    finally:
        scenario.stage.close()
