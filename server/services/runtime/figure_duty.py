"""Who reads figures about the whole database: how much waits in queues, how old it is, what packets hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

DUTY_S: Final = 3.0  # the supervisor asks the worker on duty once a second


class FigureDuty:
    """A server of one process always reads them. Of several workers one does: the one whom the supervisor asks.

    A worker that ends or does not answer is asked no more, so its duty ends, and the supervisor asks another one.
    """

    def __init__(self, now_s: Callable[[], float], *, is_shared: bool = False) -> None:
        """`now_s` is a monotonic clock. `is_shared`: the process is one of several workers."""
        self._now_s = now_s
        self._ends_s = -math.inf if is_shared else math.inf

    @property
    def is_held(self) -> bool:
        """Whether this process reads the figures now."""
        return self._now_s() < self._ends_s

    def renew(self) -> None:
        """This worker is asked for the figures."""
        if self._ends_s != math.inf:
            self._ends_s = self._now_s() + DUTY_S
