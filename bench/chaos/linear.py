"""A linearizability check: one order of events, each between its call and return, must explain all answers.

The sequential model of a packet is a pile of shares and their holders:

    open    the user holds one: claimed · none left: gone · ended: expired · else takes the next: won
    grab    the same, but takes nothing: ticket
    unknown takes the next share at any time after its call, or does nothing
    claimed by an open that was tried again: it, or a try before, may have taken the share

A server of several workers tries an open again by itself when the worker that had it is lost: with it every open
that is told `claimed` may have taken the share.

Shares are numbered in the order in which they were taken, so only the moment of each taking is open. Every answer
bounds such moments from below or above, and takings follow each other: if any assignment is valid, then the one
that takes each share as early as its bounds allow. That makes the check exact, and linear in the length of the
history. An open that returned before another was called has the smaller index by the same bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.chaos.history import NEVER, UNKNOWN, Op

NO_CONSTRAINT: Final = frozenset({UNKNOWN, "busy"})


def check(shares: int, holders: Sequence[int], ops: Sequence[Op], tries_again: bool = False) -> list[str]:
    """The contradictions; none if the history is linearizable. `holders`: the users with share 0, 1, 2, ….

    `tries_again`: the server may try an open again by itself.
    """
    place = {user_id: index for index, user_id in enumerate(holders)}
    wrong = [reason for op in ops if (reason := _impossible(op, shares, holders, place))]
    if len(place) != len(holders) or len(holders) > shares:
        wrong.append(f"{len(holders)} shares of {shares} taken by {len(place)} users")
    return wrong or _out_of_order(shares, holders, place, ops, tries_again)


def _impossible(op: Op, shares: int, holders: Sequence[int], place: dict[int, int]) -> str:
    """An answer that fits no order at all."""
    held = place.get(op.user_id)
    told = f"user {op.user_id} was told {op.answer}"
    if op.has_share:
        holder = f"user {holders[op.share]}" if 0 <= op.share < len(holders) else "no user"
        fits = held == op.share and (op.kind == "open" or op.answer == "claimed")
        return "" if fits else f"{told}, but share {op.share} was taken by {holder}"
    if op.answer == "gone":
        return "" if held is None and len(holders) == shares else f"{told}, but {len(holders)} are taken"
    if op.answer == "expired":
        return "" if held is None else f"{told}, but holds share {held}"
    if op.answer == "ticket":
        return "" if op.kind == "grab" else f"{told} by an open"
    return "" if op.answer in NO_CONSTRAINT else f"{told}, which is not an answer"


def _out_of_order(
    shares: int, holders: Sequence[int], place: dict[int, int], ops: Sequence[Op], tries_again: bool
) -> list[str]:
    count = len(holders)
    after_s, before_s = [0.0] * count, [NEVER] * count  # bounds of the moment at which each share was taken
    takers: dict[int, list[Op]] = {}
    ended_before_s, open_after_s = NEVER, 0.0
    for op in ops:
        held = place.get(op.user_id)
        if op.has_share:
            before_s[op.share] = min(before_s[op.share], op.return_s)
        elif op.answer == "gone":
            before_s[-1] = min(before_s[-1], op.return_s)
        elif op.answer == "expired":
            ended_before_s = min(ended_before_s, op.return_s)
        elif op.answer == "ticket":
            open_after_s = max(open_after_s, op.call_s)
            if held is not None:
                after_s[held] = max(after_s[held], op.call_s)
            if count == shares:
                after_s[-1] = max(after_s[-1], op.call_s)
        if op.kind == "open" and held is not None and _may_have_taken(op, tries_again):
            takers.setdefault(op.user_id, []).append(op)
    if open_after_s > ended_before_s:
        return ["a ticket was given after a user was told that the packet has ended"]
    return _too_late(holders, takers, after_s, [min(one, ended_before_s) for one in before_s])


def _may_have_taken(op: Op, tries_again: bool) -> bool:
    return op.answer in {"won", UNKNOWN} or (op.answer == "claimed" and (tries_again or op.tries > 1))


def _too_late(
    holders: Sequence[int], takers: dict[int, list[Op]], after_s: Sequence[float], before_s: Sequence[float]
) -> list[str]:
    """Take each share as early as possible; returns the first that cannot be taken in time."""
    now_s = 0.0
    for index, user_id in enumerate(holders):
        opens = takers.get(user_id, [])
        winners = [op for op in opens if op.answer == "won"]
        if len(winners) > 1:
            return [f"user {user_id} was told won {len(winners)} times"]
        earliest_s = max(now_s, after_s[index])
        moments = [max(earliest_s, op.call_s) for op in winners or opens if earliest_s <= op.return_s]
        if not moments:
            return [f"share {index} of user {user_id}: no open at a time that fits the other answers"]
        now_s = min(moments)
        if now_s > before_s[index]:
            return [f"share {index} of user {user_id} was told before it can have been taken"]
    return []
