"""The attack: many connections that send the frames of the grammar, one by one and in bursts."""

from __future__ import annotations

import asyncio
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from client_sim.sdk.transport import Address, parse_url
from protocol import tokens
from server.config import Config, load_keys
from server.core.ids import BACKEND
from server.instance import STATUS_SOCKET, running
from server.ops.socket.status_socket import ask
from server.process import LOG, ServerFailed, ServerProcess
from tests.fuzz.connection import FuzzConnection, Tee, dial
from tests.fuzz.grammar import OUTLAW, Frame, Grammar, World
from tests.fuzz.result import Found

LIMITS_OFF = """[limits]
requests_per_s = 1000000
requests_burst = 1000000
groups_of_user_max = 20
connections_of_user_max = 1000
failed_logins_of_address_per_s = 1000000
failed_logins_of_address_burst = 1000000
"""
WORKERS = 16  # connections that attack at once; the last one is the backend's
ONE, TWO = 1_001, 1_002  # the first users; no number of EDGES, because the backend bans users of such numbers
HONEST = 900
BURST_MAX = 32
UNKNOWN_PART = 0.1  # of the connections: never log in
SINGLES_PART = 0.02
WARM_PART = 0.2
RICH_FEN = 10**9
FAR_AWAY_S = 4_000_000_000
MARKERS_FROM = 3_000_000_000  # seqs that no frame of the grammar has
ROUNDS = 6  # the honest client's quiet time, in seconds
AS_SHIPPED = ""  # the default config: the server may defend itself
FAULTS = ("request_failed", "Traceback", '"level": "error"', '"level": "critical"', "Exception in ", "_failed")


class Attack:
    """One run against one server, as fast as it answers or at `frames_per_s`."""

    def __init__(
        self, url: str, keys: dict[str, bytes], pid: int, frames: int, seed: int, frames_per_s: float = math.inf
    ) -> None:
        self._address: Address = parse_url(url)
        self._url = url
        self._key_id, self._key = list(keys.items())[-1]
        self._server = psutil.Process(pid)
        self._frames = frames
        self._seed = seed
        self._frames_per_s = frames_per_s
        self._due_s = 0.0
        self._world = World(list(range(ONE, ONE + WORKERS)))
        self._recorded: list[Frame] = []
        self._marker = MARKERS_FROM
        self.found = Found()

    def token(self, user_id: int) -> tokens.Token:
        """A valid token."""
        return tokens.mint(user_id, FAR_AWAY_S, self._key_id, self._key)

    async def run(self, say: Callable[[str], None]) -> Found:
        """Prepare, send one by one, send in bursts."""
        found = self.found
        await self._prepare()
        with HonestClient(self._url, str(self.token(HONEST))) as honest:
            await asyncio.sleep(1)
            honest.since()
            await asyncio.sleep(ROUNDS)
            found.before = honest.since()
            await self._singles()
            began_s = time.monotonic()
            honest.since()
            workers = [asyncio.create_task(self._work(number)) for number in range(WORKERS)]
            try:
                await self._watch(workers, say)
            finally:
                for worker in workers:
                    worker.cancel()
            found.seconds = time.monotonic() - began_s
            found.during = honest.since()
        found.rss_end = self._server.memory_info().rss
        return found

    async def _watch(self, workers: list[asyncio.Task[None]], say: Callable[[str], None]) -> None:
        pending = set(workers)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=5, return_when=asyncio.FIRST_EXCEPTION)
            for worker in done:
                worker.result()
            say(f"{self.found.frames:,} of {self._frames:,} frames, {self._server.memory_info().rss >> 20} MiB")

    # --- the world --------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        """Money, a group, packets of every kind; the frames of this session are the base of mutations."""
        tee = Tee(self._address)
        through = f"tcp://127.0.0.1:{await tee.open()}"
        world = self._world
        async with (
            Client(through, str(self.token(BACKEND))) as backend,
            Client(through, str(self.token(ONE))) as one,
            Client(through, str(self.token(TWO))) as two,
        ):
            for user_id in (*world.users, HONEST):
                await backend.top_up(user_id, RICH_FEN)
            await backend.withdraw(ONE, 100)
            await self._use_groups(backend, one, two)
            await two.members(world.groups[0])
            await one.say(world.groups[0], "hello")
            await two.catch_up(world.groups[0], 0)
            for kind, target, shares in (
                ("lucky", world.groups[0], 2),
                ("equal", world.groups[0], 2),
                ("personal", TWO, 1),
                ("personal", HONEST, 1),
            ):
                sent = await one.send_packet(kind, target, 1000, shares, "恭喜发财")
                world.packets.append(sent.packet_id)
                await two.open(sent.packet_id)
            await two.balance()
            await two.leave_group(world.groups[1])
            await one.open(world.packets[0])
            await one.reveal(world.packets[0])
        await tee.close()
        self._recorded = tee.recorded

    async def _use_groups(self, backend: Client, one: Client, two: Client) -> None:
        """Groups of a user and of the backend, a one-to-one chat, a pass."""
        for name in ("fuzz", "红包"):
            group_id = await one.create_group(name)
            invite = await one.invite(group_id)
            await two.join_group(group_id, invite)
            self._world.groups.append(group_id)
            self._world.invites.append(invite)
        await backend.put_users({ONE: "one", TWO: "two", HONEST: "honest"})
        await backend.ban_user(OUTLAW)
        await backend.revoke_tokens(OUTLAW)
        group_id = await backend.put_group("room-1", "fuzz", ONE)
        await backend.sync_members(group_id, 5, [ONE, TWO, HONEST])
        await backend.change_members(group_id, 6, [OUTLAW], [HONEST])
        chat_id = await backend.put_chat(ONE, TWO)
        assert (await one.open_chat(TWO)).stream_id == chat_id
        self._world.groups += [group_id, chat_id]
        with suppress(Refusal):
            await two.show_pass(f"{group_id}.{TWO}.{FAR_AWAY_S}.{self._key_id}.00")
        await one.seed_trees()

    def _learn(self, message: list[Any]) -> None:
        """Learn the ids in replies."""
        pool = {111: self._world.groups, 120: self._world.packets}.get(message[0])
        if pool is not None:
            self._world.learn(pool, message[2])
        elif message[0] == 121 and message[4]:
            self._world.learn(self._world.tickets, message[4])

    def _next_marker(self) -> int:
        self._marker += 1
        return self._marker

    # --- single frames -------------------------------------------------------------------------------------------

    async def _singles(self) -> None:
        """The time of each frame, from its writing to its reply or the end, on a server without other load."""
        grammar = Grammar(f"{self._seed} singles", self._world, self._recorded)
        times_ms: list[float] = []
        connection: FuzzConnection | None = None
        for _ in range(max(200, int(self._frames * SINGLES_PART))):
            if connection is None or connection.is_closed:
                connection = await self._dial(ONE)
            one = grammar.any()
            began_s = time.perf_counter()
            await self._send(connection, [one], grammar, {one.seq} - {0})
            times_ms.append((time.perf_counter() - began_s) * 1000)
            if times_ms[-1] > self.found.worst_ms:
                self.found.worst_ms, self.found.worst_name = times_ms[-1], one.name
        self.found.p99_single_ms = sorted(times_ms)[int(len(times_ms) * 0.99)]
        if connection is not None:
            connection.hang_up()

    # --- bursts --------------------------------------------------------------------------------------------

    async def _work(self, number: int) -> None:
        user_id = ONE + number if number < WORKERS - 1 else BACKEND
        grammar = Grammar(f"{self._seed} {number}", self._world, self._recorded)
        chance = random.Random(f"{self._seed} {number} chance")
        while self.found.frames < self._frames:
            if chance.random() < UNKNOWN_PART:
                connection = await self._dial(None)
                await self._send(connection, [grammar.any()._replace(keeps_step=False)], grammar, set())
            else:
                connection = await self._dial(user_id)
                while not connection.is_closed and self.found.frames < self._frames:
                    burst = _burst(grammar)
                    await self._pace(len(burst))
                    await self._send(connection, burst, grammar, set())
            connection.hang_up()

    async def _pace(self, frames: int) -> None:
        """Keep to the rate of frames of all attackers together."""
        now_s = time.monotonic()
        self._due_s = max(self._due_s, now_s) + frames / self._frames_per_s
        await asyncio.sleep(self._due_s - now_s)

    async def _dial(self, user_id: int | None) -> FuzzConnection:
        self.found.logins += 1
        token = None if user_id is None else self.token(user_id)
        return await dial(self._address, self.found.counts, self._learn, token)

    async def _send(
        self, connection: FuzzConnection, burst: list[Frame], grammar: Grammar, expected: set[int]
    ) -> None:
        """Write, and wait for the expected replies and the pong behind them, or for the end."""
        found = self.found
        found.frames += len(burst)
        if not found.rss_warm and found.frames > self._frames * WARM_PART:
            found.rss_warm = self._server.memory_info().rss
        data = b"".join(one.data for one in burst)
        marker = self._next_marker()
        connection.expect(marker, *expected)
        for piece in grammar.split(data):
            connection.write(piece)
            await asyncio.sleep(0)
        if burst[-1].keeps_step:
            connection.write(b"\0\0\0\x07\x92\x03\xce" + marker.to_bytes(4, "big"))
        else:
            connection.end()
        if not await connection.until():
            found.hanging += 1
            found.faults.append(f"no answer to {burst[-1].name}: {burst[-1].data[:40].hex()}")
            connection.hang_up()


def _burst(grammar: Grammar) -> list[Frame]:
    """Frames up to one that may end the connection: frames behind it would never be read."""
    burst = [grammar.any()]
    while len(burst) < BURST_MAX and not burst[-1].may_close:
        burst.append(grammar.any())
    return burst


class HonestClient:
    """The process of an honest client."""

    def __init__(self, url: str, token: str) -> None:
        self._words = [sys.executable, "-m", "tests.fuzz.honest", url, token]

    def __enter__(self) -> HonestClient:
        self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

    def since(self) -> dict[str, Any]:
        """The figures since the last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        figures: dict[str, Any] = json.loads(self._process.stdout.readline())
        return figures


def faults_in(log: Path) -> list[str]:
    """Lines of a server's log about unexpected errors."""
    return [
        line[:300] for line in log.read_text(errors="replace").splitlines() if any(one in line for one in FAULTS)
    ]


async def attack(
    data: Path,
    frames: int,
    seed: int,
    say: Callable[[str], None],
    settings: str = LIMITS_OFF,
    frames_per_s: float = math.inf,
) -> Found:
    """Start a server with these settings on this folder and attack it."""
    config = data / "fuzz.toml"
    config.write_text(settings)
    with ServerProcess(data, "--config", str(config)) as server:
        here = running(data)
        assert here is not None
        one = Attack(server.url, load_keys(Config(), data), here.pid, frames, seed, frames_per_s)
        try:
            await one.run(say)
            one.found.live_packets = int(str((await ask(data / STATUS_SOCKET, "status"))["live_packets"]))
            server.check()
        except (OSError, ServerFailed, psutil.Error) as error:
            one.found.crashes += 1
            one.found.faults.append(f"{type(error).__name__}: {error}")
    one.found.faults += faults_in(data / LOG)
    return one.found
