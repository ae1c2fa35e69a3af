"""One Redis or Valkey, named by its address or by Sentinels, as the store of all logs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from redis import asyncio as aioredis
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import NoScriptError, ResponseError

from storage.redis.addresses import RedisAddress, connect, find_master
from storage.redis.engine import PREFIX, PROBE_KEY, PROBE_MS, PROBE_S, MirrorOutcome, Operation
from storage.redis.pipeline import GAVE_UP, SCRIPTS, Confirmation, command_of, in_our_words, send
from storage.redis.settings import NAMES, RedisSettings, from_info

SCAN_COUNT: Final = 1_000
CONFIRM_MS: Final = 500  # for each of two confirmations of a batch; a later one is an unknown outcome
CONFIRM_PROBE_MS: Final = 300  # the same for a probe, which has PROBE_S
_NO_TAG: Final = ""


class SingleRedis:
    """All logs in one server (≥ 7.0). `timeout_s` bounds every connection attempt and every call.

    `confirms`: with Sentinels a replica may be promoted, so a write counts only when a replica has it on its disk.
    """

    def __init__(self, url: str, address: RedisAddress, timeout_s: float, confirms: bool) -> None:
        self._url = url
        self._sentinels: list[Sentinel] = []
        self._redis = self._connections(address, timeout_s)
        self._prober = self._connections(address, PROBE_S)  # of its own: a probe that waits must not delay claims
        self._confirms = confirms and address.form == "sentinel"
        self._shas: dict[str, str] = {}

    def _connections(self, address: RedisAddress, timeout_s: float) -> aioredis.Redis:
        if address.form != "sentinel":
            return connect(address.urls[0], timeout_s)
        redis, sentinels = find_master(address, timeout_s)
        self._sentinels.append(sentinels)
        return redis

    async def close(self) -> None:
        """Close every connection."""
        for pool in (self._redis, self._prober):
            await pool.aclose()
        for sentinels in self._sentinels:
            await sentinels.aclose()

    def tag_of(self, packet_id: int) -> str:
        """There are no tags."""
        return _NO_TAG

    def key(self, packet_id: int) -> str:
        """The key of a packet's log."""
        return f"{PREFIX}{packet_id}"

    async def run(self, operation: Operation) -> MirrorOutcome:
        """One call for all packets. Raises StoreUnavailable."""
        keys = [self.key(packet_id) for packet_id in operation.packet_ids]
        with unavailable_when_away(self._url):
            reply = await self._reply(operation, keys)
        return MirrorOutcome([(operation.packet_ids, reply)], {}, frozenset())

    async def _reply(self, operation: Operation, keys: list[str]) -> Any:
        if self._confirms:
            command = command_of(operation, keys, range(len(keys)))
            (reply,) = await send(self._redis, [command], Confirmation(_NO_TAG, CONFIRM_MS), self._url)
            if isinstance(reply, Exception):
                raise reply
            return reply
        if operation.name == "MGET":
            return await self._redis.mget(keys)
        words = [word for words in operation.each for word in words]
        return await self._run_script(operation.name, keys, [*words, *operation.for_all], self._redis)

    async def probe(self) -> Mapping[str, str]:
        """Write as claims are written. Raises StoreUnavailable, also if Redis answers and refuses the write."""
        with unavailable_when_away(self._url):
            if self._confirms:
                command = command_of(Operation("probe", (), for_all=(PROBE_MS,)), [PROBE_KEY], ())
                confirmation = Confirmation(_NO_TAG, CONFIRM_PROBE_MS)
                (reply,) = await send(self._prober, [command], confirmation, self._url)
                if isinstance(reply, Exception):
                    raise reply
            else:
                await self._run_script("probe", [PROBE_KEY], [PROBE_MS], self._prober)
        return {}

    async def settings(self) -> list[RedisSettings]:
        """The settings on which the safety of claims rests, as far as they may be read. Raises StoreUnavailable."""
        with unavailable_when_away(self._url):
            return [await settings_of(self._prober, wants_replicas=self._confirms)]

    async def lasting_keys(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """The keys of this pattern that do not lapse, some at a time. Raises StoreUnavailable."""
        scanning = lasting_keys(self._redis, pattern)
        while True:
            with unavailable_when_away(self._url):
                keys = await anext(scanning, None)
            if keys is None:
                return
            yield keys

    async def size(self) -> int:
        """How many keys there are, of other programs, too. Raises StoreUnavailable."""
        with unavailable_when_away(self._url):
            return int(await self._redis.dbsize())

    async def _run_script(
        self, script: str, keys: list[str], words: list[bytes | int], redis: aioredis.Redis
    ) -> list[Any]:
        if script not in self._shas:
            self._shas[script] = await redis.script_load(SCRIPTS[script])
        try:
            answer = await redis.evalsha(self._shas[script], len(keys), *keys, *words)
        except NoScriptError:  # Redis was restarted or flushed, or a replica was promoted: nothing ran
            self._shas[script] = await redis.script_load(SCRIPTS[script])
            answer = await redis.evalsha(self._shas[script], len(keys), *keys, *words)
        return cast("list[Any]", answer)


@contextmanager
def unavailable_when_away(url: str) -> Iterator[None]:
    """Turn everything that means "Redis is away or gave up" into StoreUnavailable, which says where it is."""
    try:
        yield
    except GAVE_UP as error:
        raise in_our_words(error, url) from error


async def lasting_keys(redis: aioredis.Redis, pattern: str) -> AsyncIterator[list[bytes]]:
    """The keys of one server that do not lapse. Raises errors of the library."""
    cursor: int = 0
    while True:
        cursor, keys = await redis.scan(cursor, match=pattern, count=SCAN_COUNT)
        async with redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.pttl(key)
            lifetimes = await pipeline.execute()
        yield [cast("bytes", key) for key, lifetime in zip(keys, lifetimes, strict=True) if lifetime == -1]
        if cursor == 0:
            return


async def settings_of(
    redis: aioredis.Redis, *, wants_replicas: bool, names: Sequence[str] = NAMES
) -> RedisSettings:
    """The settings of one server, as far as they may be read. Raises errors of the library."""
    info = await _if_allowed(redis.info("memory", "persistence", "cluster", "replication"))
    told = await _if_allowed(redis.config_get(*names))
    return RedisSettings(
        {**from_info(info), **told},
        is_cluster=bool(info.get("cluster_enabled")),
        lacks_replica=wants_replicas and info.get("role") == "master" and not _replicas_online(info),
    )


def _replicas_online(info: Mapping[str, Any]) -> int:
    """How many replicas have the whole of a master's data."""
    return sum(isinstance(one, dict) and one.get("state") == "online" for one in info.values())


async def _if_allowed(asked: Awaitable[Any]) -> dict[str, Any]:
    """The answer; nothing if the user may not ask, or a provider has removed the command."""
    try:
        return cast("dict[str, Any]", await asked)
    except ResponseError:
        return {}
