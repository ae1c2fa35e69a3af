"""When a server that was not reached is tried again: after 0.5 s, 1 s, 2 s, 4 s, each with jitter. Pure."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 4.0


class Backoff:
    """The attempts that have failed, by server."""

    def __init__(self) -> None:
        self._failed: dict[int, tuple[int, float]] = {}  # how often in a row, and when it is tried again

    def failed(self, server_id: int, now_s: float, random_part: float) -> bool:
        """An attempt has failed; True: the first one. `random_part` is in [0, 1): half of a step is by chance."""
        times = self._failed.get(server_id, (0, 0.0))[0] + 1
        step_s = min(FIRST_S * 2 ** (times - 1), LONGEST_S)
        self._failed[server_id] = times, now_s + step_s * (0.5 + random_part / 2)
        return times == 1

    def is_due(self, server_id: int, now_s: float) -> bool:
        """A server may be tried now."""
        return now_s >= self._failed.get(server_id, (0, 0.0))[1]

    def forget(self, server_id: int) -> None:
        """It was reached."""
        self._failed.pop(server_id, None)

    def keep(self, server_ids: Container[int]) -> None:
        """Forget all others: they do not live."""
        self._failed = {one: what for one, what in self._failed.items() if one in server_ids}
