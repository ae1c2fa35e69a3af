"""Scenarios of one request or two: `opens`, `open`, `grab`, `grab-websocket`, `echo`, `send`.

`opens`: users open packets for which they hold tickets; only the opening is measured. Users are in groups of 20.
Every group gets packets of 20 shares, and each of its users opens each of them, so every share is won. The server
also does what it does in a real chat: the sender, who stays online, receives a push for each claim, the group one
for each finished packet, every winner one with the balance, and settlement runs.

`open`: users grab packets and open them, many packets at a time; both requests are measured.

`grab`: users grab packets that are finished, as most members of a large group do. The server answers from memory:
`claimed` with the amount, or `gone`. `grab-websocket`: the same over WebSocket.

`echo`: the upper bound. The frames of `grab` against bench.compare.rivals.echo instead of our server: a bare uvloop
Protocol that splits, decodes, counts and encodes, without users, packets, stores or money. With the same
connections and depth, no server in Python with this protocol is faster on this machine.

`send`: users send small packets, each into a group of their own, under keys of their own. The other members of
these groups are offline: the cost of a send is measured here, the cost of announcing it to many in the scenario
`push`.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import ClassVar

from msgspec.structs import replace

from bench.load.run_spec import GeneratorSpec
from bench.load.setup import GROUP, RequestsByUser, Say
from bench.scenarios.scenario import Requests, Standard, whole_groups
from protocol import messages
from protocol.messages import Message

SHARE_FEN = 100  # on average
GRAB_SHARES = 2  # users of each group who were early enough
GRAB_PACKETS = 10  # of each group
ECHO_FIRST_PACKET = 1 << 59  # as long on the wire as the ids of real packets
SEND_SHARES = 5
WEBSOCKET = '[websocket]\nlisten = "127.0.0.1:0"\n'  # of a server's config


class Opens(Requests):
    """An operation is one open."""

    about = "users open packets for which they hold tickets"
    rate_of = "claims told as won"
    standard = Standard(connections=1000, depth=1, requests=60_000, rate_per_s=10_000)
    counted: ClassVar = frozenset({"won"})

    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """An open of every packet of the user's group; the tickets are taken here."""
        connections = await self.setup.log_in_users(whole_groups(users))
        packets = await self.setup.make_packets(connections, operations_each, GROUP, SHARE_FEN)
        return await self.setup.take_tickets(packets)


class OpenPackets(Requests):
    """An operation is a grab, and the open that its ticket allows."""

    about = "users grab packets and open them (one operation: both requests)"
    rate_of = "claims told as won"
    standard = Standard(connections=1000, depth=1, requests=60_000, rate_per_s=5_000)
    counted: ClassVar = frozenset({"won"})

    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """A grab of every packet of the user's group."""
        connections = await self.setup.log_in_users(whole_groups(users))
        packets = await self.setup.make_packets(connections, operations_each, GROUP, SHARE_FEN)
        return {one: [messages.Grab(0, packet_id) for packet_id in those] for one, those in packets.items()}

    def next_request(self, user_id: int, reply: Message) -> Message | None:
        if isinstance(reply, messages.Grabbed) and reply.ticket:
            return messages.Open(0, reply.packet_id, reply.ticket)
        return None


class Grab(Requests):
    """An operation is one grab."""

    about = "users grab packets that are finished: answered from memory"
    rate_of = "grabs answered"
    standard = Standard(connections=200, depth=1, requests=200_000, rate_per_s=10_000)
    counted: ClassVar = frozenset({"claimed", "gone"})

    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """Grabs of the packets of the user's group, in a cycle."""
        connections = await self.setup.log_in_users(whole_groups(users))
        packets = await self.setup.make_packets(connections, GRAB_PACKETS, GRAB_SHARES, SHARE_FEN)
        early = [one for place, one in enumerate(connections) if place % GROUP < GRAB_SHARES]
        await self.setup.request(await self.setup.take_tickets({one: packets[one] for one in early}))
        return {
            one: [messages.Grab(0, packet_id) for packet_id in islice(cycle(those), operations_each)]
            for one, those in packets.items()
        }


class GrabWebSocket(Grab):
    """The same over WebSocket."""

    about = "users grab packets that are finished, over WebSocket"
    refuses = ("--url",)
    because = "with --url ws:// the scenario grab does the same"
    sections = WEBSOCKET

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(replace(spec, url=spec.websocket_url), say)


class Echo(Grab):
    """An operation is one grab, answered `gone`."""

    about = (
        "the upper bound: the grabs of scenario grab against a bare server with our protocol and nothing behind it"
    )
    standard = Standard(connections=200, depth=1, requests=200_000)
    server = "bare"
    refuses = ("--url", "--postgres", "--durability")
    because = "it starts a server of its own, which has no stores"

    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """As in `grab`: each group has its own packets."""
        connections = await self.setup.log_in_users(whole_groups(users))
        requests = {}
        for place, one in enumerate(connections):
            first = ECHO_FIRST_PACKET + place // GROUP * GRAB_PACKETS
            packet_ids = islice(cycle(range(first, first + GRAB_PACKETS)), operations_each)
            requests[one] = [messages.Grab(0, packet_id) for packet_id in packet_ids]
        return requests


class Send(Requests):
    """An operation is one send."""

    about = "users send packets of 5 shares, each to a group of their own"
    rate_of = "packets told as sent"
    standard = Standard(connections=200, depth=8, requests=40_000, rate_per_s=2_000)
    counted: ClassVar = frozenset({"sent"})

    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """Every user gets the money and a group."""
        setup, total_fen = self.setup, SEND_SHARES * SHARE_FEN
        connections = await setup.log_in_users(users)
        friends = [self.spec.first_user + users + number for number in range(SEND_SHARES - 1)]
        setup.say("every user gets money and a group")
        await setup.fund({one.user_id: total_fen * operations_each for one in connections})
        group_ids = await setup.put_groups([(one.user_id, friends) for one in connections])
        owned = zip(connections, group_ids, strict=True)
        # a group is loaded when it is first used; the measured sends are those into a group in use
        await setup.request({one: [messages.ListMembers(0, group_id)] for one, group_id in owned})
        return {
            one: [
                messages.SendPacket(0, setup.new_key(), "lucky", group_id, total_fen, SEND_SHARES)
                for _ in range(operations_each)
            ]
            for one, group_id in zip(connections, group_ids, strict=True)
        }
