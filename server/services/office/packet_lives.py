"""The life of a packet, from the records of all sets. Its seed stays in this module: it tells unopened amounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from server.core.ledger import TransferKind
from server.core.office.life import LifeClaim, LifePost, PacketLife
from server.services.packets.stored_state import state_of

if TYPE_CHECKING:
    from storage.postgres.office.finding import FindingStore, PacketTransferRow
    from storage.postgres.packets.packets import PacketRow, PacketStore

_CREDITED = (TransferKind.CLAIM, TransferKind.HANDED_OVER)
_RETURNED = (TransferKind.REFUND, TransferKind.LEASE_RETURNED)


class PacketLifeService:
    """Reads packets. All methods raise StoreUnavailable."""

    def __init__(self, finding: FindingStore, packets: PacketStore, now_ms: Callable[[], int]) -> None:
        self._finding, self._packets, self._now_ms = finding, packets, now_ms

    async def life(self, packet_id: int) -> PacketLife | None:
        """A packet and all that happened to it; None: there is none."""
        rows, claims = await self._packets.load([packet_id])
        row = rows.get(packet_id)
        if row is None:
            return None
        trace = await self._finding.trace(packet_id)
        credited = {one.user_id: one.at_ms for one in trace.transfers if one.kind in _CREDITED}
        streams = dict.fromkeys(filter(None, (row.target_id, row.chat_id, row.sender_id, *trace.groups)))
        posts = await self._finding.posts(packet_id, list(streams))
        return PacketLife(
            packet_id=packet_id,
            kind=row.kind,
            state=str(state_of(row, self._now_ms())),
            sender_id=row.sender_id,
            target_id=row.target_id,
            key=row.key,
            greeting=row.greeting,
            total_fen=row.total_fen,
            shares=row.shares,
            created_at_ms=row.created_at_ms,
            send_at_ms=row.send_at_ms,
            scheduled=trace.scheduled,
            expires_at_ms=row.expires_at_ms,
            closed_at_ms=row.closed_at_ms,
            claims=[
                LifeClaim(
                    one.index,
                    one.user_id,
                    one.amount_fen,
                    one.at_ms,
                    credited.get(one.user_id),
                    one.user_id == trace.best_user_id,
                )
                for one in claims[packet_id]
            ],
            claimed_fen=row.claimed_fen,
            refunded_fen=row.refunded_fen,
            refunded_at_ms=_refunded_at(trace.transfers),
            groups=trace.groups,
            posts=[LifePost(*one) for one in posts],
            payment=await self._payment(row),
        )

    async def _payment(self, row: PacketRow) -> tuple[int, int] | None:
        return await self._finding.charge_of(row.sender_id, row.key, row.packet_id)


def _refunded_at(transfers: Sequence[PacketTransferRow]) -> int | None:
    return next((one.at_ms for one in transfers if one.kind in _RETURNED), None)
