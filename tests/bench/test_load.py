"""The two engines and the wire under them, against a server that answers, stalls, lies and hangs up as told."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from time import perf_counter

import pytest

from bench.load import arrivals, load
from bench.load.transport import MeasuredConnection
from protocol import messages
from protocol.messages import Message
from tests.bench.fake import FIRST_USER, Fake, Guest, gone, serving


@pytest.fixture
async def fake() -> AsyncIterator[Fake]:
    """A server."""
    async with serving() as one:
        yield one


def grabs(wires: list[MeasuredConnection], each: int) -> load.Work:
    """So many grabs of each user."""
    return {one: load.frames_of([messages.Grab(0, packet_id) for packet_id in range(1, each + 1)]) for one in wires}


# --- closed loop ----------------------------------------------------------------------------------------------


async def test_closed_keeps_so_many_under_way_on_each_connection_until_all_is_done(fake: Fake) -> None:
    waiting: dict[Guest, list[Message]] = {}
    most: Counter[Guest] = Counter()

    def hold(guest: Guest, request: Message) -> None:
        held = waiting.setdefault(guest, [])
        held.append(request)
        most[guest] = max(most[guest], len(held))
        asyncio.get_running_loop().call_later(0.002, lambda: guest.say(gone(held.pop(0))))

    fake.answer = hold
    wires = await fake.wires(3)
    log = await load.closed(grabs(wires, 20), 4)
    assert list(most.values()) == [4, 4, 4]
    assert (len(log.replies), fake.asked) == (60, 60)
    assert Counter(log.users) == dict.fromkeys(range(FIRST_USER, FIRST_USER + 3), 20)
    assert (log.unanswered, log.strange, log.lost) == (0, 0, 0)
    assert all(0 <= start < end for start, end in zip(log.starts_s, log.ends_s, strict=True))
    assert list(log.ends_s) == sorted(log.ends_s)


async def test_less_work_than_depth_is_done_too(fake: Fake) -> None:
    log = await load.closed(grabs(await fake.wires(2), 3), 100)
    assert len(log.replies) == 6
    assert len((await asyncio.wait_for(load.closed({}, 1), 5)).replies) == 0


async def test_a_turn_goes_on_as_long_as_something_follows_and_counts_once(fake: Fake) -> None:
    def answer(guest: Guest, request: Message) -> None:
        if isinstance(request, messages.Grab):
            guest.say(messages.Grabbed(request.seq, request.packet_id, "ticket", ticket=request.packet_id + 70))
        elif isinstance(request, messages.Open):
            assert request.ticket == request.packet_id + 70
            guest.say(messages.Opened(request.seq, request.packet_id, "won", 5, 0, 0))

    def hear(_: int, reply: Message) -> Message | None:
        if isinstance(reply, messages.Grabbed):
            return messages.Open(0, reply.packet_id, reply.ticket)
        return None

    fake.answer = answer
    log = await load.closed(grabs(await fake.wires(2), 10), 3, hear)
    assert fake.asked == 40
    assert [type(reply) for reply in log.replies] == [messages.Opened] * 20


async def test_what_one_read_calls_for_leaves_in_one_write(fake: Fake) -> None:
    pending: list[Message] = []

    def answer_eight_at_once(guest: Guest, request: Message) -> None:
        pending.append(request)
        if len(pending) == 8:
            guest.say(*map(gone, pending))
            pending.clear()

    fake.answer = answer_eight_at_once
    wires = await fake.wires(1)
    log = await load.closed(grabs(wires, 80), 8)
    assert len(log.replies) == 80
    (guest,) = fake.guests
    assert guest.reads <= 1 + 8 + 9  # the login, at worst each request of the first round, nine rounds


async def test_pushes_are_counted_and_pings_answered(fake: Fake) -> None:
    def answer(guest: Guest, request: Message) -> None:
        pushed = (messages.BalanceChanged(0, 1, 1, "claim"), messages.TextPosted(0, 9, 1, 2, 3, "hello"))
        guest.say(*pushed, messages.Ping(7), gone(request), messages.PacketRefunded(0, 5, 5))

    fake.answer = answer
    log = await load.closed(grabs(await fake.wires(1), 10), 1)
    assert (len(log.replies), log.pushes, log.strange) == (10, 30, 0)
    await fake.until(lambda: fake.pongs == 10)


async def test_replies_to_nothing_are_strange(fake: Fake) -> None:
    fake.answer = lambda guest, request: guest.say(gone(request), gone(request))
    log = await load.closed(grabs(await fake.wires(1), 5), 1)
    assert (len(log.replies), log.strange) == (5, 5)


async def test_a_lost_connection_ends_its_part_at_once(fake: Fake) -> None:
    def hang_up_on_the_third(guest: Guest, request: Message) -> None:
        if guest is fake.guests[0] and request.seq == 3:
            guest.transport.abort()
        else:
            guest.say(gone(request))

    fake.answer = hang_up_on_the_third
    log = await asyncio.wait_for(load.closed(grabs(await fake.wires(2), 10), 1), 5)
    assert (len(log.replies), log.unanswered, log.lost) == (12, 1, 1)


async def test_what_is_never_answered_is_not_waited_for_for_ever(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "PATIENCE_S", 0.05)
    fake.answer = lambda guest, request: guest.say(gone(request)) if request.seq % 2 else None
    wires = await fake.wires(2)
    log = await load.closed(grabs(wires, 4), 4)
    assert (len(log.replies), log.unanswered) == (4, 4)
    again = await load.open_loop(grabs(wires, 4), [0.0, 0.0, 0.001, 0.002], [0, 1])
    assert (len(again.replies), again.unanswered) == (2, 2)


async def test_patience_lasts_as_long_as_something_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "PATIENCE_S", 0.001)
    counts = [0, 0, 3, 3, 3]  # asked before each wait, and once more if it has grown
    await load.patiently(asyncio.Event(), lambda: counts.pop(0))
    assert counts == []
    over = asyncio.Event()
    over.set()
    await load.patiently(over, lambda: counts.pop(0))


# --- open loop ------------------------------------------------------------------------------------------------


async def test_arrivals_go_to_the_users_in_turn_at_their_time(fake: Fake) -> None:
    wires = await fake.wires(3)
    arrivals_s = [0.001, 0.011, 0.021, 0.031]
    log = await load.open_loop(grabs(wires, 2), arrivals_s, [2, 0, 1])
    by_start = sorted(zip(log.starts_s, log.users, (reply.seq for reply in log.replies), strict=True))
    assert [user_id - FIRST_USER for _, user_id, _ in by_start] == [2, 0, 1, 2]
    assert [start for start, _, _ in by_start] == pytest.approx(arrivals_s, abs=1e-6)
    assert [turn for _, _, turn in by_start] == [1, 1, 1, 2]


async def test_a_stall_of_the_server_is_in_the_latency_of_everybody_who_came_meanwhile(fake: Fake) -> None:
    """No coordinated omission: users come during the stall as planned, and their waiting counts from then on."""
    held: list[tuple[Guest, Message]] = []
    stall_s: list[float] = []  # from, to

    def release() -> None:
        stall_s.append(perf_counter())
        for guest, request in held:
            guest.say(gone(request))

    def answer(guest: Guest, request: Message) -> None:
        if fake.asked == 100:
            stall_s.append(perf_counter())
            asyncio.get_running_loop().call_later(0.2, release)
        if len(stall_s) == 1:
            held.append((guest, request))
        else:
            guest.say(gone(request))

    fake.answer = answer
    arrivals_s = arrivals.arrivals(1, 1000.0, 0.5)
    log = await load.open_loop(grabs(await fake.wires(10), 50), arrivals_s, arrivals.order(1, 10))
    _assert_all_of_the_plan_and_nothing_hidden(log, arrivals_s.tolist(), *stall_s)


async def test_a_stall_of_the_generator_counts_in_the_same_way(fake: Fake) -> None:
    """The sender itself is late, as when another process takes its core: what leaves late counts from its time."""
    stall_s: list[float] = []

    def answer(guest: Guest, request: Message) -> None:
        if fake.asked == 100:
            stall_s.append(perf_counter())
            time.sleep(0.2)  # the whole loop, generator included
            stall_s.append(perf_counter())
        guest.say(gone(request))

    fake.answer = answer
    arrivals_s = arrivals.arrivals(1, 1000.0, 0.5)
    log = await load.open_loop(grabs(await fake.wires(10), 50), arrivals_s, arrivals.order(1, 10))
    _assert_all_of_the_plan_and_nothing_hidden(log, arrivals_s.tolist(), *stall_s)


def _assert_all_of_the_plan_and_nothing_hidden(
    log: load.Log, arrivals_s: list[float], stall_from_s: float, stall_to_s: float
) -> None:
    assert sorted(log.starts_s) == pytest.approx(arrivals_s, abs=1e-6)
    begin_s, end_s = stall_from_s - log.began_s, stall_to_s - log.began_s
    during = [
        (start, end) for start, end in zip(log.starts_s, log.ends_s, strict=True) if begin_s <= start <= end_s
    ]
    assert len(during) == sum(1 for at in arrivals_s if begin_s <= at <= end_s)
    assert len(during) > 100  # a closed loop of ten users would have noticed ten
    assert all(end >= end_s for _, end in during)


async def test_users_whose_connection_is_gone_come_in_vain(fake: Fake) -> None:
    wires = await fake.wires(2)
    fake.guests[0].transport.abort()
    await fake.until(lambda: any(one.why for one in wires))
    log = await load.open_loop(grabs(wires, 5), [number / 1000 for number in range(10)], [0, 1])
    assert (len(log.replies), log.unanswered, log.lost) == (5, 5, 1)


# --- logging in -----------------------------------------------------------------------------------------------


async def test_a_login_that_is_refused_is_one_line(fake: Fake) -> None:
    fake.welcome = lambda _: messages.Goodbye(0, 3502, "login_refused", False, "wrong proof")
    with pytest.raises(ConnectionError, match=r"^user 5000 cannot log in: login_refused wrong proof$"):
        await fake.wires(1)
    fake.welcome = lambda login: messages.Refused(login.seq, 500, "store_unavailable", True, 500)
    with pytest.raises(ConnectionError, match=r"^user 5000 cannot log in: store_unavailable$"):
        await fake.wires(1)
