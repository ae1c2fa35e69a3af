"""The most common alternative: one script call on Redis per claim, and nothing else.

The script does everything at once: check whether the user has claimed and whether a share is left, draw the amount
(up to twice the mean), take the share, record the claim. There are two scripts:
* claim.lua, as most teams write it: a hash for the remainder, a set of the users, a list of the claims;
* claim_lean.lua, with the fewest calls: one hash for users and claims, fields set at once.
Redis must fsync every write before it answers, as our server does with durability `redis`: the promise is the same.

It does its task: no share is given twice, no user gets two, the sum is right. By design it
* keeps the only record of the money in Redis: no wallets, no transfers, nothing to audit or to settle;
* answers a retry with "claimed already" instead of the amount won;
* draws from a seed that its caller chose, so no amount can be verified afterwards;
* has no refunds, no groups, no right to open, and no protocol: there is no server in front of it.

The load is that of our scenario `opens`: users in groups of 20, packets of 20 shares, each user opens each packet
of their group, on a connection of their own, over the socket that our server uses. Redis is to be measured and not
its client: all commands are encoded before the clock starts, and while it runs a reply is only counted and stored.

`python -m bench.compare.rivals.redis_lua --url unix:///run/redis.sock` prints the result as one line of JSON.
"""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import cyclopts
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from bench.compare.rivals import result
from bench.compare.rivals.result import FIRST_USER, GROUP, SHARE_FEN, InvalidRun, Measurement, Result

LAST_ID: Final = "rival:last_packet"
FIRST_ID: Final = 10**9  # all ids have ten digits, so all commands have one size
PIPELINE: Final = 1_000  # packets made, read or removed in one round trip
SEEDS: Final = 1_000_000
ANSWERS: Final = {b":0": "gone", b":-1": "claimed"}  # any other number is the amount won
PORT: Final = 6379


class Script(NamedTuple):
    """One row of SCRIPTS."""

    file: str
    keys: tuple[str, ...]  # names; the packet's id goes into the braces
    read: Callable[[Any, str], object]  # (pipeline, last key): request the claims
    claims: Callable[[Any], Iterable[Sequence[bytes]]]  # the reply -> (user, fen)


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
    """One user's connection: sends prebuilt commands of one size, `depth` in flight, and stores the replies."""

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
        self._replies: list[bytes] = []
        self._replies_at_s = array("d")
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def start(self) -> None:
        self._began_s = time.perf_counter()
        self._send(self._first)

    def data_received(self, data: bytes) -> None:
        """Send one command more for every reply; each reply is one line."""
        self._replies_at_s.append(time.perf_counter())
        self._replies.append(data)
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
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("Redis closed the connection"))

    def close(self) -> None:
        self.done.cancel()
        self._transport.abort()

    def answers(self) -> Iterator[tuple[int, bytes]]:
        """For each packet the reply, such as `:-1`. Redis answers in order."""
        return zip(self.packets, b"".join(self._replies).split(b"\r\n"), strict=False)

    def latencies_s(self) -> Iterator[float]:
        """From each command to its reply. After a read, as many commands were sent as replies came."""
        counts = [data.count(b"\n") for data in self._replies]
        replied_s = [at_s for at_s, count in zip(self._replies_at_s, counts, strict=True) for _ in range(count)]
        sent_s = [*repeat(self._began_s, self._first), *replied_s]
        return (replied - sent for replied, sent in zip(replied_s, sent_s, strict=False))


async def run(url: str, connections: int, depth: int, claims: int, script: str = "usual") -> Result:
    """So many claims, `depth` in flight on each connection; both numbers are rounded up to whole packets.

    `url` is unix://PATH or redis://HOST:PORT, `script` a name in SCRIPTS. Raises InvalidRun, OSError.
    """
    groups = -(-connections // GROUP)
    packets_each = max(-(-claims // (groups * GROUP)), 1)
    row = SCRIPTS[script]
    try:
        async with aioredis.Redis.from_url(url) as redis:
            await _check_settings(redis, groups * GROUP)
            packets = await _make_packets(redis, row, groups * packets_each)
            try:
                sha = await redis.script_load(Path(__file__).with_name(row.file).read_text())
                callers = _callers(row, sha, [packets[number::groups] for number in range(groups)], depth)
                measurement = await _measure(url, callers)
                result.prove(measurement.told, await booked(redis, row, packets), len(packets), GROUP)
            finally:
                await remove(redis, row, packets)
    except RedisError as error:
        raise InvalidRun(f"Redis: {error}") from error
    return measurement.result("redis-lua", len(callers), depth, script=script, appendfsync="always")


async def _check_settings(redis: aioredis.Redis, connections: int) -> None:
    settings = await redis.config_get("append*", "maxclients")
    if (settings["appendonly"], settings["appendfsync"]) != ("yes", "always"):
        raise InvalidRun("Redis runs without appendonly yes and appendfsync always: its answers would promise less")
    if int(settings["maxclients"] or 0) <= connections:
        raise InvalidRun(f"Redis takes {settings['maxclients']} connections, the run needs {connections + 1}")


async def _make_packets(redis: aioredis.Redis, script: Script, count: int) -> range:
    """New packets; their ids were never used before."""
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


async def _measure(url: str, callers: list[Caller]) -> Measurement:
    """Connect all, then run the clock until the last answer. Raises InvalidRun at an error."""
    measurement = Measurement()
    loop, address = asyncio.get_running_loop(), urlsplit(url)
    try:
        for caller in callers:
            if address.scheme == "unix":
                await loop.create_unix_connection(lambda: caller, unquote(address.path))  # noqa: B023  called at once
            else:
                host, port = address.hostname or "localhost", address.port or PORT
                await loop.create_connection(lambda: caller, host, port)  # noqa: B023
        with measurement:
            for caller in callers:
                caller.start()
            await asyncio.gather(*(caller.done for caller in callers))
    finally:
        for caller in callers:
            caller.close()
    for caller in callers:
        measurement.latencies_s.extend(caller.latencies_s())
        for packet, reply in caller.answers():
            if reply.startswith(b"-"):
                raise InvalidRun(f"Redis: {reply[1:].decode()}")
            measurement.add(packet, caller.user_id, ANSWERS.get(reply) or int(reply[1:]))
    return measurement


async def booked(redis: aioredis.Redis, script: Script, packets: Sequence[int]) -> dict[tuple[int, int], int]:
    """The claims of these packets as Redis has them: (packet, user) -> fen."""
    claimed: dict[tuple[int, int], int] = {}
    for some in _in_parts(packets):
        async with redis.pipeline(transaction=False) as pipeline:
            for packet in some:
                script.read(pipeline, script.keys[-1].format(packet))
            found = await pipeline.execute()
        for packet, claims in zip(some, found, strict=True):
            claimed |= {(packet, int(user)): int(fen) for user, fen in script.claims(claims)}
    return claimed


async def remove(redis: aioredis.Redis, script: Script, packets: Sequence[int]) -> None:
    """Remove these packets."""
    for some in _in_parts(packets):
        await redis.unlink(*(key.format(packet) for key in script.keys for packet in some))


def _in_parts(packets: Sequence[int]) -> Iterator[Sequence[int]]:
    return (packets[first : first + PIPELINE] for first in range(0, len(packets), PIPELINE))


def main(
    *, url: str, connections: int = 1_000, depth: int = 1, claims: int = 60_000, script: str = "usual"
) -> None:
    """Measure, and print the result as one line of JSON.

    So many claims by so many users, each on a connection with `depth` claims in flight, rounded up to whole
    packets. The url is unix://PATH or redis://HOST:PORT; the script is usual (as most teams write it) or lean
    (fewest calls).
    """
    result.write(run(url, connections, depth, claims, script))


if __name__ == "__main__":
    cyclopts.run(main)
