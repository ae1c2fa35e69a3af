"""Money while workers end: every user who opens gets one share, and the books balance."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

from client_sim.sdk.client import Client
from tests.server.serving import here
from tests.workers.conftest import StartWorkers

SENDER = 1
USERS = range(2, 32)
PACKETS = 4


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
