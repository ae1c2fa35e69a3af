"""Check the proof of a red packet with nothing but Python's own library: python verify.py PROOF.json

PROOF.json holds one proof, or a list of them, as in tests/vectors/seeds.json: the fields of `Revealed`
(docs/protocol.md, section 10), bytes in hex, and `amounts_fen`, the claims in the order of opening. Give the root
that you were told before the send as `told_root`, and your client seed as `my_client_seed`, if you kept them.
"""

import hashlib
import hmac
import json
import sys


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def prefixed(text: bytes) -> bytes:
    return number(len(text), 1) + text


def faults(proof: dict) -> list[str]:
    """Everything that is wrong with a proof."""
    raw = {
        name: bytes.fromhex(proof[name]) for name in ("server_seed", "client_seed", "root", "seed", "commitment")
    }
    n, kind, shares, left = proof["seed_index"], proof["kind"].encode(), proof["shares"], proof["total_fen"]
    least, most = proof["share_fen_min"], proof["share_fen_max"]
    amounts = number(left, 8) + number(shares, 4) + number(least, 8) + number(most, 8)
    found = []

    here = hashlib.sha256(b"\x00" + raw["server_seed"]).digest()
    for depth, neighbour in enumerate(map(bytes.fromhex, proof["path"])):
        here = hashlib.sha256(b"\x01" + (neighbour + here if n >> depth & 1 else here + neighbour)).digest()
    if len(proof["path"]) != 6 or here != raw["root"]:
        found.append("the server seed is not in the tree of this root")
    if proof.get("told_root", proof["root"]) != proof["root"]:
        found.append("the root is not the one that was told before the send")
    if proof.get("my_client_seed", proof["client_seed"]) != proof["client_seed"]:
        found.append("the client seed is not mine")

    given = number(proof["sender_id"], 8) + number(n, 8) + prefixed(raw["client_seed"]) + prefixed(kind) + amounts
    seed = hmac.digest(raw["server_seed"], given, "sha256")
    if seed != raw["seed"]:
        found.append("the seed does not follow from the server seed and the client's")
    committed = b"hongbao commitment 2" + seed + number(proof["packet_id"], 8) + prefixed(kind) + amounts
    if hashlib.sha256(committed).digest() != raw["commitment"]:
        found.append("the seed does not fit the commitment")

    for i, amount in enumerate(proof["amounts_fen"]):
        k = shares - i
        drawn = hmac.digest(seed, number(i, 4), "sha256")
        m = (2 * left + int.from_bytes(drawn[16:], "big") % k) // k
        low, high = max(least, m - most), min(most, m - least)
        share = left if k == 1 else low + int.from_bytes(drawn[:16], "big") % (high - low + 1)
        if kind != b"lucky":
            share = proof["total_fen"] // shares
        if share != amount:
            found.append(f"share {i} is {amount}, the seed says {share}")
        left -= share
    return found


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        proofs = json.load(file)
    wrong = 0
    for one in proofs if isinstance(proofs, list) else [proofs]:
        found = faults(one)
        wrong += bool(found)
        print(f"packet {one['packet_id']}: {'; '.join(found) or 'ok'}")
    sys.exit(wrong > 0)
