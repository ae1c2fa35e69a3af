"""What the mirror asks of the Redis behind it, be it one server or the nodes of a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from storage.redis.settings import RedisSettings

PREFIX: Final = "hongbao:packet:"
PROBE_KEY: Final = "hongbao:probe"
PROBE_MS: Final = 60_000  # the key of a probe lapses after it
PROBE_S: Final = 0.7  # a probe without an answer fails after it


class Tags(NamedTuple):
    """The hash tags of a cluster: all of them, and the one of a packet. A tag decides which node has a log."""

    all: Sequence[str]
    of: Callable[[int], str]


NO_TAGS: Final = Tags((), lambda _: "")


class Operation(NamedTuple):
    """One command on the logs of packets: MGET, or the name of a script.

    After the keys come the words of `each` packet, in the order of the packets, then those for all.
    """

    name: str
    packet_ids: Sequence[int]
    each: Sequence[tuple[bytes | int, ...]] = ()
    for_all: tuple[bytes | int, ...] = ()


class MirrorOutcome(NamedTuple):
    """The replies, each with the packets that it is about, and the packets of which nothing is known.

    `away` has the reason by hash tag, also for tags of the same node that were not asked for.
    """

    replies: list[tuple[Sequence[int], Any]]
    away: Mapping[str, str]
    unknown: frozenset[int]


class Engine(Protocol):
    """One server, or a cluster. The methods raise StoreUnavailable if nothing at all is known."""

    def tag_of(self, packet_id: int) -> str:
        """The hash tag of a packet's log; empty: there are no tags."""

    def key(self, packet_id: int) -> str:
        """The key of a packet's log."""

    async def run(self, operation: Operation) -> MirrorOutcome:
        """Do it."""

    async def probe(self) -> Mapping[str, str]:
        """Write as claims are written. Why the logs of some tags cannot be written, by tag."""

    async def settings(self) -> list[RedisSettings]:
        """Of each node that answers."""

    def lasting_keys(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """The keys of this pattern that do not lapse, some at a time."""

    async def size(self) -> int:
        """How many keys there are, of other programs, too."""

    async def close(self) -> None:
        """Close every connection."""
