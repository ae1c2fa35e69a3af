"""The hub: the balance that each connection receives, also when changes arrive out of order."""

from __future__ import annotations

import asyncio

import pytest

from protocol import messages
from protocol.framing import FrameSplitter, frame
from server.core.ledger import EMPTY, WalletBalance
from server.core.limits import Limits
from server.net.hub import Hub
from server.net.pushes.announcements import AT_ONCE
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange, Removed, TextPost

USER = 7


class Recorder:
    """Stands for a session: it only records its pushes."""

    frame = staticmethod(frame)

    def __init__(self, hub: Hub, holds_pushes: bool = False, user_id: int = USER) -> None:
        self._holds_pushes = holds_pushes
        self._received = b""
        self.features = ()
        assert hub.join(user_id, self, 0.0)

    @property
    def holds_pushes(self) -> bool:
        return self._holds_pushes

    def push(self, framed: bytes, can_wait: bool) -> None:
        self._received += framed

    def pushes(self) -> list[messages.Message]:
        """Every push, decoded."""
        payloads: list[bytes] = []
        FrameSplitter(1 << 20).take(self._received, payloads)
        return [messages.decode_from_server(payload) for payload in payloads]


@pytest.fixture
def hub() -> Hub:
    return Hub(Limits(), Bus())


def change(fen: int, version: int, change_fen: int, reason: str = "claim") -> BalanceChange:
    return BalanceChange(USER, WalletBalance(fen, version), change_fen, reason)


def test_late_balance_change_carries_the_newest_balance(hub: Hub) -> None:
    recorder = Recorder(hub)
    for event in (
        change(100, 1, 100),
        change(350, 3, 50),
        change(300, 2, 200, "top_up"),
        change(340, 4, -10, "send"),
    ):
        hub.announce(event, (USER,))
    balances = [(one.balance_fen, one.change_fen, one.reason) for one in recorder.pushes()]  # type: ignore[attr-defined]
    assert balances == [(100, 100, "claim"), (350, 50, "claim"), (350, 200, "top_up"), (340, -10, "send")]


def test_connection_before_its_welcome_gets_the_balance_in_the_welcome(hub: Hub) -> None:
    """A push before the welcome could be older than the balance in the welcome."""
    waiting, welcomed = Recorder(hub, holds_pushes=True), Recorder(hub)
    hub.announce(change(300, 3, 50), (USER,))
    hub.announce(Removed(1), (USER,))
    assert hub.newest(USER, WalletBalance(250, 2)) == WalletBalance(
        300, 3
    )  # the welcome was read before the change
    assert [type(one) for one in waiting.pushes()] == [messages.RemovedFromGroup]
    assert [type(one) for one in welcomed.pushes()] == [messages.BalanceChanged, messages.RemovedFromGroup]


def test_older_balance_does_not_replace_that_of_the_welcome(hub: Hub) -> None:
    recorder = Recorder(hub)
    assert hub.newest(USER, WalletBalance(300, 3)) == WalletBalance(300, 3)
    hub.announce(change(250, 2, 200, "top_up"), (USER,))
    assert recorder.pushes() == [messages.BalanceChanged(0, 300, 200, "top_up", 3)]


def test_balance_of_an_offline_user_is_not_kept(hub: Hub) -> None:
    hub.announce(change(300, 3, 50), (USER,))
    assert hub.newest(USER, EMPTY) == EMPTY
    assert hub._users == {}


def text(number: int, group_id: int = 70) -> TextPost:
    return TextPost(group_id, number, 1, 0, "text")


def numbers(recorder: Recorder) -> list[int]:
    return [push.message for push in recorder.pushes() if isinstance(push, messages.TextPosted)]


async def test_posts_to_very_many_users_leave_in_parts_and_in_their_order(hub: Hub) -> None:
    """Another group is not delayed, and the loop serves others between two parts."""
    recorders = [Recorder(hub, user_id=number) for number in range(1, 2 * AT_ONCE + 2)]
    everyone = set(range(1, 2 * AT_ONCE + 2))
    for number in (1, 2, 3):
        hub.announce(text(number), everyone)
    hub.announce(text(9, group_id=71), {1, 2 * AT_ONCE + 1})
    assert numbers(recorders[-1]) == [9]
    told = []
    for _ in range(4):
        await asyncio.sleep(0)
        told.append(sum(2 in numbers(one) for one in recorders))
        assert all(numbers(one) in ([], [1, 2, 3]) for one in recorders[1:-1])  # in one write to each
    assert told == [AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 1, 2 * AT_ONCE + 1]
    assert numbers(recorders[-1]) == [9, 1, 2, 3]
    hub.announce(text(4), {1, 2})
    assert numbers(recorders[1]) == [1, 2, 3, 4]  # nothing is left, so few users are told at once


async def test_post_during_an_announcement_follows_it_also_to_few_users(hub: Hub) -> None:
    recorders = [Recorder(hub, user_id=number) for number in range(1, AT_ONCE + 3)]
    everyone = set(range(1, AT_ONCE + 3))
    hub.announce(text(1), everyone)
    await asyncio.sleep(0)
    assert [numbers(one) for one in (recorders[0], recorders[-1])] == [[1], []]
    hub.announce(text(2), {1, AT_ONCE + 2})
    for _ in range(3):
        await asyncio.sleep(0)
    assert [numbers(one) for one in (recorders[0], recorders[1], recorders[-1])] == [[1, 2], [1], [1, 2]]


async def test_users_who_come_and_leave_between_two_posts_get_those_of_their_time_in_order(hub: Hub) -> None:
    recorders = {number: Recorder(hub, user_id=number) for number in range(1, 2 * AT_ONCE)}
    everyone = set(range(1, 2 * AT_ONCE + 1))
    hub.announce(text(1), everyone)
    hub.leave(1, recorders[1])
    late = Recorder(hub, user_id=2 * AT_ONCE)
    hub.announce(text(2), everyone)
    for _ in range(3):
        await asyncio.sleep(0)
    assert (numbers(recorders[1]), numbers(late)) == ([], [2])
    assert {tuple(numbers(one)) for number, one in recorders.items() if number > 1} == {(1, 2)}


async def test_user_who_leaves_during_an_announcement_receives_no_later_part(hub: Hub) -> None:
    recorders = {number: Recorder(hub, user_id=number) for number in range(1, AT_ONCE + 3)}
    members = set(recorders)
    hub.announce(text(1), members)
    await asyncio.sleep(0)
    waiting = [number for number, one in recorders.items() if not numbers(one)]
    assert len(waiting) == 2
    members.remove(waiting[0])
    while not numbers(recorders[waiting[1]]):  # noqa: ASYNC110  the hub sets no event
        await asyncio.sleep(0)
    assert numbers(recorders[waiting[0]]) == []


def test_push_to_receivers_of_two_framings_is_encoded_once_and_framed_once_for_each(hub: Hub) -> None:
    payloads: list[bytes] = []

    def other_frame(payload: bytes) -> bytes:
        payloads.append(payload)
        return b"other" + payload

    class Other(Recorder):
        frame = staticmethod(other_frame)

    usual, *others = Recorder(hub), Other(hub), Other(hub)
    hub.announce(Removed(5), (USER,))
    (payload,) = payloads
    assert usual._received == frame(payload)
    assert [other._received for other in others] == [b"other" + payload] * 2
