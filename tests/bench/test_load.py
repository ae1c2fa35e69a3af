"""The two engines and their connections, against a server that answers, stalls and closes as the test defines."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from time import perf_counter

import pytest

from bench.load import load
from bench.load.transport import MeasuredConnection
from protocol import messages
from protocol.messages import Message
from tests.bench.fake_server import FIRST_USER, FakeServer, FakeSession, gone, serving


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    """A server."""
    async with serving() as one:
        yield one


def grabs(connections: list[MeasuredConnection], each: int) -> load.Work:
    """`each` grabs of each user."""
    return {
        one: load.encode_requests([messages.Grab(0, packet_id) for packet_id in range(1, each + 1)])
        for one in connections
    }


# --- closed loop ----------------------------------------------------------------------------------------------


async def test_closed_loop_keeps_depth_requests_in_flight_on_each_connection(fake: FakeServer) -> None:
    waiting: dict[FakeSession, list[Message]] = {}
    most: Counter[FakeSession] = Counter()

    def hold(session: FakeSession, request: Message) -> None:
        held = waiting.setdefault(session, [])
        held.append(request)
        most[session] = max(most[session], len(held))
        asyncio.get_running_loop().call_later(0.002, lambda: session.send(gone(held.pop(0))))

    fake.answer = hold
    connections = await fake.connect(3)
    log = await load.closed_loop(grabs(connections, 20), 4)
    assert list(most.values()) == [4, 4, 4]
    assert (len(log.replies), fake.asked) == (60, 60)
    assert Counter(log.users) == dict.fromkeys(range(FIRST_USER, FIRST_USER + 3), 20)
    assert (log.unanswered, log.unexpected, log.lost) == (0, 0, 0)
    assert all(0 <= start < end for start, end in zip(log.starts_s, log.ends_s, strict=True))
    assert list(log.ends_s) == sorted(log.ends_s)


async def test_closed_loop_with_less_work_than_depth_finishes(fake: FakeServer) -> None:
    log = await load.closed_loop(grabs(await fake.connect(2), 3), 100)
    assert len(log.replies) == 6
    assert len((await asyncio.wait_for(load.closed_loop({}, 1), 5)).replies) == 0


async def test_operation_with_two_requests_is_logged_once(fake: FakeServer) -> None:
    def answer(session: FakeSession, request: Message) -> None:
        if isinstance(request, messages.Grab):
            session.send(messages.Grabbed(request.seq, request.packet_id, "ticket", ticket=request.packet_id + 70))
        elif isinstance(request, messages.Open):
            assert request.ticket == request.packet_id + 70
            session.send(messages.Opened(request.seq, request.packet_id, "won", 5, 0, 0))

    def next_request(_: int, reply: Message) -> Message | None:
        if isinstance(reply, messages.Grabbed):
            return messages.Open(0, reply.packet_id, reply.ticket)
        return None

    fake.answer = answer
    log = await load.closed_loop(grabs(await fake.connect(2), 10), 3, next_request)
    assert fake.asked == 40
    assert [type(reply) for reply in log.replies] == [messages.Opened] * 20


async def test_requests_after_one_read_leave_in_one_write(fake: FakeServer) -> None:
    pending: list[Message] = []

    def answer_eight_at_once(session: FakeSession, request: Message) -> None:
        pending.append(request)
        if len(pending) == 8:
            session.send(*map(gone, pending))
            pending.clear()

    fake.answer = answer_eight_at_once
    connections = await fake.connect(1)
    log = await load.closed_loop(grabs(connections, 80), 8)
    assert len(log.replies) == 80
    (session,) = fake.sessions
    assert session.reads <= 1 + 8 + 9  # the login, at most each request of the first round, nine rounds


async def test_pushes_are_counted_and_pings_answered(fake: FakeServer) -> None:
    def answer(session: FakeSession, request: Message) -> None:
        pushed = (messages.BalanceChanged(0, 1, 1, "claim"), messages.TextPosted(0, 9, 1, 2, 3, "hello"))
        session.send(*pushed, messages.Ping(7), gone(request), messages.PacketRefunded(0, 5, 5))

    fake.answer = answer
    log = await load.closed_loop(grabs(await fake.connect(1), 10), 1)
    assert (len(log.replies), log.pushes, log.unexpected) == (10, 30, 0)
    await fake.until(lambda: fake.pongs == 10)


async def test_replies_without_a_request_are_unexpected(fake: FakeServer) -> None:
    fake.answer = lambda session, request: session.send(gone(request), gone(request))
    log = await load.closed_loop(grabs(await fake.connect(1), 5), 1)
    assert (len(log.replies), log.unexpected) == (5, 5)


async def test_lost_connection_ends_its_operations_at_once(fake: FakeServer) -> None:
    def close_at_the_third(session: FakeSession, request: Message) -> None:
        if session is fake.sessions[0] and request.seq == 3:
            session.transport.abort()
        else:
            session.send(gone(request))

    fake.answer = close_at_the_third
    log = await asyncio.wait_for(load.closed_loop(grabs(await fake.connect(2), 10), 1), 5)
    assert (len(log.replies), log.unanswered, log.lost) == (12, 1, 1)


async def test_missing_replies_are_given_up_after_the_patience(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "PATIENCE_S", 0.3)
    fake.answer = lambda session, request: session.send(gone(request)) if request.seq % 2 else None
    connections = await fake.connect(2)
    log = await load.closed_loop(grabs(connections, 4), 4)
    assert (len(log.replies), log.unanswered) == (4, 4)
    again = await load.open_loop(grabs(connections, 4), [0.0, 0.0, 0.001, 0.002], [0, 1])
    assert (len(again.replies), again.unanswered) == (2, 2)


async def test_wait_while_progress_waits_as_long_as_the_count_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "PATIENCE_S", 0.001)
    counts = [0, 0, 3, 3, 3]  # asked before each wait, and once more if it has grown
    await load.wait_while_progress(asyncio.Event(), lambda: counts.pop(0))
    assert counts == []
    over = asyncio.Event()
    over.set()
    await load.wait_while_progress(over, lambda: counts.pop(0))


# --- open loop ------------------------------------------------------------------------------------------------


async def test_open_loop_gives_arrivals_to_the_users_in_order(fake: FakeServer) -> None:
    connections = await fake.connect(3)
    arrivals_s = [0.001, 0.011, 0.021, 0.031]
    log = await load.open_loop(grabs(connections, 2), arrivals_s, [2, 0, 1])
    by_start = sorted(zip(log.starts_s, log.users, (reply.seq for reply in log.replies), strict=True))
    assert [user_id - FIRST_USER for _, user_id, _ in by_start] == [2, 0, 1, 2]
    assert [start for start, _, _ in by_start] == pytest.approx(arrivals_s, abs=1e-6)
    assert [turn for _, _, turn in by_start] == [1, 1, 1, 2]


async def test_stall_of_the_server_is_in_the_latency_of_all_arrivals_during_it(fake: FakeServer) -> None:
    """No coordinated omission: arrivals during the stall come as planned, and their latency counts from then."""
    held: list[tuple[FakeSession, Message]] = []
    stall_s: list[float] = []  # from, to

    def release() -> None:
        stall_s.append(perf_counter())
        for session, request in held:
            session.send(gone(request))

    def answer(session: FakeSession, request: Message) -> None:
        if fake.asked == 10:
            stall_s.append(perf_counter())
            asyncio.get_running_loop().call_later(0.2, release)
        if len(stall_s) == 1:
            held.append((session, request))
        else:
            session.send(gone(request))

    fake.answer = answer
    arrivals_s = load.arrivals(1, 1000.0, 0.5)
    log = await load.open_loop(grabs(await fake.connect(10), 50), arrivals_s, load.user_order(1, 10))
    _assert_all_arrivals_and_the_whole_stall(log, arrivals_s.tolist(), *stall_s)


async def test_stall_of_the_generator_is_in_the_latency_too(fake: FakeServer) -> None:
    """The sender itself is late, as when another process uses its core: latency counts from the planned moment."""
    stall_s: list[float] = []

    def answer(session: FakeSession, request: Message) -> None:
        if fake.asked == 10:
            stall_s.append(perf_counter())
            time.sleep(0.2)  # the whole loop, generator included
            stall_s.append(perf_counter())
        session.send(gone(request))

    fake.answer = answer
    arrivals_s = load.arrivals(1, 1000.0, 0.5)
    log = await load.open_loop(grabs(await fake.connect(10), 50), arrivals_s, load.user_order(1, 10))
    _assert_all_arrivals_and_the_whole_stall(log, arrivals_s.tolist(), *stall_s)


def _assert_all_arrivals_and_the_whole_stall(
    log: load.OperationLog, arrivals_s: list[float], stall_from_s: float, stall_to_s: float
) -> None:
    assert sorted(log.starts_s) == pytest.approx(arrivals_s, abs=1e-6)
    begin_s, end_s = stall_from_s - log.began_s, stall_to_s - log.began_s
    during = [
        (start, end) for start, end in zip(log.starts_s, log.ends_s, strict=True) if begin_s <= start <= end_s
    ]
    assert len(during) == sum(1 for at in arrivals_s if begin_s <= at <= end_s)
    assert len(during) > 20  # a closed loop of ten users would see ten
    assert all(end >= end_s for _, end in during)


async def test_arrivals_of_a_lost_connection_are_unanswered(fake: FakeServer) -> None:
    connections = await fake.connect(2)
    fake.sessions[0].transport.abort()
    await fake.until(lambda: any(one.end_reason for one in connections))
    log = await load.open_loop(grabs(connections, 5), [number / 1000 for number in range(10)], [0, 1])
    assert (len(log.replies), log.unanswered, log.lost) == (5, 5, 1)


# --- logging in -----------------------------------------------------------------------------------------------


async def test_refused_login_fails_with_one_line(fake: FakeServer) -> None:
    fake.welcome = lambda _: messages.Goodbye(0, 3502, "login_refused", False, "wrong proof")
    with pytest.raises(ConnectionError, match=r"^user 5000 cannot log in: login_refused wrong proof$"):
        await fake.connect(1)
    fake.welcome = lambda login: messages.Refused(login.seq, 500, "store_unavailable", True, 500)
    with pytest.raises(ConnectionError, match=r"^user 5000 cannot log in: store_unavailable$"):
        await fake.connect(1)
