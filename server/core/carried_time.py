"""The time of the database, carried from one probe to the next by a clock that never jumps.

    at(elapsed_s)    the time, as the carrying clock says how much of it has passed
    probed(probe, …) the database said its time

Small differences are slewed. A jump of the database's clock is held: time goes on as if it had not been, until all
probes have said the same for CONFIRM_S.
"""

from __future__ import annotations

from typing import Final, NamedTuple

JUMP_MS: Final = 1_000.0  # between two probes no clock drifts so far: it was set
CONFIRM_S: Final = (
    600.0  # a clock that was set by mistake is set right again within it, or an operator reads the alert
)
GAP_S: Final = 60.0  # without a probe for so long, nothing was confirmed meanwhile
SLEW: Final = 0.05  # of the time that passes: a second is made up for in 20


class TimeProbe(NamedTuple):
    """What the database said, and when it was asked, on the carrying clock."""

    database_ms: float  # at some moment between the two below
    asked_s: float
    answered_s: float
    local_ms: float  # the clock of this machine, when the answer came

    @property
    def round_trip_s(self) -> float:
        """The shorter, the more exact."""
        return self.answered_s - self.asked_s


class CarriedTime:
    """Begins with the clock of this machine; the first probe replaces it.

    `jump_ms` is how far ahead (below zero: behind) a held jump is, 0.0 if none is.
    `local_ahead_ms` is how far ahead the clock of this machine is.
    `is_confirmed`: a probe agreed with the clock of this machine, or all probes with each other for CONFIRM_S.
    Before that, nothing final, such as a refund, should be done by this time.
    """

    __slots__ = (
        "_at_ms",
        "_at_s",
        "_owed_ms",
        "_probed_s",
        "_since_s",
        "is_confirmed",
        "jump_ms",
        "local_ahead_ms",
    )

    def __init__(self, local_ms: float, elapsed_s: float) -> None:
        self._at_ms, self._at_s = local_ms, elapsed_s
        self._owed_ms = 0.0
        self._probed_s: float | None = None
        self._since_s = elapsed_s  # the jump that is held, or the time that is not confirmed
        self.is_confirmed = False
        self.jump_ms = 0.0
        self.local_ahead_ms = 0.0

    def at(self, elapsed_s: float) -> float:
        """Milliseconds since 1970. Goes back only by a step that was accepted in `probed`."""
        passed_ms = (elapsed_s - self._at_s) * 1000
        if self._owed_ms:
            most_ms = passed_ms * SLEW
            passed_ms += min(max(self._owed_ms, -most_ms), most_ms)
        return self._at_ms + passed_ms

    def probed(self, probe: TimeProbe, elapsed_s: float) -> None:
        """Compare with the time of the database, `elapsed_s` being now: slew, hold or step."""
        before_s, self._probed_s = self._probed_s, probe.answered_s
        if before_s is None:
            self._step(probe)
            self.is_confirmed = abs(self.local_ahead_ms) <= JUMP_MS
            return
        if probe.answered_s - before_s > GAP_S:
            self._since_s = probe.answered_s
        off_ms = _distance_ms(self.at(probe.answered_s), probe)
        if abs(off_ms) > JUMP_MS:
            self._jumped(off_ms, probe)
        else:
            self._at_ms, self._at_s, self._owed_ms = self.at(elapsed_s), elapsed_s, off_ms
            self._agreed(probe)
        self.local_ahead_ms = probe.local_ms - self.at(probe.answered_s)

    def _agreed(self, probe: TimeProbe) -> None:
        if self.jump_ms:
            self.jump_ms, self._since_s = 0.0, probe.answered_s
        is_local_right = abs(_distance_ms(probe.local_ms, probe)) <= JUMP_MS
        if is_local_right or probe.answered_s - self._since_s >= CONFIRM_S:
            self.is_confirmed = True

    def _jumped(self, off_ms: float, probe: TimeProbe) -> None:
        if not self.is_confirmed and abs(_distance_ms(probe.local_ms, probe)) <= JUMP_MS:
            self._step(probe)  # it was wrong when this server began: the two clocks agree now
            self.is_confirmed = True
        elif abs(off_ms - self.jump_ms) > JUMP_MS:
            self.jump_ms, self._since_s = off_ms, probe.answered_s
        elif probe.answered_s - self._since_s >= CONFIRM_S:
            self._step(probe)
            self.is_confirmed = True

    def _step(self, probe: TimeProbe) -> None:
        self._at_ms, self._at_s = probe.database_ms + probe.round_trip_s * 500, probe.answered_s
        self._owed_ms = self.jump_ms = 0.0
        self._since_s = probe.answered_s
        self.local_ahead_ms = probe.local_ms - self._at_ms


def _distance_ms(now_ms: float, probe: TimeProbe) -> float:
    """How far a time at the moment of the answer is from what the probe leaves possible; 0.0: it is possible."""
    least_ms = probe.database_ms - now_ms
    most_ms = least_ms + probe.round_trip_s * 1000
    return least_ms if least_ms > 0.0 else min(most_ms, 0.0)
