"""Packets and their claims: load (packets.sql), record a batch (claims.sql), refund (refunds.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol

import asyncpg

from storage import statements
from storage.errors import PartlyLocked, StoreBusy, StoreUnavailable, Unanswered
from storage.postgres.array_text import as_text
from storage.postgres.packets import refunds
from storage.postgres.packets.refunds import RefundRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__, "claims")
CAREFUL_S = 5.0  # so long after a statement that met a lock, locked packets are looked for first
_COLUMNS = (
    "packet_id",
    "sender_id",
    "key",
    "kind",
    "target_id",
    "total_fen",
    "shares",
    "share_fen_min",
    "share_fen_max",
    "greeting",
    "seed",
    "created_at_ms",
    "expires_at_ms",
    "seed_index",
    "client_seed",
    "commitment",
    "chat_id",
    "only_for",
    "words",
    "send_at_ms",
)


class PacketRow(NamedTuple):
    """A packet as it is recorded. `version` is the number of claims; closed: finished or refunded.

    Its seed follows from server seed `seed_index` of its sender and the client's; older packets hold a `seed`.

    `chat_id`: the one-to-one chat that a personal one was posted in. `only_for`: the users whom an exclusive one is
    for. `words`: what is recorded of those of a password one. `send_at_ms`: when a scheduled one is posted.
    `also_in`: groups that it was sent to again; `is_hidden`: a scheduled one that is not posted; told by `load`.
    """

    packet_id: int
    sender_id: int
    key: str
    kind: str
    target_id: int
    total_fen: int
    shares: int
    share_fen_min: int
    share_fen_max: int
    greeting: str
    seed: bytes | None
    created_at_ms: int
    expires_at_ms: int
    seed_index: int | None = None
    client_seed: bytes | None = None
    commitment: bytes | None = None
    chat_id: int | None = None
    only_for: Sequence[int] | None = None
    words: str | None = None
    send_at_ms: int | None = None
    version: int = 0
    claimed_fen: int = 0
    refunded_fen: int = 0
    closed_at_ms: int | None = None
    also_in: Sequence[int] = ()
    is_hidden: bool = False


class ClaimRow(NamedTuple):
    """A claim as it is recorded."""

    packet_id: int
    index: int  # type: ignore[assignment]  # the column's name hides tuple.index, which is not called
    user_id: int
    amount_fen: int
    at_ms: int


class NewClaim(Protocol):
    """What the record wants to know of a claim."""

    @property
    def index(self) -> int: ...
    @property
    def user_id(self) -> int: ...
    @property
    def amount_fen(self) -> int: ...
    @property
    def at_ms(self) -> int: ...


class Wins(Enum):
    """Whether claims are wins of a campaign, which are counted by user, too."""

    NONE = auto()
    UNTOLD = auto()  # no user was told of them yet: they are not recorded above the limit of a user
    TOLD = auto()  # their users may have been told: they are recorded in any case


class Advance(NamedTuple):
    """The next claims of one packet, built on `version`. Accepted only if that is still the recorded one.

    `are_first`: as far as the server knows, none of these users has won in the campaign before. It may be wrong.
    """

    packet_id: int
    version: int
    claims: Sequence[NewClaim]
    wins: Wins = Wins.NONE
    are_first: bool = False


_by_id = itemgetter(0)


class PartlyRead(StoreUnavailable):
    """Packets were read, but those of a set that gives no answer: `away`."""

    def __init__(
        self,
        why: StoreUnavailable,
        rows: dict[int, PacketRow],
        claims: dict[int, list[ClaimRow]],
        away: set[int],
    ) -> None:
        super().__init__(str(why))
        self.rows = rows
        self.claims = claims
        self.away = away


class PacketStore:
    """Statements on packets and claims."""

    _careful_until_s = float("-inf")  # until then locked packets are looked for before claims are recorded

    def __init__(self, database: Database) -> None:
        self._database = database
        self._record_writer = database.writer(by_key=True)
        self._refund_writer = database.writer()

    async def load(self, packet_ids: Sequence[int]) -> tuple[dict[int, PacketRow], dict[int, list[ClaimRow]]]:
        """The packets that exist, and their claims by index, as of one moment."""
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            packets = await connection.fetch(_SQL["load"], packet_ids)
            claims = await connection.fetch(_SQL["claims"], packet_ids)
        by_packet: dict[int, list[ClaimRow]] = {row["packet_id"]: [] for row in packets}
        for row in claims:
            by_packet[row["packet_id"]].append(ClaimRow(*row))
        return {row["packet_id"]: PacketRow(*row) for row in packets}, by_packet

    async def rows(self, packet_ids: Sequence[int]) -> dict[int, PacketRow]:
        """The packets that exist, without their claims."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["load"], packet_ids)
        return {row["packet_id"]: PacketRow(*row) for row in rows}

    async def record(self, advances: Sequence[Advance]) -> set[int]:
        """Record claims, all in one statement; the ids of the packets that were accepted.

        Not accepted: the recorded version is another, or the packet is closed. One advance per packet.
        Raises StoreUnavailable: what happened must be read again. Raises PartlyLocked if another transaction locks
        some of the packets: the others are recorded.
        """
        if asyncio.get_running_loop().time() < self._careful_until_s:
            return await self._record_unlocked(advances)
        try:
            return await self._record_valid(advances)
        except StoreBusy:
            self._careful_until_s = asyncio.get_running_loop().time() + CAREFUL_S
        except StoreUnavailable:  # too slow for us: perhaps a lock, too
            self._careful_until_s = asyncio.get_running_loop().time() + CAREFUL_S
            raise
        return await self._record_unlocked(advances)

    async def _record_unlocked(self, advances: Sequence[Advance]) -> set[int]:
        locked = await self._locked([one.packet_id for one in advances])
        free = [one for one in advances if one.packet_id not in locked]
        accepted = await self._record_valid(free) if free else set()
        if locked:
            raise PartlyLocked(accepted, locked)
        return accepted

    async def _locked(self, packet_ids: Sequence[int]) -> set[int]:
        """Packets that exist and that another transaction locks now."""
        async with self._database.reading() as connection:
            return {row[0] for row in await connection.fetch(_SQL["locked"], packet_ids)}

    async def _record_valid(self, advances: Sequence[Advance]) -> set[int]:
        """Record a batch; if the claims of a packet contradict its record, that packet is not accepted."""
        try:
            return await self._record_together(advances)
        except asyncpg.IntegrityConstraintViolationError:
            if _are_first_wins(advances):  # one is not: the record counts
                return await self._record_valid([one._replace(are_first=False) for one in advances])
            if len(advances) == 1:
                return set()  # what it was built on is not what is recorded: to be read again
        return {packet_id for one in advances for packet_id in await self._record_valid([one])}

    async def _record_together(self, advances: Sequence[Advance]) -> set[int]:
        in_order = sorted(advances, key=_by_id)  # two writers lock rows in the same order
        claims = [claim for one in in_order for claim in one.claims]
        columns = (
            [one.packet_id for one in in_order],
            [one.version for one in in_order],
            [one.version + len(one.claims) for one in in_order],
            [sum([claim.amount_fen for claim in one.claims]) for one in in_order],
            [one.claims[-1].at_ms for one in in_order],
            [one.packet_id for one in in_order for _ in one.claims],
            [claim.index for claim in claims],
            [claim.user_id for claim in claims],
            [claim.amount_fen for claim in claims],
            [claim.at_ms for claim in claims],
        )
        name, words = "record_claims", [*map(as_text, columns)]
        if _are_first_wins(in_order):
            name = "record_first_wins"
        elif any(one.wins is not Wins.NONE for one in in_order):  # others pay nothing for campaigns
            name = "record_wins"
            words.append(as_text([one.wins is Wins.UNTOLD for one in in_order]))
        async with self._record_writer.alone() as connection:
            rows = await connection.fetch(_SQL[name], *words)
        return {row[0] for row in rows}

    async def unopened_fen(self) -> int:
        """The unopened rest of all open packets, in fen."""
        async with self._database.reading() as connection:
            return int(await connection.fetchval(_SQL["unopened"]))

    async def due(self, now_ms: int, most: int) -> list[int]:
        """Packets whose time is over and that are still open, the oldest first."""
        async with self._database.reading() as connection:
            return await refunds.due(connection, now_ms, most)

    async def refund(self, packet_ids: Sequence[int], now_ms: int) -> list[RefundRow]:
        """Close packets and pay back what their own claims leave. One that is closed already is left out.

        Raises Unanswered with what `find_refunds` is to look for: only what this very call has closed.
        """
        rows: list[RefundRow] = []
        try:
            async with self._refund_writer.transaction() as connection:
                rows = await refunds.pay_back(connection, packet_ids, now_ms)
        except StoreUnavailable as error:
            raise Unanswered(error, rows) from error
        return rows

    async def find_refunds(self, made: Sequence[RefundRow]) -> list[RefundRow | None]:
        """Which of these refunds stand in the books, with what is in their wallets by now; None: not this one."""
        async with self._database.reading() as connection:
            return await refunds.find(connection, made)


def _are_first_wins(advances: Sequence[Advance]) -> bool:
    """Whether there are wins among these claims, and each is the first of its user, as far as the server knows."""
    first = [one.are_first for one in advances if one.wins is not Wins.NONE]
    return bool(first) and all(first)


async def rows_of(connection: Connection, packet_ids: Sequence[int]) -> list[PacketRow]:
    """These packets, inside a transaction of the caller's."""
    return [PacketRow(*row) for row in await connection.fetch(_SQL["load"], packet_ids)] if packet_ids else []


async def insert(connection: Connection, packets: Sequence[PacketRow]) -> None:
    """New packets, without claims."""
    width = len(_COLUMNS)
    await connection.copy_records_to_table("packets", columns=_COLUMNS, records=[row[:width] for row in packets])
