"""Histories of one packet: some are explained by one order of events, some by none."""

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
    "gone while the last win is in flight": (1, [1], [op(1, 0, 9, "won", 0), op(2, 2, 3, "gone")]),
    "a timeout that did nothing": (1, [2], [lost(1, 0), op(2, 5, 6, "won", 0), op(3, 7, 8, "gone")]),
    "a timeout that took the share": (1, [1], [lost(1, 0), op(2, 5, 6, "gone")]),
    "a timeout that took it much later": (2, [2, 1], [lost(1, 0), op(2, 5, 6, "won", 0), op(3, 7, 8, "gone")]),
    "repeated: the first try had taken it": (1, [1], [op(1, 0, 9, "claimed", 0, tries=2)]),
    "opened again": (2, [1], [op(1, 0, 1, "won", 0), op(1, 2, 3, "claimed", 0)]),
    "a ticket, then the share": (1, [1], [grab(1, 0, 1, "ticket"), op(1, 2, 3, "won", 0)]),
    "a ticket without a share": (1, [2], [grab(1, 0, 4, "ticket"), op(2, 1, 2, "won", 0), op(1, 5, 6, "gone")]),
    "ended before all shares are opened": (2, [1], [op(1, 0, 1, "won", 0), op(2, 5, 6, "expired")]),
    "opened in time, answered after the end": (2, [1], [op(2, 5, 6, "expired"), op(1, 4, 9, "won", 0)]),
    "busy is no constraint": (1, [1], [grab(2, 0, 9, "busy"), op(1, 1, 2, "won", 0)]),
}

BAD = {
    "one share for two": (1, [1], [op(1, 0, 1, "won", 0), op(2, 2, 3, "won", 0)]),
    "later came first": (2, [2, 1], [op(1, 0, 1, "won", 1), op(2, 2, 3, "won", 0)]),
    "won twice": (2, [1, 2], [op(1, 0, 1, "won", 0), op(1, 2, 3, "won", 0), op(2, 2, 3, "won", 1)]),
    "won and not held": (2, [], [op(1, 0, 1, "won", 0)]),
    "gone while there is one left": (2, [1], [op(1, 0, 1, "won", 0), op(2, 2, 3, "gone")]),
    "gone before the last was taken": (1, [1], [op(2, 0, 1, "gone"), op(1, 2, 3, "won", 0)]),
    "gone, although a share is held": (1, [1], [lost(1, 0), op(1, 5, 6, "gone")]),
    "claimed before any open": (1, [1], [grab(1, 0, 1, "claimed", 0), op(1, 2, 3, "won", 0)]),
    "claimed at the first try": (1, [1], [op(1, 0, 1, "claimed", 0)]),
    "held by a user who never opened": (2, [7], [op(1, 0, 1, "expired")]),
    "a ticket when all is gone": (1, [1], [op(1, 0, 1, "won", 0), grab(2, 2, 3, "ticket")]),
    "a ticket for the holder of a share": (2, [1], [op(1, 0, 1, "won", 0), grab(1, 2, 3, "ticket")]),
    "won after the end": (2, [1], [op(2, 0, 1, "expired"), op(1, 2, 3, "won", 0)]),
    "a ticket after the end": (2, [], [op(2, 0, 1, "expired"), grab(1, 2, 3, "ticket")]),
    "a timeout cannot act before its call": (2, [1, 2], [lost(1, 5), op(2, 0, 1, "won", 1)]),
    "an unexpected refusal": (2, [], [op(1, 0, 1, "not_allowed")]),
    "more shares than there are": (1, [1, 2], [lost(1, 0), lost(2, 0)]),
    "a chain that does not fit": (
        3,
        [1, 2, 3],
        [op(1, 4, 9, "won", 0), lost(2, 0), op(3, 0, 3, "won", 2)],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_check_of_a_linearizable_history_finds_nothing(name: str) -> None:
    assert check(*GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_check_of_an_impossible_history_finds_a_contradiction(name: str) -> None:
    assert check(*BAD[name]) != []


def test_server_of_several_workers_may_have_tried_an_open_again_itself() -> None:
    """But the share is still taken between the call and the answer."""
    assert check(*BAD["claimed at the first try"], tries_again=True) == []
    assert check(2, [1], [grab(1, 0, 1, "claimed", 0), op(1, 2, 3, "claimed", 0)], tries_again=True) != []
    assert check(*BAD["won twice"], tries_again=True) != []


# --- against the definition: all orders -------------------------------------------------------------------------


def explained(shares: int, ops: Sequence[Op]) -> bool:
    """Search all orders of the operations that respect the times of calls and returns."""
    return _search(shares, (), False, frozenset(range(len(ops))), ops)


def _search(shares: int, held: tuple[int, ...], over: bool, left: frozenset[int], ops: Sequence[Op]) -> bool:
    if all(ops[one].answer == "unknown" for one in left):
        return True
    first_return_s = min(ops[one].return_s for one in left)
    for one in left:
        if ops[one].call_s <= first_return_s:
            for held_then, over_then in _steps(ops[one], shares, held, over):
                if _search(shares, held_then, over_then, left - {one}, ops):
                    return True
    return False


def _steps(one: Op, shares: int, held: tuple[int, ...], over: bool) -> list[tuple[tuple[int, ...], bool]]:
    """The possible piles after this operation; none if its answer is impossible."""
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


def test_check_equals_the_search_through_all_orders() -> None:
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
