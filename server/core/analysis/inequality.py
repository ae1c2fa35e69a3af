"""Who gives how much: the Lorenz curve and the Gini coefficient, from amounts and how many people have each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class LorenzPoint(NamedTuple):
    """The poorest `people` (a part of 1) have `amount` (a part of 1) of the whole."""

    people: float
    amount: float


def lorenz(groups: Sequence[tuple[int, int]]) -> list[LorenzPoint]:
    """The curve, from (0, 0) to (1, 1). `groups`: an amount, and how many people have it, by growing amounts."""
    all_people = sum(people for _, people in groups)
    whole = sum(amount * people for amount, people in groups)
    points = [LorenzPoint(0.0, 0.0)]
    if not whole:
        return [*points, LorenzPoint(1.0, 1.0)]
    people = amount = 0
    for each, count in groups:
        people += count
        amount += each * count
        points.append(LorenzPoint(people / all_people, amount / whole))
    return points


def gini(points: Sequence[LorenzPoint]) -> float:
    """0: all have the same; near 1: one has it all. One minus twice the area below the curve."""
    area = sum((right.people - left.people) * (left.amount + right.amount) / 2 for left, right in pairwise(points))
    return 1 - 2 * area


def part_of_top(points: Sequence[LorenzPoint], top: float) -> float:
    """Which part of the whole the richest `top` (0.1: a tenth) have."""
    at = 1 - top
    for left, right in pairwise(points):
        if right.people >= at:
            width = right.people - left.people
            inside = (at - left.people) / width if width else 1.0
            return 1 - (left.amount + inside * (right.amount - left.amount))
    return 0.0


def thinned(points: Sequence[LorenzPoint], most: int) -> list[LorenzPoint]:
    """About so many of the points, for a drawing: both ends, and those before and after each long step."""
    kept = [points[0]]
    for before, point in pairwise(points):
        if _apart(kept[-1], point) >= 2 / most:
            if before != kept[-1] and _apart(before, point) >= 2 / most:
                kept.append(before)
            kept.append(point)
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def _apart(one: LorenzPoint, other: LorenzPoint) -> float:
    return other.people - one.people + other.amount - one.amount
