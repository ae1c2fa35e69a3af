"""Servers whose links fail: cut off for long, and losing frames; the stores are there all the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from protocol.messages import BalanceChanged, Open, Opened, TextPosted
from server.peers.agreement import NEVER
from server.peers.assembly import Peers
from server.peers.frames import PeerPulse, SharedEvent
from server.peers.healing import GapHealing
from server.peers.links.address import LinkAddress
from server.peers.mesh import Mesh
from server.peers.peer import PeerServer
from tests.conftest import PATIENCE_S, Connect, Server, Turn
from tests.peers.conftest import Linked, peers_of, until
from tests.peers.lossy_relay import LossyRelay
from tests.peers.test_peers import (
    SENDER,
    BooksBalance,
    follow,
    make_party,
    owner_among,
    packet_owned_by,
    pushed,
    updates,
)

ONE_OF = 100  # frames: 1 % are lost
LOST = 12  # frames at least, before the users are asked what they know
ROUNDS_MAX = 400


@contextmanager
def cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside, a server and its peers do not reach each other; all reach the stores."""
    alone, connect = server.app.services.server_id, Mesh._connect

    async def connect_to_others(mesh: Mesh, server_id: int, place: LinkAddress) -> None:
        if alone in (mesh.server_id, server_id):
            del mesh._connecting[server_id]
        else:
            await connect(mesh, server_id, place)

    monkeypatch.setattr(Mesh, "_connect", connect_to_others)
    for peer in list(peers_of(server).mesh.peers.values()):
        peer.close()
    yield
    monkeypatch.setattr(Mesh, "_connect", connect)


async def test_two_owners_at_once_give_each_share_once(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch, books_balance: BooksBalance
) -> None:
    """A server that is cut off takes itself for the owner of all; users at both sides open the same packets."""
    party = await make_party(trio, connect, 9)
    packets = [await packet_owned_by(trio[0], trio, party, 7, without=trio[1]) for _ in range(3)]
    with cut_off(trio[1], monkeypatch):
        await until(lambda: [len(peers_of(one).mesh.peers) for one in trio] == [1, 0, 1])
        for packet_id in packets:
            assert peers_of(trio[1]).forwarder.owns(packet_id)
            assert peers_of(trio[0]).forwarder.owns(packet_id)
            opened = await asyncio.gather(*(user.open(packet_id) for user in party.users))
            assert sorted(one.answer for one in opened) == ["gone"] * 2 + ["won"] * 7
            assert sorted(one.index for one in opened if one.answer == "won") == list(range(7))
            # of three users at either side one at least has won
            assert all("won" in {one.answer for one in opened[place::3]} for place in range(3))
    await until(lambda: all(len(peers_of(one).mesh.peers) == 2 for one in trio))
    await books_balance()


async def test_owner_knows_after_a_cut_what_the_other_side_has_decided(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was the owner before, during and after the cut, so no other server has told it of anything."""
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[0], trio, party, shares=9)
    assert (await party.users[0].open(packet_id)).answer == "won"
    with cut_off(trio[1], monkeypatch):
        await until(lambda: [len(peers_of(one).mesh.peers) for one in trio] == [1, 0, 1])
        for place in (1, 4, 7):  # at the second server
            assert (await party.users[place].open(packet_id)).answer == "won"
        assert [one.app.services.commit.recorded_claims for one in trio] == [1, 3, 0]
    await until(lambda: all(len(peers_of(one).mesh.peers) == 2 for one in trio))
    assert owner_among(trio, packet_id) is trio[0]
    assert (await party.users[0].result_page(packet_id)).page.opened == 4


async def test_follower_at_a_server_that_is_cut_off_sees_claims_of_the_other_side(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[0], trio, party, shares=9)
    assert (await party.users[1].open(packet_id)).answer == "won"
    assert (await follow(party.users[1], packet_id)).watched
    with cut_off(trio[1], monkeypatch):
        await until(lambda: bool(trio[1].app.subscriptions.all()))  # it has read the packet for itself
        for place in (0, 2):
            assert (await party.users[place].open(packet_id)).answer == "won"
        assert await updates(party.users[1], packet_id, 3) == [1, 2]
    await until(lambda: all(len(peers_of(one).mesh.peers) == 2 for one in trio))


async def test_users_of_a_server_that_is_cut_off_are_told_of_what_happens_elsewhere(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of what happens long after the cut, and while it lasts."""
    party = await make_party(trio, connect, 9)
    backend, heal, healed = await connect(trio[0], 0), GapHealing._heal, list[GapHealing]()

    async def count(healing: GapHealing) -> None:
        await heal(healing)
        healed.append(healing)

    monkeypatch.setattr(GapHealing, "_heal", count)
    with cut_off(trio[1], monkeypatch):
        await until(lambda: healed.count(peers_of(trio[1]).healing) > 2)  # the loss itself is over
        await party.users[0].say(party.group, "heard")
        await backend.top_up(SENDER + 1, 77)
        assert (await pushed(party.users[1], TextPosted)).text == "heard"
        change = await pushed(party.users[1], BalanceChanged)
        assert (change.balance_fen, change.change_fen, change.reason) == (77, 77, "top_up")
        await party.users[1].say(party.group, "answered")
        texts = [(await pushed(party.users[0], TextPosted)).text for _ in range(2)]
        assert texts == ["heard", "answered"]
    await until(lambda: all(len(peers_of(one).mesh.peers) == 2 for one in trio))


async def test_last_frame_that_a_link_loses_is_noticed_with_the_next_pulse(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else is sent on that link, so only the number of the pulse shows it."""
    party = await make_party(trio, connect, 9)
    for one in trio:
        peers_of(one)._pulse.silent_s_max = 60.0  # silence ends no link
    write, lost = PeerServer._write, list[PeerServer]()

    def lose(peer: PeerServer, batch: list[Any]) -> None:
        if any(isinstance(one, SharedEvent) for one in batch):
            lost.append(peer)
            peer._number += 1
        else:
            write(peer, batch)

    monkeypatch.setattr(PeerServer, "_write", lose)
    await party.users[0].say(party.group, "lost")
    await until(lambda: len(lost) == 2)
    monkeypatch.setattr(PeerServer, "_write", write)
    for user in party.users[1:3]:
        assert (await pushed(user, TextPosted)).text == "lost"


class Reader:
    """Reads the pushes of a user: the numbers of the posts of a stream, and the newest balance."""

    def __init__(self, client: Client, stream_id: int) -> None:
        self.client, self.stream_id = client, stream_id
        self.numbers: list[int] = []
        self.balance_fen = -1
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for push in self.client.pushes():
            if isinstance(push, BalanceChanged):
                self.balance_fen = push.balance_fen
            elif getattr(push, "stream_id", 0) == self.stream_id and getattr(push, "message", 0):
                self.numbers.append(push.message)  # type: ignore[union-attr]

    async def end(self) -> None:
        """Before the client is closed."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


@pytest.mark.long
async def test_links_that_lose_frames_cost_no_client_a_post_or_a_balance(
    trio: list[Server], connect: Connect, books_balance: BooksBalance
) -> None:
    party = await make_party(trio, connect, 9, ROUNDS_MAX * 10_000)
    readers = [Reader(user, party.group) for user in party.users]
    async with AsyncExitStack() as undo:
        bound = [peers_of(one).mesh._links._bound for one in trio]
        relays = [await undo.enter_async_context(LossyRelay(one.path, ONE_OF)) for one in bound if one is not None]
        await cut_all(trio)
        for number in range(ROUNDS_MAX):
            packet_id = await party.lucky(9)
            opened = await asyncio.gather(*(user.open(packet_id) for user in party.users))
            assert {one.answer for one in opened} <= {"won", "claimed"}, number
            assert sorted(one.index for one in opened) == list(range(9))
            if sum(relay.lost for relay in relays) >= LOST:
                break
        assert sum(relay.lost for relay in relays) >= LOST
        last = await last_number(trio[0], party.group)
        await until(lambda: all(reader.numbers[-1:] == [last] for reader in readers))
        for reader in readers:
            await until_balance(reader)
            assert reader.numbers == list(range(reader.numbers[0], last + 1))  # whole, in order
    await cut_all(trio)
    for reader in readers:
        await reader.end()
    await books_balance()


async def cut_all(servers: list[Server]) -> None:
    """Cut every link once, and wait until all are made again."""
    before = {id(peer) for one in servers for peer in peers_of(one).mesh.peers.values()}
    for one in servers:
        for peer in list(peers_of(one).mesh.peers.values()):
            peer.close()

    def is_whole() -> bool:
        now = [peer for one in servers for peer in peers_of(one).mesh.peers.values()]
        return len(now) == len(servers) * (len(servers) - 1) and not before & {id(peer) for peer in now}

    await until(is_whole)


async def last_number(server: Server, stream_id: int) -> int:
    """The number of the last message of a stream, once the outbox is empty and it stays the same."""
    outbox, messages = server.app.stores.outbox, server.app.stores.messages
    settlement = server.app.stores.settlement
    async with asyncio.timeout(PATIENCE_S):
        while (await settlement.backlog()).claims or await outbox.waiting():  # noqa: ASYNC110  stores set no event
            await asyncio.sleep(0.02)
    return await messages.last(stream_id)


async def until_balance(reader: Reader) -> None:
    """Until a user was told what is in the wallet."""
    fen = await reader.client.balance()
    await until(lambda: reader.balance_fen == fen)


async def test_removed_member_is_refused_also_while_links_and_change_feed_are_lost(
    trio: list[Server], connect: Connect
) -> None:
    """After the reply to the removal no server gives the user a ticket, whatever connection was lost before."""
    party = await make_party(trio, connect, 9)
    packets = [await packet_owned_by(owner, trio, party, shares=9) for owner in trio for _ in range(2)]
    for lose, place in ((lose_links, 2), (lose_feeds, 5)):
        user = party.users[place]  # at the third server
        assert {await answer_to(user, packet_id) for packet_id in packets} == {"ticket"}
        for one in trio[1:]:
            lose(one)
        await party.users[0].remove_member(party.group, SENDER + place)
        answers = {await answer_to(user, packet_id) for packet_id in packets}
        assert answers <= {"not_allowed", "store_unavailable"}, lose
        await until(lambda: all(one.app.services.changes.is_current for one in trio))
        assert {await answer_to(user, packet_id) for packet_id in packets} == {"not_allowed"}


def agreed(*servers: Server) -> bool:
    """What these servers have read of their packets since then is certain."""
    return all(peers_of(one).agreement._since_s < NEVER for one in servers)


def stand_still(peers: Peers) -> None:
    peers._pulse._ran_s -= 5


def miss_a_beat(peers: Peers) -> None:
    """A server that lives is not reached."""
    peers.agreement._beat(is_whole=False)


def lose_a_server(peers: Peers) -> None:
    """It may live, and decide what it took for its own."""
    peers.agreement._lost(1)


def be_contradicted(peers: Peers) -> None:
    """Another server takes others for owners."""
    first = next(iter(peers.mesh.peers.values()))
    peers.agreement._take(first, PeerPulse([peers.mesh.server_id, 1], is_quiet=True))


def be_told_of_claims_under_way(peers: Peers) -> None:
    """Another server agrees, but its claims are not recorded yet."""
    first = next(iter(peers.mesh.peers.values()))
    peers.agreement._take(first, PeerPulse(sorted(peers.mesh.owners), is_quiet=False))


UNSURE = [stand_still, miss_a_beat, lose_a_server, be_contradicted, be_told_of_claims_under_way]


@pytest.mark.parametrize("happens", UNSURE)
async def test_server_whose_packets_another_may_have_decided_reads_them_before_it_answers(
    trio: list[Server], connect: Connect, books_balance: BooksBalance, happens: Callable[[Peers], None]
) -> None:
    """While an owner is frozen another server takes its packets; it wakes with requests in its sockets.

    And until all servers know who owns what, two of them may decide one packet.
    """
    frozen, other = trio[0], trio[1]
    await until(lambda: agreed(frozen))
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(frozen, trio, party, shares=9)
    assert (await party.users[0].open(packet_id)).answer == "won"
    at_other, number = party.users[1], SENDER + 1
    at_frozen = await connect(frozen, number)
    forwarder = peers_of(other).forwarder
    owners, forwarder._owners = forwarder._owners, [other.app.services.server_id] * len(forwarder._owners)
    assert (await at_other.open(packet_id)).answer == "won"
    forwarder._owners = owners
    assert (await at_frozen.grab(packet_id)).answer == "ticket"  # memory is old, and does not know it
    happens(peers_of(frozen))
    assert (await at_frozen.grab(packet_id)).answer == "claimed"
    await books_balance()


async def test_memory_is_certain_again_once_all_servers_agree(trio: list[Server], linked: Linked) -> None:
    """Also when one comes, goes down in order, or is lost; what was read before is read again."""
    await until(lambda: agreed(*trio))
    before_s = peers_of(trio[0]).agreement._since_s
    fourth = await linked()
    await until(lambda: agreed(*trio, fourth))
    after_s = peers_of(trio[0]).agreement._since_s
    assert after_s > before_s
    await fourth.stop()
    await until(lambda: len(peers_of(trio[0]).mesh.peers) == 2 and agreed(*trio))
    assert not any(peers_of(one).agreement._lost_s for one in trio)  # it has said that it decides nothing
    assert peers_of(trio[0]).agreement._since_s > after_s
    lose_links(trio[1])
    await until(lambda: not agreed(trio[1]))
    await until(lambda: all(len(peers_of(one).mesh.peers) == 2 for one in trio))
    await until(lambda: agreed(*trio))


async def test_user_who_has_a_share_is_not_told_that_the_packet_ended(
    trio: list[Server], connect: Connect, turn_clock: Turn
) -> None:
    """The share was won at another server, so memory alone would say that the packet ended without one."""
    owner, other, number = trio[0], trio[1], SENDER + 1
    await until(lambda: agreed(owner))
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(owner, trio, party, shares=9)
    at_owner = await connect(owner, number)
    given = await at_owner.grab(packet_id)
    forwarder = peers_of(other).forwarder
    owners, forwarder._owners = forwarder._owners, [other.app.services.server_id] * len(forwarder._owners)
    assert (await party.users[1].open(packet_id)).answer == "won"
    forwarder._owners = owners
    turn_clock(25 * 3_600_000)
    miss_a_beat(peers_of(owner))
    opened = await at_owner._ask(Open(0, packet_id, given.ticket), Opened)
    assert opened.answer == "claimed"


def lose_links(server: Server) -> None:
    """A server loses its peers."""
    for peer in list(peers_of(server).mesh.peers.values()):
        peer.close()


def lose_feeds(server: Server) -> None:
    """A server loses the connection over which it is told of changes."""
    store: Any = server.app.services.changes._store
    store._listening.terminate()


async def answer_to(user: Client, packet_id: int) -> str:
    """The answer to a grab, or the name of the refusal."""
    try:
        return (await user.grab(packet_id)).answer
    except Refusal as refused:
        return refused.name
