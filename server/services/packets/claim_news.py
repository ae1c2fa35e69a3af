"""Tell the sender of durable claims, and everyone concerned of the finish."""

from __future__ import annotations

from server.core.decisions import Claim
from server.core.packet import Packet
from server.services.chat.groups import GroupService
from server.services.packets.live_packet import LivePacket
from server.services.runtime.bus import Bus
from server.services.runtime.events import Claimed, Finished


class ClaimNews:
    """Publishes Claimed and Finished."""

    def __init__(self, groups: GroupService, bus: Bus) -> None:
        self._groups = groups
        self._bus = bus

    def publish(self, live: LivePacket, packet: Packet, claims: list[Claim]) -> None:
        """These claims, in the order of their indexes, are durable; the last one may be the finish."""
        terms = packet.terms
        if not terms.kind.row.claims_are_told:
            return
        self._bus.publish(Claimed(terms.packet_id, terms.shares, claims), (terms.sender_id,))
        if claims[-1].index == terms.shares - 1:
            self._publish_finish(live, packet, claims[-1])

    def _publish_finish(self, live: LivePacket, packet: Packet, last: Claim) -> None:
        """Each group gets it under its own stream; the sender always, in the group or not."""
        terms, took_ms, best = packet.terms, last.at_ms - packet.terms.created_at_ms, packet.best_luck()
        first = live.audience if not live.also_in else self._groups.audience((terms.target_id,))
        if terms.kind.row.goes_to_user:  # friends who were admitted have no stream that it was posted in
            first = (terms.target_id,)
        self._bus.publish(Finished(terms, terms.stream_id, took_ms, best), {*first, terms.sender_id})
        for group_id in live.also_in:
            self._bus.publish(Finished(terms, group_id, took_ms, best), self._groups.audience((group_id,)))
