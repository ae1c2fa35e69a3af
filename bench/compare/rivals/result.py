"""What every rival's run has in common: the shape of the load, the clock, the proof, the figures, the last line."""

from __future__ import annotations

import gc
import math
import sys
import time
from array import array
from collections import Counter
from collections.abc import Coroutine, Mapping
from typing import Final, Self

import msgspec

from server.loop import run as run_loop

GROUP: Final = 20  # users who open the same packets, and shares of a packet: every share is won
SHARE_FEN: Final = 100  # on average
FIRST_USER: Final = 1_000_000

_PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99, "max": 100.0}

Claims = Mapping[tuple[int, int], int]  # (packet, user) -> fen


class Void(Exception):
    """The run does not count; the message is one line that says why."""


class Result(msgspec.Struct):
    """The figures of one run: a closed loop, latency from the call to its answer."""

    rival: str
    connections: int  # users who call, each with a connection of their own or waiting for one of the pool
    depth: int  # calls under way for each of them
    claims: int  # that were won
    seconds: float
    rate_per_s: int  # claims won
    latency_ms: dict[str, float]
    answers: dict[str, int]
    cpu_s: float  # of this process while the clock ran
    generator_busy: float  # the same as a share of one core: near 1, and the generator is the limit
    extra: dict[str, int | str]  # what the rival ran with


class Clock:
    """Wall and CPU seconds of what runs inside `with`; no garbage is collected meanwhile."""

    def __enter__(self) -> Self:
        gc.collect()
        gc.disable()
        self.cpu_s = time.process_time()
        self.seconds = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.seconds
        self.cpu_s = time.process_time() - self.cpu_s
        gc.enable()


def result(
    rival: str,
    connections: int,
    depth: int,
    clock: Clock,
    latencies_s: array[float],
    answers: Counter[str],
    extra: Mapping[str, int | str],
) -> Result:
    """The figures out of what was measured."""
    won = answers["won"]
    return Result(
        rival=rival,
        connections=connections,
        depth=depth,
        claims=won,
        seconds=round(clock.seconds, 3),
        rate_per_s=round(won / clock.seconds),
        latency_ms=percentiles_ms(latencies_s),
        answers=dict(answers),
        cpu_s=round(clock.cpu_s, 3),
        generator_busy=round(clock.cpu_s / clock.seconds, 3),
        extra=dict(extra),
    )


def percentiles_ms(latencies_s: array[float]) -> dict[str, float]:
    """For each name a latency in ms that so many percent of all do not exceed; 0 if there are none."""
    ordered = sorted(latencies_s) or [0.0]
    places = {name: max(math.ceil(len(ordered) * percent / 100), 1) for name, percent in _PERCENTILES.items()}
    return {name: round(ordered[place - 1] * 1000, 3) for name, place in places.items()}


def prove(told: Claims, booked: Claims, packets: int, shares: int) -> None:
    """Raise Void unless the books hold just what the users were told, and each packet went out to the last fen.

    Every packet of `shares` × SHARE_FEN is to be won by as many different users.
    """
    if told != booked:
        raise Void(f"the users were told {len(told)} claims, the store holds {len(booked)} and not the same")
    users, sums_fen = Counter[int](), Counter[int]()
    for (packet, _), amount_fen in booked.items():
        users[packet] += 1
        sums_fen[packet] += amount_fen
    if len(users) != packets or any(number != shares for number in users.values()):
        raise Void(f"not every one of {packets} packets was won by {shares} users")
    if any(sum_fen != shares * SHARE_FEN for sum_fen in sums_fen.values()):
        raise Void("a packet gave out more or less than its total")
    if min(booked.values(), default=1) < 1:
        raise Void("somebody won nothing")


def tell(run: Coroutine[object, object, Result]) -> None:
    """Run it; its result as one line of JSON. Ends the program with code 1 and one line if it does not count."""
    try:
        found = run_loop(run)
    except (Void, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(msgspec.json.encode(found).decode(), flush=True)
