"""The money verdict: what the users were told and what the books say must be the same, or the run is void."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from bench.opens import Outcome
from server.services.audit import Report, audit
from storage.postgres.database import Database
from storage.postgres.packets import Packets

RECORDED_WITHIN_S = 30.0  # at tier redis the record follows the answer
LOAD_MAX = 500


class Verdict(NamedTuple):
    """All numbers but the report's sums must be 0."""

    missing: int  # told as won, and not in the books with that index and amount
    duplicates: int  # told twice
    oversold: int  # claims in the books beyond those that were told
    report: Report

    @property
    def holds(self) -> bool:
        """The run counts."""
        return not (self.missing or self.duplicates or self.oversold) and self.report.ok


async def judge(database: Database, outcome: Outcome) -> Verdict:
    """Compare, once the record has caught up with what was told. Raises StoreUnavailable."""
    recorded = await _recorded(database, outcome)
    deadline_s = asyncio.get_running_loop().time() + RECORDED_WITHIN_S
    while len(recorded) < len(outcome.told) and asyncio.get_running_loop().time() < deadline_s:
        await asyncio.sleep(0.2)
        recorded = await _recorded(database, outcome)
    missing = sum(1 for claim, told in outcome.told.items() if recorded.get(claim) != told)
    oversold = len(recorded.keys() - outcome.told.keys())
    return Verdict(missing, outcome.told_twice, oversold, await audit(database))


async def _recorded(database: Database, outcome: Outcome) -> dict[tuple[int, int], tuple[int, int]]:
    packet_ids = sorted({packet_id for packet_id, _ in outcome.told})
    recorded: dict[tuple[int, int], tuple[int, int]] = {}
    store = Packets(database)
    for first in range(0, len(packet_ids), LOAD_MAX):
        _, claims = await store.load(packet_ids[first : first + LOAD_MAX])
        for rows in claims.values():
            recorded |= {(row.packet_id, row.user_id): (row.index, row.amount_fen) for row in rows}
    return recorded
