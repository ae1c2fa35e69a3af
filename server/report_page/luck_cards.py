"""Cards about luck: the verdict, and the most frequent group of packets in detail."""

from __future__ import annotations

import math

from server.report_page import charts
from server.report_page.charts import Box
from server.report_page.markup import tag, text
from server.report_page.scales import Tick, nice_ticks
from server.report_page.shown import Shown, percent


def luck(shown: Shown) -> str:
    """What the tests come to."""
    verdict = shown.figures.luck
    counted = {"tests": f"{verdict.tests:,}", "draws": f"{verdict.draws:,}", "misfits": f"{verdict.misfits:,}"}
    if not verdict.tests:
        said = tag("p", text(shown.say("luck_none")))
    elif verdict.misfits:
        said = tag("div", text(shown.say("luck_unfair", **counted, p=f"{verdict.least_p:.2g}")), "verdict bad")
    else:
        said = tag("div", text(shown.say("luck_fair", **counted)), "verdict")
    note = shown.say("luck_note")
    if verdict.groups_left_out:
        note += " " + shown.say("luck_left", left=verdict.groups_left_out)
    return shown.card(shown.say("luck"), said + tag("p", text(note)), "", "full")


def _most_frequent(shown: Shown) -> list[tuple[float, ...]]:
    """The turns of the group with the most draws in its first turn."""
    rows = shown.rows("luck")
    if not rows or not shown.rows("luck_bins"):
        return []
    first = max(rows, key=lambda row: (row[2] == 1, row[3]))
    return [row for row in rows if row[:2] == first[:2]]


def turns(shown: Shown) -> str:
    """The mean of each turn: law and observation."""
    rows = _most_frequent(shown)
    if not rows:
        return ""
    total_fen, shares = rows[0][:2]
    box = Box(370, 240)
    ticks = [
        Tick(fen, shown.money.number(int(fen)))
        for fen in nice_ticks(max(row[5] + row[7] for row in rows))
        if fen == int(fen)
    ]
    x, y = box.x(0.5, shares + 0.5), box.y(ticks[-1].value)
    named = [
        Tick(turn, str(turn)) for turn in range(1, int(shares) + 1) if shares <= 12 or turn % 5 == 0 or turn == 1
    ]
    inner = charts.axes(box, x, y, named, ticks)
    above = [(x(row[2]), y(row[5] + row[7])) for row in rows]
    below = [(x(row[2]), y(max(0.0, row[5] - row[7]))) for row in rows]
    inner += charts.path([*above, *reversed(below)], "band")
    inner += charts.path([(x(row[2]), y(row[5])) for row in rows], "law")
    for _, _, turn, draws, mean, expected, spread, *_ in rows:
        error = 2 * spread / math.sqrt(draws)
        said = f"{turn}: {shown.amount(mean)} (± {shown.amount(error)}), {shown.amount(expected)}"
        inner += charts.line(x(turn), y(mean - error), x(turn), y(mean + error), "base")
        inner += charts.dot(x(turn), y(mean), "mark", said)
    title = shown.say("turns", total=shown.amount(total_fen), shares=int(shares))
    return shown.card(title, charts.svg(box, title, inner), shown.say("turns_note"), "third")


def last_turn(shown: Shown) -> str:
    """The law of the last turn, and what was drawn."""
    rows = shown.rows("luck_bins")
    if not rows:
        return ""
    turn = max(row[0] for row in rows)
    bins = [row[1:] for row in rows if row[0] == turn]
    box, high = Box(370, 240), bins[-1][0] * 1.25  # the last bin reaches far, with almost nothing in it
    # a bin is as high as it has draws for each fen, so that areas compare
    heights = [
        (low, end + 1, seen / (end - low + 1), expected / (end - low + 1), seen)
        for low, end, expected, seen in bins
    ]
    most = max(max(row[2], row[3]) for row in heights)
    x, y = box.x(0, high), box.y(most * 1.1)
    ticks = [Tick(fen, shown.money.number(int(fen))) for fen in nice_ticks(high, 4) if fen <= high]
    inner = charts.axes(box, x, y, ticks, [Tick(0, "")])
    steps: list[charts.Point] = []
    for low, below, seen, expected, count in heights:
        end = min(below, high)
        said = f"{shown.amount(low)} – {shown.amount(below - 1)}: {count:,}"
        inner += charts.bar(x(low) + 0.5, y(seen), x(end) - x(low) - 1, box.floor - y(seen), "fill", said)
        steps += [(x(low), y(expected)), (x(end), y(expected))]
    title = shown.say("last_turn", turn=turn)
    drawn = charts.svg(box, title, inner + charts.path(steps, "law"))
    return shown.card(title, drawn, shown.say("last_turn_note"), "third")


def best_turns(shown: Shown) -> str:
    """How often the best luck falls on each turn."""
    rows = shown.rows("best_luck_turns")
    whole = sum(packets for _, packets in rows)
    if not whole:
        return ""
    box, shares = Box(370, 240), max(turn for turn, _ in rows)
    most = max(packets for _, packets in rows) / whole
    ticks = [Tick(part, f"{100 * part:g} %") for part in nice_ticks(most)]
    x, y = box.x(0.5, shares + 0.5), box.y(ticks[-1].value)
    inner = charts.axes(
        box, x, y, [Tick(turn, str(turn)) for turn, _ in rows if shares <= 12 or turn % 5 == 0], ticks
    )
    for turn, packets in rows:
        height, said = y(packets / whole), f"{turn}: {percent(packets / whole, 1)}"
        inner += charts.bar(
            x(turn - 0.5) + 2, height, x(turn + 0.5) - x(turn - 0.5) - 4, box.floor - height, "fill", said
        )
    title = shown.say("best_turns")
    return shown.card(title, charts.svg(box, title, inner), shown.say("best_note"), "third")
