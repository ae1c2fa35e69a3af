"""The test that made `0025.sql`: a version before migrations 0026 to 0028 runs on its own code and is then killed.

    git archive 48a9932a | tar x -C OLD && cp tests/upgrades/make_campaign_dump.py OLD/tests/upgrades/test_make.py
    cd OLD && python -m pytest tests/upgrades/test_make.py

It does not run on the current code: it stays because it documents the file. The name of each campaign and the
number of each bill say their final state; the time of the servers stands still but for the seconds between shakes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from redis import asyncio as aioredis

from client_sim.sdk.client import Client
from server.core.campaigns.deck import Band, fitting_budget
from server.core.ids import BACKEND
from server.embedded.stores import postgres_program
from tests.conftest import DAY_MS, Connect, StartServer, TurnedClock
from tests.services.conftest import until

NOW_MS = 1_790_000_000_000  # 2026-09-21 in Beijing
SPONSOR, POOR, ANN, BEN, CARL = 700, 701, 1, 2, 3
BANDS = [(200, 299, 900_000), (300, 500, 100_000)]
FUNDS_FEN = 1_000_000
POLL_S = 0.05


async def win(client: Client, campaign_id: int, clock: TurnedClock) -> None:
    """Shake, second by second, until a share is won."""
    while (await client.shake(campaign_id)).result != "won":
        clock.ahead_ms += 1_000
        await asyncio.sleep(0.01)


async def campaign(backend: Client, name: str, shares: int, starts_ms: int, ends_ms: int, limit: int = 1) -> int:
    budget_fen = fitting_budget(shares, [Band(*band) for band in BANDS])
    window = NOW_MS + starts_ms, NOW_MS + ends_ms
    made = await backend.create_campaign(
        SPONSOR, name, *window, shares, budget_fen, BANDS, key=f"key of {name}", per_user_limit=limit
    )
    return made.campaign_id


async def test_make(
    start_server: StartServer,
    connect: Connect,
    server_clock: TurnedClock,
    sql: Any,
    redis: aioredis.Redis,
    postgres_dsn: str,
) -> None:
    server_clock.stopped_ms = NOW_MS
    server = await start_server()
    backend = await connect(server, BACKEND)
    users = {user_id: await connect(server, user_id) for user_id in (ANN, BEN, CARL)}
    for sponsor_id, name in ((SPONSOR, "某超市"), (POOR, "Bakery")):
        await backend.put_sponsor(sponsor_id, name)
    await backend.top_up(SPONSOR, FUNDS_FEN, "funds")

    over = await campaign(backend, "over", 20, -364 * DAY_MS, DAY_MS)
    for user_id in (ANN, BEN):
        await win(users[user_id], over, server_clock)
    await backend.end_campaign(over)
    while not (await backend.campaign_report(over)).seed:  # noqa: ASYNC110  no event says so
        await asyncio.sleep(POLL_S)
    running = await campaign(backend, "running", 40, -364 * DAY_MS, DAY_MS, limit=2)
    for client in users.values():
        await win(client, running, server_clock)
    paused = await campaign(backend, "paused", 20, -364 * DAY_MS, DAY_MS)
    await win(users[ANN], paused, server_clock)
    await backend.pause_campaign(paused)
    await campaign(backend, "later", 20, DAY_MS // 2, DAY_MS)

    done = await backend.send_bill(SPONSOR, "done", ANN, 888, "done")
    await users[ANN].open(done.packet_id)
    await backend.send_bill(SPONSOR, "open", BEN, 666, "open")
    assert (await backend.send_bill(POOR, "failed", CARL, 500, "failed")).status == "FAILED"
    await backend.set_event_range(SPONSOR, "follow", 200, 300, "thanks")
    assert (await backend.report_event(SPONSOR, "event-1", "follow", CARL)).bill_number

    async def is_settled() -> bool:
        waiting = "SELECT (SELECT count(*) FROM settlement_queue) + (SELECT count(*) FROM outbox)"
        return int(await sql.fetchval(waiting)) == 0

    await until(is_settled)
    await server.kill()  # its leases of the running campaign stay open
    assert await sql.fetchval("SELECT count(*) FROM leases WHERE closed_at_ms IS NULL") > 0
    mirror = {key.decode(): (await redis.get(key)).hex() for key in sorted(await redis.keys("*"))}
    dump(postgres_dsn, mirror)


def dump(dsn: str, mirror: dict[str, str]) -> None:
    """Write both files into the folder of this test."""
    options = ("--inserts", "--no-owner", "--no-privileges", "--no-comments")
    told = subprocess.run(
        [postgres_program("pg_dump"), *options, dsn], capture_output=True, text=True, check=True
    ).stdout
    lines = [line for line in told.splitlines(keepends=True) if not line.startswith("\\")]
    here = Path(__file__).parent
    (here / "0025.sql").write_text("".join(lines))
    (here / "0025.json").write_text(json.dumps(mirror, indent=1) + "\n")
