"""Proofs of packets with committed seeds: every forged field is named, and what a proof does not show is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from client_sim.sdk import KeptSeeds, Verdict, fairness
from protocol.messages import ClaimLine, PacketSent, Revealed, SeedTree, SeedTrees

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "seeds.json").read_text())
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["about"])


def revealed(vector: dict[str, Any], **changes: Any) -> Revealed:
    """The packet of a vector as its server reveals it, finished."""
    honest = Revealed(
        seq=1,
        packet_id=vector["packet_id"],
        packet_kind=vector["kind"],
        state="finished",
        sender_id=vector["sender_id"],
        total_fen=vector["total_fen"],
        shares=vector["shares"],
        share_fen_max=vector["share_fen_max"],
        commitment=bytes.fromhex(vector["commitment"]),
        seed=bytes.fromhex(vector["seed"]),
        best_index=vector["best_index"],
        claims=[ClaimLine(index, 10 + index, fen, 1_000) for index, fen in enumerate(vector["amounts_fen"])],
        share_fen_min=vector["share_fen_min"],
        seed_index=vector["seed_index"],
        client_seed=bytes.fromhex(vector["client_seed"]),
        server_seed=bytes.fromhex(vector["server_seed"]),
        path=[bytes.fromhex(one) for one in vector["path"]],
        root=bytes.fromhex(vector["root"]),
    )
    return msgspec.structs.replace(honest, **changes)


FIRST, LAST_OF_TREE = VECTORS[0], VECTORS[5]
HONEST = revealed(FIRST)
CLIENT_SEED = HONEST.client_seed


@each_vector
def test_faults_of_an_honest_packet_are_empty(vector: dict[str, Any]) -> None:
    assert fairness.faults(revealed(vector)) == []


NOT_FROM_SEEDS = "the seed does not follow from the server seed and the client's"
NOT_IN_TREE = "the server seed is not in the tree of this root"
NOT_COMMITTED = "the seed does not fit the commitment"
FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "another client seed": ({"client_seed": bytes(16)}, NOT_FROM_SEEDS),
    "no client seed": ({"client_seed": b""}, NOT_FROM_SEEDS),
    "another server seed": ({"server_seed": bytes(32)}, NOT_IN_TREE),
    "another seed": ({"seed": bytes(32)}, NOT_COMMITTED),
    "another root": ({"root": bytes(32)}, NOT_IN_TREE),
    "another index": ({"seed_index": 2}, NOT_IN_TREE),
    "another sender": ({"sender_id": 2}, NOT_FROM_SEEDS),
    "a short path": ({"path": HONEST.path[:5]}, "the path has 5 hashes, not 6"),
    "another packet": ({"packet_id": 7}, NOT_COMMITTED),
    "another cap": ({"share_fen_max": 30_000}, NOT_COMMITTED),
    "another least share": ({"share_fen_min": 2}, NOT_COMMITTED),
    "the formula of older servers": ({"seed_index": -1}, NOT_COMMITTED),
}


@pytest.mark.parametrize(("change", "fault"), FORGED.values(), ids=FORGED)
def test_faults_of_a_forged_packet_name_the_field(change: dict[str, Any], fault: str) -> None:
    assert fault in fairness.faults(revealed(FIRST, **change))


def kept(
    root: bytes | None = HONEST.root, client_seed: bytes = CLIENT_SEED, *, is_certain: bool = True
) -> KeptSeeds:
    """What the sender of the first vector knows."""
    seeds = KeptSeeds()
    if root is not None:
        seeds.told(SeedTrees(1, 0, [SeedTree(0, root), SeedTree(1, bytes(32))]))
    sent = PacketSent(2, HONEST.packet_id, HONEST.total_fen, HONEST.commitment, 1, HONEST.seed_index)
    seeds.sent(sent, client_seed, is_certain=is_certain)
    return seeds


def test_check_with_everything_kept_proves_the_choice_of_the_seed() -> None:
    assert kept().check(HONEST) == Verdict([], [])


def test_check_against_a_root_that_was_told_names_another_one() -> None:
    assert kept(root=bytes(32)).check(HONEST).faults == ["the root is not the one that was told before the send"]


def test_check_against_the_client_seed_of_the_send_names_another_one() -> None:
    assert kept(client_seed=bytes(16)).check(HONEST).faults == ["the client seed is not the one of the send"]


def test_check_against_the_commitment_of_the_send_names_another_one() -> None:
    seeds = kept()
    seeds._sent[HONEST.packet_id] = seeds._sent[HONEST.packet_id]._replace(commitment=bytes(32))
    assert seeds.check(HONEST).faults == ["the commitment is not the one of the send"]


def test_check_of_a_tree_that_was_told_twice_names_the_change() -> None:
    seeds = kept()
    seeds.told(SeedTrees(3, 1, [SeedTree(0, HONEST.root), SeedTree(1, b"1" * 32)]))
    assert seeds.check(HONEST).faults == ["tree 1 was told with two roots"]


def test_check_without_a_root_says_that_it_was_not_told() -> None:
    assert kept(root=None).check(HONEST) == Verdict([], ["the root was not told to this client before the send"])


def test_check_with_an_uncertain_client_seed_accuses_no_server() -> None:
    verdict = kept(client_seed=bytes(16), is_certain=False).check(HONEST)
    assert verdict == Verdict(
        [], ["the client seed is not this client's: its key may have been used by an earlier run"]
    )


def test_check_of_a_packet_of_an_older_server_says_that_the_server_chose() -> None:
    commitment = fairness.commitment(bytes(32), 1, 520, 1)
    old = Revealed(1, 1, "personal", "refunded", 1, 520, 1, 20_000, commitment, bytes(32), -1, [])
    verdict = KeptSeeds().check(old)
    assert verdict.faults == []
    assert verdict.unproven[0] == (
        "the server chose the seed by itself: it was sent by a server of an older version"
    )
