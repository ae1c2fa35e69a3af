"""The mirror of live packets: per packet one string, the log of its claims; its length is its version.

A log is a head of one byte and 20 bytes a claim: user id (8), time in ms (8), amount in fen (4), big-endian; the
index of a claim is its place. A closing byte after the claims ends it. A batch is one Lua call for all its
packets, in a cluster one for each hash tag; a packet is accepted only if its log has the length that the batch was
built on. Ids travel as text in the key, never as Lua numbers, which are doubles and would lose their last digits.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from storage.errors import StoreUnavailable
from storage.redis.addresses import parse as parse_address
from storage.redis.cluster import ClusterRedis
from storage.redis.engine import NO_TAGS, PREFIX, Engine, MirrorOutcome, Operation, Tags
from storage.redis.settings import RedisSettings
from storage.redis.single import SingleRedis

HEAD: Final = b"\x01"  # also the version of this format
CLOSING: Final = b"\xff"
_CLAIM: Final = struct.Struct(">QQI")
_FORGET_MS: Final = 60_000  # an old log outlives its packet so long, for a writer that still holds an old view
_ID_MAX: Final = (1 << 63) - 1
_FOREIGN_MAX: Final = 10  # of another program, that are named


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


class PartlyAway(StoreUnavailable):
    """Nodes of a cluster gave no answer, or none that a replica confirmed. What the others answered holds.

    `away`: the reason by hash tag. `unknown`: packets whose logs were written or not. Of the others `refused` (by
    `append`) or `logs` (by `close_logs` and `read`) are known.
    """

    def __init__(
        self, outcome: MirrorOutcome, refused: set[int] | None = None, logs: Mapping[int, Log] | None = None
    ) -> None:
        super().__init__("; ".join(dict.fromkeys(outcome.away.values())))
        self.away = outcome.away
        self.unknown = outcome.unknown
        self.refused = refused or set()
        self.logs = dict(logs or {})


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


class Mirror:
    """The logs in one Redis (≥ 7.0) or Valkey, in the master that Sentinels name, or in a cluster.

    `timeout_s` bounds every connection attempt and every call. `confirms`: where a replica may be promoted, a write
    counts only when a replica has it on its disk. A url that names one server may lead to a node of a cluster: the
    first probe finds out.
    """

    def __init__(self, url: str, timeout_s: float, tags: Tags = NO_TAGS, *, confirms: bool = False) -> None:
        address = parse_address(url)
        self._as_cluster = partial(ClusterRedis, address, timeout_s, tags, confirms)
        self._engine: Engine
        if address.form == "cluster":
            self._engine = self._as_cluster()
        else:
            self._engine = SingleRedis(url, address, timeout_s, confirms)
        self._may_be_cluster = address.form == "server" and bool(tags.all)
        self._tags = tags
        self.foreign_keys: set[str] = set()  # under our prefix, but no packet's
        self._calls: set[asyncio.Future[MirrorOutcome]] = (
            set()
        )  # in flight; they outlive a caller that was cancelled

    async def close(self) -> None:
        """End the calls in flight and close every connection: a call that began later would open a new one."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._engine.close()

    def tag_of(self, packet_id: int) -> str:
        """The hash tag of a packet's log; empty: all logs are in one server."""
        return self._engine.tag_of(packet_id)

    @property
    def tags(self) -> int:
        """How many hash tags there are; 0: all logs are in one server."""
        return len(self._tags.all) if isinstance(self._engine, ClusterRedis) else 0

    async def probe(self) -> Mapping[str, str]:
        """Write as claims are written. In a cluster: why the logs of some tags cannot be written, by tag.

        Raises StoreUnavailable if no log can be written, also if Redis answers and refuses the write.
        """
        await self._find_cluster()
        return await self._engine.probe()

    async def settings(self) -> list[RedisSettings]:
        """The settings on which the safety of claims rests, of each node. Raises StoreUnavailable."""
        await self._find_cluster()
        return await self._engine.settings()

    async def _find_cluster(self) -> None:
        """Find out once whether the one server of the url is a node of a cluster. Raises StoreUnavailable."""
        if not self._may_be_cluster:
            return
        (settings,) = await self._engine.settings()
        if settings.is_cluster and self._may_be_cluster:
            single, self._engine = self._engine, self._as_cluster()
            await single.close()
        self._may_be_cluster = False

    async def append(self, extensions: Sequence[Extension]) -> set[int]:
        """Extend logs, all in one call; the packets that were refused. Raises StoreUnavailable, PartlyAway."""
        packet_ids = [one.packet_id for one in extensions]
        outcome = await self._run(
            Operation("append", packet_ids, [(one.seen, one.image, one.claims) for one in extensions])
        )
        refused = {asked[position - 1] for asked, positions in outcome.replies for position in positions}
        if outcome.away:
            raise PartlyAway(outcome, refused=refused)
        return refused

    async def close_logs(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        """Close logs; what they held. Again is harmless. Raises StoreUnavailable, PartlyAway."""
        return _logs(await self._run(Operation("close", packet_ids, (), (HEAD, CLOSING, _CLAIM.size))))

    async def read(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        """What the mirror holds of these packets. Raises StoreUnavailable, PartlyAway."""
        return _logs(await self._engine.run(Operation("MGET", packet_ids)))

    async def forget(self, packet_ids: Sequence[int]) -> None:
        """Let the logs of packets that are over lapse in a minute. Raises StoreUnavailable, PartlyAway."""
        outcome = await self._run(Operation("forget", packet_ids, (), (_FORGET_MS,)))
        if outcome.away:
            raise PartlyAway(outcome)

    async def lasting_ids(self) -> AsyncIterator[list[int]]:
        """The ids of all packets that have a log which does not lapse, some at a time; of a cluster, what answers.

        Raises StoreUnavailable.
        """
        async for keys in self._engine.lasting_keys(PREFIX + "*"):
            packet_ids = [self._packet_id(key) for key in keys]
            yield [packet_id for packet_id in packet_ids if packet_id is not None]

    async def size(self) -> int:
        """How many keys there are in Redis, of other programs, too. Raises StoreUnavailable."""
        await self._find_cluster()
        return await self._engine.size()

    def _packet_id(self, key: bytes) -> int | None:
        """The packet of a key; None: another program made the key, and it is left alone."""
        digits = key.rpartition(b":")[2]
        if digits.isdigit() and int(digits[:20]) <= _ID_MAX:
            packet_id = int(digits)
            if self._engine.key(packet_id).encode() == key:
                return packet_id
        if len(self.foreign_keys) < _FOREIGN_MAX:
            self.foreign_keys.add(repr(key[:100])[1:])
        return None

    async def _run(self, operation: Operation) -> MirrorOutcome:
        # shielded: a call that is cancelled half-way would leave the connection out of step
        call = asyncio.ensure_future(self._engine.run(operation))
        self._calls.add(call)
        call.add_done_callback(self._has_ended)
        return await asyncio.shield(call)

    def _has_ended(self, call: asyncio.Future[MirrorOutcome]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # taken here: a caller that was cancelled is not there to receive it


def _logs(outcome: MirrorOutcome) -> dict[int, Log]:
    """The logs of all replies. Raises PartlyAway."""
    logs = {
        packet_id: parse(log or b"")
        for packet_ids, found in outcome.replies
        for packet_id, log in zip(packet_ids, found, strict=True)
    }
    if outcome.away:
        raise PartlyAway(outcome, logs=logs)
    return logs
