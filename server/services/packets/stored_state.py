"""What the stores hold of a packet: rows and logs as values of the rules, and the verdict when they differ."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import structlog

from server.core import pages, reconcile
from server.core.amounts import Caps
from server.core.decisions import Claim
from server.core.kinds import Allocation, kind_of
from server.core.packet import Packet
from server.core.packet_request import Terms
from server.core.pages import State
from server.core.seeds import SeedUnknown, SeedUse
from storage.postgres.packets.packets import ClaimRow, PacketRow, Wins
from storage.redis.mirror import Log

LOG = structlog.get_logger()
NOTHING = Log(0, [], closed=False)
NO_USERS: Final[frozenset[int]] = frozenset()
UNTOLD = reconcile.Reconciliation((), mirror_is_good=False)


class StoredState(NamedTuple):
    """One packet as both stores tell it."""

    terms: Terms
    recorded: list[Claim]
    closed: bool  # finished or refunded
    log: Log
    also_in: Sequence[int] = ()
    log_known: bool = True  # the mirror was read
    said: Collection[int] = ()  # users who have said its words
    decides: bool = True  # users may have been told of claims that only the mirror holds


def terms_of(row: PacketRow, seed: bytes = b"", dealt: tuple[int, ...] = ()) -> Terms:
    """The terms of a recorded packet. `seed`: the one that was derived, if the record does not hold it.

    `dealt`: what was dealt to a lease of a campaign.
    """
    # by place: each send makes them
    return Terms(
        row.packet_id,
        kind_of(row.kind),
        row.sender_id,
        row.target_id,
        row.total_fen,
        row.shares,
        Caps(row.share_fen_min, row.share_fen_max),
        row.greeting,
        seed if row.seed is None else row.seed,
        row.send_at_ms or row.created_at_ms,
        row.expires_at_ms,
        seed_use_of(row),
        row.chat_id or 0,
        dealt,
        frozenset(row.only_for) if row.only_for else NO_USERS,
    )


def is_lease(row: PacketRow) -> bool:
    """Whether a recorded packet holds numbers of a campaign."""
    return kind_of(row.kind).row.allocation is Allocation.DEALT


def wins_of(terms: Terms) -> Wins:
    """How claims that users may have been told of are recorded."""
    return Wins.TOLD if terms.kind.row.allocation is Allocation.DEALT else Wins.NONE


def seed_use_of(row: PacketRow) -> SeedUse | None:
    """Which server seed a recorded packet uses; None: the record holds its seed."""
    if row.seed_index is None or row.client_seed is None or row.commitment is None:
        return None
    return SeedUse(row.seed_index, row.client_seed, row.commitment)


def claim_of(row: ClaimRow) -> Claim:
    """A recorded claim as the rules know it."""
    return Claim(row.index, row.user_id, row.amount_fen, row.at_ms)


def state_of(row: PacketRow, now_ms: int) -> State:
    """How far a recorded packet is."""
    return pages.state_of(terms_of(row), row.version, row.closed_at_ms is not None, now_ms)


def claims_of(log: Log) -> list[Claim]:
    """The claims of a mirrored log; their place is their index."""
    return [Claim(index, one.user_id, one.amount_fen, one.at_ms) for index, one in enumerate(log.claims)]


def verdict(stored: StoredState) -> reconcile.Reconciliation:
    """What to do about the mirror; claims in it that the terms do not allow were never ours."""
    if stored.closed:
        return reconcile.Reconciliation((), mirror_is_good=False)
    found = reconcile.compare(stored.recorded, claims_of(stored.log), stored.log.length > 0 and stored.log.ours)
    if not found.redrive:
        return found
    if stored.terms.kind.row.allocation is Allocation.DEALT and not stored.decides:
        return UNTOLD  # another user may win it, and its own user may have won enough elsewhere
    try:
        Packet(stored.terms, [*stored.recorded, *found.redrive])
    except SeedUnknown:
        return found  # they were acknowledged; that their amounts follow from the seed cannot be checked
    except ValueError as error:
        LOG.error("mirror_contradicts_terms", packet_id=stored.terms.packet_id, why=str(error))
        return reconcile.Reconciliation((), mirror_is_good=False)
    return found
