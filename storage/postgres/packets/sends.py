"""Sending: debit the wallets and record the packets of a whole batch in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from storage import statements
from storage.postgres.chat.messages import Post
from storage.postgres.money import records, wallets
from storage.postgres.money.wallets import EMPTY_ROW, BalanceRow, Purse, TransferRow
from storage.postgres.packets import packets, scheduled, seed_trees
from storage.postgres.packets.beside import HERE, ChatBeside
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.seed_trees import PacketSeeds
from storage.postgres.risk.risk import sent_since

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
BILL_KEY = "bill:"  # so begins the key of a packet that a bill sends
NO_PURSE = Purse(0, 0)
DAY_MS = 86_400_000


class Sent(NamedTuple):
    """A packet that stands in the records: this one, or (without messages) the one its key made earlier."""

    row: PacketRow
    balance: BalanceRow  # of the sender, after the whole batch
    messages: dict[int, int]  # stream id -> number of the message that announces it; 0: not numbered yet


class Unsent(StrEnum):
    """Why a packet was not recorded."""

    BANNED = "banned"  # the sender
    NO_SUCH_USER = "no_such_user"  # the receiver is unknown or banned
    NOT_ENOUGH_MONEY = "not_enough_money"
    LIMIT = "limit"  # so many packets of the sender wait for their time, or so much was sent in a day
    BILL_FAILED = "store_unavailable"  # another attempt at the bill has been refused meanwhile: ask again


class SendStore:
    """The one writer of new packets."""

    def __init__(self, database: Database, chat: ChatBeside = HERE) -> None:
        """`chat`: the users and streams that new packets concern."""
        self._database = database
        self._chat = chat
        self._writer = database.writer()

    async def record(
        self,
        rows: Sequence[PacketRow],
        transfer_of: Callable[[PacketRow], TransferRow],
        streams_of: Callable[[PacketRow], tuple[int, ...]],
        seeds: Callable[[], PacketSeeds],
        caps: Mapping[int, int] | None = None,
    ) -> list[Sent | Unsent]:
        """Record packets, each with its debit, its transfer and its announcements, or say why not.

        `caps`: what some senders may send in 24 hours, in fen.

        `seeds` is called for each try: a paid packet gets the next server seed of its sender. Packets of one sender
        are judged in their order, each by what the one before it left. Raises StoreUnavailable: then ask again with
        the same keys.
        """
        try:
            async with self._writer.transaction() as connection:
                return await record(connection, rows, transfer_of, streams_of, seeds(), self._chat, caps)
        except asyncpg.UniqueViolationError:
            # another process has used one of the keys since we looked: nothing was recorded, look again
            async with self._writer.transaction() as connection:
                return await record(connection, rows, transfer_of, streams_of, seeds(), self._chat, caps)

    async def find_outcome(
        self, rows: Sequence[PacketRow], streams_of: Callable[[PacketRow], tuple[int, ...]]
    ) -> list[Sent | None]:
        """What `record` would have answered, had its reply not been lost; None: it is not recorded."""
        places = [(row.packet_id, stream_id) for row in rows for stream_id in streams_of(row)]
        packet_ids, stream_ids = [place[0] for place in places], [place[1] for place in places]
        async with self._database.reading() as connection:
            found = await connection.fetch(_SQL["find_outcome"], packet_ids, stream_ids)
        by_id = {row.packet_id: row for row in rows}
        sent: dict[int, Sent] = {}
        for packet_id, stream_id, message, fen, version, *use in found:
            row = by_id[packet_id]._replace(seed_index=use[0], client_seed=use[1], commitment=use[2])
            found_now = sent.setdefault(packet_id, Sent(row, BalanceRow(fen, version), {}))
            if message is not None:  # a scheduled packet is not announced yet
                found_now.messages[stream_id] = message
        return [sent.get(row.packet_id) for row in rows]

    async def before(self, sender_id: int, key: str) -> PacketRow | None:
        """The packet that a key has sent, if it has."""
        async with self._database.reading() as connection:
            rows = await sent_before(connection, [(sender_id, key)])
        return rows[0] if rows else None


async def sent_before(connection: Connection, asked: Sequence[tuple[int, str]]) -> list[PacketRow]:
    """The packets that these (sender, key) pairs made earlier."""
    senders, keys = [sender for sender, _ in asked], [key for _, key in asked]
    return [PacketRow(*row) for row in await connection.fetch(_SQL["sent_before"], senders, keys)]


async def record(
    connection: Connection,
    rows: Sequence[PacketRow],
    transfer_of: Callable[[PacketRow], TransferRow],
    streams_of: Callable[[PacketRow], tuple[int, ...]],
    seeds: PacketSeeds,
    chat: ChatBeside = HERE,
    caps: Mapping[int, int] | None = None,
) -> list[Sent | Unsent]:
    # the wallets first: who holds them may be about to commit one of these keys, and then it is seen below
    purses = await wallets.lock(connection, {row.sender_id for row in rows})
    before = await sent_before(connection, [(row.sender_id, row.key) for row in rows])
    results: dict[tuple[int, str], Sent | Unsent] = {
        (row.sender_id, row.key): Sent(row, EMPTY_ROW, {}) for row in before
    }
    fresh = await _admit(connection, rows, results, chat)
    fresh = await _of_standing_bills(connection, fresh, results)
    later = [row for row in fresh if row.send_at_ms is not None]
    over = await scheduled.too_many(connection, later)
    results.update({(row.sender_id, row.key): Unsent.LIMIT for row in over})
    fresh = [row for row in fresh if row not in over]
    fresh = await _within_caps(connection, fresh, results, caps or {})
    paid, after = await _debit(connection, fresh, purses, results, seeds)
    await packets.insert(connection, paid)
    await scheduled.add(connection, [row for row in paid if row.send_at_ms is not None])
    await wallets.insert_debits(connection, [transfer_of(row) for row in paid], after)
    await records.count_sent(connection, paid)
    await _announce(connection, paid, streams_of, results, chat)
    return [_as_seen_by(row, results[row.sender_id, row.key]) for row in rows]


async def _admit(
    connection: Connection,
    rows: Sequence[PacketRow],
    results: dict[tuple[int, str], Sent | Unsent],
    chat: ChatBeside,
) -> list[PacketRow]:
    """The packets whose keys are new, in their order; of a key that comes twice the first one.

    A banned sender, and a receiver who is unknown or banned, is refused here: a ban waits for the wallets that are
    held now, so it is seen, or it comes after these packets.
    """
    fresh: dict[tuple[int, str], PacketRow] = {}
    for row in rows:
        if (row.sender_id, row.key) not in results:
            fresh.setdefault((row.sender_id, row.key), row)
    barred = await chat.barred(connection, [(row.sender_id, row.target_id) for row in fresh.values()])
    results.update({key: Unsent(why) for key, why in zip(fresh, barred, strict=True) if why is not None})
    return [row for key, row in fresh.items() if key not in results]


async def _of_standing_bills(
    connection: Connection, rows: list[PacketRow], results: dict[tuple[int, str], Sent | Unsent]
) -> list[PacketRow]:
    """All but the packets of bills that have failed by another attempt: the limits of their day do not count them.

    The bills are locked: one fails before its packet is recorded, and then it has none, or not at all.
    """
    asked = [(row.sender_id, row.key) for row in rows if row.key.startswith(BILL_KEY)]
    if not asked:
        return rows
    for sender_id, key, failed in await connection.fetch(_SQL["lock_bills"], *map(list, zip(*asked, strict=True))):
        if failed:
            results[sender_id, key] = Unsent.BILL_FAILED
    return [row for row in rows if (row.sender_id, row.key) not in results]


async def _within_caps(
    connection: Connection,
    rows: list[PacketRow],
    results: dict[tuple[int, str], Sent | Unsent],
    caps: Mapping[int, int],
) -> list[PacketRow]:
    """The packets with which their senders stay within what they may send in 24 hours; the others are refused.

    The wallets are held, so two packets of one sender are never judged by the same sum.
    """
    capped = {row.sender_id: row.created_at_ms for row in rows if row.sender_id in caps}
    if not capped:
        return rows
    sent_fen = Counter(await sent_since(connection, list(capped), min(capped.values()) - DAY_MS))
    kept = []
    for row in rows:
        cap_fen = caps.get(row.sender_id)
        if cap_fen is not None and sent_fen[row.sender_id] + row.total_fen > cap_fen:
            results[row.sender_id, row.key] = Unsent.LIMIT
            continue
        sent_fen[row.sender_id] += row.total_fen
        kept.append(row)
    return kept


async def _debit(
    connection: Connection,
    rows: Sequence[PacketRow],
    purses: dict[int, Purse],
    results: dict[tuple[int, str], Sent | Unsent],
    seeds: PacketSeeds,
) -> tuple[list[PacketRow], dict[int, BalanceRow]]:
    """Take money and server seeds for those packets whose senders have the money.

    The packets that were paid, and what is in their senders' wallets after all of them.
    """
    debits_fen: Counter[int] = Counter()
    next_seeds = {user_id: purse.next_seed for user_id, purse in purses.items()}
    paid: list[tuple[PacketRow, int]] = []
    for row in rows:
        left_fen = purses.get(row.sender_id, NO_PURSE).free_fen - debits_fen[row.sender_id] - row.total_fen
        if left_fen < 0:
            results[row.sender_id, row.key] = Unsent.NOT_ENOUGH_MONEY
            continue
        debits_fen[row.sender_id] += row.total_fen
        paid.append((row, next_seeds[row.sender_id]))
        next_seeds[row.sender_id] += 1
    balances = await wallets.debit(connection, debits_fen, Counter(row.sender_id for row, _ in paid), next_seeds)
    await seed_trees.learn(connection, seeds, {seeds.tree_of(row.sender_id, index) for row, index in paid})
    used = [seeds.use(row, index) for row, index in paid]
    for row in used:
        results[row.sender_id, row.key] = Sent(row, balances[row.sender_id], {})
    return used, balances


async def _announce(
    connection: Connection,
    paid: Sequence[PacketRow],
    streams_of: Callable[[PacketRow], tuple[int, ...]],
    results: dict[tuple[int, str], Sent | Unsent],
    chat: ChatBeside,
) -> None:
    at_once = [row for row in paid if row.send_at_ms is None]
    announced = [(row, stream_id) for row in at_once for stream_id in streams_of(row)]
    posts = [Post(stream_id, row.sender_id, row.created_at_ms, None, row.packet_id) for row, stream_id in announced]
    numbers = await chat.append(connection, posts)
    for (row, stream_id), number in zip(announced, numbers, strict=True):
        sent = results[row.sender_id, row.key]
        assert isinstance(sent, Sent)
        sent.messages[stream_id] = number


def _as_seen_by(row: PacketRow, sent: Sent | Unsent) -> Sent | Unsent:
    """A key that came twice in one batch sent one packet: the second request gets it too, and announces nothing."""
    if isinstance(sent, Unsent) or sent.row.packet_id == row.packet_id:
        return sent
    return Sent(sent.row, EMPTY_ROW, {})
