"""The SDK's check of a campaign's proof: it agrees with the published vectors and finds every change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from client_sim.sdk.kept_seeds import KeptSeeds
from protocol.messages import ClaimLine, Revealed

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "pools.json").read_text())
NOT_MINE = ["this client did not send it: commitment, client seed and root are the server's word"]


def revealed(vector: dict[str, Any], **changes: Any) -> Revealed:
    """The campaign of a vector as its server would reveal it to a user who has won all that the vector has."""
    honest = Revealed(
        seq=1,
        packet_id=vector["campaign_id"],
        packet_kind=vector["kind"],
        state="refunded",
        sender_id=vector["sponsor_id"],
        total_fen=vector["total_fen"],
        shares=vector["numbers"],
        share_fen_max=vector["share_fen_max"],
        commitment=bytes.fromhex(vector["commitment"]),
        seed=bytes.fromhex(vector["seed"]),
        best_index=-1,
        claims=[ClaimLine(number, 10, amount, 1000) for number, amount in vector["wins"]],
        share_fen_min=vector["share_fen_min"],
        seed_index=vector["seed_index"],
        client_seed=bytes.fromhex(vector["client_seed"]),
        server_seed=bytes.fromhex(vector["server_seed"]),
        path=[bytes.fromhex(one) for one in vector["path"]],
        root=bytes.fromhex(vector["root"]),
        deck=vector["deck"].encode(),
    )
    return msgspec.structs.replace(honest, **changes)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["about"])
def test_verdict_of_an_honest_campaign_finds_nothing(vector: dict[str, Any]) -> None:
    verdict = KeptSeeds().check(revealed(vector))
    assert verdict.faults == []
    assert verdict.unproven[-1:] == NOT_MINE


ONE = VECTORS[0]
DECK = ONE["deck"].encode()
KIND, COMMITTED, CAME = (
    "the deck does not fit the kind",
    "the seed does not fit the commitment",
    "the seed does not follow from the server seed and the client's",
)
FORGED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "another amount": ({"claims": [ClaimLine(1, 10, 234, 5)]}, ["number 1 is 234, the seed says 233"]),
    "a number twice": ({"claims": [ClaimLine(1, 10, 233, 5)] * 2}, ["number 1 was won twice"]),
    "no such number": ({"claims": [ClaimLine(12, 10, 233, 5)]}, ["the pool has no number 12"]),
    "another deck": ({"deck": DECK.replace(b"299", b"279")}, [KIND, "total, shares or limits are not the deck's"]),
    "another total": (
        {"total_fen": 5197},
        [COMMITTED, CAME, "total, shares or limits are not the deck's"],
    ),
    "no deck": ({"deck": b"bands"}, [KIND, "the deck cannot be read"]),
    "a deck of another scheme": (
        {"deck": DECK.replace(b"bands", b"other")},
        [KIND, "the deck is of no known scheme"],
    ),
    "a band without a number": (
        {"deck": b"hongbao deck 1\nbands 1\n1 2 1\n3 4 999999\n"},
        [KIND, "the deck has a band without a number"],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), FORGED.values(), ids=FORGED)
def test_verdict_of_a_changed_campaign_names_the_change(changes: dict[str, Any], expected: list[str]) -> None:
    if "deck" in changes:
        changes = changes | {"claims": []}
    assert KeptSeeds().check(revealed(ONE, **changes)).faults == expected
