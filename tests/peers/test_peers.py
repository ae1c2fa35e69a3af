"""Several servers with peers: one owner decides each packet, users are told of what happened elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from client_sim.sdk.client import Client
from protocol import messages
from protocol.messages import BalanceChanged, ClaimNotice, PacketPosted, ResultUpdate, TextPosted
from server.core.ledger import WalletBalance
from server.core.placement.buckets import bucket_of, owners_of
from server.net.pushes.table import PUSHES
from server.ops.samples.sample import LinkFigures
from server.peers.events import SHARED
from server.peers.frames import BalancesChanged, SharedEvent
from server.peers.peer import PeerServer
from server.services.runtime import events
from tests.conftest import PATIENCE_S, Connect, Server
from tests.peers.conftest import Linked, peers_of, until

BooksBalance = Callable[[], Awaitable[None]]
Push = TypeVar("Push", bound=messages.Message)
SENDER = 1


async def pushed(client: Client, kind: type[Push]) -> Push:
    """The next push of this kind."""
    async with asyncio.timeout(PATIENCE_S):
        async for push in client.pushes():
            if isinstance(push, kind):
                return push
    raise AssertionError("the pushes ended")


class Party:
    """A group whose members are at different servers; the first one sends."""

    def __init__(self, group: int, users: list[Client]) -> None:
        self.group = group
        self.users = users

    async def lucky(self, shares: int, total_fen: int = 10_000) -> int:
        """A packet of the first user."""
        return (await self.users[0].send_packet("lucky", self.group, total_fen, shares)).packet_id


async def make_party(servers: list[Server], connect: Connect, users: int, fen: int = 1_000_000) -> Party:
    backend = await connect(servers[0], 0)
    await backend.top_up(SENDER, fen)
    clients = [await connect(servers[place % len(servers)], SENDER + place) for place in range(users)]
    group = await clients[0].create_group("everywhere")
    invite = await clients[0].invite(group)
    for one in clients[1:]:
        await one.join_group(group, invite)
    return Party(group, clients)


def owner_among(servers: list[Server], packet_id: int) -> Server:
    """The server that owns a packet; all agree."""
    owners = {peers_of(one).forwarder.owner(packet_id) for one in servers}
    assert len(owners) == 1
    return next(one for one in servers if one.app.services.server_id in owners)


async def packet_owned_by(
    server: Server, servers: list[Server], party: Party, shares: int, without: Server | None = None
) -> int:
    """A packet that this server owns, also without one of the others: each of three owns every third one or so."""
    left = [one.app.services.server_id for one in servers if one is not without]
    for _ in range(100):
        packet_id = await party.lucky(shares)
        is_kept = owners_of(left)[bucket_of(packet_id)] == server.app.services.server_id
        if owner_among(servers, packet_id) is server and is_kept:
            return packet_id
    raise AssertionError("no packet of a hundred")


async def test_every_server_makes_ids_of_its_own_node(trio: list[Server]) -> None:
    assert {one.app.services._ids._node for one in trio} == {0, 1, 2}


async def test_members_at_every_server_are_told_whose_turn_it_is(trio: list[Server], connect: Connect) -> None:
    party = await make_party(trio, connect, 3)
    await party.users[0].set_relay(party.group, 1)
    packet_id = await party.lucky(1, 500)
    await party.users[1].open(packet_id)
    for one in party.users:
        turn = await pushed(one, messages.RelayPosted)
        assert (turn.packet_id, turn.user_id, turn.amount_fen) == (packet_id, party.users[1].user_id, 500)


async def test_one_server_decides_for_users_of_all(
    trio: list[Server], connect: Connect, books_balance: BooksBalance
) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=7)
    opened = await asyncio.gather(*(user.open(packet_id) for user in party.users))
    assert sorted(one.answer for one in opened) == ["gone"] * 2 + ["won"] * 7
    assert sorted(one.index for one in opened if one.answer == "won") == list(range(7))
    decided = [one.app.services.commit.recorded_claims for one in trio]
    assert decided == [0, 7, 0]
    assert peers_of(trio[0]).forwarder.forwarded > 0
    await books_balance()


async def test_repeated_requests_are_answered_alike_at_every_server(trio: list[Server], connect: Connect) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[2], trio, party, shares=3)
    tickets = {(await party.users[0].grab(packet_id)).ticket for _ in range(3)}
    assert len(tickets) == 1
    won = await party.users[0].open(packet_id)
    again = await party.users[0].open(packet_id)
    assert (won.answer, again.answer, again.index) == ("won", "claimed", won.index)
    assert (await party.users[0].result_page(packet_id)).page.opened == 1
    assert (await party.users[1].open_page(packet_id)).answer == "ticket"


async def test_pushes_reach_users_at_other_servers(trio: list[Server], connect: Connect) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await party.lucky(3)
    for user in party.users[1:]:
        assert (await pushed(user, PacketPosted)).packet_id == packet_id
    await party.users[2].say(party.group, "thanks")
    assert (await pushed(party.users[1], TextPosted)).text == "thanks"
    share = await party.users[2].open(packet_id)
    assert (await pushed(party.users[0], ClaimNotice)).amount_fen == share.amount_fen
    change = await pushed(party.users[2], BalanceChanged)
    assert (change.change_fen, change.reason) == (share.amount_fen, "claim")


async def test_winners_at_one_server_are_all_told_of_their_wallets(trio: list[Server], connect: Connect) -> None:
    """Their wallets change together, and the changes travel in one message to each server."""
    party = await make_party(trio, connect, 9)
    bus, winners = trio[1].app.services.sends._bus, [party.users[place] for place in (0, 3, 2, 6, 1, 4)]
    for user in winners:  # as a settlement does, in one turn of the loop
        change = events.BalanceChange(user.user_id, WalletBalance(user.user_id * 100, 1_000), 7, "claim")
        bus.publish(change, (user.user_id,))
    for user in winners:
        async with asyncio.timeout(PATIENCE_S):
            while (told := await pushed(user, BalanceChanged)).version != 1_000:
                pass
        assert (told.balance_fen, told.change_fen, told.reason) == (user.user_id * 100, 7, "claim")


async def test_user_at_two_servers_is_told_at_both(trio: list[Server], connect: Connect) -> None:
    party = await make_party(trio, connect, 9)
    second = await connect(trio[2], SENDER + 1)
    await party.users[0].say(party.group, "hello")
    for client in (party.users[1], second):
        assert (await pushed(client, TextPosted)).text == "hello"


async def test_packet_sent_again_to_another_group_is_opened_at_its_owner(
    trio: list[Server], connect: Connect
) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=3)
    assert (await party.users[1].grab(packet_id)).answer == "ticket"  # in memory there
    other = await party.users[0].create_group("another")
    guest = await connect(trio[2], 50)
    await guest.join_group(other, await party.users[0].invite(other))
    assert (await guest.grab(packet_id)).answer == "not_allowed"
    await party.users[0].send_again(packet_id, other)
    assert (await pushed(guest, PacketPosted)).packet_id == packet_id
    assert (await guest.open(packet_id)).answer == "won"


# --- what operators see ---------------------------------------------------------------------------------------


async def test_users_and_packets_at_several_servers_count_once(trio: list[Server], connect: Connect) -> None:
    party = await make_party(trio, connect, 6)
    for other in trio[1:]:
        await connect(other, SENDER)  # at all three
    packet_id = await packet_owned_by(trio[1], trio, party, shares=6)
    await asyncio.gather(*(user.open(packet_id) for user in party.users))

    def found() -> tuple[int, int]:
        samples = [one.app.operations.observer.sample(0.0) for one in trio]
        return sum(one.users_online for one in samples), sum(one.live_packets for one in samples)

    packets = {number for one in trio for number in one.app.services.live_packets.ids()}
    owned = {number for number in packets if number in owner_among(trio, number).app.services.live_packets.ids()}
    await until(lambda: found()[0] == 7)  # six users and the chat backend
    assert found()[1] == len(owned)
    copies = sum(one.app.operations.observer.sample(0.0).packet_copies for one in trio)
    assert copies == sum(len(one.app.services.live_packets) for one in trio) - len(owned) > 0


async def test_what_goes_to_peers_is_counted(trio: list[Server], connect: Connect) -> None:
    party = await make_party(trio, connect, 6)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=6)
    before = [one.app.operations.observer.sample(0.0).peers for one in trio]
    await asyncio.gather(*(user.open(packet_id) for user in party.users))  # a grab and an open each
    await pushed(party.users[0], ClaimNotice)  # told to another server than the owner
    after = [one.app.operations.observer.sample(0.0).peers for one in trio]
    forwarded = [now.forwarded - then.forwarded for now, then in zip(after, before, strict=True)]
    served = [now.served - then.served for now, then in zip(after, before, strict=True)]
    assert (forwarded, served) == ([4, 0, 4], [0, 8, 0])
    assert after[1].events > before[1].events
    assert [one.waiting for one in after] == [0, 0, 0]
    for now, then in zip(after, before, strict=True):
        frames, messages = now.frames - then.frames, now.messages - then.messages
        assert 0 < frames <= messages < now.bytes - then.bytes


@pytest.mark.short_leases
async def test_lost_peer_is_a_gap_and_its_link_is_told(trio: list[Server], connect: Connect) -> None:
    party = await make_party(trio, connect, 3)
    assert [peers_of(one).links().up for one in trio] == [{"unix": 2}] * 3
    await until(lambda: all(peers_of(one).healing._since_ms is None for one in trio))
    before = peers_of(trio[0]).figures()
    await trio[2].kill()
    await until(lambda: peers_of(trio[0]).links().up == {"unix": 1})
    assert peers_of(trio[0]).figures().gaps == before.gaps + 1
    peers_of(trio[0]).mesh.peers[trio[1].app.services.server_id].close()
    await until(lambda: peers_of(trio[0]).links().up == {})
    await until(
        lambda: peers_of(trio[0]).links() == LinkFigures({"unix": 1}, lost=2)
    )  # made again, none is missing
    await party.users[0].say(party.group, "again")


# --- subscriptions --------------------------------------------------------------------------------------------


async def follow(user: Client, packet_id: int) -> messages.ResultPageBody:
    return (await user.result_page(packet_id, subscribe=True)).page


async def updates(user: Client, packet_id: int, opened: int) -> list[int]:
    """The indexes of the claims that are pushed until so many shares are opened."""
    found: list[int] = []
    while True:
        update = await pushed(user, ResultUpdate)
        if update.packet_id == packet_id:
            found += [line.index for line in update.claims]
            if update.opened == opened:
                return sorted(found)


async def test_subscription_at_another_server_gets_each_claim_once(trio: list[Server], connect: Connect) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    await party.users[0].open(packet_id)
    page = await follow(party.users[0], packet_id)
    assert (page.watched, page.opened) == (True, 1)
    for user in party.users[1:6]:
        await user.open(packet_id)
    assert await updates(party.users[0], packet_id, 6) == [1, 2, 3, 4, 5]


@pytest.mark.short_leases
async def test_subscription_moves_to_the_next_owner_when_a_server_is_killed(
    trio: list[Server], connect: Connect
) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    there = [user for place, user in enumerate(party.users) if place % 3 != 1]
    await there[0].open(packet_id)
    assert (await follow(there[0], packet_id)).watched
    await there[1].open(packet_id)
    assert await updates(there[0], packet_id, 2) == [1]
    await trio[1].kill()
    for user in there[2:]:
        assert (await user.open(packet_id)).answer == "won"
    assert await updates(there[0], packet_id, 6) == [2, 3, 4, 5]


async def test_subscription_moves_to_a_server_that_comes(linked: Linked, connect: Connect) -> None:
    servers = [await linked(limits__watched_packets_max=24)]
    party = await make_party(servers, connect, 9)
    packets = [await party.lucky(9) for _ in range(24)]
    for packet_id in packets:
        await party.users[0].open(packet_id)
        assert (await follow(party.users[0], packet_id)).watched
    servers.append(await linked(limits__watched_packets_max=24))
    moved = [packet_id for packet_id in packets if owner_among(servers, packet_id) is servers[1]]
    assert moved
    for packet_id in moved:
        for user in party.users[1:3]:
            assert (await user.open(packet_id)).answer == "won"
    counted = dict.fromkeys(moved, 0)
    while any(count < 2 for count in counted.values()):
        update = await pushed(party.users[0], ResultUpdate)
        if update.packet_id in counted:
            counted[update.packet_id] += len(update.claims)
    assert set(counted.values()) == {2}


# --- servers that end, and peers that are lost ----------------------------------------------------------------


@pytest.mark.short_leases
async def test_open_in_flight_at_a_server_that_is_killed_is_served_by_the_next(
    trio: list[Server], connect: Connect, books_balance: BooksBalance
) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    here = [user for place, user in enumerate(party.users) if place % 3 != 1]
    tickets = [(await user.grab(packet_id)).ticket for user in here]
    stuck = asyncio.Event()

    async def never(*_: object) -> None:
        stuck.set()
        await asyncio.Event().wait()

    trio[1].app.services.commit._stores._packets.record = never  # type: ignore[method-assign]
    opening = [
        asyncio.ensure_future(user.open_with(packet_id, ticket)) for user, ticket in zip(here, tickets, strict=True)
    ]
    await stuck.wait()
    await trio[1].kill()
    answers = await asyncio.gather(*opening, return_exceptions=True)
    again = [await user.open(packet_id) for user in here]
    assert {one.answer for one in again} <= {"won", "claimed"}
    assert sorted(one.index for one in again) == list(range(6))
    for one, first in zip(again, answers, strict=True):
        if isinstance(first, messages.Opened) and first.answer == "won":
            assert (first.index, first.amount_fen) == (one.index, one.amount_fen)
    await books_balance()


async def test_server_that_drains_owns_nothing_and_finishes_what_it_began(
    trio: list[Server], connect: Connect
) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    users = [user for place, user in enumerate(party.users) if place % 3 != 1]
    opening = [asyncio.ensure_future(user.open(packet_id)) for user in users]
    stopping = asyncio.create_task(trio[1].stop())
    assert {one.answer for one in await asyncio.gather(*opening)} == {"won"}
    await stopping
    assert owner_among([trio[0], trio[2]], packet_id) is not trio[1]


async def test_server_that_drains_serves_nothing_that_comes_late(trio: list[Server], connect: Connect) -> None:
    """A request that was on the way when its owner began to drain is served by another server."""
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    trio[1].app.dispatch.draining = True  # before the others are told
    assert (await party.users[0].open(packet_id)).answer == "won"
    assert trio[1].app.services.commit.recorded_claims == 0
    trio[1].app.dispatch.draining = False


async def test_what_a_lost_connection_swallowed_is_told_from_the_record(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last post of a chat and the last change of a wallet: no later number would show that one is missing."""
    party = await make_party(trio, connect, 9)
    send, lost = PeerServer.send, []

    def lose(peer: PeerServer, message: object) -> None:
        if isinstance(message, SharedEvent):
            lost.append(message.name)
        elif isinstance(message, BalancesChanged):
            lost.append("BalanceChange")
        else:
            send(peer, message)

    monkeypatch.setattr(PeerServer, "send", lose)
    backend = await connect(trio[0], 0)
    await party.users[0].say(party.group, "lost")
    await backend.top_up(SENDER + 1, 77)
    await until(lambda: {"TextPost", "BalanceChange"} <= set(lost))
    monkeypatch.setattr(PeerServer, "send", send)
    for peer in list(peers_of(trio[1]).mesh.peers.values()):
        peer.close()
    assert (await pushed(party.users[1], TextPosted)).text == "lost"  # posts are told before balances
    change = await pushed(party.users[1], BalanceChanged)
    assert (change.balance_fen, change.change_fen, change.reason) == (77, 77, "top_up")


async def test_links_that_were_cut_are_made_again(trio: list[Server]) -> None:
    for peer in list(peers_of(trio[0]).mesh.peers.values()):
        peer.close()
    await until(lambda: all(len(peers_of(one).mesh.peers) == 2 for one in trio))
    await until(lambda: len({tuple(peers_of(one).forwarder._owners) for one in trio}) == 1)


async def test_claims_that_another_server_recorded_are_on_the_owners_page_at_once(
    trio: list[Server], connect: Connect
) -> None:
    """A server that takes itself for the owner: two decide, the versions judge, and the real owner reads again."""
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    assert (await party.users[0].open(packet_id)).answer == "won"
    peers_of(trio[2]).forward = lambda *_: False  # type: ignore[method-assign]
    assert (await party.users[2].open(packet_id)).answer == "won"
    assert trio[2].app.services.commit.recorded_claims == 1

    owner = trio[1].app.services.live_packets
    await until(lambda: (seen := owner.snapshot(packet_id)) is not None and seen.durable == 2)
    assert (await party.users[0].result_page(packet_id)).page.opened == 2
    assert (await party.users[1].open(packet_id)).answer == "won"


async def test_login_waits_until_other_servers_know_the_user(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[tuple[PeerServer, object]] = []
    send = PeerServer.send

    def hold(peer: PeerServer, message: object) -> None:
        if type(message).__name__ == "UsersNoted":
            held.append((peer, message))
        else:
            send(peer, message)

    logins = trio[0].app.services.login
    read, profiles = [], logins._store.profiles

    async def profiles_read(user_ids: list[int]) -> object:
        read.append(user_ids)
        return await profiles(user_ids)

    monkeypatch.setattr(logins._store, "profiles", profiles_read)
    monkeypatch.setattr(PeerServer, "send", hold)
    coming = asyncio.ensure_future(connect(trio[0], 9))
    await until(lambda: len(held) == 2)
    assert (read, coming.done()) == ([], False)
    assert peers_of(trio[1]).events.presence.servers_of(9) == 1
    monkeypatch.setattr(PeerServer, "send", send)
    for peer, message in held:
        peer.send(message)
    await coming
    assert read == [[9]]


def test_every_event_of_the_hub_is_shared_or_told_by_the_change_feed() -> None:

    assert set(PUSHES) - set(SHARED) - {events.BalanceChange} == {events.Added, events.Removed}
