"""Literal packets, claims and money, and what a test does with them before the call that it is about."""

from __future__ import annotations

from collections.abc import Sequence

from server.core.decisions import Claim
from server.core.ids import is_user
from server.core.ledger import TransferKind
from storage.postgres.money.wallets import BalanceRow, TransferRow
from storage.postgres.packets.packets import Advance, PacketRow
from storage.postgres.packets.sends import Sent
from storage.stores import Stores
from tests.seeds import SeedsInPlain

GROUP = 9_007_199_254_741_500
OTHER_GROUP = 9_007_199_254_741_501
SENDER, ANNA, BEN, CARLA = 1, 2, 3, 4
SENT_MS, OPENED_MS, EXPIRES_MS, LATER_MS = 1_000, 2_000, 90_000, 95_000


def packet_id(number: int) -> int:
    """The id of the packet with this number."""
    return 9_007_199_254_741_600 + number


def packet(
    number: int,
    fen: int = 900,
    shares: int = 3,
    sender: int = SENDER,
    key: str = "",
    kind: str = "lucky",
    target: int = GROUP,
    expires_ms: int = EXPIRES_MS,
) -> PacketRow:
    """A packet to be sent; its key is `k` and its number unless another one is given."""
    key = key or f"k{number}"
    seed = bytes([number]) * 32
    terms = (packet_id(number), sender, key, kind, target, fen, shares, 1, 20_000, "hi", seed, SENT_MS, expires_ms)
    return PacketRow(*terms)


def debit_of(row: PacketRow) -> TransferRow:
    """The transfer into a packet."""
    return TransferRow(row.sender_id, row.packet_id, TransferKind.SEND, "", row.total_fen, row.created_at_ms)


def streams_of(row: PacketRow) -> tuple[int, ...]:
    """A personal packet is announced to both users, the others to their group."""
    return (row.target_id, row.sender_id) if row.kind == "personal" else (row.target_id,)


def top_up_of(user_id: int, fen: int, key: str = "pay", at_ms: int = SENT_MS) -> TransferRow:
    """Money from outside."""
    return TransferRow(0, user_id, TransferKind.TOP_UP, key, fen, at_ms)


def withdrawal_of(user_id: int, fen: int, key: str = "out", at_ms: int = SENT_MS) -> TransferRow:
    """Money to the outside."""
    return TransferRow(user_id, 0, TransferKind.WITHDRAW, key, fen, at_ms)


def advance(number: int, version: int, *shares: tuple[int, int], at_ms: int = OPENED_MS) -> Advance:
    """The next claims of a packet, built on `version`: (user, fen) each."""
    claims = [Claim(version + place, user_id, fen, at_ms) for place, (user_id, fen) in enumerate(shares)]
    return Advance(packet_id(number), version, claims)


def plain(rows: Sequence[PacketRow]) -> list[PacketRow]:
    """Packets in the order of their ids, `also_in` as a tuple: which sequence it is does not matter."""
    return sorted(row._replace(also_in=tuple(row.also_in)) for row in rows)


async def balance(stores: Stores, user_id: int) -> BalanceRow:
    """What is in a wallet."""
    return (await stores.wallets.holdings([user_id]))[user_id].balance


async def pay_in(stores: Stores, user_id: int, fen: int) -> BalanceRow:
    """Give a user money."""
    return (await stores.wallets.move(top_up_of(user_id, fen), user_id, fen)).balance


async def send(stores: Stores, *rows: PacketRow) -> None:
    """Packets that stand in the records, paid from wallets with exactly that money."""
    for sender_id in {row.sender_id for row in rows}:
        await pay_in(stores, sender_id, sum(row.total_fen for row in rows if row.sender_id == sender_id))
    await stores.users.know([row.target_id for row in rows if is_user(row.target_id)])
    sent = await stores.sends.record(rows, debit_of, streams_of, SeedsInPlain)
    assert all(isinstance(one, Sent) for one in sent)


async def open_packet(stores: Stores, number: int, version: int, *shares: tuple[int, int]) -> None:
    """Claims that stand in the records."""
    assert await stores.packets.record([advance(number, version, *shares)]) == {packet_id(number)}
