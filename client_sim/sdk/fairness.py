"""The proof of a packet, checked: the seed, the commitment and every share are recomputed from what was revealed.

This follows the published formulas (docs/protocol.md, section 10) and uses no code of the server. `left` fen and
`k` shares are unopened; n and r are the first and the last 16 bytes of HMAC-SHA256(seed, index as 4 bytes), all
big-endian:

    m = ⌊(2·left + r mod k) / k⌋,  low = max(min, m − max),  high = min(max, m − min)
    share = low + n mod (high − low + 1)

The last share is the rest. The seed of a packet with a seed index is

    HMAC-SHA256(server seed, sender ‖ index ‖ client seed ‖ kind ‖ total ‖ shares ‖ min ‖ max)

and its server seed is a leaf of a tree whose root the sender could know before.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator, Sequence

from protocol import messages

_COMMITTED = struct.Struct(">QQI")
_AMOUNTS = struct.Struct(">QIQQ")
_INDEX = struct.Struct(">I")
_LONG = struct.Struct(">Q")
_HALF_BYTES = 16
_PATH_HASHES = 6
WITH_BEST_LUCK = ("lucky", "password", "enterprise_lucky")
DRAWN = (*WITH_BEST_LUCK, "fission")  # kinds whose shares are drawn; those of the others are all the same


def commitment(seed: bytes, packet_id: int, total_fen: int, shares: int) -> bytes:
    """What an older server must have published at the send: SHA-256(seed ‖ packet id ‖ total ‖ shares)."""
    return hashlib.sha256(seed + _COMMITTED.pack(packet_id, total_fen, shares)).digest()


def commitment_2(revealed: messages.Revealed) -> bytes:
    """What the server must have published at the send of a packet with a seed index."""
    told = _LONG.pack(revealed.packet_id) + _prefixed(revealed.packet_kind.encode()) + _amounts(revealed)
    return hashlib.sha256(b"hongbao commitment 2" + revealed.seed + told).digest()


def packet_seed(revealed: messages.Revealed) -> bytes:
    """The seed that follows from the server seed and the client's."""
    numbers = _LONG.pack(revealed.sender_id) + _LONG.pack(revealed.seed_index)
    given = _prefixed(revealed.client_seed) + _prefixed(revealed.packet_kind.encode())
    return hmac.digest(revealed.server_seed, numbers + given + _amounts(revealed), "sha256")


def root_of(server_seed: bytes, index: int, path: Sequence[bytes]) -> bytes:
    """The root of the tree in which a server seed has this path."""
    here = hashlib.sha256(b"\x00" + server_seed).digest()
    for depth, neighbour in enumerate(path):
        pair = neighbour + here if index >> depth & 1 else here + neighbour
        here = hashlib.sha256(b"\x01" + pair).digest()
    return here


def _amounts(revealed: messages.Revealed) -> bytes:
    return _AMOUNTS.pack(revealed.total_fen, revealed.shares, revealed.share_fen_min, revealed.share_fen_max)


def _prefixed(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def lucky_shares(
    seed: bytes, total_fen: int, shares: int, share_fen_min: int, share_fen_max: int, first: int = 0
) -> list[int]:
    """All shares of a lucky packet in fen, in the order of opening; `first`: the number of the first one."""
    drawn: list[int] = []
    left = total_fen
    for index in range(shares - 1):
        unopened = shares - index
        digest = hmac.digest(seed, _INDEX.pack(first + index), "sha256")
        n, r = (int.from_bytes(half, "big") for half in (digest[:_HALF_BYTES], digest[_HALF_BYTES:]))
        m = (2 * left + r % unopened) // unopened
        low, high = max(share_fen_min, m - share_fen_max), min(share_fen_max, m - share_fen_min)
        drawn.append(low + n % (high - low + 1))
        left -= drawn[-1]
    return [*drawn, left]


def shares_of(revealed: messages.Revealed) -> list[int]:
    """Every share of the packet in fen, opened or not."""
    if revealed.packet_kind not in DRAWN:
        return [revealed.total_fen // revealed.shares] * revealed.shares
    return lucky_shares(
        revealed.seed, revealed.total_fen, revealed.shares, revealed.share_fen_min, revealed.share_fen_max
    )


def faults(revealed: messages.Revealed) -> list[str]:
    """Everything that is wrong with a revealed packet; empty if it was fair."""
    found = list(seed_faults(revealed))
    if [line.index for line in revealed.claims] != list(range(len(revealed.claims))):
        found.append("the claims are not numbered 0, 1, 2, …")
    for line, amount_fen in zip(revealed.claims, shares_of(revealed), strict=False):
        if line.amount_fen != amount_fen:
            found.append(f"share {line.index} is {line.amount_fen}, the seed says {amount_fen}")
    if len(revealed.claims) > revealed.shares:
        found.append(f"{len(revealed.claims)} claims of {revealed.shares} shares")
    finished = len(revealed.claims) == revealed.shares
    if finished != (revealed.state == "finished"):
        found.append(f"{revealed.state} with {len(revealed.claims)} of {revealed.shares} shares claimed")
    if revealed.best_index != best_index(revealed):
        found.append(f"best luck is share {best_index(revealed)}, not {revealed.best_index}")
    return found


def seed_faults(revealed: messages.Revealed) -> Iterator[str]:
    """What is wrong with where the seed comes from."""
    if revealed.seed_index < 0:
        if (
            commitment(revealed.seed, revealed.packet_id, revealed.total_fen, revealed.shares)
            != revealed.commitment
        ):
            yield "the seed does not fit the commitment"
        return
    if commitment_2(revealed) != revealed.commitment:
        yield "the seed does not fit the commitment"
    if packet_seed(revealed) != revealed.seed:
        yield "the seed does not follow from the server seed and the client's"
    if len(revealed.path) != _PATH_HASHES:
        yield f"the path has {len(revealed.path)} hashes, not {_PATH_HASHES}"
    if root_of(revealed.server_seed, revealed.seed_index, revealed.path) != revealed.root:
        yield "the server seed is not in the tree of this root"


def best_index(revealed: messages.Revealed) -> int:
    """The index of the largest claim, the earliest on a tie (手气最佳); -1 without one, or if shares are left."""
    if revealed.packet_kind not in WITH_BEST_LUCK or len(revealed.claims) < revealed.shares:
        return -1
    return max(revealed.claims, key=lambda line: (line.amount_fen, -line.index)).index
