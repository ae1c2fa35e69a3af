"""Groups that are too small to be shown: a figure about fewer than 20 people could be about one of them.

To leave a small group out is not enough where a total stands beside it: the difference would tell it. So rows are
folded into one, which is large enough by itself, and where one cell of a row or a column is hidden, another one is
hidden with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

PEOPLE_MIN: Final = 20
Row = TypeVar("Row")


def may_show(people: int) -> bool:
    """Whether a group is large enough."""
    return people >= PEOPLE_MIN


def fold(rows: Sequence[Row], people_of: Callable[[Row], int]) -> tuple[list[Row], list[Row]]:
    """The rows to be shown, in their order, and those to be shown as one.

    One person may be in several rows, so the people of some rows together are only known to be as many as in the
    largest of them: if none of the folded rows is large enough, the smallest of the others is folded, too.
    """
    small = [row for row in rows if not may_show(people_of(row))]
    shown = [row for row in rows if may_show(people_of(row))]
    if small and shown:
        least = min(shown, key=people_of)
        shown = [row for row in shown if row is not least]
        small.append(least)
    return shown, small


def visible_cells(people: Sequence[Sequence[int]]) -> list[list[bool]]:
    """Which cells of a table may be shown beside the totals of its rows and columns; `people`: in each cell.

    An empty cell tells of no people, and may be shown.
    """
    visible = [[count == 0 or may_show(count) for count in row] for row in people]
    lines = [
        *([(row, column) for column in range(len(people[row]))] for row in range(len(people))),
        *([(row, column) for row in range(len(people))] for column in range(len(people[0]) if people else 0)),
    ]
    changed = True
    while changed:
        changed = False
        for line in lines:
            if sum(not visible[row][column] for row, column in line) == 1:
                changed = _hide_another(line, people, visible) or changed
    return visible


def _hide_another(
    line: Sequence[tuple[int, int]], people: Sequence[Sequence[int]], visible: list[list[bool]]
) -> bool:
    """Hide the smallest visible cell of a line, an empty one only if there is no other; False if none is left."""
    cells = [(people[row][column] == 0, people[row][column], row, column) for row, column in line]
    others = [cell for cell in cells if visible[cell[2]][cell[3]]]
    if not others:
        return False
    _, _, row, column = min(others)
    visible[row][column] = False
    return True
