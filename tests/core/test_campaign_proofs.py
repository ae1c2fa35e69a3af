"""Proofs of pools: known answers, and forgeries that the server's rules and two foreign verifiers notice."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.core import seeds
from server.core.campaigns.deck import Band, BandDeck, parsed
from server.core.campaigns.pool import Pool, content_of
from server.core.campaigns.proof import BadProof, BandTally, chi_square, faults, of_json, tallies, to_json
from tests.websocket.test_example_client import node

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "vectors" / "pools.json"
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text())
IDS = "campaign_id", "sponsor_id", "seed_index"
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["about"])


def python_faults(proof: dict[str, Any]) -> list[str]:
    """What docs/verify_pool.py says; it imports nothing of this project."""
    spec = importlib.util.spec_from_file_location("verify_pool", ROOT / "docs" / "verify_pool.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.faults(proof)  # type: ignore[no-any-return]


@each_vector
def test_server_computes_the_vector(vector: dict[str, Any]) -> None:
    secret, index, deck = (
        bytes.fromhex(vector["tree_secret"]),
        vector["seed_index"],
        parsed(vector["deck"].encode()),
    )
    content = content_of(deck, vector["sponsor_id"])
    assert content == (
        vector["sponsor_id"],
        vector["kind"],
        vector["total_fen"],
        vector["numbers"],
        vector["share_fen_min"],
        vector["share_fen_max"],
    )
    tree = seeds.Tree(secret, seeds.tree_of(index))
    seed = seeds.packet_seed(tree.seed(index), index, bytes.fromhex(vector["client_seed"]), content)
    assert seed.hex() == vector["seed"]
    assert seeds.commitment(seed, vector["campaign_id"], content).hex() == vector["commitment"]
    pool = Pool(deck, seed)
    assert [[number, *pool.amounts(number, 1)] for number, _ in vector["wins"]] == vector["wins"]


@each_vector
def test_vector_is_a_proof(vector: dict[str, Any]) -> None:
    for proof in (vector, vector | {"told_root": vector["root"], "my_client_seed": vector["client_seed"]}):
        assert python_faults(proof) == []
        assert faults(of_json(json.dumps(proof))) == []


def test_verifier_of_the_docs_runs_as_a_program_on_a_published_file(tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    number, amount_fen = ONE["wins"][0]
    for wins, code, said in (
        (ONE["wins"], 0, "ok"),
        ([[number, amount_fen + 1]], 1, f"number {number} is {amount_fen + 1}, the seed says {amount_fen}"),
    ):
        path.write_text(to_json(of_json(json.dumps(ONE | {"wins": wins}))))
        command = [sys.executable, "-I", ROOT / "docs" / "verify_pool.py", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (code, f"campaign {ONE['campaign_id']}: {said}\n", "")


@each_vector
def test_written_proof_is_read_again(vector: dict[str, Any]) -> None:
    proof = of_json(json.dumps(vector))
    assert of_json(to_json(proof)) == proof
    assert python_faults(json.loads(to_json(proof))) == []


ONE = VECTORS[0]
TREE, CAME, COMMITTED = (
    "the server seed is not in the tree of this root",
    "the seed does not follow from the server seed, the client's and the deck",
    "seed and deck do not fit the commitment",
)
DEARER = ONE["deck"].replace("1000 1000", "1000 1001")
FORGED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "another root": ({"root": "00" * 32}, [TREE]),
    "a path that is too short": ({"path": ONE["path"][:5]}, [TREE]),
    "another index": ({"seed_index": 1}, [TREE, CAME]),
    "a root that was not told": (
        {"told_root": "11" * 32},
        ["the root is not the one that was told before the campaign"],
    ),
    "a client seed that is not mine": ({"my_client_seed": "11" * 16}, ["the client seed is not mine"]),
    "client seed left out": ({"client_seed": ""}, [CAME]),
    "another sponsor": ({"sponsor_id": 5}, [CAME]),
    "another campaign": ({"campaign_id": 5}, [COMMITTED]),
    "another deck": ({"deck": DEARER, "wins": [[0, 255]]}, [CAME, COMMITTED]),
    "another amount": ({"wins": [[0, 255], [1, 234]]}, ["number 1 is 234, the seed says 233"]),
    "a number won twice": ({"wins": [[0, 255], [1, 233], [0, 255]]}, ["number 0 was won twice"]),
    "a number beyond the end": ({"wins": [[12, 255]]}, ["the pool has no number 12"]),
    "a number before the beginning": ({"wins": [[-1, 255]]}, ["the pool has no number -1"]),
    "a sum that is not the deck's": (
        {"wins": [*ONE["wins"][:-1], [11, 999]]},
        ["number 11 is 999, the seed says 1000", "all numbers were won, and their sum is not 5196"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), FORGED.values(), ids=FORGED)
def test_forged_proof_is_refused(change: dict[str, Any], expected: list[str]) -> None:
    assert python_faults(ONE | change) == expected
    assert faults(of_json(json.dumps(ONE | change))) == expected


def test_verifier_in_node_agrees(tmp_path: Path) -> None:
    (tmp_path / "forged.json").write_text(json.dumps([ONE | change for change, _ in FORGED.values()]))
    script = str(ROOT / "docs" / "verify_pool.mjs")
    good, bad = (
        subprocess.run([node(), script, str(path)], capture_output=True, text=True, check=False)
        for path in (FILE, tmp_path / "forged.json")
    )
    assert (good.returncode, good.stdout) == (0, "campaign 272000000000000001: ok\n" * len(VECTORS)), good.stderr
    assert bad.returncode == 1
    assert [line.split(": ", 1)[1] for line in bad.stdout.splitlines()] == [
        "; ".join(expected) for _, expected in FORGED.values()
    ]


@pytest.mark.parametrize("name", ["verify_pool.py", "verify_pool.mjs"])
def test_verifier_of_the_docs_has_at_most_100_lines_of_code(name: str) -> None:
    """It is to be read before it is trusted. Blank lines, comments and docstrings are free, wide lines are not."""
    text = re.sub(r'""".*?"""', "", (ROOT / "docs" / name).read_text(), flags=re.DOTALL)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "//"))]
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 116


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps(ONE | {"deck": "bands"}),
        json.dumps(ONE | {"root": "x"}),
        '{"wins": 5}',
        *(json.dumps(ONE | {name: value}) for name in IDS for value in (-1, 2**63, 1.5, "7", True, 1e400)),
        json.dumps(ONE | {"client_seed": "00" * 300}),
        json.dumps(ONE | {"wins": [[0, -1]]}),
        "[" * 100_000,
    ],
)
def test_text_that_is_no_proof_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadProof, match=r"^no proof of a campaign: .*$"):
        of_json(text)


# --- odds -----------------------------------------------------------------------------------------------------


def test_wins_are_counted_by_band_beside_what_is_expected() -> None:
    deck = BandDeck(100, [Band(1, 9, 900_000), Band(10, 19, 100_000)])
    assert tallies(deck, [1, 9, 10, 5]) == [BandTally(1, 9, 90, 3, 3.6), BandTally(10, 19, 10, 1, 0.4)]


def test_chi_square_knows_that_numbers_are_not_put_back() -> None:
    half = [BandTally(1, 9, 50, 28, 25.0), BandTally(10, 19, 50, 22, 25.0)]
    assert chi_square(half, 100) == pytest.approx((9 / 25 + 9 / 25) * 99 / 50)
    assert chi_square([BandTally(1, 9, 50, 50, 50.0), BandTally(10, 19, 50, 50, 50.0)], 100) == 0
    assert chi_square([BandTally(1, 9, 50, 0, 0.0)], 100) == 0
