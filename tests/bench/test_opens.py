"""The bench: it measures what it says, and a run whose books contradict the users is void."""

from __future__ import annotations

import asyncpg
import pytest

from bench import opens, report, verdict
from storage.postgres.database import Database
from tests.conftest import StartServer, token

QUIET = {"limits__ticket_lifetime_s": 600.0}


@pytest.mark.parametrize("tier", ["postgres", "redis"])
async def test_a_run_counts_every_open_and_the_books_agree(
    start_server: StartServer, database: Database, tier: str
) -> None:
    server = await start_server(stores__durability=tier, **QUIET)
    said: list[str] = []
    outcome = await opens.run(server.url, token, connections=30, depth=2, packets=5, say=said.append)
    assert (outcome.connections, outcome.opens) == (40, 200)
    assert (outcome.answers, outcome.latency.count) == ({"won": 200}, 200)
    judged = await verdict.judge(database, outcome)
    assert judged.holds
    figures = report.as_json(outcome, judged, tier)
    assert (figures["missing"], figures["duplicates"], figures["oversold"], figures["difference_fen"]) == (
        0,
        0,
        0,
        0,
    )
    assert figures["rate_per_s"] == round(200 / outcome.seconds)
    assert figures["latency_ms"]["p50"] <= figures["latency_ms"]["p99"] <= figures["latency_ms"]["max"]
    assert said[0] == "40 users log in"


async def test_a_contradiction_makes_the_run_void(
    start_server: StartServer, database: Database, sql: asyncpg.Connection
) -> None:
    server = await start_server(**QUIET)
    outcome = await opens.run(server.url, token, connections=20, depth=1, packets=2, say=lambda _: None)
    assert (await verdict.judge(database, outcome)).holds
    claims = list(outcome.told)
    index, amount_fen = outcome.told[claims[0]]
    outcome.told[claims[0]] = (index, amount_fen + 1)
    del outcome.told[claims[1]]
    judged = await verdict.judge(database, outcome)
    assert (judged.missing, judged.oversold, judged.holds) == (1, 1, False)
