"""Scenarios of requests on a real server, in both loops, with each durability: their counts, and the books."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load.run_spec import RunSpec
from bench.load.setup import SetupFailed
from bench.load.verdict import judge
from bench.scenarios import SCENARIOS
from server.net.tls import server_context
from storage.postgres.database import Database
from tests.bench.conftest import LIMITS, run_scenario
from tests.conftest import SEED_KEYS, StartServer
from tests.issuer import Issuer

EXPECTED = {  # the answers of 40 users in 200 operations, 5 each
    "grab": {"claimed": 20, "gone": 180},  # the packets have 2 shares for 20 users
    "open": {"won": 200},
    "opens": {"won": 200},
    "send": {"sent": 200},
    "wins": {"won": 200},
}
LOOPS = {
    "closed": {"depth": 3, "requests": 200},
    "open": {"rate_per_s": 1000.0, "seconds": 0.2},
}


@pytest.mark.parametrize("durability", ["postgres", "redis"])
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("scenario", EXPECTED)
async def test_scenario_gives_the_expected_answers_and_the_books_agree(
    start_server: StartServer, database: Database, scenario: str, loop: str, durability: str
) -> None:
    server = await start_server(stores__durability=durability, **LIMITS)
    outcome = await run_scenario(RunSpec(scenario, connections=40, warmup_s=0.0, **LOOPS[loop]), server)
    assert (outcome.answers, outcome.errors) == (EXPECTED[scenario], {})
    assert (outcome.connections, outcome.operations, outcome.histogram.count) == (40, 200, 200)
    assert sum(one.completed for one in outcome.series.values()) == 200
    assert outcome.rate_per_s > 0 or loop == "open"  # a slow machine answers after the last planned second
    verdict = await judge(database, outcome, SEED_KEYS)
    assert verdict.holds
    assert (verdict.difference_fen, verdict.in_doubt) == (0, 0)
    assert outcome.claims or outcome.sends


async def test_shakes_win_nothing_and_touch_no_book(start_server: StartServer, database: Database) -> None:
    server = await start_server(**LIMITS)
    outcome = await run_scenario(RunSpec("shakes", connections=40, depth=3, requests=200), server)
    lost = outcome.answers["nothing"] + outcome.answers["limit"]  # limit: to the user who has won
    assert (lost, len(outcome.answers), outcome.errors, len(outcome.claims)) == (200, 2, {}, 1)
    assert (await judge(database, outcome, SEED_KEYS)).holds


async def test_scenario_measures_a_server_with_tls(
    start_server: StartServer, database: Database, tmp_path: Path
) -> None:
    issuer = Issuer(tmp_path)
    server = await start_server(tls=server_context(*issuer.issue()), **LIMITS)
    run_spec = RunSpec("open", connections=20, depth=2, requests=40)
    outcome = await run_scenario(run_spec, server, ca_file=issuer.ca_file)
    assert (outcome.answers, outcome.errors) == ({"won": 40}, {})
    assert (await judge(database, outcome, SEED_KEYS)).holds
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):  # the system does not know the issuer
        await run_scenario(run_spec, server)


async def test_connections_are_rounded_up_to_whole_groups(start_server: StartServer) -> None:
    outcome = await run_scenario(
        RunSpec("opens", connections=21, depth=1, requests=42), await start_server(**LIMITS)
    )
    assert (outcome.connections, outcome.answers) == (40, {"won": 80})


async def test_refused_preparation_fails_with_one_line(start_server: StartServer) -> None:
    server = await start_server(limits__requests_per_s=5.0, limits__requests_burst=5.0)
    with pytest.raises(SetupFailed, match=r"^the preparation failed: rate_limited"):
        await run_scenario(RunSpec("open", connections=20, depth=1, requests=400), server)


def test_every_scenario_has_its_facts() -> None:
    for scenario in SCENARIOS.values():
        assert scenario.about
        assert scenario.rate_of
        assert scenario.standard.connections > 0
