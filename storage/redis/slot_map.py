"""Which nodes of a cluster have which slots, as its nodes tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis import asyncio as aioredis
from redis.crc import key_slot

from storage.redis.addresses import place_in


class SlotMap(NamedTuple):
    """Nodes by hash tag; a node is named by its place, host:port. A tag whose slot no master has is absent."""

    masters: Mapping[str, str]
    replicas: Mapping[str, tuple[str, ...]]  # of the master of the tag

    @property
    def places(self) -> dict[str, tuple[str, ...]]:
        """The tags of each node, replicas included."""
        found: dict[str, tuple[str, ...]] = {}
        for tag, master in self.masters.items():
            for place in (master, *self.replicas[tag]):
                found[place] = (*found.get(place, ()), tag)
        return found

    @property
    def tags_by_master(self) -> dict[str, list[str]]:
        """The tags of each master that has one."""
        found: dict[str, list[str]] = {}
        for tag, master in self.masters.items():
            found.setdefault(master, []).append(tag)
        return found

    def moved(self, tag: str, place: str) -> SlotMap:
        """With another master for a tag, whose replicas are not known yet."""
        if self.masters.get(tag) == place:
            return self
        return SlotMap({**self.masters, tag: place}, {**self.replicas, tag: ()})


EMPTY = SlotMap({}, {})


class ClusterView(NamedTuple):
    """What one node knows. The newest view has the highest epoch; among equals that of a node with a majority."""

    epoch: int
    is_ok: bool
    slot_map: SlotMap


async def view_of(redis: aioredis.Redis, asked: str, tags: Iterable[str]) -> ClusterView:
    """Ask one node, whose host is `asked`. Raises errors of the library."""
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.execute_command("CLUSTER SLOTS")
        pipeline.execute_command("CLUSTER INFO")
        ranges, info = await pipeline.execute()
    return ClusterView(int(info["cluster_current_epoch"]), info["cluster_state"] == "ok", read(ranges, asked, tags))


def read(ranges: Sequence[Sequence[Any]], asked: str, tags: Iterable[str]) -> SlotMap:
    """The answer to CLUSTER SLOTS: (first, last, master, replica, …), each node (host, port, …).

    A node that does not know its own address leaves the host out (or says "?"): it is the one that was asked.
    """
    masters: dict[str, str] = {}
    replicas: dict[str, tuple[str, ...]] = {}
    for tag in tags:
        slot = key_slot(tag.encode())
        for first, last, *nodes in ranges:
            if first <= slot <= last:
                masters[tag], *others = (place_in(_host(host) or asked, int(port)) for host, port, *_ in nodes)
                replicas[tag] = tuple(others)
    return SlotMap(masters, replicas)


def _host(word: bytes | str | None) -> str:
    text = word.decode() if isinstance(word, bytes) else word or ""
    return "" if text == "?" else text
