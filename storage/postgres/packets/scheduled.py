"""Scheduled packets: those that wait for their time, posted once by whichever server comes first, or cancelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.chat.messages import Post
from storage.postgres.packets import packets, refunds
from storage.postgres.packets.beside import HERE, ChatBeside
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.refunds import RefundRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
WAITING_MAX: Final = 100  # scheduled packets of one sender
POSTED: Final = "posted"
CANCELLED: Final = "cancelled"
Held = Callable[[Collection[int]], Awaitable[Collection[int]]]  # which of these users may send nothing now


class PostedPacket(NamedTuple):
    """A packet whose time has come, and the numbers of the messages that announce it, by stream; 0: not yet."""

    row: PacketRow
    messages: dict[int, int]
    at_ms: int  # when it was posted


class DuePackets(NamedTuple):
    """What became of packets whose time has come."""

    posted: list[PostedPacket]
    refunds: list[RefundRow]  # of those that their senders could not send any more
    taken: int
    in_doubt: Sequence[PostedPacket] = ()  # of sets that have not answered: perhaps they were posted


class Cancelled(NamedTuple):
    """A packet that is cancelled, now (`refund`) or before."""

    refunded_fen: int
    refund: RefundRow | None


class ScheduledStore:
    """Statements on scheduled packets."""

    def __init__(self, database: Database, store: packets.PacketStore, chat: ChatBeside = HERE) -> None:
        """`chat`: the users, groups and streams that the packets concern."""
        self._database = database
        self._packets = store
        self._chat = chat
        self._writer = database.writer()

    async def waiting(self, sender_id: int) -> list[PacketRow]:
        """The packets of a sender that wait for their time, the next one first."""
        async with self._database.reading() as connection:
            packet_ids = [row[0] for row in await connection.fetch(_SQL["waiting"], sender_id)]
        rows = await self._packets.rows(packet_ids)
        return [rows[packet_id] for packet_id in packet_ids]

    async def post(
        self, now_ms: int, most: int, streams_of: Callable[[PacketRow], tuple[int, ...]], held: Held | None = None
    ) -> DuePackets:
        """Post the packets whose time has come, each once, whichever server asks.

        Those of senders who are `held` by then go back. Raises Unanswered with the packets that `find_posted` is to
        look for.
        """
        due = DuePackets([], [], 0)
        try:
            async with self._writer.transaction() as connection:
                due = await _post(connection, now_ms, most, streams_of, self._chat, held)
        except StoreUnavailable as error:
            raise Unanswered(error, due.posted) from error
        return due

    async def find_posted(self, posted: Sequence[PostedPacket]) -> list[PostedPacket | None]:
        """Those of these packets that stand in their streams under these numbers; None: not this one."""
        places = [_places(one) for one in posted]
        columns = [list(column) for column in zip(*set().union(*places), strict=True)] or [[], [], []]
        async with self._database.reading() as connection:
            found = {tuple(row) for row in await connection.fetch(_SQL["find_posted"], *columns)}
        return [one if place & found else None for one, place in zip(posted, places, strict=True)]

    async def cancel(self, packet_id: int, sender_id: int, now_ms: int) -> Cancelled | None:
        """Cancel a packet that waits and pay it back; again, it is the same. None: posted, or not the sender's.

        Raises StoreUnavailable: then ask again.
        """
        async with self._writer.transaction() as connection:
            if await connection.fetchval(_SQL["cancel"], packet_id, sender_id, now_ms) is not None:
                (refund,) = await refunds.pay_back(connection, [packet_id], now_ms)
                return Cancelled(refund.refunded_fen, refund)
            row = await connection.fetchrow(_SQL["ended"], packet_id, sender_id)
        return Cancelled(row["refunded_fen"], None) if row is not None and row["state"] == CANCELLED else None

    async def is_senders(self, packet_id: int, sender_id: int) -> bool:
        """Whether it is a scheduled packet of this sender."""
        async with self._database.reading() as connection:
            return await connection.fetchrow(_SQL["ended"], packet_id, sender_id) is not None


def _places(one: PostedPacket) -> set[tuple[int, int, int]]:
    """Packet, stream and number of each message that announces a packet and has a number."""
    return {(one.row.packet_id, stream_id, message) for stream_id, message in one.messages.items() if message}


async def _post(
    connection: Connection,
    now_ms: int,
    most: int,
    streams_of: Callable[[PacketRow], tuple[int, ...]],
    chat: ChatBeside,
    held: Held | None,
) -> DuePackets:
    taken = {row[0]: row[1] for row in await connection.fetch(_SQL["take"], now_ms, most)}
    due = await packets.rows_of(connection, [one for one, state in taken.items() if state == POSTED])
    barred = await _barred(connection, due, chat)
    senders = await held({row.sender_id for row in due}) if held is not None and due else ()
    barred += [one.packet_id for one in due if one.sender_id in senders and one.packet_id not in barred]
    locked, paid_back = await _return(connection, barred, now_ms) if barred else (0, [])
    places = [(row, one) for row in due if row.packet_id not in barred for one in streams_of(row)]
    posts = [Post(stream_id, row.sender_id, now_ms, None, row.packet_id) for row, stream_id in places]
    numbers = await chat.append(connection, posts) if posts else []
    posted = {row.packet_id: PostedPacket(row, {}, now_ms) for row, _ in places}
    for (row, stream_id), number in zip(places, numbers, strict=True):
        posted[row.packet_id].messages[stream_id] = number
    return DuePackets(list(posted.values()), paid_back, len(taken) - locked)


async def _barred(connection: Connection, due: Sequence[PacketRow], chat: ChatBeside) -> list[int]:
    """The packets that their senders may not send any more: banned, gone from the group, or without a receiver."""
    if not due:
        return []
    pairs = [(row.sender_id, row.target_id) for row in due]
    reasons, gone = await chat.barred(connection, pairs), await chat.not_members(connection, pairs)
    return [
        row.packet_id for row, pair, why in zip(due, pairs, reasons, strict=True) if why is not None or pair in gone
    ]


async def _return(connection: Connection, barred: list[int], now_ms: int) -> tuple[int, list[RefundRow]]:
    """Pay these packets back; of how many the wallet is locked, so that they wait again, and the others."""
    locked = {row[0] for row in await connection.fetch(_SQL["wait_again"], barred)}
    free = [packet_id for packet_id in barred if packet_id not in locked]
    await connection.execute(_SQL["return"], free)
    return len(locked), await refunds.pay_back(connection, free, now_ms)


async def add(connection: Connection, rows: Sequence[PacketRow]) -> None:
    """These packets, just recorded, wait for their time."""
    if rows:
        columns = (
            [one.packet_id for one in rows],
            [one.sender_id for one in rows],
            [one.send_at_ms for one in rows],
        )
        await connection.execute(_SQL["add"], *columns)


async def too_many(connection: Connection, rows: Sequence[PacketRow]) -> list[PacketRow]:
    """Of packets that are to wait those over the limit of their sender, whose wallet is locked."""
    if not rows:
        return []
    found = await connection.fetch(_SQL["count"], list({row.sender_id for row in rows}))
    waiting = Counter({row["sender_id"]: row["waiting"] for row in found})
    over = []
    for row in rows:
        waiting[row.sender_id] += 1
        if waiting[row.sender_id] > WAITING_MAX:
            over.append(row)
    return over
