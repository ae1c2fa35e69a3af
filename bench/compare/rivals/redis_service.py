"""What a user would build: a server in Python in front of Redis, and one script call per claim.

The generator, the sockets, the frames and the load are those of our scenario `opens`; Redis fsyncs every write
before it answers, as for our server with durability `redis`. There are two services:
* usual, as most teams write it: a task for each open awaits `evalsha` of redis-py, which has a pool of 64
  connections; each reply is one write. The script is claim.lua.
* lean, as an expert writes it: one connection to Redis, hiredis, and no task; the commands of one turn of the loop
  leave in one write, and so do the replies to a client. The script is claim_lean.lua.

Both do their task: no share is given twice, no user gets two, the sum is right (`prove`). What preparation asks for
(money, groups, tickets) is answered without doing it. By design they have the defects of redis_lua beside it, and

* no logins that are checked, no tickets, no pushes to the sender and the group, no balances, no settlement;
* no limits: a client that floods or does not read is not stopped, and nothing is refused when Redis is slow.

`python -m bench.compare.rivals.redis_service --url unix:///run/redis.sock --client lean` prints its url when it
listens, and ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import unquote, urlsplit

import cyclopts
import hiredis
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from bench.compare.rivals import redis_lua, result
from bench.compare.rivals.redis_lua import FIRST_ID, LAST_ID, PORT, SCRIPTS, SEEDS
from bench.compare.rivals.service_connection import ServiceConnection, opened
from protocol import codes, messages
from protocol.connection import refused
from protocol.framing import frame
from server.loop import run as run_loop

Client = Literal["usual", "lean"]

BACKLOG: Final = 1024
POOL: Final = 64  # connections of redis-py
IDS: Final = 1_000_000  # of packets that one service may make
SENT: Final = "rival:service:sent"  # the packets that services have made since the last proof
TICKET: Final = 1
NEVER_MS: Final = 1 << 50


class Service(ABC):
    """Serves connections; only `open` differs."""

    script: str

    def __init__(self, redis: aioredis.Redis) -> None:
        self.redis = redis
        self.sha = ""
        self._packets = count(FIRST_ID)
        self._groups = count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Load the script, and take ids of packets that were never used."""
        text = Path(__file__).with_name(SCRIPTS[self.script].file).read_text()
        self.sha = await self.redis.script_load(text)
        self._packets = count(FIRST_ID + int(await self.redis.incrby(LAST_ID, IDS)) - IDS)

    @abstractmethod
    def open(self, connection: ServiceConnection, request: messages.Open) -> None:
        """Claim a share, and reply when Redis has answered."""

    def take(self, connection: ServiceConnection, request: messages.Message) -> None:
        """Serve a request."""
        match request:
            case messages.Open():
                self.open(connection, request)
            case messages.SendPacket():
                self.spawn(self._send(connection, request))
            case _:
                connection.send(self._answer(connection, request))

    def _answer(self, connection: ServiceConnection, request: messages.Message) -> messages.Message:
        """What preparation asks for."""
        match request:
            case messages.Login():
                connection.user_id = request.user_id
                return messages.Welcome(request.seq, request.user_id, 0, [])
            case messages.Grab():
                return messages.Grabbed(request.seq, request.packet_id, "ticket", TICKET, NEVER_MS)
            case messages.TopUp():
                return messages.ToppedUp(request.seq, request.user_id, request.amount_fen)
            case messages.PutGroup():
                return messages.GroupPut(request.seq, next(self._groups))
            case messages.SyncMembers():
                members = len(request.user_ids)
                return messages.MembersSynced(request.seq, request.group_id, members, 0, members)
            case messages.Ping():
                return messages.Pong(request.seq)
        return refused(request.seq, codes.Refusal.UNKNOWN_REQUEST, "from a rival of the bench")

    async def _send(self, connection: ServiceConnection, request: messages.SendPacket) -> None:
        packet_id = next(self._packets)
        terms = ["left_fen", str(request.amount_fen), "left_shares", str(request.shares)]
        await self.redis.hset(SCRIPTS[self.script].keys[0].format(packet_id), items=terms)
        await self.redis.sadd(SENT, packet_id)
        connection.send(messages.PacketSent(request.seq, packet_id, request.amount_fen, b"", NEVER_MS))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside everything else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class UsualService(Service):
    """A task and an awaited call of redis-py for each open."""

    script = "usual"

    def open(self, connection: ServiceConnection, request: messages.Open) -> None:
        """Make a task."""
        self.spawn(self._claim(connection, request))

    async def _claim(self, connection: ServiceConnection, request: messages.Open) -> None:
        packet_id, keys = request.packet_id, SCRIPTS[self.script].keys
        names = [key.format(packet_id) for key in keys]
        try:
            amount_fen = await self.redis.evalsha(
                self.sha, len(names), *names, connection.user_id, random.randrange(SEEDS)
            )
        except RedisError as error:
            connection.send(refused(request.seq, codes.Refusal.STORE_UNAVAILABLE, str(error)))
        else:
            connection.send(opened(request, amount_fen))


class LeanService(Service):
    """One connection, and no task: commands that are sent in one turn of the loop leave together."""

    script = "lean"

    def __init__(self, redis: aioredis.Redis, link: RedisLink) -> None:
        super().__init__(redis)
        self._link = link

    def open(self, connection: ServiceConnection, request: messages.Open) -> None:
        """Queue the command."""
        packet_id = b"%d" % request.packet_id
        command = hiredis.pack_command(
            (  # type: ignore[arg-type]  # it takes as many words as there are
                b"EVALSHA",
                self.sha,
                b"2",
                b"rival:packet:" + packet_id,
                b"rival:packet:" + packet_id + b":claims",
                b"%d" % connection.user_id,
                b"%d" % random.randrange(SEEDS),
            )
        )
        self._link.send(command, connection, request)


class RedisLink(asyncio.Protocol):
    """The one connection of the lean service to Redis. Redis answers in order."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._commands: list[bytes] = []
        self._waiting: deque[tuple[ServiceConnection, messages.Open]] = deque()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, command: bytes, connection: ServiceConnection, request: messages.Open) -> None:
        """Send it at the end of this turn of the loop."""
        if not self._commands:
            self._loop.call_soon(self._flush)
        self._commands.append(command)
        self._waiting.append((connection, request))

    def _flush(self) -> None:
        commands, self._commands = self._commands, []
        self._transport.write(b"".join(commands))

    def data_received(self, data: bytes) -> None:
        """Reply to each client once for all answers of this read."""
        self._reader.feed(data)
        told: dict[ServiceConnection, list[bytes]] = {}
        while (answer := self._reader.gets()) is not False:
            connection, request = self._waiting.popleft()
            reply: messages.Message = (
                opened(request, answer)
                if isinstance(answer, int)
                else refused(request.seq, codes.Refusal.STORE_UNAVAILABLE, str(answer))
            )
            told.setdefault(connection, []).append(frame(messages.encode(reply)))
        for connection, frames in told.items():
            connection.write(b"".join(frames))

    def connection_lost(self, error: Exception | None) -> None:
        """Clients that wait are told by the end of their connections."""
        for connection, _ in self._waiting:
            connection.end()


async def prove(url: str, client: Client, told: int) -> None:
    """Check all packets that services have made since the last time, and remove them.

    Each must be won by as many users as it has shares, to the last fen, and so many claims must have been told.
    Raises InvalidRun.
    """
    script = SCRIPTS[client]
    async with aioredis.Redis.from_url(url) as redis:
        packets = sorted(map(int, await redis.smembers(SENT)))
        try:
            booked = await redis_lua.booked(redis, script, packets)
        finally:
            await redis_lua.remove(redis, script, packets)
            await redis.unlink(SENT)
    if len(booked) != told:
        raise result.InvalidRun(f"the users were told {told} claims, the store holds {len(booked)}")
    result.prove_spent(booked, len(packets), result.GROUP)


async def serve(url: str, host: str, port: int, client: Client) -> None:
    """Serve until SIGTERM or Ctrl-C, and print the url first. Raises OSError, RedisError."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pool = aioredis.BlockingConnectionPool.from_url(url, max_connections=POOL, timeout=None)
    async with aioredis.Redis(connection_pool=pool) as redis:
        service = UsualService(redis) if client == "usual" else LeanService(redis, await _link(url))
        await service.start()
        server = await loop.create_server(lambda: ServiceConnection(service), host, port, backlog=BACKLOG)
        gc.freeze()
        print(f"tcp://{host}:{server.sockets[0].getsockname()[1]}", flush=True)
        await stop.wait()
        server.close()
    await pool.aclose()


async def _link(url: str) -> RedisLink:
    loop, address, link = asyncio.get_running_loop(), urlsplit(url), RedisLink()

    def make() -> RedisLink:
        return link

    if address.scheme == "unix":
        await loop.create_unix_connection(make, unquote(address.path))
    else:
        await loop.create_connection(make, address.hostname or "localhost", address.port or PORT)
    return link


def main(*, url: str, host: str = "127.0.0.1", port: int = 0, client: Client = "usual") -> None:
    """Serve until SIGTERM, and print the url first; with port 0 the system chooses one.

    The url of Redis is unix://PATH or redis://HOST:PORT; the client is usual or lean.
    """
    run_loop(serve(url, host, port, client))


if __name__ == "__main__":
    cyclopts.run(main)
