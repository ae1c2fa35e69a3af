"""The books of several sets as the independent auditor reads them: joined, and where each thing stands.

A share is credited in the set that has its user's wallet. If its packet is in another set, the packet's set hands
the money over to an account in transit, which stands for the other set: -100 - its number.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from bench.chaos import audited_books
from bench.chaos.audited_books import AuditedBooks
from bench.chaos.audited_pools import AuditedPools

SEND, CLAIM, REFUND, HANDED_OVER = 3, 4, 5, 22  # kinds of transfers, docs/money.md
TRANSIT: Final = -100  # the account in transit of set n is -100 - n


class BooksOfSets(NamedTuple):
    """The books of each set, by its number."""

    each: Sequence[AuditedBooks]

    @property
    def joined(self) -> AuditedBooks:
        """As if there were one set: what only moves between sets is left out."""
        return AuditedBooks(
            [packet for one in self.each for packet in one.packets],
            [claim for one in self.each for claim in one.claims],
            [row for one in self.each for row in one.transfers if row.kind != HANDED_OVER],
            {user_id: fen for one in self.each for user_id, fen in one.wallets.items()},
            sum(one.waiting for one in self.each),
            AuditedPools(
                [row for one in self.each for row in one.pools.campaigns],
                [row for one in self.each for row in one.pools.leases],
                [row for one in self.each for row in one.pools.wins],
            ),
        )


async def read(dsns: Sequence[str], seed_keys: Mapping[str, bytes]) -> BooksOfSets:
    """The books of all sets, after settlement and refunds."""
    return BooksOfSets(await asyncio.gather(*(audited_books.read(dsn, seed_keys) for dsn in dsns)))


def misplaced(books: BooksOfSets) -> Iterator[str]:
    """What stands in the wrong set, and what was not handed over once from one set to another."""
    if len(books.each) == 1:
        return
    homes = {user_id: number for number, one in enumerate(books.each) for user_id in one.wallets}
    held = Counter(user_id for one in books.each for user_id in one.wallets)
    yield from (f"user {user_id} has wallets in {count} sets" for user_id, count in held.items() if count > 1)
    for number, one in enumerate(books.each):
        yield from _strangers(number, one, homes)
        yield from _not_handed_over(number, one, homes)


def _strangers(number: int, books: AuditedBooks, homes: Mapping[int, int]) -> Iterator[str]:
    """What is not in the set of its user or of its packet."""
    for packet in books.packets:
        if homes.get(packet.sender_id) != number:
            yield f"packet {packet.packet_id} is in set {number}, its sender is not"
    own = {packet.packet_id for packet in books.packets}
    for claim in books.claims:
        if claim.packet_id not in own:
            yield f"a claim of packet {claim.packet_id} is in set {number}, the packet is not"
    for row in books.transfers:
        user_id = {SEND: row.debit, CLAIM: row.credit, REFUND: row.credit}.get(row.kind)
        if user_id is not None and homes.get(user_id) != number:
            yield f"a transfer of kind {row.kind} of user {user_id} is in set {number}, the wallet is not"


def _not_handed_over(number: int, books: AuditedBooks, homes: Mapping[int, int]) -> Iterator[str]:
    """Claims of users of other sets, each handed over once; nothing else is."""
    due = Counter(
        (claim.packet_id, TRANSIT - homes.get(claim.user_id, number), str(claim.user_id), claim.amount_fen)
        for claim in books.claims
        if homes.get(claim.user_id) != number
    )
    moved = Counter(
        (row.debit, row.credit, row.key, row.amount_fen) for row in books.transfers if row.kind == HANDED_OVER
    )
    for key in due.keys() | moved.keys():
        if due[key] != moved[key]:
            times = f"handed over {moved[key]} times, due {due[key]}"
            yield f"set {number}, (packet, account, user, fen) {key}: {times}"


async def unsettled(dsns: Sequence[str]) -> int:
    """The number of claims that wait for their money, and of packets that have not ended, in all sets."""
    return sum(await asyncio.gather(*(audited_books.unsettled(dsn) for dsn in dsns)))
