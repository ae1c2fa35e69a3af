"""How often an address may try to log in: so many tries at once, then one for each time that passes. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

TRIES: Final = 10
TRY_AGAIN_S: Final = 6.0  # for one more try
ADDRESSES_MAX: Final = 10_000


class LoginLimits:
    """Tries that addresses have left. `now_s` is of a monotonic clock."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # the longest unused first

    def take(self, address: str, now_s: float) -> float:
        """Take a try: 0.0, or the seconds until there is one."""
        level, at_s = self._left.pop(address, (float(TRIES), now_s))
        level = min(float(TRIES), level + (now_s - at_s) / TRY_AGAIN_S)
        wait_s = 0.0 if level >= 1.0 else (1.0 - level) * TRY_AGAIN_S
        self._left[address] = (level if wait_s else level - 1.0, now_s)
        if len(self._left) > ADDRESSES_MAX:
            self._left.popitem(last=False)
        return wait_s

    def give_back(self, address: str) -> None:
        """The key was right: the try does not count."""
        if address in self._left:
            level, at_s = self._left[address]
            self._left[address] = (min(float(TRIES), level + 1.0), at_s)
