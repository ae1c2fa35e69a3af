"""The money verdict: what the users were told and what the books say must be the same, or the run is void."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final, NamedTuple

from bench.load.outcome import Outcome
from server.services.money.audit import Report, audit
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore

RECORDED_WITHIN_S: Final = 30.0  # at tier redis the record follows the answer
LOAD_MAX: Final = 500

Claims = dict[tuple[int, int], tuple[int, int]]  # (packet, user) -> (index, fen)


class Books(NamedTuple):
    """What the records say about the packets of a run."""

    claims: Claims
    sends: dict[int, tuple[int, int]]  # packet -> (sender, total in fen)


class Verdict(NamedTuple):
    """The first three must be 0 and the audit clean."""

    missing: int  # told as won or sent, and not in the books like that
    duplicates: int  # told twice
    oversold: int  # claims in the books that nobody was told, beyond what `in_doubt` explains
    in_doubt: int  # such claims of users whose request was never answered, or with "perhaps"
    report: Report

    @property
    def holds(self) -> bool:
        """The run counts."""
        return not (self.missing or self.duplicates or self.oversold) and self.report.ok

    @property
    def difference_fen(self) -> int:
        """Money that is not where it should be: in the packets, and in all accounts together."""
        sums = self.report.sums
        packets = sums.funded_fen - sums.claimed_fen - sums.refunded_fen - sums.unopened_fen
        accounts = sums.wallets_fen + sums.in_packets_fen - sums.put_in_fen + sums.taken_out_fen
        return abs(packets) + abs(accounts)


async def judge(database: Database, outcome: Outcome) -> Verdict:
    """Compare, once the record has caught up with what was told. Raises StoreUnavailable."""
    told: Claims = {(one.packet_id, one.user_id): (one.index, one.amount_fen) for one in outcome.claims}
    packet_ids = {packet_id for packet_id, _ in told} | {one.packet_id for one in outcome.sends}
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + RECORDED_WITHIN_S
    books = await _books(database, packet_ids)
    while not told.keys() <= books.claims.keys() and loop.time() < deadline_s:
        await asyncio.sleep(0.2)
        books = await _books(database, packet_ids)
    lost_claims = sum(1 for place, share in told.items() if books.claims.get(place) != share)
    lost_sends = sum(1 for one in outcome.sends if books.sends.get(one.packet_id) != (one.sender_id, one.total_fen))
    untold = len(books.claims.keys() - told.keys())
    in_doubt = min(untold, outcome.in_doubt)
    return Verdict(lost_claims + lost_sends, outcome.told_twice, untold - in_doubt, in_doubt, await audit(database))


async def _books(database: Database, packet_ids: Collection[int]) -> Books:
    in_order = sorted(packet_ids)
    books, store = Books({}, {}), PacketStore(database)
    for first in range(0, len(in_order), LOAD_MAX):
        packets, claims = await store.load(in_order[first : first + LOAD_MAX])
        for packet_id, row in packets.items():
            books.sends[packet_id] = (row.sender_id, row.total_fen)
        for rows in claims.values():
            for one in rows:
                books.claims[one.packet_id, one.user_id] = (one.index, one.amount_fen)
    return books
