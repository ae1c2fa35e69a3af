"""The rival most teams build: one script call on Redis per claim, and nothing else.

The script does it all at once: has this user claimed already, is a share left, draw it (up to twice the mean), take
it out, note it down. There are two of them:
* claim.lua, as most teams write it: a hash for what is left, a set of the users, a list of the claims;
* claim_lean.lua, what somebody who counts the calls makes of it: one hash for users and claims, fields set at once.
Redis must fsync every write before it answers, as in our tier `redis`: both then promise the same.

It does what is asked of it: no share is given twice, no user gets two, the sum is right. By its nature it
* keeps the only record of the money in Redis: no wallets, no transfers, nothing to audit or to settle;
* answers a retry with "claimed already" and not with what was won;
* draws from a seed that its caller chose, so nobody can verify an amount afterwards;
* knows no refunds, no groups and no right to open, and no protocol: there is no server in front of it.

The load is that of our scenario `opens`: users in groups of 20, packets of 20 shares, each user opens each packet
of their group, on a connection of their own, over the socket that our server uses. Redis is to be measured and not
its caller: all commands are bytes before the clock starts, and while it runs a reply is counted and put aside.

`python -m bench.compare.rivals.redis_lua --url unix:///run/redis.sock` prints the result as one line of JSON.
"""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import cyclopts
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from bench.compare.rivals import result
from bench.compare.rivals.result import FIRST_USER, GROUP, SHARE_FEN, Clock, Result, Void

LAST_ID: Final = "rival:last_packet"
FIRST_ID: Final = 10**9  # all ids have ten digits, so all commands have one size
AT_ONCE: Final = 1_000  # packets made, read or removed in one round trip
SEEDS: Final = 1_000_000
ANSWERS: Final = {b":0": "gone", b":-1": "claimed"}  # any other number is what was won
PORT: Final = 6379


class Script(NamedTuple):
    """One row of SCRIPTS."""

    file: str
    keys: tuple[str, ...]  # names; the packet's id goes into the braces
    read: Callable[[Any, str], object]  # (pipeline, last key): ask for the claims
    claims: Callable[[Any], Iterable[Sequence[bytes]]]  # what was read, as (user, fen)


SCRIPTS: Final = {
    "usual": Script(
        "claim.lua",
        ("rival:packet:{}", "rival:packet:{}:users", "rival:packet:{}:claims"),
        lambda pipeline, key: pipeline.lrange(key, 0, -1),
        lambda lines: [line.split(b":") for line in lines],
    ),
    "lean": Script(
        "claim_lean.lua",
        ("rival:packet:{}", "rival:packet:{}:claims"),
        lambda pipeline, key: pipeline.hgetall(key),
        lambda claims: claims.items(),
    ),
}


class Caller(asyncio.Protocol):
    """One user's connection: sends prebuilt commands of one size, so many under way; notes what came when."""

    def __init__(self, user_id: int, packets: Sequence[int], commands: list[bytes], depth: int) -> None:
        self.user_id = user_id
        self.packets = packets
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._commands = b"".join(commands)
        self._command_bytes = len(commands[0])
        self._first = min(depth, len(commands))
        self._sent_bytes = 0
        self._unanswered = len(commands)
        self._began_s = 0.0
        self._heard: list[bytes] = []
        self._heard_at_s = array("d")
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for `start`."""
        self._transport = cast("asyncio.Transport", transport)

    def start(self) -> None:
        """Send the first commands."""
        self._began_s = time.perf_counter()
        self._send(self._first)

    def data_received(self, data: bytes) -> None:
        """One command more for every reply; each is one line."""
        self._heard_at_s.append(time.perf_counter())
        self._heard.append(data)
        answered = data.count(b"\n")
        self._unanswered -= answered
        if self._sent_bytes < len(self._commands):
            self._send(answered)
        elif not self._unanswered:
            self.done.set_result(None)

    def _send(self, count: int) -> None:
        end = self._sent_bytes + count * self._command_bytes
        self._transport.write(self._commands[self._sent_bytes : end])
        self._sent_bytes = end

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for the end of the run hears of it."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("Redis hung up"))

    def close(self) -> None:
        """Hang up."""
        self.done.cancel()
        self._transport.abort()

    def answers(self) -> Iterator[tuple[int, bytes]]:
        """For each packet what Redis said, such as `:-1`. It answers in order."""
        return zip(self.packets, b"".join(self._heard).split(b"\r\n"), strict=False)

    def latencies_s(self) -> Iterator[float]:
        """From each command to its reply. What came in at once made room for as many commands at that moment."""
        counts = [data.count(b"\n") for data in self._heard]
        heard_at_s = [at_s for at_s, count in zip(self._heard_at_s, counts, strict=True) for _ in range(count)]
        sent_at_s = [*repeat(self._began_s, self._first), *heard_at_s]
        return (heard - sent for heard, sent in zip(heard_at_s, sent_at_s, strict=False))


async def run(url: str, connections: int, depth: int, claims: int, script: str = "usual") -> Result:
    """So many claims, `depth` under way on each connection; both numbers are rounded up to whole packets.

    `url` is unix://PATH or redis://HOST:PORT, `script` a name in SCRIPTS. Raises Void, OSError.
    """
    groups = -(-connections // GROUP)
    packets_each = max(-(-claims // (groups * GROUP)), 1)
    row = SCRIPTS[script]
    try:
        async with aioredis.Redis.from_url(url) as redis:
            await _refuse_unlike_ours(redis, groups * GROUP)
            packets = await _make_packets(redis, row, groups * packets_each)
            try:
                sha = await redis.script_load(Path(__file__).with_name(row.file).read_text())
                callers = _callers(row, sha, [packets[number::groups] for number in range(groups)], depth)
                clock = await _call(url, callers)
                told, answers = _told(callers)
                result.prove(told, await _booked(redis, row, packets), len(packets), GROUP)
            finally:
                await _remove(redis, row, packets)
    except RedisError as error:
        raise Void(f"Redis: {error}") from error
    latencies_s = array("d", (latency_s for caller in callers for latency_s in caller.latencies_s()))
    how = {"script": script, "appendfsync": "always"}
    return result.result("redis-lua", len(callers), depth, clock, latencies_s, answers, how)


async def _refuse_unlike_ours(redis: aioredis.Redis, connections: int) -> None:
    settings = await redis.config_get("append*", "maxclients")
    if (settings["appendonly"], settings["appendfsync"]) != ("yes", "always"):
        raise Void("Redis runs without appendonly yes and appendfsync always: its answers would promise less")
    if int(settings["maxclients"] or 0) <= connections:
        raise Void(f"Redis takes {settings['maxclients']} connections, the run needs {connections + 1}")


async def _make_packets(redis: aioredis.Redis, script: Script, count: int) -> range:
    """New packets; their ids, which nobody has had before."""
    end = FIRST_ID + int(await redis.incrby(LAST_ID, count))
    packets = range(end - count, end)
    terms = ["left_fen", str(GROUP * SHARE_FEN), "left_shares", str(GROUP)]
    for some in _in_parts(packets):
        async with redis.pipeline(transaction=False) as pipeline:
            for packet in some:
                pipeline.hset(script.keys[0].format(packet), items=terms)
            await pipeline.execute()
    return packets


def _callers(script: Script, sha: str, packets: list[range], depth: int) -> list[Caller]:
    """All users with their commands; `packets` are those of each group."""
    draw = random.Random(1)
    callers: list[Caller] = []
    for number in range(len(packets) * GROUP):
        user_id, theirs = FIRST_USER + number, packets[number // GROUP]
        commands = [_command(script, sha, packet, user_id, draw.randrange(SEEDS)) for packet in theirs]
        callers.append(Caller(user_id, theirs, commands, depth))
    return callers


def _command(script: Script, sha: str, packet: int, user_id: int, seed: int) -> bytes:
    """A claim as Redis reads it. Ids travel as text: a number in Lua is a double."""
    keys = [key.format(packet) for key in script.keys]
    words = ["EVALSHA", sha, str(len(keys)), *keys, str(user_id), f"{seed:06}"]
    lines = [f"*{len(words)}", *(line for word in words for line in (f"${len(word)}", word)), ""]
    return "\r\n".join(lines).encode()


async def _call(url: str, callers: list[Caller]) -> Clock:
    """Connect all, then let the clock run until the last one has the last answer."""
    try:
        for caller in callers:
            await _connect(url, caller)
        with Clock() as clock:
            for caller in callers:
                caller.start()
            await asyncio.gather(*(caller.done for caller in callers))
    finally:
        for caller in callers:
            caller.close()
    return clock


async def _connect(url: str, caller: Caller) -> None:
    loop, where = asyncio.get_running_loop(), urlsplit(url)
    if where.scheme == "unix":
        await loop.create_unix_connection(lambda: caller, unquote(where.path))
    else:
        await loop.create_connection(lambda: caller, where.hostname or "localhost", where.port or PORT)


def _told(callers: list[Caller]) -> tuple[dict[tuple[int, int], int], Counter[str]]:
    """Who was told to have won what, and how often each answer was given. Raises Void at an error."""
    told: dict[tuple[int, int], int] = {}
    answers: Counter[str] = Counter()
    for caller in callers:
        for packet, said in caller.answers():
            if said.startswith(b"-"):
                raise Void(f"Redis: {said[1:].decode()}")
            answer = ANSWERS.get(said, "won")
            answers[answer] += 1
            if answer == "won":
                told[packet, caller.user_id] = int(said[1:])
    return told, answers


async def _booked(redis: aioredis.Redis, script: Script, packets: range) -> dict[tuple[int, int], int]:
    """What Redis holds."""
    booked: dict[tuple[int, int], int] = {}
    for some in _in_parts(packets):
        async with redis.pipeline(transaction=False) as pipeline:
            for packet in some:
                script.read(pipeline, script.keys[-1].format(packet))
            found = await pipeline.execute()
        for packet, claims in zip(some, found, strict=True):
            booked |= {(packet, int(user)): int(fen) for user, fen in script.claims(claims)}
    return booked


async def _remove(redis: aioredis.Redis, script: Script, packets: range) -> None:
    for some in _in_parts(packets):
        await redis.unlink(*(key.format(packet) for key in script.keys for packet in some))


def _in_parts(packets: range) -> Iterator[range]:
    return (packets[first : first + AT_ONCE] for first in range(0, len(packets), AT_ONCE))


def main(
    *, url: str, connections: int = 1_000, depth: int = 1, claims: int = 60_000, script: str = "usual"
) -> None:
    """Measure, and print the result as one line of JSON.

    Parameters
    ----------
    url
        unix://PATH or redis://HOST:PORT
    connections
        users, each with a connection of their own
    depth
        claims under way on each connection
    claims
        how many in all; rounded up to whole packets
    script
        usual (as most teams write it) or lean (the fewest calls)
    """
    result.tell(run(url, connections, depth, claims, script))


if __name__ == "__main__":
    cyclopts.run(main)
