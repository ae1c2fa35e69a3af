"""The part of the audit that needs seeds: trees, commitments, amounts."""

from __future__ import annotations

from typing import Final, NamedTuple

from server.core import seeds
from server.core.packet import Packet
from server.services.packets.stored_state import claim_of, is_lease, terms_of
from server.services.seeds.seals import Seals, SeedsSealed
from server.services.seeds.service import content_of, seed_of
from storage.postgres.money.audit import AuditedPacket, AuditSnapshot

TREES: Final = "every tree of seeds has the root that was told, and every revealed seed leads to it"
COMMITMENTS: Final = "every packet has the commitment that its seed gives"
FAIRNESS: Final = "every amount follows from the packet's seed"


class Finding(NamedTuple):
    """One check, and everything it found wrong."""

    name: str
    claim: str
    discrepancies: list[str]
    unchecked: str = ""  # what could not be checked, and why


async def check_trees(records: AuditSnapshot, seals: Seals) -> Finding:
    """Make every tree again from its secret; its root in one way, the paths of revealed seeds in another."""
    wrong: list[str] = []
    unchecked = 0
    async for row, indexes in records.trees():
        if row.key_id not in seals:
            unchecked += 1
            continue
        try:
            secret = seals.unseal(row.key_id, row.sealed, row.user_id, row.number)
        except SeedsSealed as error:
            wrong.append(str(error))
            continue
        tree = seeds.Tree(secret, row.number)
        if tree.root != row.root:
            wrong.append(f"tree {row.number} of user {row.user_id} has another root than its seeds give")
        wrong += [
            f"seed {index} of user {row.user_id} does not lead to the root of its tree"
            for index in indexes
            if seeds.root_of_path(seeds.server_seed(secret, index), index, tree.path(index)) != row.root
        ]
    return Finding("trees", TREES, wrong, _left_out(unchecked, "trees"))


async def check_packets(records: AuditSnapshot, seals: Seals) -> list[Finding]:
    """Derive the seed of every packet, compare the commitment, and replay the claims."""
    uncommitted: list[str] = []
    unfair: list[str] = []
    unchecked = 0
    async for packet in records.packets():
        row, seed = packet.row, b""
        if is_lease(row):  # see campaign_audit
            continue
        if row.seed is None:
            if packet.key_id is not None and packet.key_id not in seals:
                unchecked += 1
                continue
            seed = _seed(packet, seals)
            if not seed or seeds.commitment(seed, row.packet_id, content_of(row)) != row.commitment:
                uncommitted.append(f"packet {row.packet_id}: its seed does not give the commitment of its record")
        try:
            Packet(terms_of(row, seed), [claim_of(one) for one in packet.claims])
        except ValueError as error:
            unfair.append(str(error))
    left_out = _left_out(unchecked, "packets")
    return [
        Finding("commitments", COMMITMENTS, uncommitted, left_out),
        Finding("fairness", FAIRNESS, unfair, left_out),
    ]


def _seed(packet: AuditedPacket, seals: Seals) -> bytes:
    """Empty: there is none."""
    row, sealed, key_id, _ = packet
    if row.seed_index is None or sealed is None or key_id is None:
        return b""
    try:
        return seed_of(row, seals.unseal(key_id, sealed, row.sender_id, seeds.tree_of(row.seed_index)))
    except SeedsSealed:
        return b""  # told by the check of the trees


def _left_out(count: int, what: str) -> str:
    return f"{count:,} {what} not checked, their seed key is not here" if count else ""
