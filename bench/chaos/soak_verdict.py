"""The verdict on a soak: what must hold, as pure functions, and its figures as text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from client_sim.sim.histogram import Histogram

P99_FACTOR: Final = 3.0  # of the calm phase
LEAD_S: Final = (
    1.0  # a request that began so shortly before a strike is not judged: it may be in flight at its begin
)


class Struck(NamedTuple):
    """One strike. Times in s since the crowd began."""

    name: str
    begin_s: float
    end_s: float


class Request(NamedTuple):
    """One honest request, from its intended start to its final answer."""

    start_s: float  # since the crowd began
    ms: float


class Latency(NamedTuple):
    """The latency of a kind of request in one phase."""

    requests: int
    p50_ms: float
    p99_ms: float


class Outcome(NamedTuple):
    """What was observed."""

    calm: dict[str, Latency]  # by the kind of request
    after: dict[str, Latency]  # outside of the strikes and their aftermath
    strikes: Sequence[Struck]
    pid_before: int
    pid_after: int  # 0: the server has ended
    lost: Sequence[str]  # discrepancies between the users' logs and the books
    audit: Sequence[str]  # discrepancies that the project's own audit found
    stuck: Sequence[str]  # what did not recover


def latency(requests: Iterable[Request]) -> Latency:
    histogram = Histogram.of(one.ms for one in requests)
    return Latency(histogram.count, round(histogram.percentile(50), 1), round(histogram.percentile(99), 1))


def outside(requests: Iterable[Request], strikes: Sequence[Struck], aftermath_s: float) -> list[Request]:
    """The requests that no strike may excuse. The strikes follow each other."""
    begins_s = [one.begin_s - LEAD_S for one in strikes]

    def is_excused(start_s: float) -> bool:
        number = bisect_right(begins_s, start_s) - 1
        return number >= 0 and start_s <= strikes[number].end_s + aftermath_s

    return [one for one in requests if not is_excused(one.start_s)]


def broken(outcome: Outcome) -> list[str]:
    """A line for each thing that does not hold."""
    return [
        *_ended(outcome),
        *(f"hongbao audit: {line}" for line in outcome.audit),
        *outcome.lost,
        *outcome.stuck,
        *([] if outcome.strikes else ["no strike was made"]),
        *(line for kind in outcome.calm for line in _too_slow(kind, outcome.calm[kind], outcome.after[kind])),
    ]


def _ended(outcome: Outcome) -> list[str]:
    if outcome.pid_after == outcome.pid_before:
        return []
    now = f"process {outcome.pid_after} runs in its place" if outcome.pid_after else "none runs in its place"
    return [f"the server ended by itself: it was process {outcome.pid_before}, {now}"]


def _too_slow(kind: str, calm: Latency, after: Latency) -> list[str]:
    if not calm.requests or not after.requests:
        return [
            f"{kind}: {calm.requests} measured while calm, {after.requests} outside of strikes: no p99 to compare"
        ]
    if after.p99_ms <= P99_FACTOR * calm.p99_ms:
        return []
    limit_ms = f"{P99_FACTOR:g} × the {calm.p99_ms:g} ms of the calm phase"
    return [f"{kind}: p99 outside of strikes is {after.p99_ms:g} ms, more than {limit_ms}"]


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures of a soak, for people."""
    struck = figures["strikes"]
    found = [
        f"strikes   {len(struck)}, of {len({one['name'] for one in struck})} kinds; seed {figures['seed']}",
        f"acked     {figures['acked_claims']:,} claims, {figures['acked_sends']:,} sends; "
        f"{figures['asked_again']:,} repeated, {figures['unknown']:,} never answered",
        f"crowd     {', '.join(f'{count:,} {name}' for name, count in figures['reads'].items())}",
    ]
    if refused := figures["logins_refused"]:
        found.append(f"logins    {', '.join(f'{count:,} tries refused: {why}' for why, count in refused.items())}")
    for kind, calm in figures["calm"].items():
        after = figures["after"][kind]
        found.append(
            f"{kind:<9} calm p50 {calm['p50_ms']:g} ms, p99 {calm['p99_ms']:g} ms; "
            f"outside of strikes p50 {after['p50_ms']:g} ms, p99 {after['p99_ms']:g} ms"
        )
    found += [f"  ✗ {one}" for one in figures["broken"]]
    found += [f"  ! server: {one}" for one in figures["alarms"]]
    holds = "DOES NOT HOLD" if figures["broken"] else "holds"
    return [*found, f"soak: {holds} (durability {figures['durability']}, {figures['seconds']:g} s)"]
