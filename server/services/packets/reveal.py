"""Reveal: the proof of a packet that is over, from its closed record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from server.core import packet as rules
from server.core import pages
from server.core.decisions import Claim
from server.core.ids import is_user
from server.core.packet_request import Terms, may_open
from server.core.pages import State
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import GroupService
from server.services.packets.stored_state import claim_of, is_lease, state_of, terms_of
from server.services.seeds.service import SeedProof, SeedService, packet_seed_of
from storage.postgres.packets.packets import PacketRow, PacketStore

UNTOLD: Final = 0  # in place of a user


class Proof(NamedTuple):
    """All that anyone needs to check a packet that is over."""

    terms: Terms
    state: State  # finished or refunded
    claims: list[Claim]
    best: Claim | None
    seed_proof: SeedProof | None  # None: a packet of a server that chose seeds by itself


def _told(claim: Claim, terms: Terms, user_id: int) -> Claim:
    """A claim as the proof tells it to this user; UNTOLD for an opener who is none of their affair."""
    if pages.proof_names(terms, user_id, claim.user_id):
        return claim
    return Claim(claim.index, UNTOLD, claim.amount_fen, claim.at_ms)


class RevealService:
    """Use case reveal. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self, records: PacketStore, groups: GroupService, seeds: SeedService, now_ms: Callable[[], int]
    ) -> None:
        self._records = records
        self._seeds = seeds
        self._groups = groups
        self._now_ms = now_ms

    async def reveal(self, user_id: int, packet_id: int) -> Proof:
        """The proof of a packet whose record is closed: before, claims may be told that it does not hold yet."""
        rows, claims = await self._records.load([packet_id])
        row = rows.get(packet_id)
        if row is None or is_lease(row):  # what was dealt to a lease follows from its campaign
            raise RequestRefused(Reason.NOT_ALLOWED)
        terms, all_claims = terms_of(row), [claim_of(one) for one in claims[packet_id]]
        state = state_of(row, self._now_ms())
        may_see = pages.may_see_proof(
            terms,
            state,
            user_id,
            has_claim=any(claim.user_id == user_id for claim in all_claims),
            may_open=may_open(terms, user_id, await self._is_member(user_id, row)),
        )
        if not may_see or (row.is_hidden and user_id != row.sender_id):
            raise RequestRefused(Reason.NOT_ALLOWED)
        if state not in pages.OVER:
            raise RequestRefused(Reason.NOT_FINISHED)
        proof = await self._seeds.proof(row)
        if proof is None and row.seed_index is not None:
            raise RequestRefused(Reason.INTERNAL, "the seed cannot be unsealed")
        if proof is not None:
            terms = terms._replace(seed=packet_seed_of(row, proof.server_seed))
        told = [_told(claim, terms, user_id) for claim in all_claims]
        return Proof(terms, state, told, rules.best_luck(terms, all_claims), proof)

    async def _is_member(self, user_id: int, row: PacketRow) -> bool:
        """Whether a user is in a group that the packet was posted in."""
        if is_user(row.target_id):
            return False
        group_ids = (row.target_id, *row.also_in)
        await self._groups.keep(group_ids)
        return user_id in self._groups.audience(group_ids)
