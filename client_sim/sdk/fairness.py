"""The proof of a packet, checked: the commitment and every share are recomputed from the revealed seed.

This follows the published formula (docs/protocol.md) and uses no code of the server. `left` fen and `k` shares are
unopened; n and r are the first and the last 16 bytes of HMAC-SHA256(seed, index as 4 bytes), all big-endian:

    m = ⌊(2·left + r mod k) / k⌋,  low = max(min, m − max),  high = min(max, m − min)
    share = low + n mod (high − low + 1)

The last share is the rest.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from protocol import messages

_COMMITTED = struct.Struct(">QQI")
_INDEX = struct.Struct(">I")
_HALF_BYTES = 16


def commitment(seed: bytes, packet_id: int, total_fen: int, shares: int) -> bytes:
    """What the server must have published at the send: SHA-256(seed ‖ packet id ‖ total ‖ shares)."""
    return hashlib.sha256(seed + _COMMITTED.pack(packet_id, total_fen, shares)).digest()


def lucky_shares(seed: bytes, total_fen: int, shares: int, share_fen_min: int, share_fen_max: int) -> list[int]:
    """All shares of a lucky packet in fen, in the order of opening."""
    drawn: list[int] = []
    left = total_fen
    for index in range(shares - 1):
        unopened = shares - index
        digest = hmac.digest(seed, _INDEX.pack(index), "sha256")
        n, r = (int.from_bytes(half, "big") for half in (digest[:_HALF_BYTES], digest[_HALF_BYTES:]))
        m = (2 * left + r % unopened) // unopened
        low, high = max(share_fen_min, m - share_fen_max), min(share_fen_max, m - share_fen_min)
        drawn.append(low + n % (high - low + 1))
        left -= drawn[-1]
    return [*drawn, left]


def shares_of(revealed: messages.Revealed) -> list[int]:
    """Every share of the packet in fen, opened or not."""
    if revealed.packet_kind != "lucky":
        return [revealed.total_fen // revealed.shares] * revealed.shares
    return lucky_shares(
        revealed.seed, revealed.total_fen, revealed.shares, revealed.share_fen_min, revealed.share_fen_max
    )


def faults(revealed: messages.Revealed) -> list[str]:
    """Everything that is wrong with a revealed packet; empty if it was fair."""
    found = []
    if commitment(revealed.seed, revealed.packet_id, revealed.total_fen, revealed.shares) != revealed.commitment:
        found.append("the seed does not fit the commitment")
    if [line.index for line in revealed.claims] != list(range(len(revealed.claims))):
        found.append("the claims are not numbered 0, 1, 2, …")
    for line, amount_fen in zip(revealed.claims, shares_of(revealed), strict=False):
        if line.amount_fen != amount_fen:
            found.append(f"share {line.index} is {line.amount_fen} fen, the seed says {amount_fen}")
    if len(revealed.claims) > revealed.shares:
        found.append(f"{len(revealed.claims)} claims of {revealed.shares} shares")
    finished = len(revealed.claims) == revealed.shares
    if finished != (revealed.state == "finished"):
        found.append(f"{revealed.state} with {len(revealed.claims)} of {revealed.shares} shares claimed")
    if revealed.best_index != best_index(revealed):
        found.append(f"best luck is share {best_index(revealed)}, not {revealed.best_index}")
    return found


def best_index(revealed: messages.Revealed) -> int:
    """The index of the largest claim, the earliest on a tie (手气最佳); -1 unless lucky and finished."""
    if revealed.packet_kind != "lucky" or len(revealed.claims) < revealed.shares:
        return -1
    return max(revealed.claims, key=lambda line: (line.amount_fen, -line.index)).index
