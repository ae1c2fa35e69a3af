"""The change feed: what other servers change in groups and users reaches the memory of this one.

A server is *current* while it knows every change that was replied to. It has a lease for that, which it renews with
a beat; a server that changes something waits until each other server has followed it, or has lost its lease.
`docs/design.md` says why no change is missed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Literal, TypeAlias

from server.core.ids import NODE_MAX
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable
from storage.postgres.change_feed import Change, ChangeFeedStore, FeedMessage, OtherServer, Topic

BEAT_S: Final = 0.5  # between two renewals of the lease
LEASE_S: Final = 1.5  # a server is current so long after the begin of its last beat
GIVE_UP_S: Final = 2.0  # of the age of a beat, by the database's clock: its server has not been current for a while
ASK_AGAIN_S: Final = 0.25  # a server that connects meanwhile has not received the question
WAIT_S_MAX: Final = 5.0  # more than two leases: then this server itself receives nothing
FOLLOW_MAX: Final = 100  # followed at once; more would wait for a connection until they fail
MARK_S: Final = 2.0  # a notification takes milliseconds
PAUSE_S_MIN: Final = 0.05  # after a failure; doubled at each further one
PAUSE_S_MAX: Final = 1.0

Kind: TypeAlias = Literal["group", "user", "admission", "campaign", "event", "risk"]
Follow: TypeAlias = Callable[[int, int], Awaitable[None]]
CatchUp: TypeAlias = Callable[[], Awaitable[None]]


class Wait:
    """One caller who waits until the others have followed a change, and the servers that have."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.told: set[int] = set()
        self.news = asyncio.Event()


class ChangeFeed:
    """Tells this server of changes, and waits for other servers. Services register before the loops start."""

    def __init__(self, store: ChangeFeedStore, server_id: int, now_s: Callable[[], float]) -> None:
        """`server_id` is of this process alone: another one each time a server starts. `now_s` is monotonic."""
        self._store = store
        self._server_id = server_id
        self._now_s = now_s
        self._follows: dict[str, list[Follow]] = {}
        self._catch_ups: list[CatchUp] = []
        self._changes: dict[tuple[str, int], int] = {}  # told and not yet followed: the newest version
        self._asked: set[tuple[str, int]] = set()  # of these, those that a server waits for
        self._waits: dict[tuple[str, int], list[Wait]] = {}
        self._lease_ends_s = -math.inf
        self._is_alone = self._is_behind = False
        self._heard_others = 0  # messages of other servers; each connection counts, too: some may have been missed
        self._is_listening = False
        self._beats = self._heard_beat = 0
        self._beat_at_s = -math.inf
        self._pause_s = PAUSE_S_MIN
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("change_feed_waits")
        self.others = 0  # servers beside this one, at its last beat
        self.address = ""  # where other servers reach this one, told with each beat
        self._on_others: list[Callable[[Sequence[OtherServer]], None]] = []
        self._first_node = 0
        self._use_node: Callable[[int], None] | None = None

    # --- for services -----------------------------------------------------------------------------------------

    def on_change(self, kind: Kind, follow: Follow) -> None:
        """`follow(id, version)` brings memory to at least this version, before it returns.

        It is called for changes of other servers, and harmlessly for our own. A read of the same record that is
        under way may return an older version: memory must not go back to it. `follow` may raise StoreUnavailable:
        then everything is caught up later.
        """
        self._follows.setdefault(kind, []).append(follow)

    def on_gap(self, catch_up: CatchUp) -> None:
        """`catch_up()` brings everything in memory up to date, and covers reads under way as `follow` does.

        It is called after (re)connecting, before this server is current. It may raise StoreUnavailable: then it
        is called again later.
        """
        self._catch_ups.append(catch_up)

    def on_others(self, learn: Callable[[Sequence[OtherServer]], None]) -> None:
        """`learn` is called after each beat with the other servers that live."""
        self._on_others.append(learn)

    def on_node(self, first: int, use: Callable[[int], None]) -> None:
        """`use` is told the number of the node whenever this server connects: from `first` on, one that is free."""
        self._first_node, self._use_node = first, use

    async def wait_until_told(self, kind: Kind, id: int, version: int) -> None:
        """Returns when every other living server has followed this change, or its lease has ended.

        To be called after the commit, before the reply; also when a repeated request finds its change recorded.
        Raises StoreUnavailable: the change is recorded, but another server may not know it yet.
        """
        key, change, wait = (kind, id), Change(kind, id, version), Wait(version)
        self._waits.setdefault(key, []).append(wait)
        try:
            async with asyncio.timeout(WAIT_S_MAX):
                while living := await self._store.ask(self._server_id, change, GIVE_UP_S) - wait.told:
                    await _told_by(living, wait)
        except TimeoutError:
            raise StoreUnavailable("another server has not yet followed this change") from None
        finally:
            self._waits[key].remove(wait)
            if not self._waits[key]:
                del self._waits[key]

    @property
    def is_alone(self) -> bool:
        """There was no other server at the last beat, and none was heard since."""
        return self._is_alone

    @property
    def heard_others(self) -> int:
        """While it stays as it is, a server that is alone stays so: it rises with each message of another one."""
        return self._heard_others

    @property
    def is_current(self) -> bool:
        """False: another server may have changed something that this one does not know."""
        # Alone, it stays current while the database is away: there is no server that could change anything. A
        # change that it was told of and does not know may be that of a server which was thought to be dead.
        return self._now_s() < self._lease_ends_s or (self._is_alone and not self._is_behind)

    # --- the loop ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow, and renew the lease. Never ends; to be supervised."""
        while True:
            try:
                await self._keep_up()
            except StoreUnavailable as error:
                self._is_listening = False
                self._outage_log.begins(error)
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, PAUSE_S_MAX)

    async def connect(self) -> None:
        """Listen, catch up, become current. Raises StoreUnavailable."""
        self._changes.clear()
        self._asked.clear()
        self._heard_others += 1
        self._is_listening = True
        await self._store.listen(self._receive, self._lose)
        if self._use_node is not None:
            self._use_node(await self._store.take_node(self._first_node, NODE_MAX))
        for catch_up in self._catch_ups:
            await catch_up()
        await self._beat()

    async def close(self) -> None:
        """At the end, when `run` has ended: no other server waits for this one any more."""
        self._lease_ends_s, self._is_alone = -math.inf, False
        with suppress(Exception):  # whatever it is: the lease ends by itself soon
            await self._store.leave(self._server_id)

    async def _keep_up(self) -> None:
        if not self._is_listening:
            await self.connect()
        while True:
            await self._follow()
            if self._now_s() >= self._beat_at_s:
                await self._beat()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._beat_at_s - self._now_s())):
                    await self._woken()

    async def _beat(self) -> None:
        """Renew the lease once everything that was committed before the beat is followed.

        The beat's own message comes after all those. The lease counts from before the beat was sent.
        """
        began_s, heard_others = self._now_s(), self._heard_others
        self._beat_at_s = began_s + BEAT_S
        self._beats += 1
        others = await self._store.beat(self._server_id, self._beats, GIVE_UP_S, self.address)
        self.others = len(others)
        for learn in self._on_others:
            learn(others)
        try:
            async with asyncio.timeout(MARK_S):
                while self._heard_beat < self._beats:
                    await self._woken()
        except TimeoutError:
            raise StoreUnavailable(
                "PostgreSQL: no notification is delivered on a connection that listens"
            ) from None
        await self._follow()
        self._lease_ends_s = began_s + LEASE_S
        self._is_alone = not self.others and self._heard_others == heard_others
        self._pause_s = PAUSE_S_MIN
        self._outage_log.is_over()

    async def _follow(self) -> None:
        """Bring memory up to everything that was told until now, then tell the servers that wait for it."""
        changes, self._changes = self._changes, {}
        asked, self._asked = self._asked, set()
        told = [
            (follow, *key, version) for key, version in changes.items() for follow in self._follows.get(key[0], ())
        ]
        for first in range(0, len(told), FOLLOW_MAX):
            followed = [follow(number, version) for follow, _, number, version in told[first : first + FOLLOW_MAX]]
            for outcome in await asyncio.gather(*followed, return_exceptions=True):
                if outcome is not None:
                    raise outcome
        self._is_behind = bool(self._changes)
        if asked:
            await self._store.tell(self._server_id, [Change(*key, changes[key]) for key in sorted(asked)])

    async def _woken(self) -> None:
        """Until a message has arrived, or the connection is lost."""
        await self._wake.wait()
        self._wake.clear()
        if not self._is_listening:
            raise StoreUnavailable("PostgreSQL: the connection that listens was lost")

    def _lose(self) -> None:
        self._is_listening = False
        self._wake.set()

    def _receive(self, message: FeedMessage) -> None:
        topic, change, server_id = message
        if server_id == self._server_id:
            if topic is Topic.BEAT:
                self._heard_beat = change.version
                self._wake.set()
            return
        if server_id:
            self._heard_others += 1
            self._is_alone = False
        if topic is Topic.TOLD:
            for wait in self._waits.get(change[:2], ()):
                if wait.version <= change.version:
                    wait.told.add(server_id)
                    wait.news.set()
        elif topic is not Topic.BEAT:
            self._is_behind = True
            self._changes[change[:2]] = max(change.version, self._changes.get(change[:2], 0))
            if topic is Topic.ASK:
                self._asked.add(change[:2])
            self._wake.set()


async def _told_by(servers: set[int], wait: Wait) -> None:
    """Until these have followed the change, or it is time to ask again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ASK_AGAIN_S):
            while not servers <= wait.told:
                wait.news.clear()
                await wait.news.wait()
