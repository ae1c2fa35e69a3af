"""Scenario `overload`: `open` at more than the server can do, and back: STEPS of its maximum, one after the other.

The maximum is --rate. Without it, it is found first, on the same server, as --find-max finds it: the highest rate
of `open` whose p99 stays under a bound (findmax.at_maximum). Either way it is reported as `maximum_per_s`.

Nobody asks again: a refused turn is over, as shedding means it. Goodput is what was won, by the step in which it
was told; a latency belongs to the step in which its turn began. The peak is the best goodput of the steps up to the
end of the flood: what waited then is told later, and was not won by those steps.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Final

from msgspec.structs import replace

from bench.load import arrivals as plan
from bench.load import load
from bench.load.load import Log
from bench.load.outcome import Outcome
from bench.load.run_spec import RunSpec
from bench.scenarios.open import OpenPackets
from bench.scenarios.scenario import Standard
from client_sim.sim.histogram import Histogram
from protocol import messages
from protocol.messages import Message

STEPS: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 0.5, 0.5)  # of the maximum, each for a part of --seconds
NAMES: Final = [f"step{place}_{times:g}x" for place, times in enumerate(STEPS)]
FLOOD_ENDS: Final = 5  # the first step after the flood
PATIENT_S: Final = 1.0  # who is answered later was kept waiting


def arrivals(order: RunSpec) -> array[float]:
    """Intended starts in s: in every step a Poisson process at its rate."""
    draw = random.Random(f"overload {order.seed}").random
    step_s = order.seconds / len(STEPS)
    return array(
        "d",
        (
            start_s
            for place, times in enumerate(STEPS)
            for start_s in sorted(
                (place + draw()) * step_s for _ in range(round(order.rate_per_s * times * step_s))
            )
        ),
    )


class Overload(OpenPackets):
    """A turn is a grab and the open that its ticket allows."""

    about = (
        "open at 0.5 to 3 times the maximum (--rate, or found first) and back: "
        "what is won, what is refused, how soon it is over"
    )
    rate_of = "claims told as won"
    standard = Standard(connections=1000, depth=1, rate_per_s=5_000)
    refuses: ClassVar = ("--closed", "--find-max", "--p99-ms", "--warmup-s", "--generators")
    because = "it is an open loop in steps"
    maximum_of = "open"

    async def prepare(self) -> None:
        """As many turns as all steps have."""
        order = self.job.order
        self.job = replace(self.job, order=replace(order, rate_per_s=order.rate_per_s * sum(STEPS) / len(STEPS)))
        await super().prepare()
        self.job = replace(self.job, order=order)

    async def measure(self) -> None:
        """Step after step, whatever is still under way."""
        order = self.job.order
        turns = plan.order(order.seed, len(self._work))
        await load.open_loop(self._work, arrivals(order), turns, self.hear, self.log)

    def warmup_s(self) -> float:
        """Half of the first step."""
        return self.job.order.seconds / len(STEPS) / 2

    def outcome(self) -> Outcome:
        """With goodput, refusals and latencies of each step, and the time of recovery."""
        outcome, log, order = super().outcome(), self.log, self.job.order
        step_s = order.seconds / len(STEPS)
        goodput, turns = goodput_of(log, step_s), turns_of(log, step_s)
        outcome.extra["maximum_per_s"] = round(order.rate_per_s)
        for name, won, those in zip(NAMES, goodput, turns, strict=True):
            refused = Counter(reply.name for _, reply in those if isinstance(reply, messages.Refused))
            outcome.extra[f"{name}_goodput_per_s"] = round(won / step_s)
            outcome.extra |= {f"{name}_{reason}": count for reason, count in sorted(refused.items())}
            answered = (ms for ms, reply in those if not isinstance(reply, messages.Refused))
            outcome.spreads[f"{name}_ms"] = Histogram.of(answered).encoded()
        outcome.extra["goodput_at_2x_of_peak"] = round(goodput[STEPS.index(2.0)] / max(1, peak_of(goodput)), 3)
        outcome.extra["recovery_s"] = recovery_s(log, FLOOD_ENDS * step_s)
        return outcome


def goodput_of(log: Log, step_s: float) -> list[int]:
    """Claims that were told in each step."""
    goodput = [0] * len(STEPS)
    for end_s, reply in zip(log.ends_s, log.replies, strict=True):
        if _is_won(reply) and end_s < len(STEPS) * step_s:
            goodput[int(end_s / step_s)] += 1
    return goodput


def turns_of(log: Log, step_s: float) -> list[list[tuple[float, Message]]]:
    """The turns that began in each step: ms from the start to the last reply, and that reply."""
    turns: list[list[tuple[float, Message]]] = [[] for _ in STEPS]
    for start_s, end_s, reply in zip(log.starts_s, log.ends_s, log.replies, strict=True):
        turns[min(int(start_s / step_s), len(STEPS) - 1)].append(((end_s - start_s) * 1000, reply))
    return turns


def peak_of(goodput: Sequence[int]) -> int:
    """The best of the steps before the flood is over."""
    return max(goodput[:FLOOD_ENDS])


def recovery_s(log: Log, flood_ends_s: float) -> float:
    """From the end of the overload to the start of the last turn that was refused or took longer than PATIENT_S."""
    turns = zip(log.starts_s, log.ends_s, log.replies, strict=True)
    bad_s = [
        start_s
        for start_s, end_s, reply in turns
        if start_s >= flood_ends_s and (isinstance(reply, messages.Refused) or end_s - start_s > PATIENT_S)
    ]
    return round(max(bad_s, default=flood_ends_s) - flood_ends_s, 3)


def _is_won(reply: object) -> bool:
    return isinstance(reply, messages.Opened) and reply.answer == "won"
