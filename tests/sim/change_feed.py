"""The simulated change feed: leases and messages as PostgreSQL keeps and delivers them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from storage.errors import StoreUnavailable
from storage.postgres.change_feed import Change, ChangeFeedStore, FeedMessage, OtherServer, Topic
from tests.sim.faults import Line


class Listener:
    """A connection that listens: messages come late, in the order in which they were sent, until it is lost."""

    def __init__(self, line: Line, receive: Callable[[FeedMessage], None], lose: Callable[[], None]) -> None:
        self._line, self._receive, self._lose = line, receive, lose
        self._messages: deque[FeedMessage] = deque()
        self._arrives_s = 0.0
        self.is_open = True
        line.on_restart.append(self.lose)

    def send(self, message: FeedMessage) -> None:
        loop, line = asyncio.get_running_loop(), self._line
        latency_s = line.rng.uniform(0.0, line.rates.latency_s)
        self._arrives_s = max(self._arrives_s, max(loop.time(), line.thaws_at_s) + latency_s)
        self._messages.append(message)
        loop.call_at(self._arrives_s, self._arrive)

    def _arrive(self) -> None:
        message = self._messages.popleft()
        if self.is_open:
            self._line.trace("message", message.topic, *message.change, message.server_id)
            self._receive(message)

    def lose(self) -> None:
        if self.is_open:
            self.is_open = False
            self._lose()


class FeedTables:
    """The leases of servers, and the connections that listen."""

    def __init__(self) -> None:
        self.alive_at_s: dict[int, float] = {}
        self.addresses: dict[int, str] = {}
        self.listeners: list[Listener] = []

    def notify(self, topic: Topic, change: Change, server_id: int = 0) -> None:
        """Send a message to all who listen. Without a server it is a trigger's, in the transaction of a change."""
        self.listeners = [one for one in self.listeners if one.is_open]
        for listener in self.listeners:
            listener.send(FeedMessage(topic, change, server_id))

    def others(self, server_id: int, lease_s: float) -> set[int]:
        """The other servers whose lease is younger than this."""
        since_s = asyncio.get_running_loop().time() - lease_s
        return {one for one, alive_at_s in self.alive_at_s.items() if one != server_id and alive_at_s > since_s}

    def beat(self, server_id: int, number: int, lease_s: float, address: str) -> list[OtherServer]:
        self.alive_at_s[server_id] = asyncio.get_running_loop().time()
        self.addresses[server_id] = address
        self.notify(Topic.BEAT, Change("beat", 0, number), server_id)
        return [OtherServer(one, self.addresses[one]) for one in sorted(self.others(server_id, lease_s))]

    def tell(self, server_id: int, changes: Sequence[Change]) -> None:
        for change in changes:
            self.notify(Topic.TOLD, change, server_id)

    def ask(self, server_id: int, change: Change, lease_s: float) -> set[int]:
        others = self.others(server_id, lease_s)
        if others:
            self.notify(Topic.ASK, change, server_id)
        return others

    def leave(self, server_id: int) -> None:
        self.alive_at_s.pop(server_id, None)


class SimChangeFeed(ChangeFeedStore):
    """A call that fails on the connection that listens ends it, as in the real one."""

    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.feed
        self._listener: Listener | None = None

    async def listen(self, receive: Callable[[FeedMessage], None], lose: Callable[[], None]) -> None:
        self._end()

        def listen() -> None:
            self._listener = Listener(self._line, receive, lose)
            self._tables.feed.listeners.append(self._listener)

        await self._line.call("listen", listen)

    async def take_node(self, first: int, last: int) -> int:
        return first

    async def beat(self, server_id: int, number: int, lease_s: float, address: str) -> list[OtherServer]:
        beat = self._tables.feed.beat
        found: list[OtherServer] = await self._alone("beat", lambda: beat(server_id, number, lease_s, address))
        return found

    async def tell(self, server_id: int, changes: Sequence[Change]) -> None:
        frozen = list(changes)
        await self._alone("tell", lambda: self._tables.feed.tell(server_id, frozen))

    async def ask(self, server_id: int, change: Change, lease_s: float) -> set[int]:
        others: set[int] = await self._line.call("ask", lambda: self._tables.feed.ask(server_id, change, lease_s))
        return others

    async def leave(self, server_id: int) -> None:
        self._end()
        await self._line.call("leave", lambda: self._tables.feed.leave(server_id))

    async def _alone(self, what: str, effect: Callable[[], Any]) -> Any:
        """On the connection that listens."""
        if self._listener is None or not self._listener.is_open:
            raise StoreUnavailable("the connection that listens was lost")
        try:
            return await self._line.call(what, effect)
        except StoreUnavailable:
            self._end()
            raise

    def _end(self) -> None:
        if self._listener is not None:
            self._listener.is_open = False
            self._listener = None
