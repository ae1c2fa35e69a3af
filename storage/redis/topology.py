"""The nodes of a cluster, the connections to them, and which of them has which slots."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

from storage.errors import StoreUnavailable
from storage.redis.addresses import RedisAddress, connect
from storage.redis.engine import PROBE_S, Tags
from storage.redis.pipeline import GAVE_UP, in_our_words
from storage.redis.slot_map import EMPTY, ClusterView, SlotMap, view_of

VIEWS_S: Final = 0.3  # for the views of all nodes; those that come later are not waited for
_LOCAL: Final = "127.0.0.1"  # of a node that is reached over a unix socket and does not know its address


class ClusterNode:
    """The connections to one node: for logs, and for probes, which must neither wait behind logs nor delay them."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url
        self.redis = connect(url, timeout_s)
        self.prober = connect(url, PROBE_S)
        self.calls: set[asyncio.Task[list[Any]]] = set()  # in flight

    def abort(self) -> None:
        """End the calls in flight: the node does not answer, and the other nodes of their batch wait for it."""
        for call in self.calls:
            call.cancel()

    async def close(self) -> None:
        """Close every connection."""
        self.abort()
        await self.redis.aclose()
        await self.prober.aclose()


class Topology:
    """Which node has which slots, as far as the nodes have told. `timeout_s`: of calls about logs."""

    def __init__(self, address: RedisAddress, timeout_s: float, tags: Tags) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._tags = tags
        self._seeds = [ClusterNode(url, timeout_s) for url in address.urls]
        self._nodes: dict[str, ClusterNode] = {}  # by place
        self._closing: set[asyncio.Future[None]] = set()  # of nodes that have left
        self.slot_map: SlotMap = EMPTY
        self.is_doubtful = True  # a node redirected, refused or gave no answer since the last refresh

    async def close(self) -> None:
        """Close every connection."""
        for node in (*self._seeds, *self._nodes.values()):
            await node.close()
        await asyncio.gather(*self._closing)

    def node(self, place: str) -> ClusterNode:
        """The connections to a node."""
        node = self._nodes.get(place)
        if node is None:
            node = self._nodes[place] = ClusterNode(self._address.url_of(place), self._timeout_s)
        return node

    def moved(self, tag: str, place: str) -> None:
        """A node has said that another one is the master of a tag."""
        self.slot_map, self.is_doubtful = self.slot_map.moved(tag, place), True

    async def refresh(self) -> None:
        """Ask all nodes that are known, and take the newest view. Raises StoreUnavailable if none answers."""
        nodes = {node.url: node for node in (*self._seeds, *self._nodes.values())}.values()
        asked = {asyncio.ensure_future(self._view(node)) for node in nodes}
        try:
            done, _ = await asyncio.wait(asked, timeout=VIEWS_S)
            if not any(isinstance(one.result(), ClusterView) for one in done):
                await asyncio.wait(asked)
        finally:
            for one in asked:
                one.cancel()  # a node that does not answer must not delay what the others know
        answers = [one.result() for one in asked if one.done() and not one.cancelled()]
        views = [answer for answer in answers if isinstance(answer, ClusterView)]
        if not views:
            raise next(answer for answer in answers if isinstance(answer, StoreUnavailable))
        self.slot_map = max(views, key=lambda view: (view.epoch, view.is_ok)).slot_map
        self.is_doubtful = False
        self._forget_nodes()

    async def _view(self, node: ClusterNode) -> ClusterView | StoreUnavailable:
        try:
            async with asyncio.timeout(PROBE_S):
                return await view_of(node.prober, urlsplit(node.url).hostname or _LOCAL, self._tags.all)
        except GAVE_UP as error:
            return in_our_words(error, node.url)

    def _forget_nodes(self) -> None:
        """Close the connections to nodes that have left the cluster."""
        for place in self._nodes.keys() - self.slot_map.places.keys():
            closing = asyncio.ensure_future(self._nodes.pop(place).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
