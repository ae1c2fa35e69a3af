"""A set whose primary is killed, and whose synchronous standby is promoted, while users of both sets play."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.embedded.stores import POSTGRES
from server.services.money.audit_sets import audit_sets_at
from tests.conftest import PATIENCE_S, SEED_KEYS
from tests.outages.postgresql.replicas import Replicas, replicas
from tests.services.conftest import until
from tests.sets.conftest import MakeCrowd
from tests.sets.playing import Players, all_settled, claims_in


@pytest.fixture(autouse=True)
def patient_probes() -> None:
    """Here the limits are those of the program."""


@pytest.fixture
async def pair(cluster: Path) -> AsyncIterator[Replicas]:
    """Set 1: a primary, and a standby for which each commit waits."""
    async with replicas(cluster) as both:
        yield both


def kill_primary(pair: Replicas) -> None:
    """Its machine is gone: no session is ended, nothing is flushed."""
    pid = int((pair.primary.parent / POSTGRES.name / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)


@pytest.mark.long
async def test_set_whose_primary_is_killed_loses_no_claim_that_was_told(
    pair: Replicas, crowd: MakeCrowd, postgres_dsn: str
) -> None:
    dsns = [postgres_dsn, pair.dsn]
    one = await crowd(3, 3, stores__postgres_sets=(pair.dsn,))
    players, stop = Players(one), asyncio.Event()
    playing = asyncio.create_task(players.play(stop))
    await players.more_claims()
    kill_primary(pair)
    before = len(players.told)
    await pair.promote()
    pair.turn_to(pair.standby)
    await players.more_claims(80)  # some are of packets of the set that moved
    stop.set()
    async with asyncio.timeout(PATIENCE_S):
        await playing
    await until(lambda: all_settled(dsns))
    recorded = await claims_in(dsns)
    assert before > 0
    assert players.contradictions == []
    assert {place: recorded.get(place) for place in players.told} == players.told
    assert await pair.on_standby.fetchval("SELECT count(*) FROM claims") > 0
    report = await audit_sets_at(dsns, 10, SEED_KEYS)
    assert [line for finding in report.findings for line in finding.discrepancies] == []
