"""Scenario `overload`: `open` at more than the server can do. --rate is its maximum, offered in STEPS.

Nobody asks again: a refused turn is over, as shedding means it. Goodput is what was won, by the step in which it
was told; a latency belongs to the step in which its turn began. The peak is that of the steps
before the overload ends: what waited then is told in the next one. The last step lasts twice as long, to see the
recovery.
"""

from __future__ import annotations

import random
from array import array
from typing import ClassVar, Final

from msgspec.structs import replace

from bench import load, plan
from bench.job import Order
from bench.load import Log
from bench.outcome import Outcome
from bench.scenario import Standard
from bench.scenarios.open import OpenPackets
from client_sim.histogram import Histogram
from protocol import messages

STEPS: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 0.5, 0.5)  # of --rate, each for a part of --seconds
FLOOD_ENDS: Final = 5  # the step with which the overload is over
PATIENT_S: Final = 1.0  # who is answered later was kept waiting


def arrivals(order: Order) -> array[float]:
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
        "open at 0.5 to 3 times --rate, the maximum, and back: what is won, what is refused, how soon it is over"
    )
    rate_of = "claims told as won"
    standard = Standard(connections=1000, depth=1, rate_per_s=5_000)
    refuses: ClassVar = ("--closed", "--find-max", "--p99-ms", "--warmup-s", "--generators")
    because = "it is an open loop in steps"

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
        won_s = [end_s for end_s, one in zip(log.ends_s, log.replies, strict=True) if _is_won(one)]
        goodput = [0] * len(STEPS)
        for end_s in won_s:
            if end_s < order.seconds:
                goodput[int(end_s / step_s)] += 1
        latencies_ms: list[list[float]] = [[] for _ in STEPS]
        refused: list[dict[str, float]] = [{} for _ in STEPS]
        for start_s, end_s, reply in zip(log.starts_s, log.ends_s, log.replies, strict=True):
            place = min(int(start_s / step_s), len(STEPS) - 1)
            if isinstance(reply, messages.Refused):
                refused[place][reply.name] = refused[place].get(reply.name, 0) + 1
            else:
                latencies_ms[place].append((end_s - start_s) * 1000)
        names = [f"step{place}_{times:g}x" for place, times in enumerate(STEPS)]
        for name, won, no in zip(names, goodput, refused, strict=True):
            outcome.extra[f"{name}_goodput_per_s"] = round(won / step_s)
            outcome.extra |= {f"{name}_{reason}": count for reason, count in sorted(no.items())}
        outcome.spreads = {
            f"{name}_ms": Histogram.of(all_ms).encoded() for name, all_ms in zip(names, latencies_ms, strict=True)
        }
        outcome.extra["goodput_at_2x_of_peak"] = round(goodput[STEPS.index(2.0)] / max(1, *goodput[:FLOOD_ENDS]), 3)
        outcome.extra["recovery_s"] = recovery_s(log, FLOOD_ENDS * step_s)
        return outcome


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
