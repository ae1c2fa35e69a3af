"""Cards about people: who gives, to whom, when, with which words, and who comes back."""

from __future__ import annotations

from server.report_page import charts
from server.report_page.charts import PERCENT, Box
from server.report_page.report_words import WEEKDAYS
from server.report_page.scales import Tick, nice_ticks
from server.report_page.shown import Shown, percent

CLASSES = ("none", "lower_half", "upper", "top_tenth")


def giving(shown: Shown) -> str:
    """The Lorenz curves of what people sent and received."""
    facts = shown.figures.facts
    series = [(shown.say(name), shown.rows(name)) for name in ("lorenz_sent", "lorenz_received")]
    if facts.gini_sent is None or not series[0][1]:
        return ""
    box = Box(560, 300)
    x, y = box.x(0, 1), box.y(1)
    inner = charts.axes(box, x, y, PERCENT, PERCENT) + charts.line(x(0), y(0), x(1), y(1), "equal")
    for number, (name, points) in enumerate(series):
        inner += charts.path([(x(people), y(part)) for people, part in points], f"stroke s{number}")
        at = max((point for point in points if point[0] <= 0.8), default=(0.0, 0.0))
        inner += charts.words(x(0.8) - 10, y(at[1]) - 6, name, f"label s{number}", "end")
    note = shown.say(
        "giving_note",
        top=percent(facts.top_tenth_sent),
        sent=f"{facts.gini_sent:.2f}",
        received=f"{facts.gini_received:.2f}",
    )
    return shown.card(shown.say("giving"), charts.svg(box, shown.say("giving"), inner), note)


def flows(shown: Shown) -> str:
    """The matrix of givers and receivers."""
    cells = {(giver, receiver): (shares, fen) for giver, receiver, shares, fen in shown.rows("flows")}
    whole = sum(fen or 0 for _, fen in cells.values())
    if not whole:
        return ""
    most = max(fen or 0 for _, fen in cells.values())
    box, left, top = Box(560, 300), 96.0, 34.0
    width, height = (box.width - left - 6) / 4, (box.height - top - 8) / 3
    inner = "".join(
        charts.words(left + width * (n + 0.5), 18, shown.say(name), "name") for n, name in enumerate(CLASSES)
    )
    for row, giver in enumerate(CLASSES[1:]):
        y = top + row * height
        inner += charts.words(left - 10, y + height / 2 + 4, shown.say(giver), "name", "end")
        for column, receiver in enumerate(CLASSES):
            shares, fen = cells.get((giver, receiver), (0, 0))
            level = "hidden" if fen is None else f"h{round(6 * (fen / most) ** 0.6)}"
            said = "–" if fen is None else f"{shown.amount(fen)}, {shares:,}"
            x = left + column * width
            inner += charts.bar(x + 2, y + 2, width - 4, height - 4, f"heat {level}", said, 6)
            inner += charts.words(
                x + width / 2, y + height / 2 + 5, percent(None if fen is None else fen / whole, 1), "label name"
            )
    note = shown.say("flows_note")
    if shown.figures.facts.own_shares is not None:
        counts = {"own": f"{shown.figures.facts.own_shares:,}", "all": f"{shown.figures.facts.opened_shares:,}"}
        note += " " + shown.say("own", **counts)
    return shown.card(shown.say("flows"), charts.svg(box, shown.say("flows"), inner), note)


def replies(shown: Shown) -> str:
    """How many send within a day after the first share they received."""
    points = [(0.0, 0.0), *((float(hour), part) for hour, part in shown.rows("replies"))]
    if len(points) < 2:
        return ""
    box = Box()
    high = nice_ticks(max(part for _, part in points))[-1]
    x, y = box.x(0, 24), box.y(high)
    hours = [Tick(hour, f"{hour} h") for hour in (0, 6, 12, 18, 24)]
    inner = charts.axes(box, x, y, hours, [Tick(part, f"{100 * part:g} %") for part in nice_ticks(high)])
    drawn = [(x(hour), y(part)) for hour, part in points]
    inner += charts.path(drawn, "area", box.floor) + charts.path(drawn, "stroke")
    facts = shown.figures.facts
    note = shown.say("replies_note", users=f"{facts.receivers_observed:,}", part=percent(facts.replies_in_24_h, 1))
    return shown.card(shown.say("replies"), charts.svg(box, shown.say("replies"), inner), note)


def retention(shown: Shown) -> str:
    """Who comes back, by the first role."""
    series = [
        (
            shown.say(f"{role}_first"),
            [(float(days), part) for one, days, _, part in shown.rows("retention") if one == role],
        )
        for role in ("opened", "sent")
    ]
    found = [point for _, points in series for point in points]
    if not found:
        return ""
    box = Box()
    ticks = [Tick(part, f"{100 * part:g} %") for part in nice_ticks(max(part for _, part in found) or 0.01)]
    x, y = box.x(1, max(2.0, *(days for days, _ in found))), box.y(ticks[-1].value)
    days = [Tick(day, f"{day:g}") for day in sorted({day for day, _ in found})]
    drawn = charts.lines(box, series, (x, y), (days, ticks), shown.say("retention"))
    return shown.card(shown.say("retention"), drawn, shown.say("retention_note"))


def hours(shown: Shown) -> str:
    """Packets by day of the week and hour."""
    cells = {(day, hour): packets for day, hour, packets in shown.rows("hours")}
    if not any(cells.values()):
        return ""
    rows = [
        (name, [cells.get((day, hour)) for hour in range(24)])
        for day, name in enumerate(WEEKDAYS[shown.language], 1)
    ]
    names = [str(hour) if hour % 3 == 0 else "" for hour in range(24)]
    return shown.card(shown.say("hours"), charts.heat(rows, names, shown.say("hours")), shown.say("hours_note"))


def greetings(shown: Shown) -> str:
    """The most frequent greetings."""
    rows = [
        (shown.named(greeting) or shown.say("no_greeting"), float(packets), f"{packets:,}")
        for greeting, packets, _ in shown.rows("greetings")
    ]
    drawn = charts.bars_across(rows, shown.say("greetings"))
    return shown.card(shown.say("greetings"), drawn, shown.say("greetings_note"))
