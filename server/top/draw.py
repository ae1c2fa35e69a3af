"""How a view looks on a screen of a given size. Pure: the same view always gives the same picture.

The figures come first and have a fixed height; what is left goes to the lists and to the connections.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.styled import Styled
from rich.table import Table
from rich.text import Text

from server.ops.humanize import humanize
from server.ops.samples.sample import HotPacket, Sort
from server.top.curve import CurveLine
from server.top.help import HELP
from server.top.view import LEFT_CURVES, RIGHT_CURVES, SORT_KEYS, Answers, Connection, Curve, TopState

NAME, HEAD, GOOD, BAD, PALE = "dim", "bold reverse", "bold green", "bold red", "dim"
LIST_ROWS_LEAST: Final = 4
LIST_ROWS_MOST: Final = 20
SNAPSHOT_LINES: Final = 45
TROUBLE_LINES_MOST: Final = 3
GAP: Final = (0, 2, 0, 0)
BLANK: Final = " "  # a Layout without any text draws itself
NEWLY_STARTED: Final = "waiting for the first answer"


class Part(NamedTuple):
    """A part of the screen, and how many lines it takes."""

    picture: RenderableType
    lines: int


def draw(view: TopState, width: int, height: int) -> RenderableType:
    """The whole screen: exactly as many lines as it has."""
    screen = Layout()
    if view.helps:
        screen.update(HELP)
        return screen
    foot = Part(_keys(view.sort), 1)
    parts = _parts(view, width, height - foot.lines)
    rest = Part(Text(BLANK), max(0, height - foot.lines - sum(part.lines for part in parts)))
    screen.split_column(
        *(Layout(part.picture, size=part.lines) for part in (*parts, rest, foot) if part.lines),
    )
    return screen


def snapshot(view: TopState, width: int) -> RenderableType:
    """The same for a file or a pipe: no keys, and no curves, which one moment does not have."""
    moment = replace(view, minute=())
    return Group(*(part.picture for part in _parts(moment, width, SNAPSHOT_LINES)))


def _parts(view: TopState, width: int, height: int) -> list[Part]:
    head = [Part(_title(view.answers if view.silence is None else None), 1), _outage_log(view, width)]
    if view.answers is None:
        return head
    figures = [Part(_facts(view.answers), 2), Part(_curves(view), len(LEFT_CURVES))]
    free = height - sum(part.lines for part in (*head, *figures)) - 2  # two lines of headings
    list_rows = min(LIST_ROWS_MOST, _longest(view.answers), max(LIST_ROWS_LEAST, free // 2))
    rows = max(1, free - list_rows)
    told = [
        *figures,
        Part(_lists(view.answers, list_rows), list_rows + 1),
        Part(_connections(view.answers.listed.connections[:rows], view.sort), rows + 1),
    ]
    if view.silence is not None:
        told = [Part(Styled(part.picture, PALE), part.lines) for part in told]
    return head + told


# --- how it is -------------------------------------------------------------------------------------------------


def _title(answers: Answers | None) -> RenderableType:
    line = Text("hongbao", style="bold", no_wrap=True, overflow="ellipsis")
    if answers is not None:  # what was so before nobody answered may not be so any more
        status = answers.status
        line.append(f"  {status.state}", GOOD if status.ready else BAD)
        for name, how in status.stores.items():
            is_up = how == "up"
            line.append(f"  {name} {'up' if is_up else 'away'}", GOOD if is_up else BAD)
        line.append(f"  tier {status.durability}  up {humanize('up_s', status.up_s)}", "not bold")
    return line


def _outage_log(view: TopState, width: int) -> Part:
    """Why no traffic should come, what works less well, or that the server is silent."""
    style, words = "yellow", NEWLY_STARTED if view.answers is None else "; ".join(view.answers.status.degraded)
    if view.answers is not None and view.answers.status.reasons:
        style, words = BAD, "; ".join([*view.answers.status.reasons, *view.answers.status.degraded])
    if view.silence is not None:
        since = humanize("since_ms", view.silence.since_ms)
        style, words = BAD, f"no answer since {since}: {view.silence.why}; still asking"
    lines = textwrap.wrap(humanize("", words), width, max_lines=TROUBLE_LINES_MOST, placeholder=" …") or [BLANK]
    return Part(Text("\n".join(lines), style=style), len(lines))


# --- figures ---------------------------------------------------------------------------------------------------


def _facts(answers: Answers) -> Table:
    now, rates = answers.lately.now, answers.lately.rates
    backlog = None if now.figures is None else now.figures.backlog_claims
    table = Table.grid(padding=GAP)
    table.add_row(
        _fact("connections", now.connections),
        _fact("users", now.users_online),
        _fact("packets", now.live_packets),
        _fact("rss_bytes", now.rss_bytes, "memory"),
    )
    table.add_row(
        _fact("unrecorded", now.unrecorded),
        _fact("backlog", backlog),
        _fact("age_s", now.backlog_age_s, "oldest"),
        Text.assemble(("new/s ", NAME), number(rates.accepted_per_s)),
    )
    return table


def _fact(name: str, value: float | None, title: str = "") -> Text:
    return Text.assemble((f"{title or name} ", NAME), humanize(name, value))


def _curves(view: TopState) -> Table:
    assert view.answers is not None
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for _ in range(2):
        table.add_column(no_wrap=True, style=NAME)
        table.add_column(no_wrap=True, justify="right", min_width=7)
        table.add_column(no_wrap=True, ratio=1)
    for left, right in zip(LEFT_CURVES, RIGHT_CURVES, strict=True):
        table.add_row(*_curve(view, view.answers, left), *_curve(view, view.answers, right))
    return table


def _curve(view: TopState, answers: Answers, curve: Curve) -> tuple[str, str, CurveLine]:
    return curve.title, number(curve.value(answers.lately.rates)), CurveLine(view.points(curve))


def number(value: float | None) -> str:
    """A rate or milliseconds: one decimal below a hundred, none above."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


# --- lists -----------------------------------------------------------------------------------------------------


def _longest(answers: Answers) -> int:
    rates = answers.lately.rates
    return max(LIST_ROWS_LEAST, len(rates.requests_per_s), len(rates.refusals_per_s), len(answers.lately.hottest))


def _lists(answers: Answers, rows: int) -> Table:
    rates = answers.lately.rates
    table = Table.grid(padding=GAP, expand=True)
    table.add_column(ratio=4)
    table.add_column(ratio=5)  # reasons have longer names than kinds
    table.add_column()
    table.add_row(
        _ranking("requests", rates.requests_per_s, rows),
        _ranking("refusals", rates.refusals_per_s, rows),
        _hottest(answers.lately.hottest[:rows]),
    )
    return table


def _ranking(title: str, per_s: Mapping[str, float], rows: int) -> Table:
    """The most frequent ones; if there are too many, the last line adds up the others."""
    table = _table()
    table.add_column(title, no_wrap=True, ratio=1)
    table.add_column("/s", no_wrap=True, justify="right")
    for name, rate in _ranked(per_s, rows):
        table.add_row(name.replace("_", " "), number(rate))
    return table


def _ranked(per_s: Mapping[str, float], rows: int) -> list[tuple[str, float]]:
    ranked = sorted(per_s.items(), key=lambda item: (-item[1], item[0]))
    if len(ranked) <= rows:
        return ranked
    others = ranked[rows - 1 :]
    return [*ranked[: rows - 1], (f"{len(others)} others", sum(rate for _, rate in others))]


def _hottest(packets: Sequence[HotPacket]) -> Table:
    table = _table()
    table.add_column("hottest packets", no_wrap=True, ratio=1, min_width=19)
    table.add_column("opens", no_wrap=True, justify="right")
    table.add_column("left", no_wrap=True, justify="right")
    for packet in packets:
        table.add_row(packet.packet, f"{packet.opens:,}", humanize("left", packet.left))
    return table


def _connections(connections: Sequence[Connection], sort: Sort) -> Table:
    table = _table()
    titles: dict[str, Sort | None] = {
        "pending": "pending",
        "idle": "idle",
        "requests": "requests",
        "connected": None,
    }
    table.add_column("user", no_wrap=True, justify="right", min_width=9)
    for title, by in titles.items():
        table.add_column(f"{title}▼" if by == sort else title, no_wrap=True, justify="right", min_width=9)
    table.add_column("address", no_wrap=True, ratio=1)
    for one in connections:
        table.add_row(
            humanize("user_id", one.user_id),
            humanize("pending_bytes", one.pending_bytes),
            humanize("idle_s", one.idle_s),
            humanize("requests", one.requests),
            humanize("connected_s", one.connected_s),
            Text(humanize("address", one.address)),
        )
    return table


def _table() -> Table:
    return Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style=HEAD)


# --- keys ------------------------------------------------------------------------------------------------------


def _keys(sort: Sort) -> Text:
    line = Text("sort by  ", no_wrap=True)
    for key, name in SORT_KEYS.items():
        line.append(f"{key} {name}", "reverse" if name == sort else "")
        line.append("  ")
    return line.append("  h help   q quit", "")
