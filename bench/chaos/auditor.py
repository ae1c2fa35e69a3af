"""The independent auditor: trusts only the users' logs and the database, and shares no code with the services.

It reads the tables with its own SQL and computes shares from seeds with its own formula (docs/protocol.md).
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from bench.chaos import linear, pool_auditor
from bench.chaos.audited_books import AuditedBooks, AuditedClaim, AuditedPacket
from bench.chaos.history import UNKNOWN, History, by_packet

USER_MAX: Final = 2**53 - 1
TOP_UP, WITHDRAW, SEND, CLAIM, REFUND = 1, 2, 3, 4, 5  # kinds of transfers, docs/money.md


class Findings(NamedTuple):
    """Discrepancies, a line each: told and not recorded, recorded twice, and all others."""

    lost: list[str]
    duplicated: list[str]
    others: list[str]

    @property
    def all(self) -> list[str]:
        return [*self.lost, *self.duplicated, *self.others]


Check = Callable[[History, AuditedBooks], Iterator[str]]


def judge(history: History, books: AuditedBooks) -> Findings:
    def found(*checks: Check) -> list[str]:
        return [line for check in checks for line in check(history, books)]

    return Findings(
        lost=found(_lost_shares, _lost_sends, _lost_top_ups, pool_auditor.lost_wins),
        duplicated=found(_acked_twice, _booked_twice, pool_auditor.doubled_wins),
        others=[
            *found(_unrequested, _unpaid, _unbalanced_packets, _unbalanced_wallets),
            *found(_wrong_amounts, _not_linear),
            *found(pool_auditor.wrong_wins, pool_auditor.unbalanced_pools),
        ],
    )


# --- every confirmed answer is recorded -------------------------------------------------------------------------


def _lost_shares(history: History, books: AuditedBooks) -> Iterator[str]:
    booked = {(one.packet_id, one.user_id): (one.share, one.amount_fen) for one in books.claims}
    for (packet_id, user_id), acked in history.acked_shares().items():
        for index, amount_fen in acked:
            recorded = booked.get((packet_id, user_id), "nothing")
            if recorded != (index, amount_fen):
                told = f"share {index} of {amount_fen} fen"
                yield f"packet {packet_id}: user {user_id} was told {told}, recorded is {recorded}"


def _lost_sends(history: History, books: AuditedBooks) -> Iterator[str]:
    packets = {one.packet_id: (one.sender_id, one.key, one.total_fen) for one in books.packets}
    for send in history.sends:
        told, recorded = (send.user_id, send.key, send.amount_fen), packets.get(send.packet_id, "nothing")
        if send.answer == "sent" and recorded != told:
            yield f"packet {send.packet_id}: sent as {told}, recorded is {recorded}"


def _lost_top_ups(history: History, books: AuditedBooks) -> Iterator[str]:
    booked = {(one.credit, one.key): one.amount_fen for one in books.transfers if one.kind == TOP_UP}
    for acked in history.top_ups:
        if booked.get((acked.user_id, acked.key)) != acked.amount_fen:
            yield f"top-up {acked.key} of user {acked.user_id} is not recorded"


# --- once -----------------------------------------------------------------------------------------------------


def _acked_twice(history: History, _: AuditedBooks) -> Iterator[str]:
    holders: dict[tuple[int, int], set[int]] = defaultdict(set)
    for (packet_id, user_id), acked in history.acked_shares().items():
        if len(acked) > 1:
            yield f"packet {packet_id}: user {user_id} was told different shares: {sorted(acked)}"
        for index, _amount_fen in acked:
            holders[packet_id, index].add(user_id)
    for (packet_id, index), users in holders.items():
        if len(users) > 1:
            yield f"packet {packet_id}: share {index} was told to users {sorted(users)}"


def _booked_twice(_: History, books: AuditedBooks) -> Iterator[str]:
    counters: dict[str, Counter[Any]] = {
        "sends with sender and key": Counter((one.sender_id, one.key) for one in books.packets),
        "claims of packet and user": Counter((one.packet_id, one.user_id) for one in books.claims),
        "claims of packet and index": Counter((one.packet_id, one.share) for one in books.claims),
        "payments for packet": Counter(one.credit for one in books.transfers if one.kind == SEND),
        "credits of packet to user": Counter((t.debit, t.credit) for t in books.transfers if t.kind == CLAIM),
        "refunds of packet": Counter(one.debit for one in books.transfers if one.kind == REFUND),
        "top-ups of user with key": Counter((t.credit, t.key) for t in books.transfers if t.kind == TOP_UP),
    }
    for name, counter in counters.items():
        yield from (f"{count} {name} {key}" for key, count in counter.items() if count > 1)


# --- nothing without a request, everything paid -----------------------------------------------------------------


def _unrequested(history: History, books: AuditedBooks) -> Iterator[str]:
    sends = {(one.user_id, one.key): one for one in history.sends}
    for packet in _sent(books):
        send = sends.get((packet.sender_id, packet.key))
        if send is None or send.answer not in {"sent", UNKNOWN}:
            answer = send.answer if send else "nothing"
            yield f"packet {packet.packet_id} is recorded, its sender was told {answer}"
        elif send.answer == "sent" and send.packet_id != packet.packet_id:
            yield f"packet {packet.packet_id}: its sender was told packet {send.packet_id}"
    opens = {(op.packet_id, op.user_id) for op in history.ops if op.kind == "open"}
    leases = {one.packet_id for one in books.packets if one.kind == pool_auditor.KIND}
    for claim in books.claims:
        if claim.packet_id not in leases and (claim.packet_id, claim.user_id) not in opens:
            yield f"packet {claim.packet_id}: user {claim.user_id} has a share and never opened"
    top_ups = {(one.user_id, one.key) for one in history.top_ups}
    for one in books.transfers:
        if one.kind == WITHDRAW or (one.kind == TOP_UP and (one.credit, one.key) not in top_ups):
            yield f"transfer of {one.amount_fen} fen from {one.debit} to {one.credit} without a request"


def _unpaid(_: History, books: AuditedBooks) -> Iterator[str]:
    """Every packet is paid by its sender, every claim credited, every refund paid back; nothing else moves."""
    moved = {(one.kind, one.debit, one.credit): one.amount_fen for one in books.transfers if one.kind >= SEND}
    due = {(SEND, one.sender_id, one.packet_id): one.total_fen for one in _sent(books)}
    due |= {(CLAIM, one.packet_id, one.user_id): one.amount_fen for one in books.claims}
    due |= {(REFUND, p.packet_id, p.sender_id): p.refunded_fen for p in _sent(books) if p.refunded_fen}
    due |= _due_of_pools(books)
    for key in due.keys() | moved.keys():
        if due.get(key) != moved.get(key):
            yield f"transfer (kind, from, to) {key}: due are {due.get(key)} fen, moved were {moved.get(key)}"
    if books.waiting:
        yield f"{books.waiting} claims still wait for their money"


def _sent(books: AuditedBooks) -> list[AuditedPacket]:
    """The packets that users sent: all but the leases of campaigns."""
    return [one for one in books.packets if one.kind != pool_auditor.KIND]


def _due_of_pools(books: AuditedBooks) -> dict[tuple[int, int, int], int]:
    """A campaign is paid, its leases take from it and give back, and its rest goes back."""
    pools, packets = books.pools, {one.packet_id: one for one in books.packets}
    due = {(pool_auditor.CAMPAIGN, one.sponsor_id, one.campaign_id): one.budget_fen for one in pools.campaigns}
    for lease in pools.leases:
        packet = packets[lease.packet_id]
        due[pool_auditor.LEASE, lease.campaign_id, lease.packet_id] = packet.total_fen
        if packet.refunded_fen:
            due[pool_auditor.LEASE_RETURNED, lease.packet_id, lease.campaign_id] = packet.refunded_fen
    back = pool_auditor.CAMPAIGN_RETURNED
    return due | {
        (back, one.campaign_id, one.sponsor_id): one.returned_fen for one in pools.campaigns if one.returned_fen
    }


def _unbalanced_packets(_: History, books: AuditedBooks) -> Iterator[str]:
    claimed: Counter[int] = Counter()
    for claim in books.claims:
        claimed[claim.packet_id] += claim.amount_fen
    for packet in books.packets:
        if not packet.closed:
            yield f"packet {packet.packet_id} has not ended"
        elif claimed[packet.packet_id] + packet.refunded_fen != packet.total_fen:
            parts = f"{claimed[packet.packet_id]} claimed + {packet.refunded_fen} refunded"
            yield f"packet {packet.packet_id}: {parts} of {packet.total_fen} fen"


def _unbalanced_wallets(_: History, books: AuditedBooks) -> Iterator[str]:
    expected: Counter[int] = Counter()
    for one in books.transfers:
        expected[one.credit] += one.amount_fen
        expected[one.debit] -= one.amount_fen
    for user_id in books.wallets.keys() | {account for account in expected if 0 < account <= USER_MAX}:
        balance_fen = books.wallets.get(user_id, 0)
        if balance_fen != expected[user_id]:
            yield f"user {user_id} has {balance_fen} fen, the transfers sum up to {expected[user_id]}"
    put_in_fen, wallets_fen = -expected[0], sum(books.wallets.values())
    if put_in_fen != wallets_fen:
        yield f"in total {put_in_fen} fen came in, {wallets_fen} are in wallets after all packets have ended"


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


def _wrong_amounts(_: History, books: AuditedBooks) -> Iterator[str]:
    for packet, claims in _with_claims(books, _sent(books)):
        for claim, amount_fen in zip(claims, amounts_of(packet), strict=False):
            if claim.amount_fen != amount_fen:
                recorded = f"share {claim.share} is {claim.amount_fen} fen"
                yield f"packet {packet.packet_id}: {recorded}, by its seed {amount_fen}"


def _not_linear(history: History, books: AuditedBooks) -> Iterator[str]:
    ops = by_packet(history.ops)
    for packet, claims in _with_claims(books, books.packets):
        if [one.share for one in claims] != list(range(len(claims))):
            yield f"packet {packet.packet_id}: the indexes have gaps"
            continue
        if packet.kind == pool_auditor.KIND:
            continue  # a shake is answered by any share: there is no order to explain
        holders = [one.user_id for one in claims]
        for reason in linear.check(packet.shares, holders, ops.get(packet.packet_id, []), history.tries_again):
            yield f"packet {packet.packet_id}: {reason}"


def _with_claims(
    books: AuditedBooks, packets: Sequence[AuditedPacket]
) -> Iterator[tuple[AuditedPacket, list[AuditedClaim]]]:
    claims: dict[int, list[AuditedClaim]] = defaultdict(list)
    for claim in sorted(books.claims):
        claims[claim.packet_id].append(claim)
    return ((packet, claims[packet.packet_id]) for packet in packets)
