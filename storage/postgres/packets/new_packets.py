"""What a batch of paid packets writes, in one statement: each further one is a round trip for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from storage import statements
from storage.postgres.array_text import as_text, as_text_with_nulls
from storage.postgres.money.wallets import BalanceRow, Purse
from storage.postgres.packets.packets import PacketRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection

_SQL = statements.load(__file__)
_SEED_INDEX = PacketRow._fields.index("seed_index")


class KnownOfSends(NamedTuple):
    """What the record knows about new packets before they are paid."""

    has_used_keys: bool  # one of their keys has sent a packet
    out_of_reach: dict[int, bool]  # senders and receivers who are banned (True) or unknown (False)


class Debits:
    """What packets take out of one wallet, which is locked."""

    __slots__ = ("balance_fen", "debit_fen", "free_fen", "next_seed", "packets", "version")

    def __init__(self, purse: Purse) -> None:
        self.free_fen = purse.free_fen
        self.balance_fen = purse.fen
        self.version = purse.version
        self.next_seed = purse.next_seed
        self.debit_fen = 0
        self.packets = 0

    def pay(self, amount_fen: int) -> tuple[BalanceRow, int]:
        """Take the amount of the next packet: what is in the wallet after it, and the packet's server seed."""
        seed = self.next_seed
        self.free_fen -= amount_fen
        self.balance_fen -= amount_fen
        self.debit_fen += amount_fen
        self.version += 1
        self.next_seed = seed + 1
        self.packets += 1
        return BalanceRow(self.balance_fen, self.version), seed


def with_seed(row: PacketRow, seed_index: int, commitment: bytes) -> PacketRow:
    """The packet with the server seed that it uses. Every send asks for it; `_replace` takes five times as long."""
    before, (_, client_seed, _, *after) = row[:_SEED_INDEX], row[_SEED_INDEX:]
    return PacketRow._make((*before, seed_index, client_seed, commitment, *after))


async def look_up(connection: Connection, packets: Sequence[PacketRow]) -> KnownOfSends:
    """What is known about packets whose senders' wallets are held."""
    senders, keys = [row.sender_id for row in packets], [row.key for row in packets]
    people = {*senders, *[row.target_id for row in packets]}
    found = await connection.fetch(_SQL["look_up"], as_text(senders), keys, as_text(people))
    return KnownOfSends(
        any(is_packet for is_packet, _, _ in found),
        {user_id: is_known for is_packet, user_id, is_known in found if not is_packet},
    )


async def write(
    connection: Connection,
    packets: Sequence[PacketRow],
    after: Sequence[BalanceRow],
    debits: Mapping[int, Debits],
    kind: int,
    announced: Sequence[tuple[int, PacketRow]],
) -> list[int]:
    """Record packets with their transfers of this kind; the numbers of what is `announced`, by stream and packet.

    `after`: what is in the wallet of the sender after each packet. `debits`: what all of them take, by sender.
    """
    taken = [(user_id, one.debit_fen, one.packets, one.next_seed) for user_id, one in debits.items() if one.packets]
    stream_ids, posted = [stream_id for stream_id, _ in announced], [row for _, row in announced]
    backs = _places_from_the_end(stream_ids)
    posts = (
        as_text(stream_ids),
        as_text(backs),
        as_text([row.sender_id for row in posted]),
        as_text([row.created_at_ms for row in posted]),
        as_text([row.packet_id for row in posted]),
    )
    asked = chain(_values(packets, after), map(as_text, zip(*taken, strict=True)), posts)
    last: dict[int, int] = {row[0]: row[1] for row in await connection.fetch(_SQL["write"], *asked, kind)}
    if last.pop(0) != len(taken):
        raise RuntimeError("a wallet that is held has changed")
    return [last[stream_id] - back for stream_id, back in zip(stream_ids, backs, strict=True)]


def _values(packets: Sequence[PacketRow], after: Sequence[BalanceRow]) -> tuple[object, ...]:
    """The columns of packets, and what is in the wallets after each of them."""
    columns: Any = PacketRow._make(zip(*packets, strict=True))  # of each field the values of all packets
    return (
        as_text(columns.packet_id),
        as_text(columns.sender_id),
        columns.key,
        columns.kind,
        as_text(columns.target_id),
        as_text(columns.total_fen),
        as_text(columns.shares),
        as_text(columns.share_fen_min),
        as_text(columns.share_fen_max),
        columns.greeting,
        columns.seed,
        as_text(columns.created_at_ms),
        as_text(columns.expires_at_ms),
        as_text_with_nulls(columns.seed_index),
        columns.client_seed,
        columns.commitment,
        as_text_with_nulls(columns.chat_id),
        [None if users is None else as_text(users) for users in columns.only_for],
        columns.words,
        as_text_with_nulls(columns.send_at_ms),
        as_text([one.version for one in after]),
        as_text([one.fen for one in after]),
    )


def _places_from_the_end(stream_ids: Sequence[int]) -> list[int]:
    """How many posts in its stream come after each of these posts."""
    after: dict[int, int] = {}
    places = []
    for stream_id in reversed(stream_ids):
        places.append(after.get(stream_id, 0))
        after[stream_id] = places[-1] + 1
    places.reverse()
    return places
