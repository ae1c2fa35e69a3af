"""The common part of all rivals: the shape of the load, the clock, the proof, the figures, the output."""

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

from bench.report.words import PERCENTILES
from server.loop import run as run_loop

GROUP: Final = 20  # users who open the same packets, and shares of a packet: every share is won
SHARE_FEN: Final = 100  # on average
FIRST_USER: Final = 1_000_000

Claims = Mapping[tuple[int, int], int]  # (packet, user) -> fen


class InvalidRun(Exception):
    """The run does not count; the message is the reason in one line."""


class Result(msgspec.Struct):
    """The figures of one run: a closed loop, latency from the request to its answer."""

    rival: str
    connections: int  # users, each with a connection of their own or waiting for one of the pool
    depth: int  # requests in flight for each of them
    claims: int  # that were won
    seconds: float
    rate_per_s: int  # claims won
    latency_ms: dict[str, float]
    answers: dict[str, int]
    cpu_s: float  # of this process while the clock ran
    generator_busy: float  # the same as a share of one core: near 1, this process limits the rate
    extra: dict[str, int | str]  # the rival's settings


class Measurement:
    """Answers and latencies of the users; wall and CPU seconds of a `with`, without garbage collection."""

    def __init__(self) -> None:
        self.told: dict[tuple[int, int], int] = {}  # (packet, user) -> fen
        self.answers: Counter[str] = Counter()
        self.latencies_s = array("d")

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

    def add(self, packet_id: int, user_id: int, answer: int | str) -> None:
        """A user won so many fen, or was given another answer."""
        if isinstance(answer, int):
            self.told[packet_id, user_id] = answer
        self.answers["won" if isinstance(answer, int) else answer] += 1

    def result(self, rival: str, connections: int, depth: int, **extra: int | str) -> Result:
        won = self.answers["won"]
        return Result(
            rival=rival,
            connections=connections,
            depth=depth,
            claims=won,
            seconds=round(self.seconds, 3),
            rate_per_s=round(won / self.seconds),
            latency_ms=percentiles_ms(self.latencies_s),
            answers=dict(self.answers),
            cpu_s=round(self.cpu_s, 3),
            generator_busy=round(self.cpu_s / self.seconds, 3),
            extra=extra,
        )


def percentiles_ms(latencies_s: array[float]) -> dict[str, float]:
    """For each name the latency in ms that so many percent do not exceed; 0 if there are none."""
    ordered = sorted(latencies_s) or [0.0]
    percents = PERCENTILES | {"max": 100.0}
    places = {name: max(math.ceil(len(ordered) * percent / 100), 1) for name, percent in percents.items()}
    return {name: round(ordered[place - 1] * 1000, 3) for name, place in places.items()}


def prove(told: Claims, booked: Claims, packets: int, shares: int) -> None:
    """Raise InvalidRun unless the store holds exactly the told claims, and each packet is spent to the last fen.

    Every packet of `shares` × SHARE_FEN must be won by as many different users.
    """
    if told != booked:
        raise InvalidRun(f"the users were told {len(told)} claims, the store holds {len(booked)}, not the same")
    prove_spent(booked, packets, shares)


def prove_spent(booked: Claims, packets: int, shares: int) -> None:
    """Raise InvalidRun unless each packet of `shares` × SHARE_FEN was won to the last fen, by as many users."""
    users, sums_fen = Counter[int](), Counter[int]()
    for (packet, _), amount_fen in booked.items():
        users[packet] += 1
        sums_fen[packet] += amount_fen
    if len(users) != packets or any(number != shares for number in users.values()):
        raise InvalidRun(f"not every one of {packets} packets was won by {shares} users")
    if any(sum_fen != shares * SHARE_FEN for sum_fen in sums_fen.values()):
        raise InvalidRun("a packet gave out more or less than its total")
    if min(booked.values(), default=1) < 1:
        raise InvalidRun("a user won nothing")


def write(run: Coroutine[object, object, Result]) -> None:
    """Print the result of a run as one line of JSON. An invalid run ends the program with code 1 and one line."""
    try:
        found = run_loop(run)
    except (InvalidRun, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(msgspec.json.encode(found).decode(), flush=True)
