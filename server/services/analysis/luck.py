"""Luck that was observed against its exact law, for each total, number of shares and turn."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from server.core.amounts import Caps
from server.core.analysis.luck_test import ALPHA, LuckTest, holm, luck_test
from server.core.analysis.share_law import ShareLaw, laws, steps
from server.core.analysis.suppression import may_show
from server.core.kinds import Allocation, PacketKind
from server.services.analysis.figures import Cell, FigureTable, LuckVerdict

if TYPE_CHECKING:
    from storage.analysis.workspace import Workspace

DRAWN: Final = [kind.value for kind in PacketKind if kind.row.allocation is Allocation.DRAWN]
PACKETS_MIN: Final = 100  # of a group: fewer give χ² nothing to compare
STEPS_MAX: Final = 3_000_000  # of all laws together: about five seconds
COLUMNS: Final = (
    ("total_fen", int),
    ("shares", int),
    ("turn", int),
    ("draws", int),
    ("mean_fen", float),
    ("expected_mean_fen", float),
    ("spread_fen", float),
    ("expected_spread_fen", float),
    ("chi_square", float),
    ("degrees", int),
    ("p", float),
    ("corrected_p", float),
    ("fits", bool),
)
BIN_COLUMNS: Final = (
    ("turn", int),
    ("low_fen", int),
    ("high_fen", int),
    ("expected", float),
    ("observed", int),
)
BEST_COLUMNS: Final = (("turn", int), ("packets", int))


class _Turn(NamedTuple):
    """One group of draws, and its test."""

    total_fen: int
    shares: int
    turn: int
    seen: Mapping[int, int]
    law: ShareLaw
    test: LuckTest


class _DrawnAlike(NamedTuple):
    """Packets with the same total, shares and limits: the parameters of the questions about them."""

    total_fen: int
    shares: int
    share_fen_min: int
    share_fen_max: int


def luck_of(workspace: Workspace) -> tuple[LuckVerdict, dict[str, FigureTable]]:
    """Test the most frequent groups, and show the first one in detail."""
    groups, left_out = _groups(workspace)
    turns = [turn for group in groups for turn in _turns(workspace, group)]
    corrected = holm([one.test.p for one in turns])
    misfits = sum(p < ALPHA for p in corrected)
    draws = sum(sum(one.seen.values()) for one in turns)
    verdict = LuckVerdict(len(turns), draws, misfits, min(corrected, default=None), left_out)
    tables = {
        "luck": FigureTable(COLUMNS, [_row(one, p) for one, p in zip(turns, corrected, strict=True)]),
        "luck_bins": FigureTable(BIN_COLUMNS, _bin_rows(turns, groups)),
        "best_luck_turns": FigureTable(BEST_COLUMNS, _best_rows(workspace, groups)),
    }
    return verdict, tables


def _groups(workspace: Workspace) -> tuple[list[_DrawnAlike], int]:
    """The groups to be tested, as many as the work allows; how many are left out because of it."""
    chosen, work, left_out = [], 0, 0
    for *group, _, openers in workspace.ask("luck_groups", kinds=DRAWN, least=PACKETS_MIN):
        one = _DrawnAlike(*group)
        if not may_show(openers):
            continue
        if work + steps(one.total_fen, one.shares) > STEPS_MAX:
            left_out += 1
            continue
        work += steps(one.total_fen, one.shares)
        chosen.append(one)
    return chosen, left_out


def _turns(workspace: Workspace, group: _DrawnAlike) -> list[_Turn]:
    seen: dict[int, Counter[int]] = defaultdict(Counter)
    for index, amount_fen, times in workspace.ask("luck", kinds=DRAWN, **group._asdict()):
        seen[index][amount_fen] += times
    caps = Caps(group.share_fen_min, group.share_fen_max)
    found = []
    for index, law in enumerate(laws(group.total_fen, group.shares, caps)):
        test = luck_test(law, seen[index])
        if test is not None:
            found.append(_Turn(group.total_fen, group.shares, index + 1, seen[index], law, test))
    return found


def _row(one: _Turn, corrected_p: float) -> tuple[Cell, ...]:
    draws = sum(one.seen.values())
    mean = sum(amount * times for amount, times in one.seen.items()) / draws
    square = sum((amount - mean) ** 2 * times for amount, times in one.seen.items()) / draws
    return (
        *(one.total_fen, one.shares, one.turn, draws),
        *(mean, one.law.mean_fen, math.sqrt(square), math.sqrt(one.law.variance)),
        *(one.test.chi_square, one.test.degrees, one.test.p, corrected_p, corrected_p >= ALPHA),
    )


def _bin_rows(turns: list[_Turn], groups: list[_DrawnAlike]) -> list[tuple[Cell, ...]]:
    """The bins of the most frequent group."""
    first = groups[:1]
    return [
        (one.turn, *each)
        for one in turns
        for each in one.test.bins
        if [(one.total_fen, one.shares)] == [f[:2] for f in first]
    ]


def _best_rows(workspace: Workspace, groups: list[_DrawnAlike]) -> list[tuple[Cell, ...]]:
    if not groups:
        return []
    rows = workspace.ask("best_turns", kinds=DRAWN, **groups[0]._asdict())
    return [(index + 1, packets) for index, packets in rows]
