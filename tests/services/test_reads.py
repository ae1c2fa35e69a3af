"""Reads cost what they move, and delay nothing else: budgets, the lane, recent history in memory."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import msgspec
import pytest

from client_sim.sdk.backoff import patiently
from client_sim.sdk.client import Client
from client_sim.sdk.errors import RateLimited
from protocol import messages
from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.services.chat import history
from server.services.runtime.load_shedding import FEW
from server.services.runtime.read_lane import ReadLane
from storage.postgres.money.records import RecordStore, YearRow
from tests.conftest import PATIENCE_S, Connect, Server, StartServer, token
from tests.services.conftest import MakeParty, until

TEXT = "红包" * 300


async def say(room: Client, group: int, texts: int) -> None:
    for _ in range(texts):
        await room.say(group, TEXT)


async def test_catch_up_of_many_readers_reads_each_piece_once(
    server: Server, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(server, 10)
    await say(room.sender, room.group, history.PIECE + 10)
    store, read = server.app.stores.messages, []
    between = store.between

    async def count(stretches: list[object]) -> object:
        read.extend(stretches)
        return await between(stretches)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "between", count)
    found = await asyncio.gather(*(one.catch_up(room.group, 0) for one in room.guests))
    assert len(read) == 2
    assert all(one == found[0] for one in found)
    await room.sender.say(room.group, "one more")
    found = await asyncio.gather(*(one.catch_up(room.group, history.PIECE - 1) for one in room.guests))
    assert all([post.text for post in one] == [*[TEXT] * 11, "one more"] for one in found)
    assert read[2:] == [(room.group, history.PIECE + 11, history.PIECE + 11)]


async def test_history_in_memory_is_what_the_record_says(
    server: Server, party: MakeParty, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    room = await party(server, 1)
    for number in range(2 * history.PIECE + 5):
        await room.sender.say(room.group, f"text {number}")
    (last,) = await sql.fetchrow("SELECT last_message FROM streams WHERE stream_id = $1", room.group) or (0,)
    for after in (0, 1, history.PIECE - 1, history.PIECE, history.PIECE + 1, last - 1, last, 0):
        rows = await sql.fetch(
            "SELECT text FROM messages WHERE stream_id = $1 AND message > $2 ORDER BY message", room.group, after
        )
        assert [post.text for post in await room.guests[0].catch_up(room.group, after)] == [row[0] for row in rows]


async def test_piece_that_was_read_meanwhile_up_to_a_later_message_is_not_read_again(
    server: Server, party: MakeParty
) -> None:
    """Two readers want one piece up to different messages; the reading for the later one is first."""
    room = await party(server, 1)
    await say(room.sender, room.group, 5)
    recent = server.app.services.messages._history
    last = await server.app.stores.messages.last(room.group)
    (later,) = await recent._load([history.PieceKey(room.group, 0, last)])
    (earlier,) = await recent._load([history.PieceKey(room.group, 0, last - 2)])
    assert len(later) == last
    assert earlier == later


async def test_reply_of_shared_bytes_is_the_reply_that_was_encoded_for_one() -> None:
    post = messages.TextPosted(0, 7, 1, 2, 3, TEXT)
    whole = messages.encode(messages.CaughtUp(5, 7, 1, reload=False, messages=[post]))
    shared = messages.CaughtUp(5, 7, 1, reload=False, messages=[msgspec.Raw(messages.encode(post))])  # type: ignore[list-item]
    assert messages.encode(shared) == whole


async def test_user_who_reads_more_than_the_budget_is_refused_and_others_are_not(
    start_server: StartServer, party: MakeParty
) -> None:
    size = len(TEXT.encode())
    server = await start_server(limits__read_bytes_per_s=1_000.0, limits__read_bytes_burst=size * 25.0)
    room = await party(server, 2)
    await say(room.sender, room.group, 10)
    greedy, honest = room.guests
    outcomes = await asyncio.gather(*(greedy.catch_up(room.group, 0) for _ in range(20)), return_exceptions=True)
    names = [type(one).__name__ for one in outcomes]
    assert names.count("RateLimited") == 17  # the third reply leaves the debt
    assert min(one.retry_after_ms for one in outcomes if isinstance(one, Exception)) > 1_000  # type: ignore[attr-defined]
    assert len(await honest.catch_up(room.group, 0)) == 10
    await greedy.say(room.group, "what is no read is served")


async def test_budget_of_a_user_outlives_the_connection(start_server: StartServer, party: MakeParty) -> None:
    server = await start_server(limits__read_rows_per_s=1.0, limits__read_rows_burst=1.0)
    room = await party(server, 1)
    await say(room.sender, room.group, 40)  # a debt of as many seconds
    await room.guests[0].catch_up(room.group, 0)
    user_id = room.guests[0].user_id
    await room.guests[0].close()

    async def is_gone() -> bool:
        return not server.app.hub.sessions(user_id)

    await until(is_gone)
    server.app.hub.tidy(asyncio.get_running_loop().time())
    async with Client(server.url, token(user_id)) as again:
        with pytest.raises(RateLimited):
            await again.catch_up(room.group, 0)


# --- the lane -------------------------------------------------------------------------------------------------


async def test_lane_refuses_as_overloaded_what_waited_for_half_of_the_bound() -> None:
    lane, blocked = ReadLane(1, Limits(wait_ms_max=40.0)), asyncio.Event()

    async def block() -> None:
        async with lane.turn():
            await blocked.wait()

    first = asyncio.create_task(block())
    await asyncio.sleep(0)
    with pytest.raises(RequestRefused) as refused:
        async with asyncio.timeout(PATIENCE_S), lane.turn():
            raise AssertionError("there was no room")
    assert (refused.value.reason, refused.value.retry_after_ms) == (Reason.OVERLOADED, 100)
    blocked.set()
    await first
    async with lane.turn():
        pass


async def test_lane_lets_no_more_reads_in_than_its_width_and_forgets_cancelled_ones() -> None:
    lane, inside, most = ReadLane(3, Limits()), 0, 0

    async def read() -> None:
        nonlocal inside, most
        async with lane.turn():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    reads = [asyncio.create_task(read()) for _ in range(30)]
    for one in reads[::3]:
        one.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    assert (most, lane._ahead) == (3, 0)


async def test_logins_do_not_wait_behind_reads_that_the_database_does_not_answer(
    start_server: StartServer, party: MakeParty, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads fill the lane, and each holds a connection: the rest of the pool is free."""
    server = await start_server(stores__postgres_pool_max=4, limits__wait_ms_max=4_000 * PATIENCE_S)
    room = await party(server, 4)
    answers = asyncio.Event()

    async def stands_still(*_: object) -> list[YearRow]:
        async with server.app.stores.database.reading():
            await answers.wait()
        return []

    monkeypatch.setattr(RecordStore, "years", stands_still)
    reads = [asyncio.create_task(guest.records("sent")) for guest in room.guests for _ in range(20)]

    async def lane_is_full() -> bool:
        return server.app.services.reads._ahead > FEW

    await until(lane_is_full)
    await connect(server, 77)
    assert not any(one.done() for one in reads)
    answers.set()
    await asyncio.gather(*reads)


async def test_every_client_of_a_storm_catches_up_with_its_retries(
    start_server: StartServer, party: MakeParty
) -> None:
    """Default limits; every client asks for the whole history at once, from a server that has read nothing yet."""
    first = await start_server()
    room = await party(first, 100)
    await say(room.sender, room.group, 30)
    user_ids = [one.user_id for one in room.guests]
    for one in room.guests:
        await one.close()
    await first.stop()
    defaults = Limits()
    second = await start_server(
        limits__requests_per_s=defaults.requests_per_s, limits__requests_burst=defaults.requests_burst
    )
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(second.url, token(one))) for one in user_ids]
        found = await asyncio.gather(
            *(patiently(lambda one=one: one.catch_up(room.group, 0), PATIENCE_S) for one in clients)  # type: ignore[misc]
        )
    assert {len(one) for one in found} == {30}
