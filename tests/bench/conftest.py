"""The common parts of the tests of the harness: a scenario that runs in the test's own process."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec, RunSpec
from bench.load.setup import SetupFailed
from bench.scenarios import SCENARIOS
from tests.conftest import KEYS, Server

LIMITS = {
    "limits__ticket_lifetime_s": 600.0,
    "limits__groups_of_user_max": 10_000,
    "limits__wait_ms_max": 60_000.0,  # a slow machine must not shed load in tests that count answers
}


def generator_spec(run_spec: RunSpec, url: str, **more: Any) -> GeneratorSpec:
    """The whole run for one generator, or the part of generator `number`."""
    number, first_user = more.pop("number", 0), more.pop("first_user", 1_000_000)
    return GeneratorSpec(run_spec, number, "1", url, "test", KEYS["test"].hex(), first_user, **more)


async def run_scenario(run_spec: RunSpec, server: Server, **more: Any) -> Outcome:
    """Do what a generator does, without the process. A preparation that a busy machine broke off is repeated."""
    for run_name in ("1", "2", "3"):
        spec = replace(generator_spec(run_spec, server.url, **more), run_name=run_name)
        scenario = SCENARIOS[run_spec.scenario](spec, lambda _: None)
        try:
            await scenario.prepare()
            await scenario.measure()
            return scenario.outcome()
        except (SetupFailed, ConnectionError) as failed:
            if not any(word in str(failed) for word in ("store_unavailable", "stores_away")):
                raise
        finally:
            scenario.setup.close()
    raise SetupFailed("PostgreSQL got no turn in three preparations")
