"""Check the proof of a campaign with nothing but Python's own library: python verify_pool.py PROOF.json

PROOF.json holds one proof, or a list of them, as in tests/vectors/pools.json: bytes in hex, `deck` as the text that
it is, and `wins`, a list of [number, amount in fen]. Give the root that you were told before the campaign as
`told_root` and your client seed as `my_client_seed`, if you kept them. The formulas: docs/protocol.md, section 10.
"""

import hashlib
import hmac
import json
import math
import sys

PPM = 1_000_000
BLOCK = 256


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def prefixed(text: bytes) -> bytes:
    return number(len(text), 1) + text


class Pool:
    """What each number of a pool is worth. Raises ValueError for a text that is no deck."""

    def __init__(self, deck: str, seed: bytes) -> None:
        title, head, *lines = deck.removesuffix("\n").split("\n")
        self.scheme, *counts = head.split(" ")
        if title != "hongbao deck 1" or self.scheme not in ("bands", "draws"):
            raise ValueError("no deck")
        self.seed = seed
        self.size, *terms = map(int, counts)
        self.bands = [tuple(map(int, line.split(" "))) for line in lines]
        exact = [self.size * ppm for _, _, ppm in self.bands]
        quotas = [share // PPM for share in exact]
        if self.scheme == "bands":
            rest = self.size - sum(quotas)
            for band in sorted(range(len(exact)), key=lambda band: -(exact[band] % PPM))[:rest]:
                quotas[band] += 1
        self.quotas = quotas
        ends, self.total = [], 0
        for (low, high, _), quota in zip(self.bands, quotas, strict=True):
            width = high - low + 1
            ends += [low, low + (quota - 1) * width // quota]
            self.total += quota * low + ((quota - 1) * (width - 1) + math.gcd(quota, width) - 1) // 2
        if self.scheme == "draws":
            budget, self.least, self.most = terms
            self.money, self.total = budget - self.total, budget
            self.planted = sorted(self.number_of(place) for place in range(sum(quotas)))
            self.plain = self.size - len(self.planted)
            ends += [self.least, self.most]
        self.smallest, self.largest = min(ends), max(ends)

    def rounds(self, value: int, turns: range, sign: int) -> int:
        """Through the rounds, again until the result is a number of the pool."""
        a = math.isqrt(self.size - 1) + 1
        b = -(-self.size // a)
        while True:
            right, left = divmod(value, a)
            for turn in turns:
                half = left if turn % 2 else right
                message = b"permutation" + number(turn, 1) + number(half, 4)
                f = sign * int.from_bytes(hmac.digest(self.seed, message, "sha256"), "big")
                if turn % 2:
                    right = (right + f) % b
                else:
                    left = (left + f) % a
            value = right * a + left
            if value < self.size:
                return value

    def place_of(self, of: int) -> int:
        return self.rounds(of, range(12), 1)

    def number_of(self, place: int) -> int:
        return self.rounds(place, range(11, -1, -1), -1)

    def amount(self, of: int) -> int:
        place = self.place_of(of)
        for (low, high, _), quota in zip(self.bands, self.quotas, strict=True):
            if place < quota:
                return low + place * (high - low + 1) // quota
            place -= quota
        return self.drawn(of - sum(planted < of for planted in self.planted))

    def drawn(self, wanted: int) -> int:
        """The amount of a rank, from the beginning of its block."""
        low = wanted // BLOCK * BLOCK
        high = min(low + BLOCK, self.plain)
        left = self.money * high // self.plain - self.money * low // self.plain
        for rank in range(low, wanted + 1):
            k = high - rank
            digest = hmac.digest(self.seed, number(rank, 4), "sha256")
            m = (2 * left + int.from_bytes(digest[16:], "big") % k) // k
            floor, top = max(self.least, m - self.most), min(self.most, m - self.least)
            share = left if k == 1 else floor + int.from_bytes(digest[:16], "big") % (top - floor + 1)
            left -= share
        return share


def faults(proof: dict) -> list[str]:
    """Everything that is wrong with a proof."""
    raw = {
        name: bytes.fromhex(proof[name]) for name in ("server_seed", "client_seed", "root", "seed", "commitment")
    }
    n, pool, found = proof["seed_index"], Pool(proof["deck"], raw["seed"]), []
    kind = prefixed(b"pool:" + hashlib.sha256(proof["deck"].encode()).hexdigest().encode())
    amounts = number(pool.total, 8) + number(pool.size, 4) + number(pool.smallest, 8) + number(pool.largest, 8)

    here = hashlib.sha256(b"\x00" + raw["server_seed"]).digest()
    for depth, neighbour in enumerate(map(bytes.fromhex, proof["path"])):
        here = hashlib.sha256(b"\x01" + (neighbour + here if n >> depth & 1 else here + neighbour)).digest()
    if len(proof["path"]) != 6 or here != raw["root"]:
        found.append("the server seed is not in the tree of this root")
    if proof.get("told_root", proof["root"]) != proof["root"]:
        found.append("the root is not the one that was told before the campaign")
    if proof.get("my_client_seed", proof["client_seed"]) != proof["client_seed"]:
        found.append("the client seed is not mine")
    given = number(proof["sponsor_id"], 8) + number(n, 8) + prefixed(raw["client_seed"]) + kind + amounts
    if hmac.digest(raw["server_seed"], given, "sha256") != raw["seed"]:
        found.append("the seed does not follow from the server seed, the client's and the deck")
    committed = b"hongbao commitment 2" + raw["seed"] + number(proof["campaign_id"], 8) + kind + amounts
    if hashlib.sha256(committed).digest() != raw["commitment"]:
        found.append("seed and deck do not fit the commitment")

    won = set()
    for of, amount in proof["wins"]:
        if not 0 <= of < pool.size:
            found.append(f"the pool has no number {of}")
        elif of in won:
            found.append(f"number {of} was won twice")
        elif amount != (due := pool.amount(of)):
            found.append(f"number {of} is {amount}, the seed says {due}")
        won.add(of)
    if len(won) == pool.size and sum(amount for _, amount in proof["wins"]) != pool.total:
        found.append(f"all numbers were won, and their sum is not {pool.total}")
    return found


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        proofs = json.load(file)
    wrong = 0
    for one in proofs if isinstance(proofs, list) else [proofs]:
        found = faults(one)
        wrong += bool(found)
        print(f"campaign {one['campaign_id']}: {'; '.join(found) or 'ok'}")
    sys.exit(wrong > 0)
