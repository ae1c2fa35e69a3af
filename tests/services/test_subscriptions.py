"""Subscriptions to a result page: each claim is pushed once, in order, bursts in few pushes, to no other user."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from client_sim.sdk.client import Client
from protocol.messages import ResultUpdate
from server.net import subscriptions
from server.services.chat.names import NameService
from tests.conftest import DAY_MS, PATIENCE_S, Connect, Server, StartServer, Turn
from tests.joining import join
from tests.services.conftest import MakeParty, caught_up, until


async def updates_until(client: Client, packet_id: int, opened: int) -> list[ResultUpdate]:
    """The updates of a packet up to the one that reports `opened` opened shares."""
    found: list[ResultUpdate] = []
    async with asyncio.timeout(PATIENCE_S):
        async for push in client.pushes():
            if isinstance(push, ResultUpdate) and push.packet_id == packet_id:
                found.append(push)
                if push.opened == opened:
                    break
    return found


def unread_updates(client: Client) -> list[ResultUpdate]:
    """The updates that the client received and the test has not read."""
    return [push for push in client.pushes()._pushes if isinstance(push, ResultUpdate)]


async def wait_for_pushes() -> None:
    """Wait longer than an update is held back to be combined with the next one."""
    await asyncio.sleep(subscriptions.COALESCE_S * 2.5)


async def test_burst_of_claims_is_few_pushes_with_each_claim_once_in_order(
    server: Server, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        subscriptions, "COALESCE_S", 1.0
    )  # many times what twenty opens take, also on a busy machine
    room = await party(server, 21)
    subscriber = room.guests[20]
    packet_id = await room.lucky(5_000, 22)
    await subscriber.open(packet_id)
    page = (await subscriber.result_page(packet_id, subscribe=True)).page
    assert (page.watched, page.opened) == (True, 1)
    await room.guests[0].set_name("阿明")
    began_s = asyncio.get_running_loop().time()
    answers = [await guest.open(packet_id) for guest in room.guests[:20]]  # one after another, so in twenty batches
    pushes = await updates_until(subscriber, packet_id, 21)
    took_s = asyncio.get_running_loop().time() - began_s
    assert len(pushes) <= 1 + took_s / subscriptions.COALESCE_S
    lines = [line for push in pushes for line in push.claims]
    assert [line.index for line in lines] == list(range(1, 21))
    amounts = {guest.user_id: one.amount_fen for guest, one in zip(room.guests, answers, strict=False)}
    assert {line.user_id: line.amount_fen for line in lines} == amounts
    assert {line.name for line in lines if line.user_id == room.guests[0].user_id} == {"阿明"}
    assert {line.when for line in lines} == {"刚刚"}
    assert pushes[-1].summary == "领取21/22个"
    await room.sender.open(packet_id)
    last = await updates_until(subscriber, packet_id, 22)
    assert [line.index for push in last for line in push.claims] == [21]
    assert server.app.subscriptions._subscriptions == server.app.subscriptions._packets_of == {}  # it is over
    assert (await subscriber.result_page(packet_id, subscribe=True)).page.watched is False


async def test_updates_are_in_the_language_and_view_of_each_subscriber(server: Server, party: MakeParty) -> None:
    room = await party(server, 3)
    packet_id = await room.lucky(900, 3)
    first = await room.guests[0].open(packet_id)
    await room.sender.result_page(packet_id, "en", subscribe=True)
    await room.guests[0].result_page(packet_id, "en", subscribe=True)
    second = await room.guests[1].open(packet_id)
    sent, theirs = await updates_until(room.sender, packet_id, 2), await updates_until(room.guests[0], packet_id, 2)
    yuan = f"{(first.amount_fen + second.amount_fen) / 100:.2f}"
    assert sent[-1].summary == f"2 of 3 opened, {yuan} of 9.00 yuan"
    assert theirs[-1].summary == "2 of 3 opened"
    assert sent[-1].claims[0].when == "just now"


async def test_claims_before_the_subscription_are_on_the_page(server: Server, party: MakeParty) -> None:
    room = await party(server, 4)
    packet_id = await room.lucky(900, 4)
    await room.guests[0].open(packet_id)
    page = (await room.guests[0].result_page(packet_id, subscribe=True)).page
    await room.guests[1].open(packet_id)
    again = (
        await room.guests[0].result_page(packet_id, subscribe=True)
    ).page  # a second page does not subscribe twice
    await room.guests[2].open(packet_id)
    lines = [line.index for push in await updates_until(room.guests[0], packet_id, 3) for line in push.claims]
    assert (page.opened, again.opened) == (1, 2)
    assert lines in ([2], [1, 2])


async def test_only_subscribers_receive_updates_until_they_unsubscribe(server: Server, party: MakeParty) -> None:
    room = await party(server, 3)
    packet_id = await room.lucky(900, 4)
    await room.guests[0].open(packet_id)
    await room.guests[0].result_page(packet_id)  # without a subscription
    await room.sender.result_page(packet_id, subscribe=True)
    await room.sender.unsubscribe(packet_id)
    await room.sender.unsubscribe(packet_id)
    await room.guests[1].open(packet_id)
    await wait_for_pushes()
    assert [unread_updates(one) for one in (room.sender, *room.guests)] == [[], [], [], []]


async def test_subscriptions_are_bounded_and_end_with_the_connection(
    start_server: StartServer, party: MakeParty
) -> None:
    room = await party(await start_server(limits__watched_packets_max=2), 1)
    packets = [await room.lucky(300, 2) for _ in range(3)]
    for packet_id in packets:
        assert (await room.sender.result_page(packet_id, subscribe=True)).page.watched
    hub = room.server.app.subscriptions
    assert set(hub._subscriptions) == set(packets[1:])  # the oldest was removed
    for packet_id in packets:
        await room.guests[0].open(packet_id)
    assert [(await updates_until(room.sender, packet_id, 1))[0].opened for packet_id in packets[1:]] == [1, 1]
    await room.sender.close()

    async def forgotten() -> bool:
        return hub._subscriptions == hub._packets_of == {}

    await until(forgotten)


@pytest.mark.parametrize("change", ["removed", "leaves"])
async def test_former_member_receives_no_updates(server: Server, party: MakeParty, change: str) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(900, 3)
    former = room.guests[0]
    await former.open(packet_id)
    for one in (former, room.sender):
        assert (await one.result_page(packet_id, subscribe=True)).page.watched
    if change == "removed":
        await room.sender.remove_member(room.group, former.user_id)
    else:
        await former.leave_group(room.group)
    await room.guests[1].open(packet_id)
    await updates_until(room.sender, packet_id, 2)  # by then every update was sent
    await caught_up(former)
    assert unread_updates(former) == []
    page = (
        await former.result_page(packet_id, subscribe=True)
    ).page  # as a user with a claim: sees the page, but cannot subscribe
    assert (page.opened, page.watched) == (2, False)


async def test_refund_ends_the_subscription(start_server: StartServer, party: MakeParty, turn_clock: Turn) -> None:
    room = await party(await start_server(refunds__interval_s=0.05), 1)
    packet_id = await room.lucky(900, 2)
    await room.sender.result_page(packet_id, subscribe=True)
    assert room.server.app.subscriptions._subscriptions
    turn_clock(DAY_MS)

    async def over() -> bool:
        return not room.server.app.subscriptions._subscriptions

    await until(over)


async def test_connection_lost_while_its_page_is_made_leaves_no_subscription(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 1)
    packet_id = await room.lucky(900, 2)
    [session] = [one for one in server.app.listener.sessions.values() if one.user_id == room.sender.user_id]
    room.sender.drop()

    async def closing() -> bool:
        return session.transport.is_closing()

    await until(closing)
    server.app.subscriptions.subscribe(session, packet_id, subscriptions.Language.ZH, 0)
    assert server.app.subscriptions._subscriptions == server.app.subscriptions._packets_of == {}


@pytest.mark.parametrize("before_index", [1, 2])
async def test_older_page_does_not_skip_newer_claims(
    server: Server, party: MakeParty, monkeypatch: pytest.MonkeyPatch, before_index: int
) -> None:
    room = await party(server, 4)
    packet_id = await room.lucky(900, 5)
    for guest in room.guests[:2]:
        await guest.open(packet_id)
    await room.sender.result_page(packet_id, subscribe=True)
    await wait_for_pushes()
    monkeypatch.setattr(subscriptions, "COALESCE_S", 0.5)
    await room.guests[2].open(packet_id)
    older = (await room.sender.result_page(packet_id, before_index=before_index, subscribe=True)).page
    assert (older.opened, older.watched, len(older.claims)) == (3, True, before_index)
    assert [line.index for push in await updates_until(room.sender, packet_id, 3) for line in push.claims] == [2]


async def test_older_page_subscribes_to_later_claims(server: Server, party: MakeParty) -> None:
    room = await party(server, 3)
    packet_id = await room.lucky(900, 4)
    for guest in room.guests[:2]:
        await guest.open(packet_id)
    assert (await room.sender.result_page(packet_id, before_index=1, subscribe=True)).page.watched
    await room.guests[2].open(packet_id)
    assert [line.index for push in await updates_until(room.sender, packet_id, 3) for line in push.claims] == [2]


async def test_field_watched_tells_whether_updates_follow(server: Server, party: MakeParty) -> None:
    room = await party(server, 3)
    packet_id = await room.lucky(900, 4)
    ann = room.guests[0]
    await ann.open(packet_id)

    async def watched(before_index: int = 0, subscribe: bool = False) -> bool:
        return (await ann.result_page(packet_id, before_index=before_index, subscribe=subscribe)).page.watched

    assert [await watched(), await watched(subscribe=True), await watched(), await watched(1)] == [
        False,
        True,
        True,
        True,
    ]
    await room.guests[1].open(packet_id)
    assert [push.opened for push in await updates_until(ann, packet_id, 2)] == [2]
    await ann.leave_group(room.group)
    assert not await watched()  # leaving ended the subscription
    await join(ann, room.group, room.sender)
    assert not await watched()
    await room.guests[2].open(packet_id)
    await wait_for_pushes()
    assert unread_updates(ann) == []
    assert [await watched(subscribe=True), await watched()] == [True, True]
    await ann.unsubscribe(packet_id)
    assert not await watched()


async def test_claims_right_before_a_refund_are_pushed_before_the_subscription_ends(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch, turn_clock: Turn
) -> None:
    monkeypatch.setattr(subscriptions, "COALESCE_S", 0.8)
    room = await party(await start_server(refunds__interval_s=0.05), 1)
    packet_id = await room.lucky(900, 2)
    await room.sender.result_page(packet_id, subscribe=True)
    assert (await room.guests[0].open(packet_id)).answer == "won"
    turn_clock(DAY_MS)
    assert [line.index for push in await updates_until(room.sender, packet_id, 1) for line in push.claims] == [0]
    hub = room.server.app.subscriptions

    async def over() -> bool:
        return hub._subscriptions == hub._packets_of == {}

    await until(over)
    assert (await room.sender.result_page(packet_id, subscribe=True)).page.watched is False


class HeldNames:
    """Holds the first read of names until `go` is set."""

    def __init__(self, server: Server) -> None:
        self._names = server.app.services.names
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def of(self, user_ids: Sequence[int]) -> list[str]:
        if not self.asked.is_set():
            self.asked.set()
            await self.go.wait()
        return await NameService.of(self._names, user_ids)


async def test_member_removed_while_names_are_read_receives_no_updates(
    server: Server, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(900, 3)
    former = room.guests[0]
    await former.open(packet_id)
    for subscriber in (former, room.sender):
        assert (await subscriber.result_page(packet_id, subscribe=True)).page.watched
    await wait_for_pushes()
    held = HeldNames(server)
    monkeypatch.setattr(held._names, "of", held.of)
    await room.guests[1].open(packet_id)
    await held.asked.wait()
    await room.sender.remove_member(room.group, former.user_id)
    held.go.set()
    assert [push.opened for push in await updates_until(room.sender, packet_id, 2)] == [2]
    await wait_for_pushes()
    assert unread_updates(former) == []


async def test_claims_of_a_page_shown_while_names_are_read_are_not_pushed_again(
    server: Server, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(900, 3)
    await room.sender.result_page(packet_id, subscribe=True)
    await wait_for_pushes()
    held = HeldNames(server)
    monkeypatch.setattr(held._names, "of", held.of)
    await room.guests[0].open(packet_id)
    await held.asked.wait()
    assert (await room.sender.result_page(packet_id, subscribe=True)).page.opened == 1
    held.go.set()
    await wait_for_pushes()
    assert unread_updates(room.sender) == []
    await room.guests[1].open(packet_id)
    assert [line.index for push in await updates_until(room.sender, packet_id, 2) for line in push.claims] == [1]
