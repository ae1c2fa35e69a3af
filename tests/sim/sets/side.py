"""The sets of a world whose servers are peers: each has a line of its own, and one may be away alone.

A packet is in the set of its sender, a wallet in that of its user; what owners decide is recorded in several sets,
and settlement credits from one to another. Set 0 is the database of the other worlds.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from server.core.ids import set_of
from storage.postgres.sets.opening import TRANSIT
from storage.postgres.sets.settlement import QueueOfSet
from tests.sim.faults import Line
from tests.sim.sets.rows import RowsOfSet
from tests.sim.sets.stores import stores_of
from tests.sim.sets.tables import ClaimKey

if TYPE_CHECKING:
    from tests.sim.world import World

STRIKE_S_MIN = 0.1


class SetsSide:
    """Made after the world's own parts."""

    def __init__(self, world: World) -> None:
        assert world.plan.sets is not None
        self.world, self.plan = world, world.plan.sets
        self.rng = random.Random(f"sets {world.seed}")
        further = range(1, self.plan.sets)
        self.lines = [world.postgres] + [
            Line(f"set {one}", random.Random(f"set {one} {world.seed}"), world.plan.rates, world.trace)
            for one in further
        ]
        self.rows = [RowsOfSet(self, number) for number in range(self.plan.sets)]
        placed = world.plan.members[: world.plan.users // 2]  # the others are with the first thing that they get
        self.user_sets = {user_id: user_id % self.plan.sets for user_id in placed}
        self.handed_over: dict[ClaimKey, tuple[int, int]] = {}  # account in transit, fen
        self.queue: Callable[..., QueueOfSet] = QueueOfSet
        self.seen: Counter[str] = Counter()  # what happened, for the test of what worlds cover

    def set_of_packet(self, packet_id: int) -> int:
        """Its id has it."""
        return set_of(packet_id, 0)

    # --- for the world ----------------------------------------------------------------------------------------

    def stores(self, simulated: dict[str, Any]) -> dict[str, Any]:
        """Those of one server, in place of the ones on one set."""
        return stores_of(self)

    def begin(self) -> None:
        """What happens to further sets."""
        if self.plan.strikes_s < self.world.plan.length_s:
            self.world.spawn(self._strikes())

    def calm(self) -> None:
        """No faults from now on."""
        for line in self.lines:
            line.calm()

    def is_settled(self) -> bool:
        """The queues are those of the world."""
        return True

    def look(self) -> None:
        """After each commit of a settlement: as an audit at this moment would."""
        self.seen["commit"] += 1
        tables = self.world.tables
        queued = {ClaimKey(*row[:2]) for row in tables.queue}
        self.seen["between commits"] += any(tables.is_credited(*key) for key in queued)
        for key, (_, fen) in self.handed_over.items():
            if not tables.is_credited(*key):
                self.world.report(f"{key} of {fen} fen was handed over, and is not credited")
        for claims in tables.claims.values():
            for one in claims:
                key = ClaimKey(one.packet_id, one.user_id)
                if key not in queued and not tables.is_credited(*key):
                    self.world.report(f"{key} of {one.amount_fen} fen is neither queued nor credited")

    def rules(self) -> Sequence[Callable[[World], list[str]]]:
        """What must hold at the end."""
        return (self.packets_are_with_their_senders, self.money_is_handed_over)

    def packets_are_with_their_senders(self, world: World) -> list[str]:
        """The set of a packet is that of its sender."""
        return [
            f"packet {one.packet_id} is in set {self.set_of_packet(one.packet_id)}, its sender in {number}"
            for one in world.tables.packets.values()
            if (number := self.user_sets.get(one.sender_id)) != self.set_of_packet(one.packet_id)
        ]

    def money_is_handed_over(self, world: World) -> list[str]:
        """What was credited in another set than its packet has left that of the packet, once, and nothing else."""
        due = {}
        for claims in world.tables.claims.values():
            for one in claims:
                there = self.user_sets.get(one.user_id)
                if there is not None and there != self.set_of_packet(one.packet_id):
                    due[ClaimKey(one.packet_id, one.user_id)] = (TRANSIT - there, one.amount_fen)
        return [
            f"{key} was handed over as {self.handed_over.get(key)}, due is {due.get(key)}"
            for key in sorted(due.keys() | self.handed_over.keys())
            if due.get(key) != self.handed_over.get(key)
        ]

    # --- strikes ----------------------------------------------------------------------------------------------

    async def _strikes(self) -> None:
        """Set 0 is struck with the other parts of its database (see World)."""
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / self.plan.strikes_s))
            if self.world.loop.time() >= self.world.plan.length_s:
                return
            number, what = self.rng.randrange(1, self.plan.sets), self.rng.choice(("restart", "freeze"))
            for_s = self.rng.uniform(STRIKE_S_MIN, self.plan.strike_s)
            self.seen[what] += 1
            self.world.trace("nemesis", "set", number, what, f"{for_s:.2f} s")
            getattr(self.lines[number], what)(for_s)
