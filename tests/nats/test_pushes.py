"""Pushes over NATS: they arrive, and none is missing at the end, also when NATS is killed, frozen or lied to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import nats
import pytest

from client_sim.sdk.client import Client
from protocol.messages import BalanceChanged, TextPosted
from server.peers.frames import SharedEvent
from server.peers.nats_pushes import NatsPushes
from server.peers.peer import PeerServer
from tests.conftest import PATIENCE_S, Connect, Server
from tests.nats.running import NatsServer
from tests.peers.conftest import Linked, peers_of, until
from tests.peers.test_peers import SENDER, Party, make_party, pushed

BooksBalance = Callable[[], Awaitable[None]]
USERS = 6


def pushes_of(server: Server) -> NatsPushes:
    """The adapter of a server."""
    pushes = peers_of(server).by_nats
    assert pushes is not None
    return pushes


def all_listen(servers: list[Server]) -> bool:
    """Each server is known to listen at each other one, and knows where the messages of the others begin."""
    return all(
        len(pushes_of(one)._listening) == len(servers) - 1
        and all(numbers._is_told for numbers in pushes_of(one)._numbers.values())
        and len(pushes_of(one)._numbers) == len(servers) - 1
        for one in servers
    )


@pytest.fixture
async def trio(linked: Linked, nats_server: NatsServer) -> list[Server]:
    """Three servers that push over NATS."""
    servers = [await linked(nats__url=nats_server.url, nats__pushes=True) for _ in range(3)]
    await until(lambda: all_listen(servers))
    return servers


@pytest.fixture
def over_links(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of events that go over links."""
    sent: list[str] = []
    send = PeerServer.send

    def note(peer: PeerServer, message: object) -> None:
        if isinstance(message, SharedEvent):
            sent.append(message.name)
        send(peer, message)

    monkeypatch.setattr(PeerServer, "send", note)
    return sent


class Seen:
    """What a client is told: it asks for the posts that are missing by their numbers, as clients do."""

    def __init__(self, client: Client, group: int) -> None:
        self.client = client
        self._group = group
        self.texts: dict[int, str] = {}
        self.balance: BalanceChanged | None = None
        self._task = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        async for push in self.client.pushes():
            if isinstance(push, TextPosted) and push.stream_id == self._group:
                self.texts[push.message] = push.text
            elif isinstance(push, BalanceChanged) and (self.balance is None or push.version > self.balance.version):
                self.balance = push

    async def whole(self, texts: list[str]) -> bool:
        """Whether it has all of these, once it has asked for those between the ones that it has."""
        for number in range(min(self.texts), max(self.texts)):
            if number not in self.texts:
                posts = await self.client.catch_up(self._group, number - 1)
                assert isinstance(posts, list)
                self.texts |= {one.message: one.text for one in posts if isinstance(one, TextPosted)}
        return [one for _, one in sorted(self.texts.items())] == texts

    def stop(self) -> None:
        """The client goes."""
        self._task.cancel()


async def say_all(party: Party, texts: list[str]) -> None:
    for text in texts:
        await party.users[0].say(party.group, text)


async def test_users_at_other_servers_are_told_over_nats(
    trio: list[Server], connect: Connect, over_links: list[str], books_balance: BooksBalance
) -> None:
    party = await make_party(trio, connect, USERS)
    over_links.clear()
    packet_id = await party.lucky(USERS)
    opened = await asyncio.gather(*(user.open(packet_id) for user in party.users))
    assert {one.answer for one in opened} == {"won"}
    changes = await asyncio.gather(*(pushed(user, BalanceChanged) for user in party.users[1:]))
    assert [one.change_fen for one in changes] == [one.amount_fen for one in opened[1:]]
    await party.users[0].say(party.group, "thanks")
    for user in party.users[1:]:
        assert (await pushed(user, TextPosted)).text == "thanks"
    assert over_links == []
    assert sum(pushes_of(one).received for one in trio) > 0
    assert [pushes_of(one).missed for one in trio] == [0, 0, 0]
    await books_balance()


async def test_pushes_go_over_links_while_nats_is_away(
    trio: list[Server], connect: Connect, nats_server: NatsServer, over_links: list[str]
) -> None:
    party = await make_party(trio, connect, USERS)
    nats_server.kill()
    await until(lambda: not any(one.app.services.nats.is_up for one in trio if one.app.services.nats))
    await party.users[0].say(party.group, "without")
    for user in party.users[1:]:
        assert (await pushed(user, TextPosted)).text == "without"
    assert "TextPost" in over_links
    nats_server.start()
    await until(lambda: all_listen(trio))
    over_links.clear()
    await party.users[0].say(party.group, "with")
    for user in party.users[1:]:
        assert (await pushed(user, TextPosted)).text == "with"
    assert over_links == []


async def test_what_a_killed_nats_has_swallowed_is_told_from_the_record(
    trio: list[Server], connect: Connect, nats_server: NatsServer
) -> None:
    party = await make_party(trio, connect, USERS)
    backend = await connect(trio[0], 0)
    nats_server.freeze()  # so that what is published now is lost with it
    await party.users[0].say(party.group, "lost")
    nats_server.kill()
    assert (await pushed(party.users[1], TextPosted)).text == "lost"
    await backend.top_up(SENDER + 1, 77)  # changes of balances go over links
    change = await pushed(party.users[1], BalanceChanged)
    assert (change.balance_fen, change.change_fen) == (77, 77)


@pytest.mark.long
async def test_nats_that_is_frozen_costs_no_push(
    trio: list[Server], connect: Connect, nats_server: NatsServer, books_balance: BooksBalance
) -> None:
    """Clients end with whole streams and the right balance."""
    party = await make_party(trio, connect, USERS)
    texts = [f"text {number}" for number in range(20)]
    seen = [Seen(user, party.group) for user in party.users[1:]]
    await say_all(party, texts[:5])
    nats_server.freeze()
    try:
        packet_id = await party.lucky(USERS)
        await say_all(party, texts[5:15])
        opened = await asyncio.gather(*(user.open(packet_id) for user in party.users))
        assert {one.answer for one in opened} == {"won"}
        await until(lambda: any(pushes_of(one).missed for one in trio))
        await say_all(party, texts[15:])
        await until(lambda: all(texts[-1] in one.texts.values() for one in seen))
    finally:
        nats_server.thaw()
    shares = {user.user_id: one.amount_fen for user, one in zip(party.users, opened, strict=True)}
    await until(
        lambda: all(
            one.balance is not None and one.balance.balance_fen == shares[one.client.user_id] for one in seen
        )
    )
    for one in seen:
        assert await one.whole(texts)
        one.stop()
    await until(lambda: all_listen(trio))
    await books_balance()


async def test_message_of_a_stranger_is_not_shown(
    trio: list[Server], connect: Connect, nats_server: NatsServer
) -> None:
    """Any user of NATS can publish there, and can send again what came before."""
    party = await make_party(trio, connect, USERS)
    seen: list[bytes] = []

    async def note(message: nats.aio.msg.Msg) -> None:
        seen.append(message.data)

    stranger = await nats.connect(nats_server.url)
    try:
        await stranger.subscribe("hongbao.pushes", cb=note)
        await stranger.flush()
        await party.users[0].say(party.group, "once")
        assert (await pushed(party.users[1], TextPosted)).text == "once"
        await until(lambda: bool(seen))
        received = [pushes_of(one).received for one in trio]
        for message in (seen[-1], bytes(32) + seen[-1][32:], b"", b"garbage" * 10):
            await stranger.publish("hongbao.pushes", message)
        await stranger.flush()
        await party.users[0].say(party.group, "twice")
        async with asyncio.timeout(PATIENCE_S):
            assert (await pushed(party.users[1], TextPosted)).text == "twice"
        await until(lambda: pushes_of(trio[1]).received == received[1] + 1)
    finally:
        await stranger.close()


async def test_lost_message_is_found_although_none_follows(
    trio: list[Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    party = await make_party(trio, connect, USERS)
    connection = trio[0].app.services.nats
    assert connection is not None

    publish, swallowed = connection.publish, []

    async def swallow_one(subject: str, payload: bytes) -> None:
        if swallowed:
            await publish(subject, payload)
        swallowed.append(payload)

    monkeypatch.setattr(connection, "publish", swallow_one)
    await party.users[0].say(party.group, "the last one")
    assert (await pushed(party.users[1], TextPosted)).text == "the last one"
    await until(lambda: sum(pushes_of(one).missed for one in trio) > 0)
