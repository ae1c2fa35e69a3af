"""Two memories of one packet, the record and the mirror: which claims must be re-driven, which memory is behind.

The record (PostgreSQL) is read first and is the truth. The mirror (Redis) may be ahead: it is written before the
record (durability redis) or at the same time (postgres).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from server.core.decisions import Claim


class Reconciliation(NamedTuple):
    """`redrive`: claims that only the mirror holds. `mirror_is_good`: with them recorded, both hold the same."""

    redrive: Sequence[Claim]
    mirror_is_good: bool


def compare(recorded: Sequence[Claim], mirrored: Sequence[Claim], mirror_exists: bool) -> Reconciliation:
    """Compare the claims of one packet, both in the order of their indexes.

    A mirror that lacks recorded claims is behind (it was flushed or away). One that differs from the record holds
    claims that were never acknowledged; both are replaced by the record.
    """
    if not mirror_exists:
        return Reconciliation((), mirror_is_good=False)
    if list(mirrored[: len(recorded)]) != list(recorded):
        return Reconciliation((), mirror_is_good=False)
    return Reconciliation(mirrored[len(recorded) :], mirror_is_good=True)
