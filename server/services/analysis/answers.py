"""The tables of a report, one function for each subject; no group of fewer than 20 people leaves this module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from server.core.analysis.suppression import fold, may_show, visible_cells
from server.core.kinds import Audience, PacketKind, SentBy
from server.services.analysis.figures import OTHERS, Cell, FigureTable

if TYPE_CHECKING:
    from storage.analysis.workspace import Workspace

Rows = list[tuple[Any, ...]]
SPONSORED: Final = [
    kind.value
    for kind in PacketKind
    if kind.row.sent_by is not SentBy.USERS or kind.row.audience is Audience.CAMPAIGN
]
POINTS_MAX: Final = 480  # of a curve
GREETINGS_MAX: Final = 15
CLASSES: Final = ("none", "lower_half", "upper", "top_tenth")
TOTALS: Final = (
    ("kind", str),
    ("packets", int),
    ("shares", int),
    ("opened_shares", int),
    ("sent_fen", int),
    ("opened_fen", int),
    ("refunded_fen", int),
    ("unopened_fen", int),
    ("emptied", int),
)


def folded(
    rows: Rows, people_of: Callable[[tuple[Any, ...]], int], join: Callable[[Rows], tuple[Any, ...]]
) -> Rows:
    """Rows that may be shown; the rest as one, if that is large enough to be shown."""
    shown, small = fold(rows, people_of)
    if small and may_show(max(map(people_of, small))):
        shown.append(join(small))
    return shown


def _summed(rows: Rows, name: Cell = OTHERS) -> tuple[Any, ...]:
    """One row with the sums of all columns but the first."""
    return (name, *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True)))


def totals(workspace: Workspace) -> tuple[FigureTable, tuple[int, ...]]:
    """By kind; and the sums of all kinds, which are always told."""
    rows = [(*row[:7], row[4] - row[5] - row[6], *row[7:]) for row in workspace.ask("totals", sponsored=SPONSORED)]
    whole = _summed(rows)[1:9] if rows else (0,) * 8
    return FigureTable(TOTALS, [row[:9] for row in folded(rows, lambda row: row[9], _summed)]), whole


def curve(workspace: Workspace, question: str, minutes: int) -> tuple[FigureTable, int]:
    """Events of each minute: sums and busiest minutes of so many minutes together."""
    width = max(1, -(-minutes // POINTS_MAX))
    columns = (("at_ms", int), ("events", int), ("busiest_minute", int))
    return FigureTable(columns, [row[:3] for row in workspace.ask(question, width=width)]), width


def hours(workspace: Workspace) -> FigureTable:
    """Packets by day of the week and hour; None: too few senders."""
    found = {(day, hour): (packets, senders) for day, hour, packets, senders in workspace.ask("hours")}
    cells = [[found.get((day, hour), (0, 0)) for hour in range(24)] for day in range(1, 8)]
    visible = visible_cells([[senders for _, senders in row] for row in cells])
    rows: Rows = [
        (day + 1, hour, packets if visible[day][hour] else None)
        for day, row in enumerate(cells)
        for hour, (packets, _) in enumerate(row)
    ]
    return FigureTable((("weekday", int), ("hour", int), ("packets", int)), rows)


def emptied(workspace: Workspace) -> tuple[FigureTable, int, int]:
    """Times to empty by kind; all packets that were emptied, and in ten seconds."""
    rows = workspace.ask("emptied")
    columns = (
        *(("kind", str), ("packets", int)),
        *(("p10_s", float), ("p50_s", float), ("p90_s", float), ("p99_s", float), ("in_10_s", int)),
    )
    shown = [(kind, packets, *times, fast) for kind, packets, senders, times, fast in rows if may_show(senders)]
    return FigureTable(columns, shown), sum(row[1] for row in rows), sum(row[4] for row in rows)


def gone(workspace: Workspace) -> FigureTable:
    """Which part of all shares was gone after so many seconds."""
    rows = [
        (edge, opened / all_shares if all_shares else 0.0) for edge, opened, all_shares in workspace.ask("gone")
    ]
    return FigureTable((("seconds", int), ("part_gone", float)), rows)


def amounts(workspace: Workspace, question: str) -> FigureTable:
    """How many of each size; sizes that too few people have are left out together."""
    rows = workspace.ask(question)
    shown, _ = fold(rows, lambda row: row[4])
    columns = (("from_fen", int), ("below_fen", int), ("count", int), ("sum_fen", int))
    return FigureTable(columns, sorted(row[:4] for row in shown))


def flows(workspace: Workspace) -> FigureTable:
    """From classes of givers to classes of receivers; None: too few people on either side."""
    found = {(giver, receiver): rest for giver, receiver, *rest in workspace.ask("flows")}
    cells = [[found.get((giver, receiver), [0, 0, 0, 0]) for receiver in range(4)] for giver in (1, 2, 3)]
    visible = visible_cells([[min(cell[2:]) for cell in row] for row in cells])
    rows: Rows = []
    for giver, row in enumerate(cells):
        for receiver, (shares, fen, *_) in enumerate(row):
            shown = (shares, fen) if visible[giver][receiver] else (None, None)
            rows.append((CLASSES[giver + 1], CLASSES[receiver], *shown))
    columns = (("giver", str), ("receiver", str), ("shares", int), ("amount_fen", int))
    return FigureTable(columns, rows)


def replies(workspace: Workspace, until_ms: int) -> tuple[FigureTable, int]:
    """Which part of first receivers sent a packet within so many hours; and how many receivers there are."""
    rows = workspace.ask("replies", until_ms=until_ms)
    receivers = rows[0][2] if rows else 0
    by_hour = {hour: users for hour, users, _ in rows if hour is not None}
    columns = (("hours", int), ("part", float))
    if not may_show(receivers):
        return FigureTable(columns, []), receivers
    sent, found = 0, []
    for hour in range(24):
        sent += by_hour.get(hour, 0)
        found.append((hour + 1, sent / receivers))
    return FigureTable(columns, found), receivers


def retention(workspace: Workspace, until_ms: int) -> FigureTable:
    """By what new users did first: which part came back on the day so many days later."""
    rows = [
        (role, days, users, back / users)
        for role, days, users, back in workspace.ask("retention", until_ms=until_ms)
        if may_show(users)
    ]
    return FigureTable((("first_role", str), ("days", int), ("users", int), ("part_back", float)), rows)


def greetings(workspace: Workspace) -> FigureTable:
    """The most frequent greetings; what few senders use is one row."""
    rows = folded(workspace.ask("greetings", sponsored=SPONSORED), lambda row: row[2], _summed)
    named = [row for row in rows if row[0] != OTHERS]
    rest = [*named[GREETINGS_MAX:], *(row for row in rows if row[0] == OTHERS)]
    shown = [*named[:GREETINGS_MAX], *([_summed(rest)] if rest else [])]
    columns = (("greeting", str), ("packets", int), ("amount_fen", int))
    return FigureTable(columns, [(row[0], row[1], row[3]) for row in shown])


def shakes(workspace: Workspace) -> FigureTable:
    """From shakes to wins, by campaign; campaigns with few winners are one row."""

    def join(rows: Rows) -> tuple[Any, ...]:
        return (OTHERS, *_summed([row[1:] for row in rows]))

    rows = folded(workspace.ask("shakes"), lambda row: row[6], join)
    columns = (
        *(("campaign", str), ("sponsor", str), ("shakes", int), ("rests", int), ("nothings", int)),
        *(("wins", int), ("winners", int), ("won_fen", int), ("budget_fen", int)),
    )
    return FigureTable(columns, rows)


def sponsors(workspace: Workspace) -> FigureTable:
    """What each sponsor spent, and on how many people; sponsors with few openers are one row."""
    rows = folded(workspace.ask("sponsors"), lambda row: row[2], _summed)
    columns = (
        *(("sponsor", str), ("shares", int), ("openers", int), ("spent_fen", int)),
        ("fen_per_opener", float),
    )
    return FigureTable(columns, [(*row, row[3] / row[2]) for row in rows])


def payments(workspace: Workspace) -> tuple[FigureTable, int]:
    """By gateway, kind and state (amounts of few users are left out); how many wait for their end."""
    rows = workspace.ask("payments")
    shown = [
        (gateway, kind, state, count, fen if may_show(users) else None, None if state in ENDED else oldest_ms)
        for gateway, kind, state, count, fen, users, oldest_ms in rows
    ]
    columns = (
        *(("gateway", str), ("kind", str), ("state", str), ("payments", int)),
        *(("amount_fen", int), ("oldest_ms", int)),
    )
    return FigureTable(columns, shown), sum(row[3] for row in rows if row[2] not in ENDED)


ENDED: Final = ("succeeded", "failed")


def refusals(workspace: Workspace) -> FigureTable:
    """What was refused and is on record, by reason."""
    return FigureTable((("of", str), ("reason", str), ("times", int)), workspace.ask("refusals"))


def risk_hits(workspace: Workspace) -> FigureTable:
    """How often rules of risk control hit, and whom; rules that hit few people are one row."""

    def join(rows: Rows) -> tuple[Any, ...]:
        return (OTHERS, "", sum(row[2] for row in rows), None)  # one user may be in several rows

    rows = folded(workspace.ask("risk_hits"), lambda row: row[3], join)
    return FigureTable((("rule", str), ("mode", str), ("decisions", int), ("users", int)), rows)


def risk_in_force(workspace: Workspace) -> FigureTable:
    """How many users each action holds back when the snapshot is taken; actions with few are one row."""
    rows = folded(workspace.ask("risk_in_force"), lambda row: row[1], _summed)
    return FigureTable((("action", str), ("users", int)), rows)


def breaks(workspace: Workspace) -> tuple[FigureTable, int]:
    """Differences from the books of banks; how many are open."""
    rows = workspace.ask("breaks")
    columns = (("class", str), ("is_open", bool), ("breaks", int), ("difference_fen", int))
    return FigureTable(columns, rows), sum(row[2] for row in rows if row[1])


BY_NAME: Final[dict[str, Callable[[Workspace], FigureTable]]] = {
    "hours": hours,
    "flows": flows,
    "greetings": greetings,
    "shakes": shakes,
    "sponsors": sponsors,
    "refusals": refusals,
    "risk_hits": risk_hits,
    "risk_in_force": risk_in_force,
    "share_amounts": lambda workspace: amounts(workspace, "share_amounts"),
    "packet_amounts": lambda workspace: amounts(workspace, "packet_amounts"),
}
