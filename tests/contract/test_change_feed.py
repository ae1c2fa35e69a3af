"""The change feed: which messages reach whom, in which order, and whose lease counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from storage.errors import StoreUnavailable
from storage.postgres.change_feed import Change, ChangeFeedStore, FeedMessage, Topic
from storage.stores import Stores
from tests.conftest import PATIENCE_S
from tests.sim.change_feed import SimChangeFeed

ONE, TWO, THREE = 101, 102, 103  # servers
LEASE_S = 60.0
FIRST, SECOND = Change("group", 9_007_199_254_741_500, 3), Change("user", 7, 2)


class Inbox:
    """The messages of one server."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[FeedMessage] = asyncio.Queue()
        self.losses = 0

    def lose(self) -> None:
        self.losses += 1

    def receive(self, message: FeedMessage) -> None:
        self._messages.put_nowait(message)

    async def next(self, count: int) -> list[FeedMessage]:
        """The next messages."""
        async with asyncio.timeout(PATIENCE_S):
            return [await self._messages.get() for _ in range(count)]


def beat(server_id: int, number: int) -> FeedMessage:
    return FeedMessage(Topic.BEAT, Change("beat", 0, number), server_id)


Listen = Callable[[], Awaitable[Inbox]]


@pytest.fixture
def listen(both: Stores) -> Listen:
    """Listens on the connection of the store."""

    async def one() -> Inbox:
        inbox = Inbox()
        await both.change_feed.listen(inbox.receive, inbox.lose)
        return inbox

    return one


def second_of(feed: ChangeFeedStore) -> ChangeFeedStore:
    """The store of a second server on the same database."""
    if isinstance(feed, SimChangeFeed):
        return SimChangeFeed(SimpleNamespace(tables=feed._tables, feed=feed._line))
    return ChangeFeedStore(feed._database)


async def test_beat_finds_the_other_servers_with_a_lease_and_their_links(both: Stores, listen: Listen) -> None:
    await listen()
    beats = (ONE, "unix:/one"), (TWO, "unix:/two"), (THREE, ""), (ONE, "unix:/new")
    found = [sorted(await both.change_feed.beat(number, 1, LEASE_S, address)) for number, address in beats]
    assert found == [
        [],
        [(ONE, "unix:/one")],
        [(ONE, "unix:/one"), (TWO, "unix:/two")],
        [(TWO, "unix:/two"), (THREE, "")],
    ]


async def test_beat_does_not_count_servers_whose_lease_is_older(both: Stores, listen: Listen) -> None:
    await listen()
    await both.change_feed.beat(ONE, 1, LEASE_S, "")
    assert await both.change_feed.beat(TWO, 1, 0.0, "") == []


async def test_beat_arrives_at_its_own_server_and_at_others(both: Stores, listen: Listen) -> None:
    other = Inbox()
    other_feed = second_of(both.change_feed)
    await other_feed.listen(other.receive, other.lose)
    own = await listen()
    await both.change_feed.beat(ONE, 7, LEASE_S, "")
    await both.change_feed.beat(ONE, 8, LEASE_S, "")
    expected = [beat(ONE, 7), beat(ONE, 8)]
    assert (await own.next(2), await other.next(2)) == (expected, expected)
    await other_feed.leave(TWO)


async def test_ask_returns_the_other_servers_and_asks_them(both: Stores, listen: Listen) -> None:
    inbox = await listen()
    for server_id in (ONE, TWO, THREE):
        await both.change_feed.beat(server_id, 1, LEASE_S, "")
    assert await both.change_feed.ask(ONE, FIRST, LEASE_S) == {TWO, THREE}
    await both.change_feed.beat(ONE, 2, LEASE_S, "")
    assert (await inbox.next(5))[3:] == [FeedMessage(Topic.ASK, FIRST, ONE), beat(ONE, 2)]


async def test_ask_of_a_server_alone_sends_nothing(both: Stores, listen: Listen) -> None:
    inbox = await listen()
    await both.change_feed.beat(ONE, 1, LEASE_S, "")
    await both.change_feed.beat(TWO, 1, LEASE_S, "")
    await both.change_feed.leave(TWO)
    inbox = await listen()
    assert await both.change_feed.ask(ONE, FIRST, LEASE_S) == set()
    assert await both.change_feed.ask(THREE, FIRST, lease_s=0.0) == set()
    await both.change_feed.beat(ONE, 2, LEASE_S, "")
    assert await inbox.next(1) == [beat(ONE, 2)]


async def test_tell_sends_each_change_in_its_order(both: Stores, listen: Listen) -> None:
    inbox = await listen()
    await both.change_feed.tell(TWO, [SECOND, FIRST])
    assert await inbox.next(2) == [FeedMessage(Topic.TOLD, SECOND, TWO), FeedMessage(Topic.TOLD, FIRST, TWO)]


async def test_listen_again_receives_what_is_sent_from_then_on_and_once(both: Stores, listen: Listen) -> None:
    before = await listen()
    await both.change_feed.tell(TWO, [FIRST])
    assert await before.next(1) == [FeedMessage(Topic.TOLD, FIRST, TWO)]
    after = await listen()
    await both.change_feed.tell(TWO, [SECOND])
    await both.change_feed.beat(ONE, 1, LEASE_S, "")
    assert await after.next(2) == [FeedMessage(Topic.TOLD, SECOND, TWO), beat(ONE, 1)]
    assert (before.losses, before._messages.qsize()) == (0, 0)


async def test_leave_ends_the_lease_and_the_connection(both: Stores, listen: Listen) -> None:
    await listen()
    await both.change_feed.beat(ONE, 1, LEASE_S, "")
    await both.change_feed.leave(ONE)
    assert await both.change_feed.ask(TWO, FIRST, LEASE_S) == set()
    with pytest.raises(StoreUnavailable):
        await both.change_feed.beat(ONE, 2, LEASE_S, "")
    assert await both.change_feed.ask(TWO, FIRST, LEASE_S) == set()
