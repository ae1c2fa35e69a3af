"""Draws a state for a screen of a given size. Pure: the same state always gives the same output.

The figures come first and have a fixed height; the lists and the connections share the remaining lines.
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
from server.top.figures import (
    BAD,
    GAP,
    GOOD,
    NAME,
    gauges,
    new_table,
    number,
    payments_line,
    peers_line,
    shown_workers,
    workers_table,
)
from server.top.help import HELP
from server.top.state import (
    LEFT_CURVES,
    RIGHT_CURVES,
    SORT_KEYS,
    Answers,
    Connection,
    Curve,
    TopState,
)

OUTDATED: Final = "dim"
LIST_ROWS_LEAST: Final = 4
LIST_ROWS_MOST: Final = 20
SNAPSHOT_LINES: Final = 45
PROBLEM_LINES_MOST: Final = 3
BLANK: Final = " "  # a Layout without any text draws a placeholder
NO_ANSWER_YET: Final = "waiting for the first answer"


class Part(NamedTuple):
    """A part of the screen, and the number of its lines."""

    content: RenderableType
    lines: int


def draw(state: TopState, width: int, height: int) -> RenderableType:
    """The whole screen: exactly `height` lines."""
    screen = Layout()
    if state.shows_help:
        screen.update(HELP)
        return screen
    foot = Part(_keys(state.sort), 1)
    parts = _parts(state, width, height - foot.lines)
    rest = Part(Text(BLANK), max(0, height - foot.lines - sum(part.lines for part in parts)))
    screen.split_column(
        *(Layout(part.content, size=part.lines) for part in (*parts, rest, foot) if part.lines),
    )
    return screen


def snapshot(state: TopState, width: int) -> RenderableType:
    """The same for a file or a pipe, without keys and curves."""
    without_curves = replace(state, minute=())
    return Group(*(part.content for part in _parts(without_curves, width, SNAPSHOT_LINES)))


def _parts(state: TopState, width: int, height: int) -> list[Part]:
    head = [Part(_title(state.answers if state.unreachable is None else None), 1), _problems(state, width)]
    if state.answers is None:
        return head
    payments, workers = state.answers.status.payments, shown_workers(state.answers.status.workers)
    recent = state.answers.recent
    figures = [
        Part(gauges(state.answers), 2),
        *([] if payments is None else [Part(payments_line(payments), 1)]),
        *([] if not workers else [Part(workers_table(workers), 1 + len(workers))]),
        *([] if recent.now.links is None else [Part(peers_line(recent.now.links, recent), 1)]),
        Part(_curves(state), len(LEFT_CURVES)),
    ]
    free = height - sum(part.lines for part in (*head, *figures)) - 2  # two lines of headings
    list_rows = min(LIST_ROWS_MOST, _longest(state.answers), max(LIST_ROWS_LEAST, free // 2))
    rows = max(1, free - list_rows)
    body = [
        *figures,
        Part(_lists(state.answers, list_rows), list_rows + 1),
        Part(_connections(state.answers.listed.connections[:rows], state.sort), rows + 1),
    ]
    if state.unreachable is not None:
        body = [Part(Styled(part.content, OUTDATED), part.lines) for part in body]
    return head + body


# --- state and problems ----------------------------------------------------------------------------------------


def _title(answers: Answers | None) -> RenderableType:
    line = Text("hongbao", style="bold", no_wrap=True, overflow="ellipsis")
    if answers is not None:  # None also while the server does not answer: its last state may be wrong
        status = answers.status
        line.append(f"  {status.state}", GOOD if status.ready else BAD)
        for name, store_state in status.stores.items():
            is_up = store_state == "up"
            line.append(f"  {name} {'up' if is_up else 'away'}", GOOD if is_up else BAD)
        line.append(f"  durability {status.durability}  up {humanize('up_s', status.up_s)}", "not bold")
    return line


def _problems(state: TopState, width: int) -> Part:
    """Why the server is not ready, what is degraded, or that the server does not answer."""
    style, words = "yellow", NO_ANSWER_YET if state.answers is None else "; ".join(state.answers.status.degraded)
    if state.answers is not None and state.answers.status.reasons:
        style, words = BAD, "; ".join([*state.answers.status.reasons, *state.answers.status.degraded])
    if state.unreachable is not None:
        since = humanize("since_ms", state.unreachable.since_ms)
        style, words = BAD, f"no answer since {since}: {state.unreachable.why}; retrying"
    lines = textwrap.wrap(humanize("", words), width, max_lines=PROBLEM_LINES_MOST, placeholder=" …") or [BLANK]
    return Part(Text("\n".join(lines), style=style), len(lines))


# --- figures ---------------------------------------------------------------------------------------------------


def _curves(state: TopState) -> Table:
    assert state.answers is not None
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for _ in range(2):
        table.add_column(no_wrap=True, style=NAME)
        table.add_column(no_wrap=True, justify="right", min_width=7)
        table.add_column(no_wrap=True, ratio=1)
    for left, right in zip(LEFT_CURVES, RIGHT_CURVES, strict=True):
        table.add_row(*_curve(state, state.answers, left), *_curve(state, state.answers, right))
    return table


def _curve(state: TopState, answers: Answers, curve: Curve) -> tuple[str, str, CurveLine]:
    return curve.title, number(curve.value(answers.recent.rates)), CurveLine(state.points(curve))


# --- lists -----------------------------------------------------------------------------------------------------


def _longest(answers: Answers) -> int:
    rates = answers.recent.rates
    return max(LIST_ROWS_LEAST, len(rates.requests_per_s), len(rates.refusals_per_s), len(answers.recent.hottest))


def _lists(answers: Answers, rows: int) -> Table:
    rates = answers.recent.rates
    table = Table.grid(padding=GAP, expand=True)
    table.add_column(ratio=4)
    table.add_column(ratio=5)  # refusal reasons are longer than request kinds
    table.add_column()
    table.add_row(
        _ranking("requests", rates.requests_per_s, rows),
        _ranking("refusals", rates.refusals_per_s, rows),
        _hottest(answers.recent.hottest[:rows]),
    )
    return table


def _ranking(title: str, per_s: Mapping[str, float], rows: int) -> Table:
    """The most frequent names; if there are too many, the last line has the sum of the others."""
    table = new_table()
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
    table = new_table()
    table.add_column("hottest packets", no_wrap=True, ratio=1, min_width=19)
    table.add_column("opens", no_wrap=True, justify="right")
    table.add_column("left", no_wrap=True, justify="right")
    for packet in packets:
        table.add_row(packet.packet, f"{packet.opens:,}", humanize("left", packet.left))
    return table


def _connections(connections: Sequence[Connection], sort: Sort) -> Table:
    table = new_table()
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


# --- keys ------------------------------------------------------------------------------------------------------


def _keys(sort: Sort) -> Text:
    line = Text("sort by  ", no_wrap=True)
    for key, name in SORT_KEYS.items():
        line.append(f"{key} {name}", "reverse" if name == sort else "")
        line.append("  ")
    return line.append("  h help   q quit", "")
