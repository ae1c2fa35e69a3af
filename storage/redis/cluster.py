"""A cluster of Redis or Valkey as the store of all logs: a log is on the node that has the slot of its hash tag.

An operation becomes one command for each tag, and the commands of one node travel in one pipeline. What a node does
not answer is unknown, and the rest holds. What a node redirects did not run there, and is sent where it points:
to the new master after a failover (MOVED), or, while a slot is being moved, packet by packet to either side (ASK).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, TryAgainError

from storage.errors import StoreUnavailable
from storage.redis.addresses import RedisAddress, place_in
from storage.redis.engine import PREFIX, PROBE_MS, PROBE_S, MirrorOutcome, Operation, Tags
from storage.redis.pipeline import GAVE_UP, Confirmation, NodeCommand, command_of, in_our_words, probe_key, send
from storage.redis.settings import NAMES_IN_CLUSTER, RedisSettings
from storage.redis.single import (
    CONFIRM_MS,
    CONFIRM_PROBE_MS,
    lasting_keys,
    settings_of,
    unavailable_when_away,
)
from storage.redis.topology import Topology

ROUNDS_MAX: Final = 4  # sent, sent on, packet by packet, to the other side


class _Call(NamedTuple):
    """Packets of an operation, by their numbers in it, whose logs have one tag. `place`: not the tag's master."""

    tag: str
    numbers: Sequence[int]
    place: str = ""
    asking: bool = False


class NodeAway(StoreUnavailable):
    """A node gave no answer; which of the commands have run is unknown."""

    def __init__(self, place: str, why: StoreUnavailable) -> None:
        super().__init__(str(why))
        self.place = place


class _Found:
    """What the nodes have answered so far about the packets of an operation."""

    def __init__(self, packet_ids: Sequence[int]) -> None:
        self._packet_ids = packet_ids
        self._replies: list[tuple[Sequence[int], Any]] = []
        self._away: dict[str, str] = {}
        self._unknown: set[int] = set()

    def take(self, numbers: Sequence[int], reply: Any) -> None:
        """A reply about the packets with these numbers."""
        self._replies.append(([self._packet_ids[number] for number in numbers], reply))

    def lose(self, tags: Iterable[str], numbers: Sequence[int], why: str) -> None:
        """No reply about them, and none to be expected for these tags."""
        self._away.update(dict.fromkeys(tags, why))
        self._unknown.update(self._packet_ids[number] for number in numbers)

    def outcome(self) -> MirrorOutcome:
        """All of it."""
        return MirrorOutcome(self._replies, self._away, frozenset(self._unknown))


class ClusterRedis:
    """The logs in a cluster. `timeout_s` bounds every connection attempt and every reply.

    `confirms`: a write counts only when a replica has it on its disk as well.
    """

    def __init__(self, address: RedisAddress, timeout_s: float, tags: Tags, confirms: bool) -> None:
        self._address = address
        self._tags = tags
        self._confirms = confirms
        self._topology = Topology(address, timeout_s, tags)

    async def close(self) -> None:
        """Close every connection."""
        await self._topology.close()

    def tag_of(self, packet_id: int) -> str:
        """The hash tag of a packet's log."""
        return self._tags.of(packet_id)

    def key(self, packet_id: int) -> str:
        """The key of a packet's log."""
        return f"{PREFIX}{{{self._tags.of(packet_id)}}}:{packet_id}"

    # --- operations -------------------------------------------------------------------------------------------

    async def run(self, operation: Operation) -> MirrorOutcome:
        """One command for each tag, all of a node in one pipeline. Raises StoreUnavailable if no node is known."""
        if not self._topology.slot_map.masters:
            await self._topology.refresh()
        keys = [self.key(packet_id) for packet_id in operation.packet_ids]
        numbers: dict[str, list[int]] = {}
        for number, packet_id in enumerate(operation.packet_ids):
            numbers.setdefault(self._tags.of(packet_id), []).append(number)
        calls = [_Call(tag, of_tag) for tag, of_tag in numbers.items()]
        found = _Found(operation.packet_ids)
        for _ in range(ROUNDS_MAX):
            replies = await self._round(calls, operation, keys)
            answered = zip(calls, replies, strict=True)
            calls = [further for call, reply in answered for further in self._conclude(call, reply, found)]
            if not calls:
                break
        for call in calls:
            found.lose([call.tag], call.numbers, "Redis: the nodes of the cluster go on redirecting")
        return found.outcome()

    async def _round(self, calls: Sequence[_Call], operation: Operation, keys: Sequence[str]) -> list[Any]:
        """Send all calls at the same time; the replies, each of which may be an error."""
        replies: list[Any] = [None] * len(calls)
        by_place: dict[str, list[int]] = {}
        for position, call in enumerate(calls):
            place = call.place or self._topology.slot_map.masters.get(call.tag)
            if place is None:
                replies[position] = StoreUnavailable(_unserved(call.tag))
            else:
                by_place.setdefault(place, []).append(position)
        asked = []
        for place, positions in by_place.items():
            chosen = [calls[position] for position in positions]
            commands = [
                command_of(operation, [keys[number] for number in call.numbers], call.numbers, call.asking)
                for call in chosen
            ]
            asked.append(self._ask(place, commands, chosen[0].tag))
        for positions, answers in zip(by_place.values(), await asyncio.gather(*asked), strict=True):
            for position, reply in zip(positions, answers, strict=True):
                replies[position] = reply
        return replies

    async def _ask(self, place: str, commands: Sequence[NodeCommand], tag: str) -> list[Any]:
        """The replies of one node; if it gives none: NodeAway for each command."""
        node = self._topology.node(place)
        call = asyncio.ensure_future(send(node.redis, commands, self._confirmation(tag, CONFIRM_MS), node.url))
        node.calls.add(call)
        call.add_done_callback(node.calls.discard)
        try:
            await asyncio.wait({call})
        except asyncio.CancelledError:  # of this task
            call.cancel()
            await asyncio.wait({call})
            raise
        error = TimeoutError() if call.cancelled() else call.exception()  # cancelled: the probe gave the node up
        if error is None:
            return call.result()
        if not isinstance(error, GAVE_UP):
            raise error
        self._topology.is_doubtful = True
        return [NodeAway(place, in_our_words(error, node.url))] * len(commands)

    def _conclude(self, call: _Call, reply: Any, found: _Found) -> list[_Call]:
        """Take a reply; the calls that must be sent further on."""
        masters = self._topology.slot_map.masters
        asked = call.place or masters.get(call.tag, "")
        if isinstance(reply, MovedError):
            self._topology.moved(call.tag, _place_in(reply, asked))
            return [call._replace(place="", asking=False)]
        if isinstance(reply, AskError | TryAgainError) and len(call.numbers) > 1:
            return [call._replace(numbers=[number]) for number in call.numbers]
        if isinstance(reply, AskError):
            return [call._replace(place=_place_in(reply, asked), asking=True)]
        if not isinstance(reply, Exception):
            found.take(call.numbers, reply)
            return []
        self._topology.is_doubtful = True
        tags = {call.tag}
        if isinstance(reply, NodeAway):
            tags |= {tag for tag, master in masters.items() if master == reply.place}
        elif not isinstance(reply, StoreUnavailable):
            reply = in_our_words(reply, self._address.url_of(asked))
        found.lose(tags, call.numbers, str(reply))
        return []

    def _confirmation(self, tag: str, wait_ms: int) -> Confirmation | None:
        return Confirmation(tag, wait_ms) if self._confirms else None

    # --- health -----------------------------------------------------------------------------------------------

    async def probe(self) -> Mapping[str, str]:
        """Write on each master. Why the logs of some tags cannot be written, by tag; of all: StoreUnavailable."""
        topology = self._topology
        if topology.is_doubtful:
            await topology.refresh()
        by_master = topology.slot_map.tags_by_master
        away = {tag: _unserved(tag) for tag in self._tags.all if tag not in topology.slot_map.masters}
        whys = await asyncio.gather(*(self._probe(place, tags[0]) for place, tags in by_master.items()))
        for tags, why in zip(by_master.values(), whys, strict=True):
            if why:
                away.update(dict.fromkeys(tags, why))
        topology.is_doubtful = topology.is_doubtful or bool(away)
        if len(away) == len(self._tags.all):
            raise StoreUnavailable(next(iter(away.values())))
        return away

    async def _probe(self, place: str, tag: str) -> str:
        """Why a master cannot be written; empty: it can."""
        node = self._topology.node(place)
        command = command_of(Operation("probe", (), for_all=(PROBE_MS,)), [probe_key(tag)], ())
        try:
            async with asyncio.timeout(PROBE_S + 2 * CONFIRM_PROBE_MS / 1000):  # PROBE_S bounds each reply
                confirmation = self._confirmation(tag, CONFIRM_PROBE_MS)
                (reply,) = await send(node.prober, [command], confirmation, node.url)
        except GAVE_UP as error:
            node.abort()
            return str(in_our_words(error, node.url))
        if isinstance(reply, MovedError):  # the node answers, and the next operation is sent on
            self._topology.moved(tag, _place_in(reply, place))
            return ""
        if isinstance(reply, StoreUnavailable):
            return str(reply)
        return str(in_our_words(reply, node.url)) if isinstance(reply, Exception) else ""

    async def settings(self) -> list[RedisSettings]:
        """Of each node that answers, replicas too. Raises StoreUnavailable if none does."""
        await self._topology.refresh()
        places = self._topology.slot_map.places
        found = await asyncio.gather(*(self._settings(place, tags) for place, tags in places.items()))
        answered = [settings for settings in found if settings is not None]
        if not answered:
            raise StoreUnavailable(_unserved(self._tags.all[0]))
        return answered

    async def _settings(self, place: str, tags: tuple[str, ...]) -> RedisSettings | None:
        """None: the node does not answer; a probe of its master finds out what that means."""
        try:
            async with asyncio.timeout(PROBE_S):
                prober = self._topology.node(place).prober
                found = await settings_of(prober, wants_replicas=self._confirms, names=NAMES_IN_CLUSTER)
        except GAVE_UP:
            return None
        return found._replace(place=place, tags=tags)

    # --- all keys ---------------------------------------------------------------------------------------------

    async def lasting_keys(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """The keys of this pattern that do not lapse, of all masters that answer. Raises StoreUnavailable."""
        if not self._topology.slot_map.masters:
            await self._topology.refresh()
        error, has_answered = StoreUnavailable(_unserved(self._tags.all[0])), False
        for place in self._topology.slot_map.tags_by_master:
            node = self._topology.node(place)
            try:
                async for keys in lasting_keys(node.redis, pattern):
                    has_answered = True
                    yield keys
            except GAVE_UP as gave_up:
                error = in_our_words(gave_up, node.url)
        if not has_answered:
            raise error

    async def size(self) -> int:
        """How many keys there are on all masters, of other programs, too. Raises StoreUnavailable."""
        await self._topology.refresh()
        masters = [self._topology.node(place) for place in self._topology.slot_map.tags_by_master]
        with unavailable_when_away(self._address.urls[0]):
            return sum(await asyncio.gather(*(node.redis.dbsize() for node in masters)))


def _place_in(redirection: AskError, asked: str) -> str:
    """Where a redirection points to; without a host it means the host that was asked."""
    if redirection.host:
        return place_in(redirection.host, redirection.port)
    return f"{asked.rpartition(':')[0]}:{redirection.port}"


def _unserved(tag: str) -> str:
    return f"Redis: no node of the cluster has slot {key_slot(tag.encode())}"
