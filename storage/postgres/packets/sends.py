"""Sending: debit the wallets and record the packets of a whole batch in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from storage import statements
from storage.postgres.chat.messages import Post
from storage.postgres.chat.users import why_barred
from storage.postgres.money import wallets
from storage.postgres.money.wallets import EMPTY_ROW, BalanceRow, Purse, TransferRow
from storage.postgres.packets import new_packets, scheduled, seed_trees
from storage.postgres.packets.beside import HERE, ChatBeside
from storage.postgres.packets.new_packets import Debits
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.seed_trees import PacketSeeds
from storage.postgres.risk.risk import sent_since

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
BILL_KEY = "bill:"  # so begins the key of a packet that a bill sends
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

        `caps`: what some senders may send in 24 hours, in fen. The transfers of a batch are of one kind.

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

    async def words_before(self, sender_id: int, key: str) -> str:
        """The hidden words of the packet that a key has sent; "" if there is none, or it has no words."""
        row = None if "\0" in key else await self.before(sender_id, key)
        return "" if row is None else row.words or ""


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
    known = await new_packets.look_up(connection, rows) if chat.is_here else None
    results: dict[tuple[int, str], Sent | Unsent] = {}
    if known is None or known.has_used_keys:
        before = await sent_before(connection, [(row.sender_id, row.key) for row in rows])
        results = {(row.sender_id, row.key): Sent(row, EMPTY_ROW, {}) for row in before}
    fresh = await _admit(connection, rows, results, chat, known)
    fresh = await _of_standing_bills(connection, fresh, results)
    if later := [row for row in fresh if row.send_at_ms is not None]:
        over = await scheduled.too_many(connection, later)
        results.update({(row.sender_id, row.key): Unsent.LIMIT for row in over})
        fresh = [row for row in fresh if row not in over]
    fresh = await _within_caps(connection, fresh, results, caps or {})
    await _pay(connection, fresh, purses, results, transfer_of, streams_of, seeds, chat)
    return [_as_seen_by(row, results[row.sender_id, row.key]) for row in rows]


async def _admit(
    connection: Connection,
    rows: Sequence[PacketRow],
    results: dict[tuple[int, str], Sent | Unsent],
    chat: ChatBeside,
    known: new_packets.KnownOfSends | None,
) -> list[PacketRow]:
    """The packets whose keys are new, in their order; of a key that comes twice the first one.

    A banned sender, and a receiver who is unknown or banned, is refused here: a ban waits for the wallets that are
    held now, so it is seen, or it comes after these packets.
    """
    fresh: dict[tuple[int, str], PacketRow] = {}
    for row in rows:
        if (row.sender_id, row.key) not in results:
            fresh.setdefault((row.sender_id, row.key), row)
    if known is not None and not known.out_of_reach:
        return list(fresh.values())
    pairs = [(row.sender_id, row.target_id) for row in fresh.values()]
    if known is None:
        barred = await chat.barred(connection, pairs)
    else:
        barred = [why_barred(*pair, known.out_of_reach) for pair in pairs]
    results.update({key: Unsent(why) for key, why in zip(fresh, barred, strict=True) if why is not None})
    return [row for key, row in fresh.items() if key not in results]


async def _of_standing_bills(
    connection: Connection, rows: list[PacketRow], results: dict[tuple[int, str], Sent | Unsent]
) -> list[PacketRow]:
    """All but the packets of bills that have failed by another attempt: the limits of their day do not count them.

    The bills are locked: one fails before its packet is recorded, and then it has none, or not at all.
    """
    asked = [(row.sender_id, row.key, row.kind) for row in rows if row.key.startswith(BILL_KEY)]
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


async def _pay(
    connection: Connection,
    rows: Sequence[PacketRow],
    purses: Mapping[int, Purse],
    results: dict[tuple[int, str], Sent | Unsent],
    transfer_of: Callable[[PacketRow], TransferRow],
    streams_of: Callable[[PacketRow], tuple[int, ...]],
    seeds: PacketSeeds,
    chat: ChatBeside,
) -> None:
    """Take money and server seeds for those packets whose senders have the money, and record them."""
    debits = {user_id: Debits(purse) for user_id, purse in purses.items()}
    paid: list[tuple[PacketRow, int]] = []
    after: list[BalanceRow] = []
    for row in rows:
        debit = debits.get(row.sender_id)
        if debit is None or debit.free_fen < row.total_fen:
            results[row.sender_id, row.key] = Unsent.NOT_ENOUGH_MONEY
            continue
        balance, index = debit.pay(row.total_fen)
        after.append(balance)
        paid.append((row, index))
    if not paid:
        return
    await seed_trees.learn(connection, seeds, {seeds.tree_of(row.sender_id, index) for row, index in paid})
    used = [seeds.use(row, index) for row, index in paid]
    at_once = [row for row in used if row.send_at_ms is None]
    announced = [(stream_id, row) for row in at_once for stream_id in streams_of(row)]
    here, kind = announced if chat.is_here else (), transfer_of(used[0]).kind
    numbers = await new_packets.write(connection, used, after, debits, kind, here)
    await scheduled.add(connection, [row for row in used if row.send_at_ms is not None])
    if not chat.is_here:
        numbers = await chat.append(connection, [_post(*one) for one in announced])
    balances = {user_id: BalanceRow(debit.balance_fen, debit.version) for user_id, debit in debits.items()}
    sent = {row.packet_id: Sent(row, balances[row.sender_id], {}) for row in used}
    for (stream_id, row), number in zip(announced, numbers, strict=True):
        sent[row.packet_id].messages[stream_id] = number
    for row in used:
        results[row.sender_id, row.key] = sent[row.packet_id]


def _post(stream_id: int, row: PacketRow) -> Post:
    return Post(stream_id, row.sender_id, row.created_at_ms, None, row.packet_id)


def _as_seen_by(row: PacketRow, sent: Sent | Unsent) -> Sent | Unsent:
    """A key that came twice in one batch sent one packet: the second request gets it too, and announces nothing."""
    if isinstance(sent, Unsent) or sent.row.packet_id == row.packet_id:
        return sent
    return Sent(sent.row, EMPTY_ROW, {})
