"""The rules of tickets, checked from answers alone: no ticket is lost in its grace, and no user waits for hoarders.

Tickets live in the memory of one process, so each process and packet has tickets of its own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from server.core.decisions import Answer, Decision, Ticket

if TYPE_CHECKING:
    from tests.sim.world import World


class TicketWatch:
    """Remembers the last ticket of each user, as the answers of one process told it."""

    def __init__(self, world: World, grace_ms: int, per_share: int) -> None:
        self._world = world
        self._grace_ms = grace_ms
        self._per_share = per_share
        self._held: defaultdict[int, dict[int, Ticket]] = defaultdict(dict)  # by packet and user
        self._unsure: defaultdict[int, dict[int, Ticket]] = defaultdict(dict)  # perhaps used, perhaps still out

    def answered(self, user_id: int, packet_id: int, ticket: int | None, decision: Any, arrived_ms: int) -> None:
        """Check the answer to a grab (no ticket) or an open."""
        if not isinstance(decision, Decision):
            if ticket is not None and (lost := self._held[packet_id].pop(user_id, None)) is not None:
                self._unsure[packet_id][user_id] = lost  # an open that a store undid may have used it
            return
        held = self._held[packet_id]
        mine = held.get(user_id)
        if decision.answer is Answer.WON:
            held.pop(user_id, None)
        elif decision.answer is Answer.NO_TICKET:
            if mine is not None and mine.number == ticket and self._in_grace(mine, arrived_ms):
                self._world.report(f"user {user_id} lost {mine} of {packet_id} in its grace, at {arrived_ms}")
        elif decision.answer is Answer.BUSY:
            out = {**self._unsure[packet_id], **held}
            young = sum(self._in_grace(one, arrived_ms) for one in out.values())
            unsure = user_id in self._unsure[packet_id]  # a ticket that lapsed unused makes its user wait longer
            # the fewest places of a packet that is not finished
            if mine is None and not unsure and young < self._per_share:
                self._world.report(
                    f"user {user_id} must wait for {packet_id}, although the oldest tickets are free"
                )
        elif decision.ticket is not None:
            held[user_id] = decision.ticket

    def may_hold(self, user_id: int, packet_id: int, now_ms: int) -> None:
        """A user says words; who has said them before may get a ticket by that, of which no answer tells."""
        self._unsure[packet_id][user_id] = Ticket(0, now_ms, now_ms)

    def _in_grace(self, ticket: Ticket, now_ms: int) -> bool:
        return now_ms < ticket.given_at_ms + self._grace_ms
