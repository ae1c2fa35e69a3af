"""How many shares are left, as it is told to everybody: "at most so many", in steps, never rising."""

from __future__ import annotations

from typing import Final

FINE_BELOW: Final = 10  # the step is a tenth of itself once less than this part of all shares is left
STEPS_MIN: Final = 20  # a small pool has so many steps at least, whatever the config says


def border(left: int, shares: int, step: int) -> int:
    """The smallest border that is not below `left`, of a pool of `shares`. 0 only if nothing is left.

    Borders are `step` apart, and a tenth of it below a tenth of the pool.
    """
    wide = max(1, min(step, -(-shares // STEPS_MIN)))
    told = min(shares, -(-left // wide) * wide)
    if left * FINE_BELOW > shares:
        return told
    fine = max(1, wide // 10)
    return min(told, -(-left // fine) * fine)
