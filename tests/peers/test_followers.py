"""Who follows a packet is told of each claim once, whatever becomes of owners, links and stores."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from client_sim.sdk.errors import ClientError
from protocol.messages import BalanceChanged
from server.core.refusals import Reason, RequestRefused
from server.peers.frames import BalancesChanged
from server.peers.links.address import parsed
from server.peers.peer import PeerServer
from tests.conftest import Connect, Server
from tests.peers.conftest import peers_of, until
from tests.peers.test_cuts import cut_off
from tests.peers.test_peers import follow, make_party, packet_owned_by, pushed, updates


async def test_follower_is_told_of_the_last_claims_when_the_packet_moves_after_its_end(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[0], trio, party, shares=3)
    assert (await party.users[1].open(packet_id)).answer == "won"
    assert (await follow(party.users[1], packet_id)).watched
    monkeypatch.setattr(peers_of(trio[1]).healing, "_look_again", lambda: None)
    with cut_off(trio[1], monkeypatch):
        await until(lambda: [len(peers_of(one).mesh.peers) for one in trio] == [1, 0, 1])
        await until(lambda: bool(trio[1].app.subscriptions.all()))  # it follows at its own server now
        for place in (0, 2):
            assert (await party.users[place].open(packet_id)).answer == "won"
    assert await updates(party.users[1], packet_id, 3) == [1, 2]


@pytest.mark.short_leases
async def test_follower_waits_while_the_stores_are_away(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next owner cannot read the packet at once."""
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    assert (await party.users[0].open(packet_id)).answer == "won"
    assert (await follow(party.users[0], packet_id)).watched
    refused: list[int] = []
    for one in (trio[0], trio[2]):
        pages = one.app.services.pages
        monkeypatch.setattr(pages, "result", refusing(pages.result, refused))
    await trio[1].kill()
    await until(lambda: len(refused) == 3)
    assert (await party.users[2].open(packet_id)).answer == "won"
    assert await updates(party.users[0], packet_id, 2) == [1]


def refusing(result: Any, refused: list[int]) -> Any:
    """Refuses the first three pages."""

    async def page(*about: Any) -> Any:
        if len(refused) < 3:
            refused.append(1)
            raise RequestRefused(Reason.STORE_UNAVAILABLE)
        return await result(*about)

    return page


async def test_follower_goes_on_over_a_link_that_replaces_another(trio: list[Server], connect: Connect) -> None:
    """As when a server that was frozen wakes: the other side has connected again meanwhile."""
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    assert (await party.users[0].open(packet_id)).answer == "won"
    assert (await follow(party.users[0], packet_id)).watched
    ends = sorted(trio[:2], key=lambda one: -one.app.services.server_id)
    connecting, other = (peers_of(one).mesh for one in ends)
    before = connecting.peers[other.server_id], other.peers[connecting.server_id]
    place = parsed(ends[1].app.services.changes.address)
    assert place is not None
    connecting._connecting[other.server_id] = asyncio.create_task(connecting._connect(other.server_id, place))
    await until(lambda: connecting.peers.get(other.server_id) not in {None, before[0]})
    await until(lambda: other.peers.get(connecting.server_id) not in {None, before[1]})
    assert (await party.users[1].open(packet_id)).answer == "won"
    assert await updates(party.users[0], packet_id, 2) == [1]


async def test_change_that_one_connection_missed_is_told_although_a_later_one_knows_it(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The welcome of the second connection says the balance; the first was not told of the change."""
    await make_party(trio, connect, 9)
    backend, first = await connect(trio[0], 0), await connect(trio[1], 50)
    await until(lambda: peers_of(trio[0]).events.presence.servers_of(50) == 1)
    send, lost = PeerServer.send, list[BalancesChanged]()

    def lose(peer: PeerServer, message: object) -> None:
        if isinstance(message, BalancesChanged):
            lost.append(message)
        else:
            send(peer, message)

    monkeypatch.setattr(PeerServer, "send", lose)
    await backend.top_up(50, 77)
    await until(lambda: bool(lost))
    monkeypatch.setattr(PeerServer, "send", send)
    second = await connect(trio[1], 50)
    assert second.welcome is not None
    assert second.welcome.balance_fen == 77
    for peer in list(peers_of(trio[1]).mesh.peers.values()):
        peer.close()
    change = await pushed(first, BalanceChanged)
    assert (change.balance_fen, change.change_fen, change.reason) == (77, 77, "top_up")


async def test_request_of_a_connection_that_is_gone_waits_for_no_reply(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the server would wait for it whenever it drains."""
    party = await make_party(trio, connect, 9)
    packet_id = await packet_owned_by(trio[1], trio, party, shares=9)
    packets, stuck, may = trio[1].app.services.commit._stores._packets, asyncio.Event(), asyncio.Event()
    record = packets.record

    async def wait(*about: Any) -> Any:
        stuck.set()
        await may.wait()
        return await record(*about)

    monkeypatch.setattr(packets, "record", wait)
    opening = asyncio.ensure_future(party.users[0].open(packet_id))
    await stuck.wait()
    forwarder = peers_of(trio[0]).forwarder
    assert forwarder.under_way == 1
    (number, _) = next(iter(forwarder._waiting))
    await party.users[0].close()
    await until(lambda: number not in forwarder._sessions)
    may.set()
    with suppress(ClientError):
        await opening
    assert forwarder.under_way == 0
