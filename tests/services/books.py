"""Books without a server: packets are sent, opened and settled by the stores themselves, at literal times."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, TypeAlias

import asyncpg

from server.core.amounts import Caps
from server.core.decisions import Claim
from server.core.kinds import WITH_BEST_LUCK, PacketKind
from server.core.ledger import TransferKind
from server.core.packet import Packet
from server.core.packet_request import Terms
from storage.postgres.database import Database
from storage.postgres.money.settlement import SettlementQueue
from storage.postgres.money.wallets import TransferRow, WalletStore
from storage.postgres.packets.packets import Advance, PacketRow, PacketStore
from storage.postgres.packets.sends import SendStore, Unsent
from tests.seeds import SeedsInPlain

FIRST_ID = 9_007_199_254_740_992  # the first id that is not a user's
GROUP = FIRST_ID
LIFETIME_MS = 24 * 3600 * 1000
NEW_YEAR_MS = 1_767_196_800_000  # 2026 begins in Beijing: 2025-12-31T16:00:00Z
NOW_MS = NEW_YEAR_MS + 86_400_000
ALL = 10_000  # more claims than any test has

Right: TypeAlias = Callable[[], Awaitable[None]]


class Sent(NamedTuple):
    """A packet that stands in the records, and the rules' own view of it."""

    row: PacketRow
    rules: Packet

    @property
    def packet_id(self) -> int:
        """Its id."""
        return self.row.packet_id


class Books:
    """One group, in which everybody is. Everything is done through the stores that the server uses."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.packets = PacketStore(database)
        self.sends = SendStore(database)
        self.settlement = SettlementQueue(database, WITH_BEST_LUCK)
        self.wallets = WalletStore(database)
        self._made = 0

    async def populate(self, users: Iterable[int], fen: int) -> None:
        """Everybody is in the group and has so much."""
        async with self.database.transaction() as connection:
            await connection.execute("INSERT INTO groups VALUES ($1, 'all', 1, 0)", GROUP)
            for user_id in users:
                await connection.execute("INSERT INTO memberships VALUES ($1, $2, 0)", GROUP, user_id)
        for user_id in users:
            await self.top_up(user_id, fen, "at first")

    async def top_up(self, user_id: int, fen: int, key: str) -> None:
        """Money from outside."""
        await self.wallets.move(TransferRow(0, user_id, TransferKind.TOP_UP, key, fen, 0), user_id, fen)

    def draft(
        self, at_ms: int, total_fen: int, shares: int, kind: str = "lucky", sender: int = 1, to: int = GROUP
    ) -> Sent:
        """A packet to be sent. Its seed follows from its number, so every run draws the same amounts."""
        self._made += 1
        seed = hashlib.sha256(str(self._made).encode()).digest()
        packet_id = FIRST_ID + self._made
        expires_ms = at_ms + LIFETIME_MS
        caps = Caps(1, 20_000)
        row = PacketRow(
            packet_id, sender, f"k{self._made}", kind, to, total_fen, shares, *caps, "", seed, at_ms, expires_ms
        )
        terms = Terms(packet_id, PacketKind(kind), sender, to, total_fen, shares, caps, "", seed, at_ms, expires_ms)
        return Sent(row, Packet(terms))

    async def send(self, *drafts: Sent) -> None:
        """Send all of these in one batch."""
        rows = [one.row for one in drafts]
        sent = await self.sends.record(rows, transfer, lambda row: (), SeedsInPlain)
        assert not [one for one in sent if isinstance(one, Unsent)]

    async def sent(
        self, at_ms: int, total_fen: int, shares: int, kind: str = "lucky", sender: int = 1, to: int = GROUP
    ) -> Sent:
        """A packet that was sent."""
        draft = self.draft(at_ms, total_fen, shares, kind, sender, to)
        await self.send(draft)
        return draft

    async def open(self, packet: Sent, users: Iterable[int], at_ms: int) -> list[Claim]:
        """These open it, all at that time; their claims wait for their money."""
        version = packet.rules.version
        claims = [claim for user in users if (claim := packet.rules.take(user, at_ms).claim) is not None]
        assert await self.packets.record([Advance(packet.packet_id, version, claims)]) == {packet.packet_id}
        return claims


def transfer(row: PacketRow) -> TransferRow:
    """The money that goes into a packet."""
    return TransferRow(row.sender_id, row.packet_id, TransferKind.SEND, "", row.total_fen, row.created_at_ms)


async def lucks(sql: asyncpg.Connection[asyncpg.Record]) -> dict[int, int]:
    """Best lucks by user, over all years."""
    rows = await sql.fetch("SELECT user_id, sum(best_lucks) FROM years GROUP BY 1 HAVING sum(best_lucks) > 0")
    return {row[0]: int(row[1]) for row in rows}
