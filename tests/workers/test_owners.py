"""Workers that own hot packets, or numbers of a campaign, are killed and frozen while users are at all workers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from bench.chaos.workers.processes import server_ids, worker_pids
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from server.core.campaigns.deck import Band, fitting_budget
from server.core.placement.buckets import bucket_of, owners_of
from server.embedded.sockets import addresses
from tests.conftest import PATIENCE_S
from tests.workers.conftest import StartWorkers
from tests.workers.running import Workers

WORKERS = 3
SENDER, SPONSOR = 1, 700
USERS = range(2, 32)
HALF = len(USERS) // 2
HOT = 20
SENDS_MAX = 200
NO_LIMIT = {"HONGBAO_LIMITS__REQUESTS_PER_S": "10000", "HONGBAO_LIMITS__REQUESTS_BURST": "10000"}
HEARTBEAT_S = (
    60.0  # the longest time after which a client finds that its server is silent, and a server that it hangs
)
DAY_MS = 86_400_000
SHARES, LIMIT, BANDS = 20_000, 20, ((100, 199, 900_000), (200, 300, 100_000))
BUDGET_FEN = fitting_budget(SHARES, [Band(*one) for one in BANDS])
WON_AT_LEAST = 30  # shares, before the kill

LEASED = """
SELECT next_number AS leased,
       (SELECT coalesce(sum(version), 0) FROM packets WHERE target_id = campaign_id) AS won,
       (SELECT coalesce(sum(rest) FILTER (WHERE rest_lease IS NULL), 0) FROM leases l
        WHERE l.campaign_id = c.campaign_id) AS returned,
       (SELECT count(*) FROM packets WHERE target_id = campaign_id AND closed_at_ms IS NULL) AS open
FROM campaigns c WHERE campaign_id = $1
"""
HOLDERS = """
SELECT l.server_id, sum(p.shares - p.version)::int AS held FROM leases l JOIN packets p USING (packet_id)
WHERE p.closed_at_ms IS NULL GROUP BY 1 ORDER BY 2 DESC
"""
WON = "SELECT count(*) FROM wins WHERE campaign_id = $1"


class Told(NamedTuple):
    """A claim as its user was told of it."""

    index: int
    amount_fen: int


async def group_of(server: Workers) -> int:
    """A group of all users, and money for its sender."""
    async with Client(server.url, server.token(0)) as backend:
        await backend.put_users({user_id: f"user {user_id}" for user_id in (SENDER, *USERS)})
        group = await backend.put_group("family", "family")
        await backend.sync_members(group, 1, [SENDER, *USERS])
        await backend.top_up(SENDER, 100_000_000, "top-up")
    return group


async def hot_packets(server: Workers, group: int) -> tuple[list[int], int]:
    """So many packets that one worker owns, and its process."""
    servers = await asyncio.to_thread(lambda: server_ids(worker_pids(server.pid)))
    assert len(servers) == WORKERS
    owners, owned = owners_of(list(servers)), dict[int, list[int]]()
    async with Client(server.url, server.token(SENDER)) as sender:
        for _ in range(SENDS_MAX):
            packet_id = (await sender.send_packet("lucky", group, 25_000, len(USERS))).packet_id
            mine = owned.setdefault(owners[bucket_of(packet_id)], [])
            mine.append(packet_id)
            if len(mine) == HOT:
                return mine, servers[owners[bucket_of(packet_id)]]
    raise AssertionError(f"no worker owns {HOT} of {SENDS_MAX} packets")


async def open_all(user: Client, packets: list[int], since_s: float, took_s: list[float]) -> list[tuple[str, Told]]:
    """Open these packets until each has a final answer; the times at which shares were won, since a moment."""
    answers = []
    for packet_id in packets:
        while True:
            try:
                opened = await user.open(packet_id)
            except ClientError as error:
                if not error.temporary:
                    raise
                await asyncio.sleep(0.02)
                continue
            break
        if opened.answer == "won":
            took_s.append(time.monotonic() - since_s)
        answers.append((opened.answer, Told(opened.index, opened.amount_fen)))
    return answers


async def assert_books_balance(server: Workers) -> None:
    """The audit finds nothing."""
    words = "-m", "server.cli", "audit", "--data", server.data
    auditing = await asyncio.create_subprocess_exec(sys.executable, *words)
    assert await auditing.wait() == 0


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_owner_of_half_open_packets_that_ends_loses_no_claim(
    workers: StartWorkers, how: signal.Signals
) -> None:
    """Users at all workers open 20 packets of one worker, which is killed, or frozen, when half of each is open."""
    server = workers(WORKERS, HONGBAO_SERVER__OWNERS=str(WORKERS), **NO_LIMIT)
    group = await group_of(server)
    packets, pid = await hot_packets(server, group)
    clients = [Client(server.url, server.token(user_id), timeout_s=5.0) for user_id in USERS]
    await asyncio.gather(*(one.connect() for one in clients))
    first, second = clients[:HALF], clients[HALF:]
    told = await asyncio.gather(*(open_all(one, packets, 0.0, []) for one in first))
    assert {answer for answers in told for answer, _ in answers} == {"won"}

    os.kill(pid, how)
    since_s, took_s = time.monotonic(), list[float]()
    opening = [asyncio.create_task(open_all(one, packets, since_s, took_s)) for one in second]
    done, _ = await asyncio.wait(opening, timeout=HEARTBEAT_S)
    print(f"{how.name}: first share after {min(took_s):.2f} s, {len(done)} of {len(opening)} users done")
    assert took_s  # the users of the other workers have won meanwhile
    if how is signal.SIGSTOP:
        with suppress(ProcessLookupError):  # the supervisor has ended it, because it hung
            os.kill(pid, signal.SIGCONT)
    rest = await asyncio.gather(*opening)
    print(f"{how.name}: last share after {max(took_s):.2f} s")

    again = await asyncio.gather(*(open_all(one, packets, since_s, []) for one in first))
    assert [[one for _, one in answers] for answers in again] == [[one for _, one in answers] for answers in told]
    assert {answer for answers in again for answer, _ in answers} == {"claimed"}
    assert {answer for answers in rest for answer, _ in answers} <= {"won", "claimed"}  # claimed: a reply was lost
    for place in range(HOT):
        shares = sorted(answers[place][1].index for answers in (*told, *rest))
        assert shares == list(range(len(USERS)))
    await asyncio.gather(*(one.close() for one in clients))
    await assert_books_balance(server)


# --- campaigns ------------------------------------------------------------------------------------------------


async def rows(data: Path, query: str, *values: Any) -> list[asyncpg.Record]:
    """The rows of a statement on the private PostgreSQL of a server."""
    connection = await asyncpg.connect(addresses(data / "sockets")[0])
    try:
        return await connection.fetch(query, *values)
    finally:
        await connection.close()


async def campaign_of(server: Workers) -> int:
    """A campaign that has run for a year: all its shares are due."""
    now_ms = time.time_ns() // 1_000_000
    async with Client(server.url, server.token(0)) as backend:
        await backend.put_sponsor(SPONSOR, "sponsor")
        await backend.top_up(SPONSOR, BUDGET_FEN, "sponsor")
        from_ms, until_ms = now_ms - 364 * DAY_MS, now_ms + DAY_MS
        made = await backend.create_campaign(
            SPONSOR, "spring", from_ms, until_ms, SHARES, BUDGET_FEN, BANDS, key="spring", per_user_limit=LIMIT
        )
    return made.campaign_id


async def shake_on(user: Client, campaign_id: int, seen: Counter[str]) -> None:
    """Shake until the campaign is over."""
    while True:
        try:
            result = (await user.shake(campaign_id)).result
        except ClientError as error:
            if not error.temporary:
                raise
            result = error.name
        seen[result] += 1
        if result == "ended":
            return
        await asyncio.sleep(0.1)


@pytest.mark.long
async def test_killed_worker_that_holds_numbers_of_a_campaign_costs_none(workers: StartWorkers) -> None:
    """Leased = won + returned, also of those that a killed worker had leased."""
    server = workers(WORKERS, HONGBAO_SERVER__OWNERS=str(WORKERS))
    await group_of(server)
    campaign_id = await campaign_of(server)
    clients = [Client(server.url, server.token(user_id), timeout_s=5.0) for user_id in USERS]
    await asyncio.gather(*(one.connect() for one in clients))
    seen = Counter[str]()
    shaking = [asyncio.create_task(shake_on(one, campaign_id, seen)) for one in clients]
    servers = await asyncio.to_thread(lambda: server_ids(worker_pids(server.pid)))
    holder = await holder_of(server, campaign_id, servers)
    os.kill(servers[holder], signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):  # what it held is leased again, by another one
        while holder in {row["server_id"] for row in await rows(server.data, HOLDERS)}:  # noqa: ASYNC110  no event
            await asyncio.sleep(0.1)
    async with Client(server.url, server.token(0)) as backend:
        await backend.end_campaign(campaign_id)
    await asyncio.gather(*shaking)
    async with asyncio.timeout(PATIENCE_S):
        while (counted := (await rows(server.data, LEASED, campaign_id))[0])["open"]:  # noqa: ASYNC110  no event
            await asyncio.sleep(0.1)
    assert counted["leased"] == counted["won"] + counted["returned"]
    assert counted["won"] >= seen["won"]  # the reply to a shake may have been lost with the worker
    assert seen["won"] >= WON_AT_LEAST
    await asyncio.gather(*(one.close() for one in clients))
    await assert_books_balance(server)


async def holder_of(server: Workers, campaign_id: int, servers: dict[int, int]) -> int:
    """A worker that holds numbers which no user has won, once some were won and several workers hold such."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = [row["server_id"] for row in await rows(server.data, HOLDERS) if row["held"]]
            won = (await rows(server.data, WON, campaign_id))[0]["count"]
            if len(found) > 1 and won >= WON_AT_LEAST:
                assert set(found) <= servers.keys()
                return int(found[0])
            await asyncio.sleep(0.05)
