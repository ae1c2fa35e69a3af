"""The check of fairness: it agrees with the published vectors and finds every way to cheat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from client_sim.sdk import fairness
from protocol.messages import ClaimLine, Revealed

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "fairness.json").read_text())
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["about"])


def revealed(vector: dict[str, Any], opened: int | None = None, **changes: Any) -> Revealed:
    """The packet of a vector as its server would reveal it, after so many openings."""
    amounts = vector["amounts_fen"][:opened]
    finished = len(amounts) == vector["shares"]
    honest = Revealed(
        seq=1,
        packet_id=vector["packet_id"],
        packet_kind="lucky",
        state="finished" if finished else "refunded",
        sender_id=1,
        total_fen=vector["total_fen"],
        shares=vector["shares"],
        share_fen_max=vector["share_fen_max"],
        commitment=bytes.fromhex(vector["commitment"]),
        seed=bytes.fromhex(vector["seed"]),
        best_index=vector["best_index"] if finished else -1,
        claims=[ClaimLine(index, 10 + index, amount, 1000 + index) for index, amount in enumerate(amounts)],
        share_fen_min=vector["share_fen_min"],
    )
    return msgspec.structs.replace(honest, **changes)


@each_vector
def test_shares_and_commitment_of_a_vector_are_as_published(vector: dict[str, Any]) -> None:
    seed, total_fen, shares = bytes.fromhex(vector["seed"]), vector["total_fen"], vector["shares"]
    drawn = fairness.lucky_shares(seed, total_fen, shares, vector["share_fen_min"], vector["share_fen_max"])
    assert drawn == vector["amounts_fen"]
    assert fairness.commitment(seed, vector["packet_id"], total_fen, shares).hex() == vector["commitment"]


@each_vector
def test_faults_of_an_honest_packet_are_empty(vector: dict[str, Any]) -> None:
    assert fairness.faults(revealed(vector)) == []
    assert fairness.faults(revealed(vector, opened=vector["shares"] - 1)) == []
    assert fairness.faults(revealed(vector, opened=0)) == []


TEN_YUAN = VECTORS[0]
SWAPPED = [ClaimLine(0, 10, 98, 1), ClaimLine(1, 11, 239, 2), *revealed(TEN_YUAN).claims[2:]]
DOUBLED = [*revealed(TEN_YUAN).claims, ClaimLine(5, 15, 1, 9)]

CHEATS: dict[str, tuple[dict[str, Any], str]] = {
    "another seed": ({"seed": bytes(32)}, "the seed does not fit the commitment"),
    "another total": ({"total_fen": 1001}, "the seed does not fit the commitment"),
    "another packet": ({"packet_id": 7}, "the seed does not fit the commitment"),
    "amounts exchanged": ({"claims": SWAPPED}, "share 0 is 98, the seed says 239"),
    "a claim too many": ({"claims": DOUBLED}, "6 claims of 5 shares"),
    "a claim left out": ({"claims": revealed(TEN_YUAN).claims[1:]}, "the claims are not numbered 0, 1, 2, …"),
    "another cap": ({"share_fen_max": 300}, "share 0 is 239, the seed says "),
    "another best luck": ({"best_index": 0}, "best luck is share 2, not 0"),
    "not over": ({"state": "expired"}, "expired with 5 of 5 shares claimed"),
}


@pytest.mark.parametrize(("changes", "fault"), CHEATS.values(), ids=CHEATS)
def test_faults_of_a_changed_packet_name_the_change(changes: dict[str, Any], fault: str) -> None:
    assert any(found.startswith(fault) for found in fairness.faults(revealed(TEN_YUAN, **changes)))


@pytest.mark.parametrize(("kind", "total_fen", "shares"), [("equal", 264, 3), ("personal", 520, 1)])
def test_faults_of_equal_and_personal_packets_find_only_a_best_luck(kind: str, total_fen: int, shares: int) -> None:
    seed = bytes(32)
    claims = [ClaimLine(index, 10 + index, total_fen // shares, 1000) for index in range(shares)]
    commitment = fairness.commitment(seed, 1, total_fen, shares)
    packet = Revealed(1, 1, kind, "finished", 1, total_fen, shares, 20_000, commitment, seed, -1, claims)
    assert fairness.faults(packet) == []
    assert fairness.faults(msgspec.structs.replace(packet, best_index=0)) == ["best luck is share -1, not 0"]


def test_best_index_of_a_tie_is_the_earliest() -> None:
    claims = [ClaimLine(0, 10, 5, 1), ClaimLine(1, 11, 9, 2), ClaimLine(2, 12, 9, 3)]
    packet = revealed(TEN_YUAN, shares=3, claims=claims)
    assert fairness.best_index(packet) == 1
