"""Scenario `overload`: `open` at more than the server's maximum, and back, in STEPS of the maximum.

The maximum is --rate. Without it, it is found first, on the same server, as --find-max finds it: the highest rate
of `open` whose p99 stays under a bound (findmax.run_at_maximum). It is reported as `maximum_per_s` in both cases.

Users do not retry: a refused operation is over, as load shedding intends. Goodput is the number of shares won, by
the step in which the user was told; a latency belongs to the step in which its operation began. The peak is the
best goodput of the steps up to the end of the overload: operations that waited then are answered later, and do not
count for those steps.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from typing import ClassVar, Final

from bench.load.load import OperationLog
from bench.load.outcome import Outcome
from bench.load.run_spec import RunSpec
from bench.scenarios.basic import OpenPackets
from bench.scenarios.scenario import Standard
from client_sim.sim.histogram import Histogram
from protocol import messages
from protocol.messages import Message

STEPS: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 0.5, 0.5)  # of the maximum, each for an equal part of --seconds
NAMES: Final = [f"step{place}_{times:g}x" for place, times in enumerate(STEPS)]
OVERLOAD_END: Final = 5  # the first step after the overload
LATE_S: Final = 1.0  # an answer that took longer was late


def step_arrivals(run_spec: RunSpec) -> array[float]:
    """Intended starts in s: in every step a Poisson process at its rate."""
    draw = random.Random(f"overload {run_spec.seed}").random
    step_s = run_spec.seconds / len(STEPS)
    arrivals_s = array("d")
    for place, times in enumerate(STEPS):
        count = round(run_spec.rate_per_s * times * step_s)
        arrivals_s.extend(sorted((place + draw()) * step_s for _ in range(count)))
    return arrivals_s


class Overload(OpenPackets):
    """An operation is a grab, and the open that its ticket allows."""

    about = (
        "open at 0.5 to 3 times the maximum (--rate, or found first) and back: "
        "shares won, requests refused, time to recover"
    )
    rate_of = "claims told as won"
    standard = Standard(connections=1000, depth=1, rate_per_s=5_000)
    refuses: ClassVar = ("--closed", "--find-max", "--p99-ms", "--warmup-s", "--generators")
    because = "it is an open loop in steps"
    maximum_of = "open"

    @property
    def operations(self) -> int:
        return round(self.run_spec.rate_per_s * self.run_spec.seconds * sum(STEPS) / len(STEPS))

    async def measure(self) -> None:
        await self.measure_open(step_arrivals(self.run_spec))

    def warmup_s(self) -> float:
        """Half of the first step."""
        return self.run_spec.seconds / len(STEPS) / 2

    def outcome(self) -> Outcome:
        """With goodput, refusals and latencies of each step, and the time of recovery."""
        outcome, log = super().outcome(), self.log
        step_s = self.run_spec.seconds / len(STEPS)
        goodput = goodput_of(log, step_s)
        outcome.extra["maximum_per_s"] = round(self.run_spec.rate_per_s)
        for name, won, operations in zip(NAMES, goodput, operations_of(log, step_s), strict=True):
            refused = Counter(reply.name for _, reply in operations if isinstance(reply, messages.Refused))
            outcome.extra[f"{name}_goodput_per_s"] = round(won / step_s)
            outcome.extra |= {f"{name}_{reason}": count for reason, count in sorted(refused.items())}
            answered = (ms for ms, reply in operations if not isinstance(reply, messages.Refused))
            outcome.spreads[f"{name}_ms"] = Histogram.of(answered).encoded()
        peak = max(1, *goodput[:OVERLOAD_END])
        outcome.extra["goodput_at_2x_of_peak"] = round(goodput[STEPS.index(2.0)] / peak, 3)
        outcome.extra["recovery_s"] = recovery_s(log, OVERLOAD_END * step_s)
        return outcome


def goodput_of(log: OperationLog, step_s: float) -> list[int]:
    goodput = [0] * len(STEPS)
    for end_s, reply in zip(log.ends_s, log.replies, strict=True):
        if isinstance(reply, messages.Opened) and reply.answer == "won" and end_s < len(STEPS) * step_s:
            goodput[int(end_s / step_s)] += 1
    return goodput


def operations_of(log: OperationLog, step_s: float) -> list[list[tuple[float, Message]]]:
    """The operations that began in each step: ms from the start to the last reply, and that reply."""
    operations: list[list[tuple[float, Message]]] = [[] for _ in STEPS]
    for start_s, end_s, reply in zip(log.starts_s, log.ends_s, log.replies, strict=True):
        operations[min(int(start_s / step_s), len(STEPS) - 1)].append(((end_s - start_s) * 1000, reply))
    return operations


def recovery_s(log: OperationLog, overload_end_s: float) -> float:
    """From the end of the overload to the start of the last operation that was refused or took over LATE_S."""
    bad_s = [
        start_s
        for start_s, end_s, reply in zip(log.starts_s, log.ends_s, log.replies, strict=True)
        if start_s >= overload_end_s and (isinstance(reply, messages.Refused) or end_s - start_s > LATE_S)
    ]
    return round(max(bad_s, default=overload_end_s) - overload_end_s, 3)
