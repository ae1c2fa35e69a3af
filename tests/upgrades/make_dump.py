"""The program that made the dumps: an older version runs on its own code and is then killed.

    git archive 0d9629a | tar x -C OLD && cp tests/upgrades/make_dump.py OLD
    cd OLD && python make_dump.py TO 0004

0001 was made at 84b5770 in the same way. The tests do not use this, and it does not run on the current code: it
stays because it documents the files. The greeting of each packet names its final state; all times are those of
`Clock`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from redis import asyncio as aioredis

from client_sim.client import Client  # type: ignore[import-not-found]  # its old place
from server import clock, config, embedded
from server.app import App
from server.embedded.stores import postgres_program
from tests.conftest import KEYS, Server, token
from tests.joining import join

NEW_YEAR_MS = 1_767_196_800_000  # 2026 begins in Beijing
A_DAY_MS = 86_400_000
USERS = range(1, 9)


class Clock:
    """A clock that changes only when it is set."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms


class History:
    """Servers of the older version, one after another on the same stores."""

    def __init__(self, stores: embedded.StoreAddresses, data: Path, time: Clock) -> None:
        self.stores, self.data, self.time = stores, data, time
        self.group = 0
        self.clients: dict[int, Client] = {}
        clock.now_ms = lambda: time.now_ms

    async def serve(self, stack: AsyncExitStack, durability: str, settles: bool = True) -> Server:
        """A server with all users connected to it."""
        settings = config.load(
            None, {"server.port": 0, "limits.requests_per_s": 1e6, "limits.requests_burst": 1e6,
                   "stores.durability": durability}, environment={},
        )  # fmt: skip
        server = Server(App(settings, KEYS, self.data, self.stores.postgres_dsn, self.stores.redis_url))
        if not settles:
            stop_settling(server)
        await server.start()
        for user in (0, *USERS):
            self.clients[user] = await stack.enter_async_context(Client(server.url, token(user)))
        return server

    async def packet(
        self, name: str, kind: str, fen: int, shares: int, *users: int, sender: int = 1, to: int = 0
    ) -> int:
        """A packet with this name, opened by these users."""
        target = to or self.group
        sent = await self.clients[sender].send_packet(kind, target, fen, shares, name, key=f"key of {name}")
        for user in users:
            self.time.now_ms += 7
            assert (await self.clients[user].open(sent.packet_id)).answer == "won"
        return sent.packet_id


async def in_2025(history: History) -> None:
    """Packets that are over by the end of the year, and one that expires in the new year."""
    async with AsyncExitStack() as stack:
        server = await history.serve(stack, "postgres")
        backend, host = history.clients[0], history.clients[1]
        for user in USERS:
            await backend.top_up(user, 100_000, f"first of {user}")
        history.group = await host.create_group("family")
        for user in range(2, 8):  # user 8 is a stranger
            await join(history.clients[user], history.group, host)
        await backend.withdraw(2, 500, "rent")
        await history.packet("finished", "lucky", 1_000, 3, 2, 3, 4)
        await history.packet("equal finished", "equal", 100, 2, 5, 6, sender=2)
        await history.packet("personal finished", "personal", 300, 1, 3, to=3)
        await history.packet("refunded", "lucky", 900, 4, 2, sender=3)
        await until(lambda: server.app.services.settlement.settled_claims == 7)
        history.time.now_ms += A_DAY_MS
        await until(lambda: server.app.services.refunds.refunded_packets == 1)
        history.time.now_ms = NEW_YEAR_MS - 60_000
        await history.packet("expires", "lucky", 800, 4, 2, 3, sender=4)
        await until(lambda: server.app.services.settlement.settled_claims == 9)
        await server.stop()


async def in_2026(history: History) -> None:
    """Packets in flight, two hours into the new year; the settlement is stopped for some of them."""
    async with AsyncExitStack() as stack:
        server = await history.serve(stack, "postgres")
        history.time.now_ms = NEW_YEAR_MS + 7_200_000
        await history.packet("open", "lucky", 1_200, 4)
        await history.packet("half", "lucky", 2_000, 5, 2, 3, sender=5)
        await history.packet("equal half", "equal", 50, 3, 4, sender=6)
        await history.packet("personal open", "personal", 777, 1, to=7)
        await until(lambda: server.app.services.settlement.settled_claims == 3)
        stop_settling(server)
        history.time.now_ms += 1_000
        await history.packet("waiting", "lucky", 600, 3, 5, 6, 7)
        await history.packet("half waiting", "lucky", 666, 3, 5, 2, sender=7)
        await server.stop()


async def in_the_mirror_alone(history: History) -> None:
    """Claims acknowledged with durability `redis`, on a server that is killed before it records them."""
    async with AsyncExitStack() as stack:
        server = await history.serve(stack, "redis", settles=False)
        history.time.now_ms += 1_000
        packet_id = await history.packet("mirror", "lucky", 1_500, 5, 2, sender=1)
        await until(lambda: not server.app.services.commit.unrecorded)
        server.app.services.commit._stores._packets = Gate()  # type: ignore[assignment]
        for user in (3, 4):
            history.time.now_ms += 7
            assert (await history.clients[user].open(packet_id)).answer == "won"
        await server.kill()


class Gate:
    """A store whose `record` never answers."""

    async def record(self, _: object) -> set[int]:
        await asyncio.Event().wait()
        return set()


def stop_settling(server: Server) -> None:
    async def nothing() -> int:
        return 0

    server.app.services.settlement.settle_once = nothing  # type: ignore[method-assign]


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  no event says so
        await asyncio.sleep(0.01)


async def build(stores: embedded.StoreAddresses, data: Path) -> dict[str, str]:
    """Run all steps; the contents of Redis at the end, in hex."""
    history = History(stores, data, Clock(NEW_YEAR_MS - 5 * A_DAY_MS))
    await in_2025(history)
    await in_2026(history)
    await in_the_mirror_alone(history)
    async with aioredis.Redis.from_url(stores.redis_url) as redis:
        return {key.decode(): (await redis.get(key)).hex() for key in sorted(await redis.keys("*"))}


def main(to: Path, name: str) -> None:
    """Write both files."""
    with tempfile.TemporaryDirectory() as data, embedded.temporary() as stores:
        mirror = uvloop.run(build(stores, Path(data)))
        options = ("--inserts", "--no-owner", "--no-privileges", "--no-comments")
        dump = subprocess.run(
            [postgres_program("pg_dump"), *options, stores.postgres_dsn], capture_output=True, text=True, check=True
        )
    sql = [
        line for line in dump.stdout.splitlines(keepends=True) if not line.startswith("\\")
    ]  # without the commands of psql
    (to / f"{name}.sql").write_text("".join(sql))
    (to / f"{name}.json").write_text(json.dumps(mirror, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
