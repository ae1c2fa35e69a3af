"""The independent auditor: believes the users' logs and the database, and shares no code with the services.

It reads the tables with its own SQL and computes shares from seeds with its own formula (docs/protocol.md).
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import asyncpg

from bench.chaos import linear
from bench.chaos.history import UNKNOWN, History, by_packet

USER_MAX: Final = 2**53 - 1
TOP_UP, WITHDRAW, SEND, CLAIM, REFUND = 1, 2, 3, 4, 5  # kinds of transfers, docs/money.md


class AuditedPacket(NamedTuple):
    """A packet as the database has it."""

    packet_id: int
    sender_id: int
    key: str
    kind: str
    total_fen: int
    shares: int
    share_fen_min: int
    share_fen_max: int
    seed: bytes
    refunded_fen: int
    closed: bool


class AuditedClaim(NamedTuple):
    """A claim as the database has it."""

    packet_id: int
    share: int
    user_id: int
    amount_fen: int


class Transfer(NamedTuple):
    """A movement of money."""

    debit: int
    credit: int
    kind: int
    key: str
    amount_fen: int


class AuditedBooks(NamedTuple):
    """Everything there is, once all is settled."""

    packets: list[AuditedPacket]
    claims: list[AuditedClaim]
    transfers: list[Transfer]
    wallets: dict[int, int]
    waiting: int  # claims that are not credited


class Findings(NamedTuple):
    """What is wrong, a line each: what was told and is not there, what is there twice, and the rest."""

    lost: list[str]
    duplicated: list[str]
    others: list[str]

    @property
    def all(self) -> list[str]:
        """Every discrepancy."""
        return [*self.lost, *self.duplicated, *self.others]


async def unsettled(dsn: str) -> int:
    """How many claims wait for their money and packets for their end."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return int(
            await connection.fetchval(
                "SELECT (SELECT count(*) FROM settlement_queue)"
                " + (SELECT count(*) FROM packets WHERE closed_at_ms IS NULL)"
            )
        )
    finally:
        await connection.close()


async def read(dsn: str) -> AuditedBooks:
    """All tables, in one snapshot."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            packets = await connection.fetch(
                "SELECT packet_id, sender_id, key, kind, total_fen, shares, share_fen_min, share_fen_max, seed,"
                " refunded_fen, closed_at_ms IS NOT NULL FROM packets"
            )
            claims = await connection.fetch("SELECT packet_id, index, user_id, amount_fen FROM claims")
            transfers = await connection.fetch(
                "SELECT debit_account, credit_account, kind, key, amount_fen FROM transfers"
            )
            wallets = await connection.fetch("SELECT user_id, balance_fen FROM wallets")
            waiting = await connection.fetchval("SELECT count(*) FROM settlement_queue")
    finally:
        await connection.close()
    return AuditedBooks(
        [AuditedPacket(*row) for row in packets],
        [AuditedClaim(*row) for row in claims],
        [Transfer(*row) for row in transfers],
        {row[0]: row[1] for row in wallets},
        int(waiting),
    )


def judge(history: History, books: AuditedBooks) -> Findings:
    """Compare the logs with the books."""
    lost = [*_lost_shares(history, books), *_lost_sends(history, books), *_lost_top_ups(history, books)]
    duplicated = [*_told_twice(history), *_booked_twice(books)]
    others = [
        *_unasked(history, books),
        *_unpaid(books),
        *_unbalanced_packets(books),
        *_unbalanced_wallets(books),
        *_unfair(books),
        *_not_linear(history, books),
    ]
    return Findings(lost, duplicated, others)


# --- what was told must be there ------------------------------------------------------------------------------


def _lost_shares(history: History, books: AuditedBooks) -> Iterator[str]:
    booked = {(one.packet_id, one.user_id): (one.share, one.amount_fen) for one in books.claims}
    for (packet_id, user_id), told in history.told_shares().items():
        for index, amount_fen in told:
            if booked.get((packet_id, user_id)) != (index, amount_fen):
                there = booked.get((packet_id, user_id), "nothing")
                what = f"share {index} of {amount_fen} fen"
                yield f"packet {packet_id}: user {user_id} was told {what}, there is {there}"


def _lost_sends(history: History, books: AuditedBooks) -> Iterator[str]:
    packets = {one.packet_id: (one.sender_id, one.key, one.total_fen) for one in books.packets}
    for send in history.sends:
        told = (send.user_id, send.key, send.amount_fen)
        if send.answer == "sent" and packets.get(send.packet_id) != told:
            yield f"packet {send.packet_id}: sent as {told}, there is {packets.get(send.packet_id, 'nothing')}"


def _lost_top_ups(history: History, books: AuditedBooks) -> Iterator[str]:
    booked = {(one.credit, one.key): one.amount_fen for one in books.transfers if one.kind == TOP_UP}
    for told in history.top_ups:
        if booked.get((told.user_id, told.key)) != told.amount_fen:
            yield f"top-up {told.key} of user {told.user_id} is not in the books"


# --- once -----------------------------------------------------------------------------------------------------


def _told_twice(history: History) -> Iterator[str]:
    holders: dict[tuple[int, int], set[int]] = defaultdict(set)
    for (packet_id, user_id), told in history.told_shares().items():
        if len(told) > 1:
            yield f"packet {packet_id}: user {user_id} was told different shares: {sorted(told)}"
        for index, _ in told:
            holders[packet_id, index].add(user_id)
    for (packet_id, index), users in holders.items():
        if len(users) > 1:
            yield f"packet {packet_id}: share {index} was told to users {sorted(users)}"


def _booked_twice(books: AuditedBooks) -> Iterator[str]:
    things: dict[str, Counter[Any]] = {
        "sends with sender and key": Counter((one.sender_id, one.key) for one in books.packets),
        "claims of packet and user": Counter((one.packet_id, one.user_id) for one in books.claims),
        "claims of packet and index": Counter((one.packet_id, one.share) for one in books.claims),
        "payments for packet": Counter(one.credit for one in books.transfers if one.kind == SEND),
        "credits of packet to user": Counter((t.debit, t.credit) for t in books.transfers if t.kind == CLAIM),
        "refunds of packet": Counter(one.debit for one in books.transfers if one.kind == REFUND),
        "top-ups of user with key": Counter((t.credit, t.key) for t in books.transfers if t.kind == TOP_UP),
    }
    for what, counted in things.items():
        yield from (f"{count} {what} {which}" for which, count in counted.items() if count > 1)


# --- nothing more than was asked for ------------------------------------------------------------------------


def _unasked(history: History, books: AuditedBooks) -> Iterator[str]:
    sends = {(one.user_id, one.key): one for one in history.sends}
    for packet in books.packets:
        send = sends.get((packet.sender_id, packet.key))
        if send is None or send.answer not in {"sent", UNKNOWN}:
            told = send.answer if send else "nothing"
            yield f"packet {packet.packet_id} is in the books, its sender was told {told}"
        elif send.answer == "sent" and send.packet_id != packet.packet_id:
            yield f"packet {packet.packet_id}: its sender was told packet {send.packet_id}"
    asked = {(op.packet_id, op.user_id) for op in history.ops if op.kind == "open"}
    for claim in books.claims:
        if (claim.packet_id, claim.user_id) not in asked:
            yield f"packet {claim.packet_id}: user {claim.user_id} has a share and never opened"
    top_ups = {(one.user_id, one.key) for one in history.top_ups}
    for one in books.transfers:
        if one.kind == WITHDRAW or (one.kind == TOP_UP and (one.credit, one.key) not in top_ups):
            yield f"transfer of {one.amount_fen} fen from {one.debit} to {one.credit}: nobody asked for it"


def _unpaid(books: AuditedBooks) -> Iterator[str]:
    """Every packet is paid by its sender, every claim credited, every refund paid back; nothing else moves."""
    moved = {(one.kind, one.debit, one.credit): one.amount_fen for one in books.transfers if one.kind >= SEND}
    due = {(SEND, one.sender_id, one.packet_id): one.total_fen for one in books.packets}
    due |= {(CLAIM, one.packet_id, one.user_id): one.amount_fen for one in books.claims}
    due |= {(REFUND, p.packet_id, p.sender_id): p.refunded_fen for p in books.packets if p.refunded_fen}
    for what in due.keys() | moved.keys():
        if due.get(what) != moved.get(what):
            yield f"transfer (kind, from, to) {what}: due are {due.get(what)} fen, moved were {moved.get(what)}"
    if books.waiting:
        yield f"{books.waiting} claims still wait for their money"


# --- nothing missing, nothing extra -----------------------------------------------------------------------------


def _unbalanced_packets(books: AuditedBooks) -> Iterator[str]:
    claimed: Counter[int] = Counter()
    for claim in books.claims:
        claimed[claim.packet_id] += claim.amount_fen
    for packet in books.packets:
        if not packet.closed:
            yield f"packet {packet.packet_id} never came to an end"
        elif claimed[packet.packet_id] + packet.refunded_fen != packet.total_fen:
            parts = f"{claimed[packet.packet_id]} claimed + {packet.refunded_fen} refunded"
            yield f"packet {packet.packet_id}: {parts} of {packet.total_fen} fen"


def _unbalanced_wallets(books: AuditedBooks) -> Iterator[str]:
    should: Counter[int] = Counter()
    for one in books.transfers:
        should[one.credit] += one.amount_fen
        should[one.debit] -= one.amount_fen
    for user_id in books.wallets.keys() | {account for account in should if 0 < account <= USER_MAX}:
        if books.wallets.get(user_id, 0) != should[user_id]:
            yield f"user {user_id} has {books.wallets.get(user_id, 0)} fen, the transfers say {should[user_id]}"
    put_in_fen, there_fen = -should[0], sum(books.wallets.values())
    if put_in_fen != there_fen:
        yield f"in total {put_in_fen} fen came in, {there_fen} are in wallets when all packets are over"


# --- the amounts of the seed, the order of events ---------------------------------------------------------------


def amounts_of(packet: AuditedPacket) -> Iterator[int]:
    """All shares of a packet in the order of opening."""
    left_fen = packet.total_fen
    for index in range(packet.shares):
        left_shares = packet.shares - index
        amount_fen = left_fen // left_shares
        if packet.kind == "lucky" and left_shares > 1:
            drawn = hmac.digest(packet.seed, index.to_bytes(4, "big"), hashlib.sha256)
            first, second = int.from_bytes(drawn[:16], "big"), int.from_bytes(drawn[16:], "big")
            twice_mean = (2 * left_fen + second % left_shares) // left_shares
            low = max(packet.share_fen_min, twice_mean - packet.share_fen_max)
            high = min(packet.share_fen_max, twice_mean - packet.share_fen_min)
            amount_fen = low + first % (high - low + 1)
        left_fen -= amount_fen
        yield amount_fen


def _unfair(books: AuditedBooks) -> Iterator[str]:
    claims = _claims_by_packet(books)
    for packet in books.packets:
        booked = claims.get(packet.packet_id, [])
        for claim, amount_fen in zip(booked, amounts_of(packet), strict=False):
            if claim.amount_fen != amount_fen:
                there = f"share {claim.share} is {claim.amount_fen} fen"
                yield f"packet {packet.packet_id}: {there}, its seed says {amount_fen}"


def _not_linear(history: History, books: AuditedBooks) -> Iterator[str]:
    claims, ops = _claims_by_packet(books), by_packet(history.ops)
    for packet in books.packets:
        booked = claims.get(packet.packet_id, [])
        if [one.share for one in booked] != list(range(len(booked))):
            yield f"packet {packet.packet_id}: the indexes have gaps"
            continue
        holders = [one.user_id for one in booked]
        for why in linear.check(packet.shares, holders, ops.get(packet.packet_id, [])):
            yield f"packet {packet.packet_id}: {why}"


def _claims_by_packet(books: AuditedBooks) -> dict[int, list[AuditedClaim]]:
    found: dict[int, list[AuditedClaim]] = defaultdict(list)
    for claim in sorted(books.claims):
        found[claim.packet_id].append(claim)
    return found
