"""Seeds: known answers, computed by the server, by the documented formula and by a foreign verifier."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from server.core import seeds
from server.core.amounts import Caps, all_lucky_shares
from server.core.seeds import Content

ROOT = Path(__file__).parents[2]
VECTORS: list[dict[str, Any]] = json.loads((ROOT / "tests" / "vectors" / "seeds.json").read_text())
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["about"])
SECRET = bytes(range(32))


def foreign_faults(proof: dict[str, Any]) -> list[str]:
    """What docs/verify.py says; it imports nothing of this project."""
    spec = importlib.util.spec_from_file_location("verify", ROOT / "docs" / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.faults(proof)  # type: ignore[no-any-return]


def content_of(vector: dict[str, Any]) -> Content:
    return Content(
        vector["sender_id"],
        vector["kind"],
        vector["total_fen"],
        vector["shares"],
        vector["share_fen_min"],
        vector["share_fen_max"],
    )


@each_vector
def test_server_computes_the_vector(vector: dict[str, Any]) -> None:
    secret, index, content = bytes.fromhex(vector["tree_secret"]), vector["seed_index"], content_of(vector)
    server_seed = seeds.server_seed(secret, index)
    seed = seeds.packet_seed(server_seed, index, bytes.fromhex(vector["client_seed"]), content)
    assert server_seed.hex() == vector["server_seed"]
    tree = seeds.Tree(secret, seeds.tree_of(index))
    assert tree.seed(index) == server_seed
    assert [one.hex() for one in tree.path(index)] == vector["path"]
    assert tree.root.hex() == vector["root"]
    assert seed.hex() == vector["seed"]
    assert seeds.commitment(seed, vector["packet_id"], content).hex() == vector["commitment"]
    if vector["kind"] == "lucky":
        caps = Caps(vector["share_fen_min"], vector["share_fen_max"])
        assert list(all_lucky_shares(seed, content.total_fen, content.shares, caps)) == vector["amounts_fen"]


@each_vector
def test_vector_follows_from_the_documented_formula(vector: dict[str, Any]) -> None:
    """Written a second time, over hex text and from the root downward."""
    n, first = vector["seed_index"], vector["seed_index"] // 64 * 64
    every = [hmac.new(bytes.fromhex(vector["tree_secret"]), bytes.fromhex(f"{i:016x}"), "sha256").digest()
             for i in range(first, first + 64)]  # fmt: skip

    def hash_of(low: int, high: int) -> str:
        if high - low == 1:
            return hashlib.sha256(b"\x00" + every[low]).hexdigest()
        middle = (low + high) // 2
        return hashlib.sha256(bytes.fromhex("01" + hash_of(low, middle) + hash_of(middle, high))).hexdigest()

    path, low, high = [], 0, 64
    while high - low > 1:
        middle = (low + high) // 2
        is_left = n - first < middle
        path.append(hash_of(middle, high) if is_left else hash_of(low, middle))
        low, high = (low, middle) if is_left else (middle, high)
    kind = f"{len(vector['kind']):02x}{vector['kind'].encode().hex()}"
    amounts = f"{vector['total_fen']:016x}{vector['shares']:08x}"
    amounts += f"{vector['share_fen_min']:016x}{vector['share_fen_max']:016x}"
    client = f"{len(vector['client_seed']) // 2:02x}{vector['client_seed']}"
    message = bytes.fromhex(f"{vector['sender_id']:016x}{n:016x}{client}{kind}{amounts}")
    seed = hmac.new(bytes.fromhex(vector["server_seed"]), message, "sha256").hexdigest()
    told = b"hongbao commitment 2" + bytes.fromhex(f"{seed}{vector['packet_id']:016x}{kind}{amounts}")
    assert vector["server_seed"] == every[n - first].hex()
    assert vector["root"] == hash_of(0, 64)
    assert vector["path"] == path[::-1]
    assert vector["seed"] == seed
    assert vector["commitment"] == hashlib.sha256(told).hexdigest()


@each_vector
def test_foreign_verifier_accepts_the_vector(vector: dict[str, Any]) -> None:
    assert foreign_faults(vector) == []
    assert foreign_faults(vector | {"told_root": vector["root"], "my_client_seed": vector["client_seed"]}) == []


FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "another root": ({"root": "00" * 32}, "the server seed is not in the tree of this root"),
    "a path that is too short": (
        {"path": VECTORS[0]["path"][:5]},
        "the server seed is not in the tree of this root",
    ),
    "another index": ({"seed_index": 1}, "the server seed is not in the tree of this root"),
    "a root that was not told": ({"told_root": "11" * 32}, "the root is not the one that was told before the send"),
    "a client seed that is not mine": ({"my_client_seed": "11" * 16}, "the client seed is not mine"),
    "client seed left out": ({"client_seed": ""}, "the seed does not follow from the server seed and the client's"),
    "another sender": ({"sender_id": 5}, "the seed does not follow from the server seed and the client's"),
    "another packet": ({"packet_id": 5}, "the seed does not fit the commitment"),
    "amounts exchanged": (
        {"amounts_fen": VECTORS[0]["amounts_fen"][::-1]},
        f"share 0 is {VECTORS[0]['amounts_fen'][-1]}, the seed says {VECTORS[0]['amounts_fen'][0]}",
    ),
}


@pytest.mark.parametrize(("change", "fault"), FORGED.values(), ids=FORGED)
def test_foreign_verifier_names_a_forged_field(change: dict[str, Any], fault: str) -> None:
    assert fault in foreign_faults(VECTORS[0] | change)


@pytest.mark.parametrize("index", [0, 1, 62, 63, 64, 1_000_000])
def test_path_leads_every_seed_to_the_root_of_its_tree_and_no_other_seed(index: int) -> None:
    tree = seeds.Tree(SECRET, index // 64)
    path, root = tree.path(index), tree.root
    assert seeds.root_of_path(seeds.server_seed(SECRET, index), index, path) == root
    assert seeds.root_of_path(seeds.server_seed(SECRET, index + 1), index, path) != root
    assert seeds.root_of_path(seeds.server_seed(SECRET, index), index ^ 1, path) != root


def test_path_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="6 hashes, not 5"):
        seeds.root_of_path(bytes(32), 0, seeds.Tree(SECRET, 0).path(0)[:5])


CONTENT = Content(1, "lucky", 1_000, 5, 1, 20_000)


def test_packet_seed_depends_on_everything_that_goes_into_it() -> None:
    others = [CONTENT._replace(**{field: "equal" if field == "kind" else 77}) for field in Content._fields]
    base = (SECRET, 5, b"c" * 16, CONTENT)
    calls = [
        base,
        (bytes(32), *base[1:]),
        (SECRET, 6, *base[2:]),
        (SECRET, 5, b"d" * 16, CONTENT),
        (SECRET, 5, b"", CONTENT),
    ]
    calls += [(*base[:3], other) for other in others]
    assert len({seeds.packet_seed(*call) for call in calls}) == len(calls)


def test_commitment_depends_on_the_packet_and_its_caps() -> None:
    told = [CONTENT._replace(**{field: "equal" if field == "kind" else 77}) for field in Content._fields[1:]]
    calls = [
        (SECRET, 5, CONTENT),
        (SECRET, 6, CONTENT),
        (bytes(32), 5, CONTENT),
        *((SECRET, 5, one) for one in told),
    ]
    assert len({seeds.commitment(*call) for call in calls}) == len(calls)


def test_client_seed_and_kind_cannot_be_shifted_into_each_other() -> None:
    one = seeds.packet_seed(SECRET, 0, b"x" * 16, CONTENT._replace(kind="ylucky"))
    other = seeds.packet_seed(SECRET, 0, b"x" * 16 + b"y", CONTENT)
    assert one != other
