"""Scenario `send`: many users send small packets, each into a group of their own, under keys of their own.

Their friends in these groups are not online: what a send costs is measured here, what its announcement to many
costs is the scenario `push`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from bench.load.transport import MeasuredConnection
from bench.scenarios.scenario import Requests, Standard
from protocol import messages
from protocol.messages import Message

SHARES = 5
SHARE_FEN = 100


class Send(Requests):
    """A turn is one send."""

    about = "users send packets of 5 shares, each to a group of their own"
    rate_of = "packets told as sent"
    standard = Standard(connections=200, depth=8, requests=40_000, rate_per_s=2_000)
    counted: ClassVar = frozenset({"sent"})

    async def first_requests(self, users: int, turns_each: int) -> Mapping[MeasuredConnection, Sequence[Message]]:
        """Everybody has the money and a group."""
        stage = self.stage
        wires = await stage.users(users)
        friends = await stage.users(SHARES - 1, first=users)
        stage.say("everybody gets money and makes a group")
        await stage.fund({one.user_id: SHARES * SHARE_FEN * turns_each for one in wires})
        group_ids = await stage.groups_of_their_own(wires)
        await stage.ask({friend: [messages.JoinGroup(0, group_id) for group_id in group_ids] for friend in friends})
        for friend in friends:
            friend.close()
        return {
            one: [
                messages.SendPacket(0, stage.key(), "lucky", group_id, SHARES * SHARE_FEN, SHARES)
                for _ in range(turns_each)
            ]
            for one, group_id in zip(wires, group_ids, strict=True)
        }
