"""The money verdict: the books must agree with what the users were told, or the run is invalid."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from bench.load.outcome import Outcome
from server.services.money.audit import FEN, Report, audit
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore

RECORD_TIMEOUT_S: Final = 30.0  # with durability redis the record follows the answer
LOAD_MAX: Final = 500
NO_KEYS: Final[Mapping[str, bytes]] = MappingProxyType({})

Claims = dict[tuple[int, int], tuple[int, int]]  # (packet, user) -> (index, fen)
Sends = dict[int, tuple[int, int]]  # packet -> (sender, total in fen)


class Verdict(NamedTuple):
    """The first three must be 0 and the audit clean."""

    missing: int  # told as won or sent, and not recorded with these values
    duplicates: int  # told twice
    oversold: int  # recorded claims that no user was told, beyond the number that `in_doubt` explains
    in_doubt: int  # recorded claims of users who got no answer or an uncertain one
    report: Report

    @property
    def holds(self) -> bool:
        return not (self.missing or self.duplicates or self.oversold) and self.report.ok

    @property
    def difference_fen(self) -> int:
        """Money that is missing or too much: in the packets, and in all accounts together."""
        sums = self.report.sums
        packets = sums.funded_fen - sums.claimed_fen - sums.refunded_fen - sums.unopened_fen
        inside = sums.wallets_fen + sums.in_packets_fen + sums.in_pools_fen + sums.in_transit_fen
        accounts = inside - sums.put_in_fen + sums.taken_out_fen
        return abs(packets) + abs(accounts)


async def judge(
    database: Database, outcome: Outcome, seed_keys: Mapping[str, bytes] = NO_KEYS, smallest: str = FEN
) -> Verdict:
    """Compare, after the record has caught up with the answers; trees of seeds only with their keys.

    Raises StoreUnavailable.
    """
    told: Claims = {(one.packet_id, one.user_id): (one.index, one.amount_fen) for one in outcome.claims}
    packet_ids = {packet_id for packet_id, _ in told} | {one.packet_id for one in outcome.sends}
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + RECORD_TIMEOUT_S
    claims, sends = await _read(database, packet_ids)
    while not told.keys() <= claims.keys() and loop.time() < deadline_s:
        await asyncio.sleep(0.2)
        claims, sends = await _read(database, packet_ids)
    lost_claims = sum(1 for place, share in told.items() if claims.get(place) != share)
    lost_sends = sum(1 for one in outcome.sends if sends.get(one.packet_id) != (one.sender_id, one.total_fen))
    untold = len(claims.keys() - told.keys())
    in_doubt = min(untold, outcome.in_doubt)
    return Verdict(
        lost_claims + lost_sends,
        outcome.acked_twice,
        untold - in_doubt,
        in_doubt,
        await audit(database, seed_keys, smallest),
    )


async def _read(database: Database, packet_ids: Collection[int]) -> tuple[Claims, Sends]:
    """The records of these packets."""
    in_order, store = sorted(packet_ids), PacketStore(database)
    claims: Claims = {}
    sends: Sends = {}
    for first in range(0, len(in_order), LOAD_MAX):
        packets, claims_of = await store.load(in_order[first : first + LOAD_MAX])
        sends |= {packet_id: (row.sender_id, row.total_fen) for packet_id, row in packets.items()}
        for rows in claims_of.values():
            claims |= {(one.packet_id, one.user_id): (one.index, one.amount_fen) for one in rows}
    return claims, sends
