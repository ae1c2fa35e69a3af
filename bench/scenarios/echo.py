"""Scenario `echo`: the ceiling. The frames of scenario `grab` against bench.compare.rivals.echo, no server of ours.

It is a bare uvloop Protocol that splits, decodes, counts and encodes, and knows no users, packets, stores or money.
What a machine does here at the same connections and depth is what no server in Python with this wire exceeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice

from bench.load.setup import GROUP
from bench.load.transport import MeasuredConnection
from bench.scenarios.grab import PACKETS, Grab
from bench.scenarios.scenario import Standard, whole_groups
from protocol import messages
from protocol.messages import Message

FIRST_PACKET = 1 << 59  # as long on the wire as the ids of real packets


class Echo(Grab):
    """A turn is one grab, answered `gone`."""

    about = "the ceiling: the grabs of scenario grab against a bare server with our wire and nothing behind it"
    standard = Standard(connections=200, depth=1, requests=200_000)
    server = "bare"
    refuses = ("--url", "--postgres", "--durability")
    because = "it starts a server of its own, which has no stores"

    async def first_requests(self, users: int, turns_each: int) -> Mapping[MeasuredConnection, Sequence[Message]]:
        """As in `grab`: each group taps packets of its own."""
        wires = await self.stage.users(whole_groups(users))
        firsts = [FIRST_PACKET + place // GROUP * PACKETS for place in range(len(wires))]
        return {
            one: [
                messages.Grab(0, packet_id)
                for packet_id in islice(cycle(range(first, first + PACKETS)), turns_each)
            ]
            for one, first in zip(wires, firsts, strict=True)
        }
