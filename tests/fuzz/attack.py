"""The attack: many connections that send what the grammar makes, one by one and in bursts, and its report."""

from __future__ import annotations

import asyncio
import json
import math
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from client_sim.sdk.client import Client
from client_sim.sdk.transport import Address, parse_url
from protocol import tokens
from server.config import Config, load_keys
from server.core.ids import BACKEND
from server.instance import STATUS_SOCKET, running
from server.ops.socket.status_socket import ask
from server.process import LOG, ServerFailed, ServerProcess
from tests.fuzz.grammar import Frame, Grammar, World
from tests.fuzz.line import Line, Tee, dial

LIMITS_OFF = """[limits]
requests_per_s = 1000000
requests_burst = 1000000
groups_of_user_max = 20
connections_of_user_max = 1000
failed_logins_of_address_per_s = 1000000
failed_logins_of_address_burst = 1000000
"""
WORKERS = 16  # connections that attack at once; the last one is the backend's
HONEST = 900
BURST_MAX = 32
UNKNOWN_PART = 0.1  # of the connections: never log in
SINGLES_PART = 0.02
WARM_PART = 0.2
RICH_FEN = 10**9
FAR_AWAY_S = 4_000_000_000
MARKERS_FROM = 3_000_000_000  # seqs that no frame of the grammar has
ROUNDS = 6  # the honest client's quiet time, in seconds
NOTHING = {"asked": 0, "p99_ms": 0.0, "worst_ms": 0.0}
AS_SHIPPED = ""  # the config of an attack that the server may defend itself against
FAULTS = ("request_failed", "Traceback", '"level": "error"', '"level": "critical"', "Exception in ", "_failed")


@dataclass
class Found:
    """What an attack has shown."""

    frames: int = 0
    seconds: float = 0.0
    logins: int = 0
    hanging: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    worst_ms: float = 0.0
    worst_name: str = ""
    p99_single_ms: float = 0.0
    crashes: int = 0
    faults: list[str] = field(default_factory=list)
    live_packets: int = 0
    rss_warm: int = 0
    rss_end: int = 0
    before: dict[str, Any] = field(default_factory=lambda: dict(NOTHING))
    during: dict[str, Any] = field(default_factory=lambda: dict(NOTHING))

    @property
    def growth_mib(self) -> float:
        """What the server's memory grew by, once it was warm."""
        return (self.rss_end - self.rss_warm) / 2**20


class Bounds(NamedTuple):
    """What must not be exceeded."""

    single_ms: float = 500.0
    growth_mib: float = 64.0
    honest_p99_ms: float = 250.0


class Row(NamedTuple):
    """One line of the report."""

    what: str
    found: str
    bound: str
    holds: bool


def rows(found: Found, bounds: Bounds) -> list[Row]:
    """The report."""
    worst = f"{found.worst_ms:.1f} ms ({found.worst_name}), p99 {found.p99_single_ms:.2f} ms"
    before, during = found.before, found.during
    return [
        Row("frames", f"{found.frames:,} in {found.seconds:.0f} s, {found.logins:,} connections", "", True),
        Row("crashes", str(found.crashes), "0", found.crashes == 0),
        Row("unhandled exceptions", str(len(found.faults)), "0", not found.faults),
        Row("frames without an answer", str(found.hanging), "0", found.hanging == 0),
        Row("refused as internal", str(found.counts["internal"]), "0", not found.counts["internal"]),
        Row("worst single frame", worst, f"{bounds.single_ms:.0f} ms", found.worst_ms <= bounds.single_ms),
        Row(
            "memory growth",
            f"{found.growth_mib:+.1f} MiB, to {found.rss_end / 2**20:.0f}; {found.live_packets:,} packets live",
            f"{bounds.growth_mib:.0f} MiB",
            found.growth_mib <= bounds.growth_mib,
        ),
        Row("honest p99 before", f"{before['p99_ms']} ms (worst {before['worst_ms']})", "", True),
        Row(
            "honest p99 during",
            f"{during['p99_ms']} ms (worst {during['worst_ms']}, of {during['asked']:,})",
            f"{bounds.honest_p99_ms:.0f} ms",
            during["p99_ms"] <= bounds.honest_p99_ms and during["asked"] > 0,
        ),
    ]


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
        self._world = World(list(range(1, WORKERS + 1)))
        self._recorded: list[Frame] = []
        self._marker = MARKERS_FROM
        self.found = Found()

    def token(self, user_id: int) -> tokens.Token:
        """A genuine one."""
        return tokens.mint(user_id, FAR_AWAY_S, self._key_id, self._key)

    async def run(self, say: Callable[[str], None]) -> Found:
        """Prepare, send one by one, send in bursts."""
        found = self.found
        await self._prepare()
        with Honest(self._url, str(self.token(HONEST))) as honest:
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
        """Money, a group, packets of every kind, and with them the session that mutations are made of."""
        tee = Tee(self._address)
        through = f"tcp://127.0.0.1:{await tee.open()}"
        world = self._world
        async with (
            Client(through, str(self.token(BACKEND))) as backend,
            Client(through, str(self.token(1))) as one,
            Client(through, str(self.token(2))) as two,
        ):
            for user_id in (*world.users, HONEST):
                await backend.top_up(user_id, RICH_FEN)
            await backend.withdraw(1, 100)
            for name in ("fuzz", "红包"):
                world.groups.append(await one.create_group(name))
                await two.join_group(world.groups[-1])
            await two.members(world.groups[0])
            await one.say(world.groups[0], "hello")
            await two.catch_up(world.groups[0], 0)
            for kind, target, shares in (
                ("lucky", world.groups[0], 2),
                ("equal", world.groups[0], 2),
                ("personal", 2, 1),
                ("personal", 3, 1),
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

    def _heard(self, message: list[Any]) -> None:
        """Learn the ids that replies tell."""
        pool = {111: self._world.groups, 120: self._world.packets}.get(message[0])
        if pool is not None:
            self._world.learn(pool, message[2])
        elif message[0] == 121 and message[4]:
            self._world.learn(self._world.tickets, message[4])

    def _next_marker(self) -> int:
        self._marker += 1
        return self._marker

    # --- one by one -------------------------------------------------------------------------------------------

    async def _singles(self) -> None:
        """The time of each frame, from its writing to its reply or the end, on a server that does nothing else."""
        grammar = Grammar(f"{self._seed} singles", self._world, self._recorded)
        times_ms: list[float] = []
        line: Line | None = None
        for _ in range(max(200, int(self._frames * SINGLES_PART))):
            if line is None or line.is_closed:
                line = await self._dial(1)
            one = grammar.any()
            began_s = time.perf_counter()
            await self._send(line, [one], grammar, {one.seq} - {0})
            times_ms.append((time.perf_counter() - began_s) * 1000)
            if times_ms[-1] > self.found.worst_ms:
                self.found.worst_ms, self.found.worst_name = times_ms[-1], one.name
        self.found.p99_single_ms = sorted(times_ms)[int(len(times_ms) * 0.99)]
        if line is not None:
            line.hang_up()

    # --- in bursts --------------------------------------------------------------------------------------------

    async def _work(self, number: int) -> None:
        user_id = number + 1 if number < WORKERS - 1 else BACKEND
        grammar = Grammar(f"{self._seed} {number}", self._world, self._recorded)
        chance = random.Random(f"{self._seed} {number} chance")
        while self.found.frames < self._frames:
            if chance.random() < UNKNOWN_PART:
                line = await self._dial(None)
                await self._send(line, [grammar.any()._replace(keeps_step=False)], grammar, set())
            else:
                line = await self._dial(user_id)
                while not line.is_closed and self.found.frames < self._frames:
                    burst = _burst(grammar)
                    await self._pace(len(burst))
                    await self._send(line, burst, grammar, set())
            line.hang_up()

    async def _pace(self, frames: int) -> None:
        """Wait for the turn of so many frames among all attackers."""
        now_s = time.monotonic()
        self._due_s = max(self._due_s, now_s) + frames / self._frames_per_s
        await asyncio.sleep(self._due_s - now_s)

    async def _dial(self, user_id: int | None) -> Line:
        self.found.logins += 1
        token = None if user_id is None else self.token(user_id)
        return await dial(self._address, self.found.counts, self._heard, token)

    async def _send(self, line: Line, burst: list[Frame], grammar: Grammar, expected: set[int]) -> None:
        """Write and wait: for what is expected and the pong behind it all, or for the end."""
        found = self.found
        found.frames += len(burst)
        if not found.rss_warm and found.frames > self._frames * WARM_PART:
            found.rss_warm = self._server.memory_info().rss
        data = b"".join(one.data for one in burst)
        marker = self._next_marker()
        line.expect(marker, *expected)
        for piece in grammar.split(data):
            line.write(piece)
            await asyncio.sleep(0)
        if burst[-1].keeps_step:
            line.write(b"\0\0\0\x07\x92\x03\xce" + marker.to_bytes(4, "big"))
        else:
            line.end()
        if not await line.until():
            found.hanging += 1
            found.faults.append(f"no answer to {burst[-1].name}: {burst[-1].data[:40].hex()}")
            line.hang_up()


def _burst(grammar: Grammar) -> list[Frame]:
    """Frames up to one that may end the connection: what stands behind that is never read."""
    burst = [grammar.any()]
    while len(burst) < BURST_MAX and not burst[-1].may_close:
        burst.append(grammar.any())
    return burst


class Honest:
    """The honest client's process."""

    def __init__(self, url: str, token: str) -> None:
        self._words = [sys.executable, "-m", "tests.fuzz.honest", url, token]

    def __enter__(self) -> Honest:
        self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

    def since(self) -> dict[str, Any]:
        """What it saw since the last time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


def faults_in(log: Path) -> list[str]:
    """Lines of a server's log that tell of something unforeseen."""
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
