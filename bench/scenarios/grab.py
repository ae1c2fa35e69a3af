"""Scenario `grab`: users tap packets that are finished, as most of a large group does; answered from memory.

Some are told `claimed` with what they got, the others `gone`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import ClassVar

from bench.load.setup import GROUP
from bench.load.transport import MeasuredConnection
from bench.scenarios.scenario import Requests, Standard, whole_groups
from protocol import messages
from protocol.messages import Message

SHARES = 2  # so many users of each group were quick enough
SHARE_FEN = 100
PACKETS = 10  # of each group


class Grab(Requests):
    """A turn is one grab."""

    about = "users grab packets that are finished: answered from memory"
    rate_of = "grabs answered"
    standard = Standard(connections=200, depth=1, requests=200_000, rate_per_s=10_000)
    counted: ClassVar = frozenset({"claimed", "gone"})

    async def first_requests(self, users: int, turns_each: int) -> Mapping[MeasuredConnection, Sequence[Message]]:
        """Grabs of the packets of the user's group, one after the other and over again."""
        wires = await self.stage.users(whole_groups(users))
        packets = await self.stage.packets(wires, PACKETS, SHARES, SHARE_FEN)
        quick = [one for place, one in enumerate(wires) if place % GROUP < SHARES]
        await self.stage.ask(await self.stage.tickets({one: packets[one] for one in quick}))
        return {
            one: [messages.Grab(0, packet_id) for packet_id in islice(cycle(those), turns_each)]
            for one, those in packets.items()
        }
