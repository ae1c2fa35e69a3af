"""Money while workers end: every user who opens gets one share, and the books balance."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ConnectionLost, Refusal
from server.core.campaigns.deck import Band, fitting_budget
from tests.conftest import DAY_MS
from tests.server.serving import PATIENCE_S, here
from tests.workers.conftest import StartWorkers

SENDER, SPONSOR = 1, 700
BANDS = [(200, 299, 900_000), (300, 500, 100_000)]
CHANCE_S = 1.0  # a user has one chance in each second
USERS = range(2, 32)
PACKETS = 4


@pytest.mark.long
async def test_killed_worker_costs_no_share(workers: StartWorkers) -> None:
    """Users open at whatever worker has their connection; one is killed, and all are replaced meanwhile."""
    server = workers(3)
    async with Client(server.url, server.token(0)) as backend:
        await backend.put_users({user_id: f"user {user_id}" for user_id in (SENDER, *USERS)})
        group = await backend.put_group("family", "family")
        await backend.sync_members(group, 1, [SENDER, *USERS])
        await backend.top_up(SENDER, 100_000, "top-up")
    async with Client(server.url, server.token(SENDER)) as sender:
        sent = [await sender.send_packet("lucky", group, 25_000, len(USERS)) for _ in range(PACKETS)]
    pids = await asyncio.to_thread(server.pids)

    async def play(user_id: int) -> list[str]:
        async with Client(server.url, server.token(user_id)) as client:
            answers = []
            for number, packet in enumerate(sent):
                answers.append((await client.open(packet.packet_id)).answer)
                if user_id == USERS[0] and number == 0:
                    with suppress(ProcessLookupError):  # it was replaced before
                        os.kill(pids[1], signal.SIGKILL)
            return answers

    restarting = asyncio.create_task(asyncio.to_thread(here, "restart", "--data", server.data))
    seen = await asyncio.gather(*map(play, USERS))
    assert (await restarting).code == 0
    assert {answer for answers in seen for answer in answers} <= {"won", "claimed"}  # claimed: the reply was lost
    auditing = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "audit", "--data", server.data
    )
    assert await auditing.wait() == 0
    shown = [await asyncio.to_thread(server.ask, "packet", packet.packet_id) for packet in sent]
    assert [(one["record"]["claims"], one["record"]["unopened_fen"]) for one in shown] == [
        (len(USERS), 0)
    ] * PACKETS


@pytest.mark.long
async def test_killed_worker_costs_no_number_of_a_campaign(workers: StartWorkers) -> None:
    """Users shake at whatever worker has their connection; one is killed: what was leased was won or came back."""
    server, shares, now_ms = workers(3), 2 * len(USERS), time.time_ns() // 1_000_000
    budget_fen = fitting_budget(shares, [Band(*band) for band in BANDS])
    async with Client(server.url, server.token(0)) as backend:
        await backend.put_users({user_id: f"user {user_id}" for user_id in USERS})
        await backend.put_sponsor(SPONSOR, "Shop")
        await backend.top_up(SPONSOR, budget_fen, "top-up")
        window = now_ms - 300 * DAY_MS, now_ms + DAY_MS  # nearly all shares are due
        made = await backend.create_campaign(SPONSOR, "spring", *window, shares, budget_fen, BANDS)
    pids = await asyncio.to_thread(server.pids)

    async def play(user_id: int) -> str:
        """Shake once a second until a share is won; `limit`: it was won, and the reply was lost."""
        async with Client(server.url, server.token(user_id)) as client:
            while True:
                with suppress(ConnectionLost, Refusal):
                    if (shaken := await client.shake(made.campaign_id)).result in ("won", "limit", "ended"):
                        if user_id == USERS[0]:
                            os.kill(pids[1], signal.SIGKILL)
                        return shaken.result
                await asyncio.sleep(CHANCE_S)

    async with asyncio.timeout(PATIENCE_S):
        assert set(await asyncio.gather(*map(play, USERS))) <= {"won", "limit"}
    async with asyncio.timeout(PATIENCE_S), Client(server.url, server.token(0)) as backend:
        await backend.end_campaign(made.campaign_id)
        while not (report := await backend.campaign_report(made.campaign_id)).seed:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert (report.won_shares, report.won_fen + report.returned_fen) == (len(USERS), budget_fen)
    auditing = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "audit", "--data", server.data
    )
    assert await auditing.wait() == 0
