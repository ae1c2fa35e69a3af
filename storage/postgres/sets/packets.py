"""Packets over sets: each packet is in the set of its id. A set that is away holds up its own packets only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from storage.errors import PartlyLocked, Unanswered
from storage.postgres.packets.packets import Advance, ClaimRow, PacketRow, PacketStore, PartlyRead
from storage.postgres.packets.refunds import RefundRow
from storage.postgres.sets.places import all_of, any_of, first_of, grouped, in_order, settled

if TYPE_CHECKING:
    from storage.postgres.sets.places import Sets


class SetPacketStore(PacketStore):
    """The packets of all sets, read and written in each at the same time."""

    def __init__(self, sets: Sets, stores: Sequence[PacketStore]) -> None:
        self._sets = sets
        self._stores = stores

    async def load(self, packet_ids: Sequence[int]) -> tuple[dict[int, PacketRow], dict[int, list[ClaimRow]]]:
        """As of one moment in each set. Raises PartlyRead if some sets give no answer."""
        by_set = self._sets.packets_by_set(packet_ids)
        done, failed = await settled({number: self._stores[number].load(ids) for number, ids in by_set.items()})
        rows: dict[int, PacketRow] = {}
        claims: dict[int, list[ClaimRow]] = {}
        for some_rows, some_claims in done.values():
            rows |= some_rows
            claims |= some_claims
        if failed:
            if not done:
                raise first_of(failed)
            raise PartlyRead(first_of(failed), rows, claims, {one for n in failed for one in by_set[n]})
        return rows, claims

    async def rows(self, packet_ids: Sequence[int]) -> dict[int, PacketRow]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        by_set = self._sets.packets_by_set(packet_ids)
        found = await all_of({number: self._stores[number].rows(ids) for number, ids in by_set.items()})
        return {packet_id: row for rows in found.values() for packet_id, row in rows.items()}

    async def record(self, advances: Sequence[Advance]) -> set[int]:
        """One statement in each set. Raises PartlyLocked if some sets give no answer: their part is unknown."""
        by_set = grouped(advances, lambda one: self._sets.of_packet(one.packet_id))
        done, failed = await settled({number: self._stores[number].record(part) for number, part in by_set.items()})
        accepted = {packet_id for some in done.values() for packet_id in some}
        if not failed:
            return accepted
        if len(by_set) == 1:
            raise first_of(failed)
        lost: set[int] = set()
        for number, error in failed.items():
            if isinstance(error, PartlyLocked):
                accepted |= error.accepted
                lost |= error.locked
            else:
                lost |= {one.packet_id for one in by_set[number]}
        raise PartlyLocked(accepted, lost, str(first_of(failed)))

    async def unopened_fen(self) -> int:
        """Of all sets."""
        return sum((await all_of({number: one.unopened_fen() for number, one in enumerate(self._stores)})).values())

    async def due(self, now_ms: int, most: int) -> list[int]:
        """Those of the sets that answer."""
        done = await any_of({number: one.due(now_ms, most) for number, one in enumerate(self._stores)})
        # the oldest of each set come first
        longest = max(len(found) for found in done.values())
        return [found[place] for place in range(longest) for found in done.values() if place < len(found)][:most]

    async def refund(self, packet_ids: Sequence[int], now_ms: int) -> list[RefundRow]:
        """A transaction in each set. Raises Unanswered if one gives no answer, with what others have made, too."""
        by_set = self._sets.packets_by_set(packet_ids)
        calls = {number: self._stores[number].refund(ids, now_ms) for number, ids in by_set.items()}
        made, failed = await settled(calls)
        rows = [row for some in made.values() for row in some]
        if failed:
            unanswered = [one.asked for one in failed.values() if isinstance(one, Unanswered)]
            raise Unanswered(first_of(failed), rows + [one for some in unanswered for one in some])
        return rows

    async def find_refunds(self, made: Sequence[RefundRow]) -> list[RefundRow | None]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        return await in_order(
            made,
            lambda one: self._sets.of_packet(one.packet_id),
            lambda number, some: self._stores[number].find_refunds(some),
        )
