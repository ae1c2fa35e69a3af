"""Worlds of the change feed without a violation, and its rules one by one in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from server.services.runtime.change_feed import ASK_AGAIN_S, BEAT_S, GIVE_UP_S, LEASE_S, WAIT_S_MAX
from storage.errors import StoreUnavailable
from tests.sim.faults import CALM
from tests.sim.feed_world import RECORDS, FeedServer, FeedWorld

CHUNKS, CHUNK = 4, 8
RECORD = RECORDS[0]
REPLY_S = 0.1  # of calls without faults, with room


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_feed_world_has_no_violation(chunk: int) -> None:
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        world = FeedWorld(seed)
        assert not world.run(), f"seed {seed}"
        assert world.replies > 20
        assert world.looks > 1_000


def run(rule: Callable[[FeedWorld, list[FeedServer]], Awaitable[None]], servers: int = 2) -> None:
    """Run a rule in a world without faults, with servers that know of each other."""
    world = FeedWorld(0, CALM)

    async def live() -> None:
        for server in world.servers[:servers]:
            server.start()
        await asyncio.sleep(2 * BEAT_S)
        await rule(world, world.servers[:servers])
        for server in world.servers:
            server.crash()
        await asyncio.sleep(1.0)  # of the world: what was cancelled ends, with the tasks that it waits for

    world.loop.run_until_complete(live())
    world.loop.close()
    assert world.violations == []


async def took_s(work: Awaitable[None]) -> float:
    began_s = asyncio.get_running_loop().time()
    await work
    return asyncio.get_running_loop().time() - began_s


def current(*servers: FeedServer) -> list[bool]:
    return [server.feed is not None and server.feed.is_current for server in servers]


def test_change_is_followed_by_the_other_server_before_its_reply() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, follower = servers
        assert await took_s(changer.change(RECORD)) < REPLY_S
        assert world.replies == follower.memory[RECORD] == 1

    run(rule)


def test_server_beside_another_is_not_current_without_the_database_before_a_changer_gives_up() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, cut_off = servers
        cut_off.line.restart(60.0)
        cut_at_s = world.loop.time()
        changing = asyncio.create_task(took_s(changer.change(RECORD)))
        await asyncio.sleep(LEASE_S)
        assert current(changer, cut_off) == [True, False]
        assert not changing.done()
        await changing
        assert GIVE_UP_S - BEAT_S - REPLY_S < world.loop.time() - cut_at_s < GIVE_UP_S + ASK_AGAIN_S + REPLY_S
        assert (world.replies, cut_off.memory[RECORD]) == (1, 0)

    run(rule)


def test_server_that_reconnects_is_current_with_what_it_has_missed() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, cut_off = servers
        cut_off.line.restart(2 * GIVE_UP_S)
        await changer.change(RECORD)
        assert current(cut_off) == [False]
        await asyncio.sleep(2 * GIVE_UP_S)
        assert current(cut_off) == [True]
        assert cut_off.memory[RECORD] == 1

    run(rule)


def test_lost_connection_that_is_made_again_at_once_refuses_no_request() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, cut_off = servers
        cut_off.line.restart(0.2)
        changing = asyncio.create_task(took_s(changer.change(RECORD)))
        while not changing.done():
            assert current(cut_off) == [True]
            await asyncio.sleep(0.01)
        assert cut_off.memory[RECORD] == 1

    run(rule)


def test_server_alone_stays_current_while_the_database_is_away() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        servers[0].line.restart(60.0)
        await asyncio.sleep(30.0)
        assert current(*servers) == [True]

    run(rule, servers=1)


def test_server_that_was_alone_takes_a_lease_when_it_learns_of_another() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        first, second = world.servers[:2]
        await asyncio.sleep(BEAT_S / 2)
        second.start()
        await asyncio.sleep(REPLY_S)  # less than a beat
        first.line.restart(60.0)
        await asyncio.sleep(LEASE_S)
        assert current(first, second) == [False, True]

    run(rule, servers=1)


def test_server_alone_is_not_current_while_it_cannot_follow_a_change_that_it_was_told_of() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        (behind,) = servers
        behind.stuck_until_s = world.loop.time() + 60.0
        world.tables.change(RECORD)  # by a server whose lease had ended, and which is back
        await asyncio.sleep(GIVE_UP_S)  # now that one replies
        assert (behind.memory[RECORD], current(behind)) == (0, [False])
        behind.stuck_until_s = 0.0

    run(rule, servers=1)


def test_server_that_stopped_is_not_waited_for() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, stopped = servers
        await stopped.stop()
        assert await took_s(changer.change(RECORD)) < REPLY_S

    run(rule)


def test_server_that_crashed_is_waited_for_until_its_lease_has_ended() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, crashed = servers
        crashed.crash()
        waited_s = await took_s(changer.change(RECORD))
        assert GIVE_UP_S - BEAT_S - REPLY_S < waited_s < GIVE_UP_S + ASK_AGAIN_S + REPLY_S
        assert await took_s(changer.change(RECORD)) < REPLY_S

    run(rule)


def test_server_that_cannot_follow_is_not_current_and_delays_a_changer_by_its_lease() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, stuck = servers
        stuck.stuck_until_s = world.loop.time() + 60.0
        assert await took_s(changer.change(RECORD)) < BEAT_S + GIVE_UP_S + ASK_AGAIN_S + REPLY_S
        assert world.replies == 1
        assert current(changer, stuck) == [True, False]

    run(rule)


def test_server_is_not_current_before_messages_that_were_sent_before_its_beat_arrive() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, late = servers
        late.stuck_until_s = world.loop.time() + GIVE_UP_S + 2 * BEAT_S
        await changer.change(RECORD)  # which it begins to follow
        await changer.change(RECORD)
        assert current(late) == [False]
        arrives_s = late.stuck_until_s + BEAT_S
        late.listener._arrives_s = arrives_s  # from now on messages take so long; replies do not
        await changer.change(RECORDS[1])
        assert (world.replies, late.memory[RECORDS[1]]) == (3, 0)
        await asyncio.sleep(arrives_s - world.loop.time() - 0.01)
        assert current(late) == [False]
        await asyncio.sleep(REPLY_S)
        assert current(late) == [True]
        assert late.memory[RECORDS[1]] == 1

    run(rule)


def test_failure_to_follow_is_caught_up_after_a_new_connection() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, follower = servers
        failures = iter([StoreUnavailable("once")])

        async def fail_once(record: int, version: int) -> None:
            for failure in failures:
                raise failure

        assert follower.feed is not None
        follower.feed.on_change("group", fail_once)
        assert await took_s(changer.change(RECORD)) < ASK_AGAIN_S + REPLY_S
        assert follower.memory[RECORD] == 1
        assert next(failures, None) is None

    run(rule)


def test_wait_of_a_server_that_receives_nothing_ends_with_an_error() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer = servers[0]
        assert changer.feed is not None
        changer.listener.is_open = False
        changer.tasks[0].cancel()  # it would connect again
        with pytest.raises(StoreUnavailable):
            await changer.feed.wait_until_told("group", RECORD, 1)
        assert world.loop.time() < 2 * BEAT_S + WAIT_S_MAX + REPLY_S

    run(rule)


def test_answer_about_an_older_version_does_not_end_a_wait() -> None:
    async def rule(world: FeedWorld, servers: list[FeedServer]) -> None:
        changer, stuck = servers
        await changer.change(RECORD)
        stuck.stuck_until_s = world.loop.time() + BEAT_S
        first = asyncio.create_task(changer.change(RECORD))
        await asyncio.sleep(REPLY_S)
        await changer.change(RECORD)
        assert world.loop.time() >= stuck.stuck_until_s
        assert stuck.memory[RECORD] == 3
        await first

    run(rule)
