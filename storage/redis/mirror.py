"""The mirror of live packets: per packet one string, the log of its claims; its length is its version.

A log is a head of one byte and 20 bytes a claim: user id (8), time in ms (8), amount in fen (4), big-endian; the
index of a claim is its place. A closing byte after the claims ends it. A batch is one Lua call for all its
packets; a packet is accepted only if its log has the length that the batch was built on. Ids travel as text in the
key, never as Lua numbers, which are doubles and would lose their last digits.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, cast

from redis import __version__ as redis_version
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import NoScriptError, RedisError, ResponseError

from storage.errors import unavailable
from storage.redis.settings import NAMES, RedisSettings, from_info

HEAD: Final = b"\x01"  # also the version of this format
CLOSING: Final = b"\xff"
_CLAIM: Final = struct.Struct(">QQI")
_PREFIX: Final = "hongbao:packet:"
_FORGET_MS: Final = 60_000  # an old log outlives its packet so long, for a writer that still holds an old view
_SCAN_COUNT: Final = 1_000
PROBE_S: Final = 0.7  # a probe without an answer fails after it
_PROBE_KEY: Final = "hongbao:probe"
_PROBE_MS: Final = 60_000
_ID_MAX: Final = (1 << 63) - 1
_FOREIGN_MAX: Final = 10  # of another program, that are named
# Each connection tells it to Redis. The library would read its version from the disk each time: 2 ms of the loop.
_DRIVER: Final = DriverInfo(lib_version=redis_version)


class LoggedClaim(Protocol):
    """What the mirror wants to know of a claim; its index is its place in the log."""

    @property
    def user_id(self) -> int: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def amount_fen(self) -> int: ...


class MirroredClaim(NamedTuple):
    """A claim as the mirror tells it."""

    user_id: int
    at_ms: int
    amount_fen: int


class Log(NamedTuple):
    """What the mirror holds of one packet. `length` 0: nothing at all."""

    length: int
    claims: list[MirroredClaim]
    closed: bool
    ours: bool = True


class Extension(NamedTuple):
    """The next claims of one packet, for a log of length `seen`; `image`, if any, replaces that log first."""

    packet_id: int
    seen: int
    image: bytes
    claims: bytes


def pack(claims: Iterable[LoggedClaim]) -> bytes:
    """Claims as the bytes of a log, without the head."""
    return b"".join([_CLAIM.pack(one.user_id, one.at_ms, one.amount_fen) for one in claims])


def length(version: int) -> int:
    """The length of the open log of a packet with so many claims."""
    return len(HEAD) + version * _CLAIM.size


def parse(log: bytes) -> Log:
    """A log as its claims. One that this program did not write has `ours` False and no claims."""
    if not log:
        return Log(0, [], closed=False)
    closed = (len(log) - len(HEAD)) % _CLAIM.size == len(CLOSING)
    body = log[len(HEAD) : len(log) - len(CLOSING)] if closed else log[len(HEAD) :]
    if not log.startswith(HEAD) or len(body) % _CLAIM.size:
        return Log(len(log), [], closed=False, ours=False)
    return Log(len(log), [MirroredClaim(*fields) for fields in _CLAIM.iter_unpack(body)], closed)


@contextmanager
def unavailable_when_away(url: str) -> Iterator[None]:
    """Turn everything that means "Redis is away or gave up" into StoreUnavailable, which says where it is."""
    try:
        yield
    except (RedisError, OSError, TimeoutError, RuntimeError) as error:  # RuntimeError: uvloop, of a closed socket
        # without the place in our script
        shown = ResponseError(str(error).partition(" script: ")[0]) if isinstance(error, ResponseError) else error
        raise unavailable("Redis", shown, url) from error


class Mirror:
    """One Redis (≥ 7.0) or Valkey. `timeout_s` bounds every connection attempt and every call."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._redis = _connections(url, timeout_s)
        self._prober = _connections(url, PROBE_S)  # of its own: a probe that waits must not delay claims
        self._scripts = {
            name: Path(__file__).with_name(f"{name}.lua").read_text()
            for name in ("append", "close", "forget", "probe")
        }
        self._shas: dict[str, str] = {}
        self.foreign_keys: set[str] = set()  # under our prefix, but no packet's
        self._calls: set[asyncio.Future[list[Any]]] = set()  # in flight; they outlive a caller that was cancelled

    async def close(self) -> None:
        """End the calls in flight and close every connection: a call that began later would open a new one."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._redis.aclose()
        await self._prober.aclose()

    async def probe(self) -> None:
        """Write as claims are written. Raises StoreUnavailable, also if Redis answers and refuses the write."""
        await self._run_script("probe", [_PROBE_KEY], [_PROBE_MS], self._prober)

    async def settings(self) -> RedisSettings:
        """The settings on which the safety of claims rests, as far as they may be read. Raises StoreUnavailable."""
        with unavailable_when_away(self._url):
            info = await _if_allowed(self._prober.info("memory", "persistence", "cluster"))
            told = await _if_allowed(self._prober.config_get(*NAMES))
        return RedisSettings({**from_info(info), **told}, is_cluster=bool(info.get("cluster_enabled")))

    async def append(self, extensions: Sequence[Extension]) -> set[int]:
        """Extend logs, all in one call; the ids of the packets that were refused. Raises StoreUnavailable."""
        words: list[bytes | int] = []
        for one in extensions:
            words += (one.seen, one.image, one.claims)
        refused = await self._call("append", [one.packet_id for one in extensions], words)
        return {extensions[position - 1].packet_id for position in refused}

    async def close_logs(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        """Close logs; what they held. Again is harmless."""
        found = await self._call("close", packet_ids, [HEAD, CLOSING, _CLAIM.size])
        return {packet_id: parse(log) for packet_id, log in zip(packet_ids, found, strict=True)}

    async def read(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        """What the mirror holds of these packets."""
        with unavailable_when_away(self._url):
            logs = await self._redis.mget([_key(packet_id) for packet_id in packet_ids])
        found = cast("list[bytes | None]", logs)
        return {packet_id: parse(log or b"") for packet_id, log in zip(packet_ids, found, strict=True)}

    async def forget(self, packet_ids: Sequence[int]) -> None:
        """Let the logs of packets that are over lapse in a minute."""
        await self._call("forget", packet_ids, [_FORGET_MS])

    async def lasting_ids(self) -> AsyncIterator[list[int]]:
        """The ids of all packets that have a log which does not lapse, some at a time."""
        cursor: int = 0
        while True:
            with unavailable_when_away(self._url):
                cursor, keys = await self._redis.scan(cursor, match=_PREFIX + "*", count=_SCAN_COUNT)
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for key in keys:
                        pipeline.pttl(key)
                    lifetimes = await pipeline.execute()
            packet_ids = [self._packet_id(cast("bytes", key)) for key in keys]
            yield [
                packet_id
                for packet_id, lifetime in zip(packet_ids, lifetimes, strict=True)
                if packet_id is not None and lifetime == -1
            ]
            if cursor == 0:
                return

    def _packet_id(self, key: bytes) -> int | None:
        """The packet of a key; None: another program made the key, and it is left alone."""
        digits = key.removeprefix(_PREFIX.encode())
        if digits.isdigit() and int(digits[:20]) <= _ID_MAX:
            return int(digits)
        if len(self.foreign_keys) < _FOREIGN_MAX:
            self.foreign_keys.add(repr(key[:100])[1:])
        return None

    async def _call(self, script: str, packet_ids: Sequence[int], words: Sequence[bytes | int]) -> list[Any]:
        keys = [_key(packet_id) for packet_id in packet_ids]
        # shielded: a call that is cancelled half-way would leave the connection out of step
        call = asyncio.ensure_future(self._run_script(script, keys, words))
        self._calls.add(call)
        call.add_done_callback(self._has_ended)
        return await asyncio.shield(call)

    def _has_ended(self, call: asyncio.Future[list[Any]]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # taken here: a caller that was cancelled is not there to receive it

    async def _run_script(
        self, script: str, keys: list[str], words: Sequence[bytes | int], redis: aioredis.Redis | None = None
    ) -> list[Any]:
        redis = redis or self._redis
        with unavailable_when_away(self._url):
            if script not in self._shas:
                self._shas[script] = await redis.script_load(self._scripts[script])
            try:
                answer = await redis.evalsha(self._shas[script], len(keys), *keys, *words)
            except NoScriptError:  # Redis was restarted or flushed: nothing ran
                self._shas[script] = await redis.script_load(self._scripts[script])
                answer = await redis.evalsha(self._shas[script], len(keys), *keys, *words)
        return cast("list[Any]", answer)


def _connections(url: str, timeout_s: float) -> aioredis.Redis:
    """A pool; nothing is opened yet."""
    return aioredis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        driver_info=_DRIVER,
        retry=Retry(NoBackoff(), 0),  # a call whose outcome is unknown is ours to judge
    )


async def _if_allowed(asked: Awaitable[Any]) -> dict[str, Any]:
    """The answer; nothing if the user may not ask, or a provider has removed the command."""
    try:
        return cast("dict[str, Any]", await asked)
    except ResponseError:
        return {}


def _key(packet_id: int) -> str:
    return f"{_PREFIX}{packet_id}"
