"""Scenario `opens`: users open packets for which they hold tickets; nothing but the opening is on the clock.

Users sit in groups of 20. Every group gets packets of 20 shares, and each of its users opens each of them, so
every share is won. What a real chat sees happens here too: the sender, who stays online, hears of each claim, the
group of each finish, every winner of their balance, and settlement runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from bench.load.setup import GROUP
from bench.load.transport import MeasuredConnection
from bench.scenarios.scenario import Requests, Standard, whole_groups
from protocol.messages import Message

SHARE_FEN = 100  # on average


class Opens(Requests):
    """A turn is one open."""

    about = "users open packets for which they hold tickets"
    rate_of = "claims told as won"
    standard = Standard(connections=1000, depth=1, requests=60_000, rate_per_s=10_000)
    counted: ClassVar = frozenset({"won"})

    async def first_requests(self, users: int, turns_each: int) -> Mapping[MeasuredConnection, Sequence[Message]]:
        """An open of every packet of the user's group, its ticket taken."""
        wires = await self.stage.users(whole_groups(users))
        return await self.stage.tickets(await self.stage.packets(wires, turns_each, GROUP, SHARE_FEN))
