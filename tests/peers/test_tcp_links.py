"""Links over TCP: servers on several addresses work as one, silent links are cut, strangers stay outside."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from protocol.messages import PacketPosted, TextPosted
from server.peers.links.address import LinkAddress, parsed
from server.peers.links.handshake import NONCE_BYTES, Acceptor, Connector, link_keys
from server.peers.links.tcp import HANDSHAKES_OF_ADDRESS_MAX
from tests.conftest import PATIENCE_S, SEED_KEYS, Connect, Server, StartServer
from tests.peers.conftest import Linked, peers_of, until
from tests.peers.relay import Relay
from tests.peers.test_peers import make_party, owner_among, packet_owned_by, pushed

BooksBalance = Callable[[], Awaitable[None]]
STRANGER = "127.0.0.99"


def at(number: int, **options: object) -> dict[str, object]:
    """A server on a machine of its own: another address, no folder that others see."""
    return {"peers_folder": None, "peers__listen": f"127.0.0.{number}:0", **options}


def place_of(server: Server) -> LinkAddress:
    """Where others reach a server over TCP."""
    place = parsed(server.app.services.changes.address)
    assert place is not None
    return place


def kinds(server: Server) -> dict[str, int]:
    """Its links, by kind."""
    return peers_of(server).links().up


def refused(server: Server) -> dict[str, int]:
    """Handshakes that it refused, by why."""
    return peers_of(server).links().refused


@pytest.fixture
async def machines(linked: Linked) -> list[Server]:
    """Three servers, each on a machine of its own."""
    return [await linked(**at(number)) for number in (2, 3, 4)]


async def test_servers_on_three_machines_work_as_one(
    machines: list[Server], connect: Connect, books_balance: BooksBalance
) -> None:
    assert [kinds(one) for one in machines] == [{"tcp": 2}] * 3
    party = await make_party(machines, connect, 9)
    packet_id = await packet_owned_by(machines[1], machines, party, shares=7)
    assert (await pushed(party.users[2], PacketPosted)).packet_id > 0
    opened = await asyncio.gather(*(user.open(packet_id) for user in party.users))
    assert sorted(one.answer for one in opened) == ["gone"] * 2 + ["won"] * 7
    assert [one.app.services.commit.recorded_claims for one in machines] == [0, 7, 0]
    await party.users[2].say(party.group, "thanks")
    assert (await pushed(party.users[1], TextPosted)).text == "thanks"
    await books_balance()


async def test_siblings_are_linked_by_unix_sockets_and_others_over_tcp(linked: Linked, tmp_path: Path) -> None:
    there = tmp_path / "there"  # another machine has another folder
    there.mkdir()
    listens = {"peers__listen": "127.0.0.2:0"}
    here = [await linked(**listens) for _ in range(2)]
    other = await linked(peers_folder=there, peers__listen="127.0.0.3:0")
    await until(lambda: kinds(other) == {"tcp": 2})
    assert [kinds(one) for one in here] == [{"unix": 1, "tcp": 1}] * 2


async def test_links_that_are_not_encrypted_are_proved_as_well(linked: Linked, connect: Connect) -> None:
    servers = [await linked(**at(number, peers__tls=False)) for number in (2, 3)]
    party = await make_party(servers, connect, 2)
    await party.users[0].say(party.group, "in clear")
    assert (await pushed(party.users[1], TextPosted)).text == "in clear"
    reader, writer = await asyncio.open_connection(place_of(servers[0]).host, place_of(servers[0]).port)
    async with asyncio.timeout(PATIENCE_S):
        challenge = await reader.readexactly(NONCE_BYTES)
        writer.write(b"\x00\x01\x90" + challenge)
        assert await reader.read() is not None
    writer.close()
    await until(lambda: refused(servers[0]) == {"garbage": 1})


async def test_server_without_encryption_does_not_get_a_link_with_it(start_server: StartServer) -> None:
    one = await start_server(**at(2))
    other = await start_server(**at(3, peers__tls=False))
    await until(lambda: bool(refused(one) or refused(other)))
    assert [kinds(one), kinds(other)] == [{}, {}]


@pytest.mark.short_leases
async def test_server_that_is_killed_is_replaced_at_once(
    machines: list[Server], connect: Connect, books_balance: BooksBalance
) -> None:
    party = await make_party(machines, connect, 9)
    packet_id = await packet_owned_by(machines[1], machines, party, shares=9)
    here = [user for place, user in enumerate(party.users) if place % 3 != 1]
    await here[0].open(packet_id)
    await machines[1].kill()
    for user in here:
        assert (await user.open(packet_id)).answer in ("won", "claimed")
    assert owner_among([machines[0], machines[2]], packet_id) is not machines[1]
    assert sum(peers_of(one).links().lost for one in (machines[0], machines[2])) == 2
    await books_balance()


async def test_key_that_is_added_to_one_server_after_the_other_keeps_them_linked(linked: Linked) -> None:
    servers = [await linked(**at(2))]
    servers[0].app.services.seeds.use_keys({**SEED_KEYS, "new": b"n" * 32})
    servers.append(await linked(**at(3)))
    assert [kinds(one) for one in servers] == [{"tcp": 1}] * 2


# --- links that fall silent -----------------------------------------------------------------------------------


class Pair:
    """Two servers that reach each other only through relays, each at its own."""

    def __init__(self, servers: list[Server], relays: list[Relay]) -> None:
        self.servers = servers
        self.relays = relays

    def stall(self) -> None:
        """Nothing passes any more, and nothing is said to be lost."""
        for relay in self.relays:
            relay.stall()

    def flow(self) -> None:
        """All passes again."""
        for relay in self.relays:
            relay.flow()

    def are_linked(self) -> bool:
        """Both have the link."""
        return all(kinds(one) == {"tcp": 1} for one in self.servers)


@pytest.fixture
async def pair(start_server: StartServer) -> AsyncIterator[Pair]:
    """Two machines with a network between them that can fall silent."""
    async with AsyncExitStack() as stack:
        made = Pair([], [])
        for number in (2, 3):
            through = f"127.0.0.{number + 10}"
            server = await start_server(**at(number, peers__advertise=through))
            made.servers.append(server)
            relay = Relay(through, (f"127.0.0.{number}", place_of(server).port))
            made.relays.append(await stack.enter_async_context(relay))
        await until(made.are_linked)
        yield made


async def test_link_on_which_nothing_comes_is_cut_and_made_again(pair: Pair, connect: Connect) -> None:
    """Both take themselves for the owner meanwhile; what did not get through is told from the record."""
    party = await make_party(pair.servers, connect, 4)
    pair.stall()
    await party.users[0].say(party.group, "into the void")
    await until(lambda: all(kinds(one) == {} for one in pair.servers))
    assert (await pushed(party.users[1], TextPosted)).text == "into the void"
    pair.flow()
    await until(pair.are_linked)
    await party.users[0].say(party.group, "again")
    assert (await pushed(party.users[1], TextPosted)).text == "again"


async def test_two_owners_give_no_share_twice(pair: Pair, connect: Connect, books_balance: BooksBalance) -> None:
    party = await make_party(pair.servers, connect, 12)
    packet_id = await party.lucky(8)
    pair.stall()
    await until(lambda: all(kinds(one) == {} for one in pair.servers))
    assert all(peers_of(one).forwarder.owns(packet_id) for one in pair.servers)
    opened = await asyncio.gather(*(user.open(packet_id) for user in party.users))
    assert sorted(one.answer for one in opened) == ["gone"] * 4 + ["won"] * 8
    assert sorted(one.index for one in opened if one.answer == "won") == list(range(8))
    pair.flow()
    await until(pair.are_linked)
    again = [await user.open(packet_id) for user in party.users]
    assert sorted(one.index for one in again if one.answer == "claimed") == list(range(8))
    await books_balance()


async def test_open_that_waits_at_the_other_side_of_a_cut_is_served_here(
    pair: Pair, connect: Connect, books_balance: BooksBalance
) -> None:
    party = await make_party(pair.servers, connect, 6)
    packet_id = await packet_owned_by(pair.servers[1], pair.servers, party, shares=6)
    users = party.users[::2]  # at the other server
    pair.stall()
    opened = await asyncio.gather(*(user.open(packet_id) for user in users))
    assert {one.answer for one in opened} <= {
        "won",
        "claimed",
    }  # claimed: the owner had made it, the reply was held
    assert len({one.index for one in opened}) == len(users)
    await books_balance()


# --- strangers ------------------------------------------------------------------------------------------------


def from_stranger() -> socket.socket:
    """A socket at an address that no server has."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.bind((STRANGER, 0))
    return made


async def connected(server: Server) -> socket.socket:
    """A connection of a stranger to the port of links."""
    made, place = from_stranger(), place_of(server)
    await asyncio.get_running_loop().sock_connect(made, (place.host, place.port))
    return made


async def by_tls(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The same, with the TLS that any program can have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection(sock=await connected(server), ssl=context, server_hostname="hongbao")


async def ended(reader: asyncio.StreamReader) -> None:
    """Until the other side hangs up."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            while await reader.read(1 << 16):
                pass
        except ConnectionError:
            pass


async def test_bytes_that_are_no_tls_are_refused(linked: Linked) -> None:
    server = await linked(**at(2))
    reader, writer = await asyncio.open_connection(sock=await connected(server))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await ended(reader)
    writer.close()
    await until(lambda: refused(server) == {"tls": 1})


async def test_stranger_without_the_key_is_refused(linked: Linked) -> None:
    server = await linked(**at(2))
    server_id = server.app.services.server_id
    wrong = link_keys(dict.fromkeys(SEED_KEYS, b"x" * 32))
    forged = Connector(wrong, b"n" * NONCE_BYTES, b"c" * 32, 1, server_id)
    reader, writer = await by_tls(server)
    async with asyncio.timeout(PATIENCE_S):
        challenge = await reader.read(1 << 12)
    writer.write(forged.receive(challenge))
    await ended(reader)
    writer.close()
    await until(lambda: refused(server) == {"proof": 1})
    assert kinds(server) == {}


async def test_recorded_handshake_is_refused_although_it_was_right_once(linked: Linked) -> None:
    """A third party in between has recorded it, and has its own certificate."""
    server = await linked(**at(2))
    keys, server_id = link_keys(SEED_KEYS), server.app.services.server_id
    recorded = Acceptor(keys, b"a" * NONCE_BYTES, b"c" * 32, server_id)
    proof = Connector(keys, b"b" * NONCE_BYTES, b"c" * 32, 1, server_id).receive(recorded.opening)
    reader, writer = await by_tls(server)
    writer.write(proof)
    await ended(reader)
    writer.close()
    await until(lambda: refused(server) == {"proof": 1})


async def test_handshake_that_says_nothing_ends(linked: Linked) -> None:
    server = await linked(**at(2))
    reader, writer = await by_tls(server)
    await ended(reader)
    writer.close()
    await until(lambda: refused(server) == {"late": 1})


async def test_crowd_of_strangers_keeps_no_server_outside(linked: Linked) -> None:
    """They hold the places of their address for some seconds, and no others."""
    server = await linked(**at(2))
    crowd = [await connected(server) for _ in range(HANDSHAKES_OF_ADDRESS_MAX + 8)]
    await until(lambda: refused(server) == {"crowded": 8})
    await linked(**at(3))
    assert kinds(server) == {"tcp": 1}
    await until(lambda: refused(server) == {"crowded": 8, "tls": HANDSHAKES_OF_ADDRESS_MAX})
    for one in crowd:
        one.close()


async def test_server_of_another_database_gets_no_link(linked: Linked, start_server: StartServer) -> None:
    """Its row is forged: any user of the database can write one."""
    server = await linked(**at(2))
    stranger = await connected(server)  # only to have a port at which nothing listens
    address = f"tcp:{STRANGER}:{stranger.getsockname()[1]}"
    await server.app.services.changes._store.beat(1, 1, 2.0, address)
    mesh = peers_of(server).mesh
    await until(lambda: not mesh._backoff.is_due(1, 0.0))
    assert kinds(server) == {}
    stranger.close()
