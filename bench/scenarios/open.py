"""Scenario `open`: users tap packets and open them, many packets at a time; both requests are on the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from bench.load.setup import GROUP
from bench.load.transport import MeasuredConnection
from bench.scenarios.opens import SHARE_FEN
from bench.scenarios.scenario import Requests, Standard, whole_groups
from protocol import messages
from protocol.messages import Message


class OpenPackets(Requests):
    """As `opens`, but a turn is a grab and the open that its ticket allows."""

    about = "users grab packets and open them (one turn: both requests)"
    rate_of = "claims told as won"
    standard = Standard(connections=1000, depth=1, requests=60_000, rate_per_s=5_000)
    counted: ClassVar = frozenset({"won"})

    async def first_requests(self, users: int, turns_each: int) -> Mapping[MeasuredConnection, Sequence[Message]]:
        """A grab of every packet of the user's group."""
        wires = await self.stage.users(whole_groups(users))
        packets = await self.stage.packets(wires, turns_each, GROUP, SHARE_FEN)
        return {one: [messages.Grab(0, packet_id) for packet_id in those] for one, those in packets.items()}

    def hear(self, user_id: int, reply: Message) -> Message | None:
        """A ticket is used at once."""
        if isinstance(reply, messages.Grabbed) and reply.ticket:
            return messages.Open(0, reply.packet_id, reply.ticket)
        return None
