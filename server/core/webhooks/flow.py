"""How many deliveries an endpoint may have in flight: few while it fails, and never all that there may be.

An endpoint that hangs keeps what it has in flight for as long as a delivery may take. So no endpoint may have more
in flight than there is room left for all: the first ones that hang take a part, the next ones a part of the rest,
and some room stays for the others.
"""

from __future__ import annotations

from typing import Final

ENDPOINT_MAX: Final = 16  # in flight
ALL_MAX: Final = 256
FIRST_WINDOW: Final = 2  # doubles while deliveries succeed
PAUSE_S_MIN: Final = 1.0  # after a failure; doubled at each further one
PAUSE_S_MAX: Final = 60.0


def pause_s_max(failures: int) -> float:
    """How long an endpoint pauses at most after so many failures, one after the other."""
    return min(PAUSE_S_MIN * 2.0 ** min(failures - 1, 10), PAUSE_S_MAX)


class EndpointFlow:
    """The flow to one endpoint. Times are seconds of a clock that never jumps."""

    __slots__ = ("failures", "in_flight", "resumes_at_s", "window")

    def __init__(self) -> None:
        self.in_flight = 0
        self.window = FIRST_WINDOW
        self.failures = 0  # one after the other, each after its pause
        self.resumes_at_s = 0.0

    def room(self, now_s: float, in_flight_of_all: int) -> int:
        """How many more deliveries may begin."""
        if now_s < self.resumes_at_s:
            return 0
        free = ALL_MAX - in_flight_of_all
        return max(0, min(self.window - self.in_flight, (free - self.in_flight + 1) // 2, free))

    def succeeded(self) -> None:
        """A delivery arrived."""
        self.failures, self.resumes_at_s = 0, 0.0
        self.window = min(self.window + 1, ENDPOINT_MAX)

    def failed(self, now_s: float, random_part: float) -> None:
        """A delivery failed: wait, then try with one. Those that had begun before the wait do not prolong it."""
        if now_s < self.resumes_at_s:
            return
        self.failures += 1
        self.window = 1
        self.resumes_at_s = now_s + pause_s_max(self.failures) * (0.5 + random_part / 2)
