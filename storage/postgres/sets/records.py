"""Records over sets: totals, sent packets and the list of received shares are in the set of the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from storage import statements
from storage.postgres.money.records import RecordRow, RecordStore, Span, YearRow
from storage.postgres.sets.places import all_of

if TYPE_CHECKING:
    from storage.postgres.packets.packets import PacketStore
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)


class SetRecordStore(RecordStore):
    """The records of all users. A page of received shares asks the sets of its packets."""

    def __init__(self, sets: Sets, stores: Sequence[RecordStore], packets: PacketStore) -> None:
        self._sets = sets
        self._stores = stores
        self._packets = packets

    async def years(self, user_id: int) -> list[YearRow]:
        """From the set of the user."""
        return await self._stores[await self._of(user_id)].years(user_id)

    async def sent(self, user_id: int, span: Span) -> list[RecordRow]:
        """From the set of the user, which has the packets, too."""
        return await self._stores[await self._of(user_id)].sent(user_id, span)

    async def received(self, user_id: int, span: Span) -> list[RecordRow]:
        """Raises StoreUnavailable if a set of one of the packets gives no answer."""
        async with self._sets.databases[await self._of(user_id)].reading() as connection:
            lines = await connection.fetch(SQL["received"], user_id, *span)
        by_set = self._sets.packets_by_set(row["packet_id"] for row in lines)
        shares = await all_of({number: self._shares(number, user_id, ids) for number, ids in by_set.items()})
        found = {packet_id: share for some in shares.values() for packet_id, share in some.items()}
        packets = await self._packets.rows(list(found)) if found else {}
        return [
            RecordRow(at_ms, *found[packet_id], packets[packet_id])
            for at_ms, packet_id in lines
            if packet_id in packets
        ]

    async def _shares(self, number: int, user_id: int, packet_ids: Sequence[int]) -> dict[int, tuple[int, bool]]:
        async with self._sets.databases[number].reading() as connection:
            rows = await connection.fetch(SQL["shares"], packet_ids, user_id)
        return {packet_id: (amount_fen, is_best) for packet_id, amount_fen, is_best in rows}

    async def _of(self, user_id: int) -> int:
        return (await self._sets.of_users([user_id]))[user_id]
