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

PPM, BLOCK = 1_000_000, 256


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def prefixed(text: bytes) -> bytes:
    return number(len(text), 1) + text


class Pool:
    """What each number of a pool is worth. Raises ValueError for a text that is no deck."""

    def __init__(self, deck: str, seed: bytes) -> None:
        title, head, *lines = deck.removesuffix("\n").split("\n")
        scheme, *counts = head.split(" ")
        if title != "hongbao deck 1" or scheme not in ("bands", "draws"):
            raise ValueError("no deck")
        self.seed, (self.size, *terms) = seed, map(int, counts)
        bands = [tuple(map(int, line.split(" "))) for line in lines]
        quotas = [self.size * ppm // PPM for _, _, ppm in bands]
        if scheme == "bands":
            by_remainder = sorted(range(len(bands)), key=lambda band: -(self.size * bands[band][2] % PPM))
            for band in by_remainder[: self.size - sum(quotas)]:
                quotas[band] += 1
        self.bands = [(low, high - low + 1, quota) for (low, high, _), quota in zip(bands, quotas, strict=True)]
        self.total = sum(q * low + ((q - 1) * (w - 1) + math.gcd(q, w) - 1) // 2 for low, w, q in self.bands)
        ends = [end for low, w, q in self.bands for end in (low, low + (q - 1) * w // q)]
        if scheme == "draws":
            self.planted = sorted(self.permuted(place, -1) for place in range(sum(quotas)))
            self.money, (self.total, self.least, self.most) = terms[0] - self.total, terms
            ends += self.least, self.most
        self.smallest, self.largest = min(ends), max(ends)

    def permuted(self, value: int, sign: int) -> int:
        """The place of a number, or (-1) the number of a place: rounds, again until it is one of the pool."""
        a = math.isqrt(self.size - 1) + 1
        sizes = (a, -(-self.size // a))
        while True:
            halves = [value % a, value // a]  # left, right
            for turn in range(12)[::sign]:
                message = b"permutation" + number(turn, 1) + number(halves[1 - turn % 2], 4)
                f = sign * int.from_bytes(hmac.digest(self.seed, message, "sha256"), "big")
                halves[turn % 2] = (halves[turn % 2] + f) % sizes[turn % 2]
            value = halves[1] * a + halves[0]
            if value < self.size:
                return value

    def amount(self, of: int) -> int:
        place = self.permuted(of, 1)
        for low, width, quota in self.bands:
            if place < quota:
                return low + place * width // quota
            place -= quota
        return self.drawn(of - sum(planted < of for planted in self.planted), self.size - len(self.planted))

    def drawn(self, wanted: int, ranks: int) -> int:
        """The amount of a rank, from the beginning of its block."""
        low = wanted // BLOCK * BLOCK
        high = min(low + BLOCK, ranks)
        left = self.money * high // ranks - self.money * low // ranks
        for rank in range(low, wanted + 1):
            k, digest = high - rank, hmac.digest(self.seed, number(rank, 4), "sha256")
            m = (2 * left + int.from_bytes(digest[16:], "big") % k) // k
            floor, top = max(self.least, m - self.most), min(self.most, m - self.least)
            share = left if k == 1 else floor + int.from_bytes(digest[:16], "big") % (top - floor + 1)
            left -= share
        return share


def faults(proof: dict) -> list[str]:
    """Everything that is wrong with a proof."""
    names = ("server_seed", "client_seed", "root", "seed", "commitment")
    server_seed, client_seed, root, seed, commitment = (bytes.fromhex(proof[name]) for name in names)
    n, pool, wins = proof["seed_index"], Pool(proof["deck"], seed), proof["wins"]
    kind = prefixed(b"pool:" + hashlib.sha256(proof["deck"].encode()).hexdigest().encode())
    amounts = number(pool.total, 8) + number(pool.size, 4) + number(pool.smallest, 8) + number(pool.largest, 8)
    given = number(proof["sponsor_id"], 8) + number(n, 8) + prefixed(client_seed) + kind + amounts
    derived = hmac.digest(server_seed, given, "sha256")
    committed = b"hongbao commitment 2" + seed + number(proof["campaign_id"], 8) + kind + amounts
    here = hashlib.sha256(b"\x00" + server_seed).digest()
    for depth, neighbour in enumerate(map(bytes.fromhex, proof["path"])):
        here = hashlib.sha256(b"\x01" + (neighbour + here if n >> depth & 1 else here + neighbour)).digest()
    told_root, my_seed = proof.get("told_root", proof["root"]), proof.get("my_client_seed", proof["client_seed"])
    checks = {
        "the server seed is not in the tree of this root": len(proof["path"]) == 6 and here == root,
        "the root is not the one that was told before the campaign": told_root == proof["root"],
        "the client seed is not mine": my_seed == proof["client_seed"],
        "the seed does not follow from the server seed, the client's and the deck": derived == seed,
        "seed and deck do not fit the commitment": hashlib.sha256(committed).digest() == commitment,
    }
    found, won = [why for why, holds in checks.items() if not holds], set()
    for of, amount in wins:
        if not 0 <= of < pool.size:
            found.append(f"the pool has no number {of}")
        elif of in won:
            found.append(f"number {of} was won twice")
        elif amount != (due := pool.amount(of)):
            found.append(f"number {of} is {amount}, the seed says {due}")
        won.add(of)
    if len(won) == pool.size and sum(amount for _, amount in wins) != pool.total:
        found.append(f"all numbers were won, and their sum is not {pool.total}")
    return found


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        proofs = json.load(file)
    results = [(one["campaign_id"], faults(one)) for one in (proofs if isinstance(proofs, list) else [proofs])]
    for campaign_id, found in results:
        print(f"campaign {campaign_id}: {'; '.join(found) or 'ok'}")
    sys.exit(any(found for _, found in results))
