"""When a delivery that failed is tried again: 5 s, 15 s, 45 s, … up to 24 h, each with jitter."""

from __future__ import annotations

from typing import Final

FIRST_MS: Final = 5_000
FACTOR: Final = 3
LONGEST_MS: Final = 24 * 3_600_000
ATTEMPTS_MAX: Final = 12  # the last one comes two to three days after the first


def wait_ms(attempts: int, random_part: float) -> int | None:
    """The time until the next attempt, after so many; None: that was the last one. `random_part` is in [0, 1).

    Between 0.75 and 1 of the step, so that deliveries which failed together do not come back together.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    step_ms = min(FIRST_MS * FACTOR ** (attempts - 1), LONGEST_MS)
    return int(step_ms * (0.75 + random_part / 4))
