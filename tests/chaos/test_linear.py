"""Per packet: histories that one order of events explains, and histories that none does."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from bench.chaos.history import NEVER, Op
from bench.chaos.linear import check

PACKET = 9


def op(
    user: int, call_s: float, return_s: float, answer: str, share: int = 0, kind: str = "open", tries: int = 1
) -> Op:
    return Op(user, PACKET, kind, call_s, return_s, answer, share, 1, tries)


def grab(user: int, call_s: float, return_s: float, answer: str, share: int = 0) -> Op:
    return op(user, call_s, return_s, answer, share, "grab")


def lost(user: int, call_s: float) -> Op:
    """An open that was never answered."""
    return op(user, call_s, NEVER, "unknown")


GOOD = {
    "nothing happened": (2, [], []),
    "one after the other": (2, [1, 2], [op(1, 0, 1, "won", 0), op(2, 2, 3, "won", 1)]),
    "at the same time, either order": (2, [2, 1], [op(1, 0, 3, "won", 1), op(2, 1, 2, "won", 0)]),
    "too late": (1, [1], [op(1, 0, 1, "won", 0), op(2, 2, 3, "gone")]),
    "gone while the last one is being told": (1, [1], [op(1, 0, 9, "won", 0), op(2, 2, 3, "gone")]),
    "a timeout that did nothing": (1, [2], [lost(1, 0), op(2, 5, 6, "won", 0), op(3, 7, 8, "gone")]),
    "a timeout that took the share": (1, [1], [lost(1, 0), op(2, 5, 6, "gone")]),
    "a timeout that took it long after": (2, [2, 1], [lost(1, 0), op(2, 5, 6, "won", 0), op(3, 7, 8, "gone")]),
    "asked again: the first try had taken it": (1, [1], [op(1, 0, 9, "claimed", 0, tries=2)]),
    "opened again": (2, [1], [op(1, 0, 1, "won", 0), op(1, 2, 3, "claimed", 0)]),
    "a ticket, then the share": (1, [1], [grab(1, 0, 1, "ticket"), op(1, 2, 3, "won", 0)]),
    "a ticket of no use": (1, [2], [grab(1, 0, 4, "ticket"), op(2, 1, 2, "won", 0), op(1, 5, 6, "gone")]),
    "over before all is opened": (2, [1], [op(1, 0, 1, "won", 0), op(2, 5, 6, "expired")]),
    "asked in time, answered after the end": (2, [1], [op(2, 5, 6, "expired"), op(1, 4, 9, "won", 0)]),
    "busy means nothing": (1, [1], [grab(2, 0, 9, "busy"), op(1, 1, 2, "won", 0)]),
}

BAD = {
    "one share for two": (1, [1], [op(1, 0, 1, "won", 0), op(2, 2, 3, "won", 0)]),
    "later came first": (2, [2, 1], [op(1, 0, 1, "won", 1), op(2, 2, 3, "won", 0)]),
    "won twice": (2, [1, 2], [op(1, 0, 1, "won", 0), op(1, 2, 3, "won", 0), op(2, 2, 3, "won", 1)]),
    "told and not held": (2, [], [op(1, 0, 1, "won", 0)]),
    "gone while there is one left": (2, [1], [op(1, 0, 1, "won", 0), op(2, 2, 3, "gone")]),
    "gone before the last was taken": (1, [1], [op(2, 0, 1, "gone"), op(1, 2, 3, "won", 0)]),
    "gone, although a share is held": (1, [1], [lost(1, 0), op(1, 5, 6, "gone")]),
    "claimed before anybody opened": (1, [1], [grab(1, 0, 1, "claimed", 0), op(1, 2, 3, "won", 0)]),
    "claimed at the first try": (1, [1], [op(1, 0, 1, "claimed", 0)]),
    "held by somebody who never asked": (2, [7], [op(1, 0, 1, "expired")]),
    "a ticket when all is gone": (1, [1], [op(1, 0, 1, "won", 0), grab(2, 2, 3, "ticket")]),
    "a ticket for who holds a share": (2, [1], [op(1, 0, 1, "won", 0), grab(1, 2, 3, "ticket")]),
    "won after the end": (2, [1], [op(2, 0, 1, "expired"), op(1, 2, 3, "won", 0)]),
    "a ticket after the end": (2, [], [op(2, 0, 1, "expired"), grab(1, 2, 3, "ticket")]),
    "a timeout cannot act before its call": (2, [1, 2], [lost(1, 5), op(2, 0, 1, "won", 1)]),
    "turned away": (2, [], [op(1, 0, 1, "not_allowed")]),
    "more shares than there are": (1, [1, 2], [lost(1, 0), lost(2, 0)]),
    "a chain that does not fit": (
        3,
        [1, 2, 3],
        [op(1, 4, 9, "won", 0), lost(2, 0), op(3, 0, 3, "won", 2)],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_one_order_explains_it(name: str) -> None:
    assert check(*GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_no_order_explains_it(name: str) -> None:
    assert check(*BAD[name]) != []


# --- against the definition: all orders, one after the other ----------------------------------------------------


def explained(shares: int, ops: Sequence[Op]) -> bool:
    """By trying every order of the operations in which none comes before one that had returned before its call."""
    return _go_on(shares, (), False, frozenset(range(len(ops))), ops)


def _go_on(shares: int, held: tuple[int, ...], over: bool, left: frozenset[int], ops: Sequence[Op]) -> bool:
    if all(ops[one].answer == "unknown" for one in left):
        return True
    first_return_s = min(ops[one].return_s for one in left)
    for one in left:
        if ops[one].call_s <= first_return_s:
            for held_then, over_then in _steps(ops[one], shares, held, over):
                if _go_on(shares, held_then, over_then, left - {one}, ops):
                    return True
    return False


def _steps(one: Op, shares: int, held: tuple[int, ...], over: bool) -> list[tuple[tuple[int, ...], bool]]:
    """What the pile may look like after this operation; nothing if it cannot have been answered so."""
    mine = held.index(one.user_id) if one.user_id in held else None
    may_take = one.kind == "open" and mine is None and len(held) < shares and not over
    taken = [((*held, one.user_id), over)] if may_take else []
    match one.answer:
        case "unknown":
            return [(held, over), *taken]
        case "won":
            return taken if one.share == len(held) else []
        case "claimed":
            return (
                [(held, over)] if mine == one.share else taken if one.tries > 1 and one.share == len(held) else []
            )
        case "gone":
            return [(held, over)] if mine is None and len(held) == shares else []
        case "ticket":
            return [(held, over)] if mine is None and len(held) < shares and not over else []
        case _:
            return [(held, True)] if mine is None else []


def a_history(draw: random.Random) -> tuple[int, list[Op]]:
    ops = []
    for user in range(1, draw.randint(2, 4)):
        call_s = 0.0
        for _ in range(draw.randint(1, 2)):
            call_s += draw.randint(0, 3)
            return_s = call_s + draw.randint(0, 4)
            kind = draw.choice(["open", "open", "grab"])
            answers = {"open": ["won", "won", "claimed", "gone", "expired", "unknown"]}.get(
                kind, ["ticket", "claimed", "gone"]
            )
            answer = draw.choice(answers)
            end_s = NEVER if answer == "unknown" else return_s
            ops.append(op(user, call_s, end_s, answer, draw.randint(0, 1), kind, draw.randint(1, 2)))
            call_s = return_s
    return draw.randint(1, 2), ops


def test_the_check_says_what_trying_all_orders_says() -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    draw, verdicts = random.Random(seed), []
    for _ in range(4_000):
        shares, ops = a_history(draw)
        users = sorted({one.user_id for one in ops})
        piles = [pile for count in range(shares + 1) for pile in itertools.permutations(users, count)]
        found = any(check(shares, pile, ops) == [] for pile in piles)
        assert found == explained(shares, ops), (seed, shares, ops)
        verdicts.append(found)
    assert 100 < sum(verdicts) < 3_900
