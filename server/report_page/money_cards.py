"""Cards about packets and money: what was sent, how fast it was gone, amounts, campaigns, payments."""

from __future__ import annotations

from server.report_page import charts
from server.report_page.charts import Box
from server.report_page.markup import table, tag, text
from server.report_page.scales import Tick, day_ticks, logarithmic, moment, pick, spoken
from server.report_page.shown import Shown, percent

WIDE = Box(1130, 190)
SECONDS = (1, 3, 10, 60, 300, 3_600, 21_600, 86_400)


def kinds(shown: Shown) -> str:
    """What was sent by kind, and one bar of what became of it."""
    facts, rows = shown.figures.facts, []
    for kind, packets, shares, opened, sent_fen, opened_fen, refunded_fen, unopened_fen, emptied in shown.rows(
        "totals"
    ):
        amounts = [shown.amount(fen) for fen in (sent_fen, opened_fen, refunded_fen, unopened_fen)]
        parts = [percent(opened / shares if shares else None), percent(emptied / packets if packets else None)]
        rows.append([shown.kind(kind), f"{packets:,}", *amounts, *parts])
    names = ("opened", "refunded", "unopened")
    whole = facts.sent_fen or 1
    spans, keys, x = "", "", 0.0
    for number, name in enumerate(names):
        fen = getattr(facts, f"{name}_fen")
        width = fen / whole * 1_130
        about = f"{shown.say(name)}: {shown.amount(fen)}"
        spans += charts.bar(x, 0, width, 24, f"part{number}", about, 0) if fen else ""
        keys += tag(
            "span", tag("i", "", f"k{number}") + text(shown.say(name)) + " " + tag("b", percent(fen / whole, 1))
        )
        x += width
    drawn = charts.svg(Box(1_130, 24), shown.say("kinds"), spans) + tag("div", keys, "keys")
    head = [shown.say(key) for key in ("kind", "packets", "sent", *names, "part", "emptied_short")]
    inner = drawn + (table(head, rows) if rows else "")
    return shown.card(shown.say("kinds"), inner, shown.say("kinds_note"), "full")


def pace(shown: Shown) -> str:
    """Packets a minute."""
    return _curve(shown, "sent_by_minute", "pace")


def opens(shown: Shown) -> str:
    """Opens a minute."""
    return _curve(shown, "opened_by_minute", "opens")


def _curve(shown: Shown, name: str, title: str) -> str:
    width, rows = shown.figures.facts.width_minutes, shown.rows(name)
    if not rows:
        return ""
    points, step_ms = [], width * 60_000
    before_ms = rows[0][0] - step_ms
    for at_ms, events, _ in rows:  # a minute without any is no row
        if at_ms - before_ms > step_ms:
            points += [(before_ms + step_ms, 0.0), (at_ms - step_ms, 0.0)]
        points.append((at_ms, events / width))
        before_ms = at_ms
    peaks = [(at_ms, busiest) for at_ms, _, busiest in rows] if width > 1 else []
    ticks = pick(day_ticks(rows[0][0], rows[-1][0]), rows[0][0], rows[-1][0])

    def tell(point: charts.Point) -> str:
        return f"{moment(point[0])}: {point[1]:,.0f}"

    drawn = charts.curve(WIDE, points, ticks, shown.say(title), tell, peaks)
    return shown.card(shown.say(title), drawn, shown.say("pace_note", width=width) if peaks else "", "full")


def _time_ticks(shown: Shown, high: float) -> list[Tick]:
    return [Tick(seconds, spoken(seconds, shown.language)) for seconds in SECONDS if seconds <= high]


def gone(shown: Shown) -> str:
    """Which part of the shares is gone after so many seconds."""
    points = [(float(seconds), part) for seconds, part in shown.rows("gone")]
    if not points or not points[-1][1]:
        return ""
    box = Box()
    x, y = logarithmic(1, 86_400, charts.LEFT, box.right), box.y(1)
    ticks = _time_ticks(shown, 86_400)
    drawn = charts.lines(box, [("", points)], (x, y), (ticks, charts.PERCENT), shown.say("gone"))
    return shown.card(shown.say("gone"), drawn, shown.say("gone_note"))


def emptied(shown: Shown) -> str:
    """The middle 80 % of the times to empty, by kind."""
    rows = shown.rows("emptied")
    if not rows:
        return ""
    step = 48.0
    box = Box(560, max(130.0, charts.TOP + step * len(rows) + charts.BOTTOM + 8))
    high = max(60.0, *(row[4] for row in rows)) * 1.5
    x = logarithmic(max(0.2, min(row[2] for row in rows) / 2), high, 130, box.right)
    inner = ""
    for seconds, label in _time_ticks(shown, high):
        if x(seconds) > 130:
            inner += charts.line(x(seconds), charts.TOP, x(seconds), box.floor, "grid")
            inner += charts.words(x(seconds), box.height - 8, label)
    for number, (kind, packets, p10, p50, p90, _, _) in enumerate(rows):
        y = charts.TOP + step * (number + 0.5)
        times = " / ".join(spoken(one, shown.language) for one in (p10, p50, p90))
        said = f"{shown.kind(kind)}: {times} ({packets:,})"
        inner += charts.words(122, y + 4, shown.kind(kind), "name", "end")
        inner += charts.bar(x(p10), y - 7, x(p90) - x(p10), 14, "band", said, 7)
        inner += charts.dot(x(p50), y, "mark", said, 6)
        inner += charts.words(x(p50), y - 12, spoken(p50, shown.language), "label")
    part = percent(shown.figures.facts.emptied_in_10_s)
    drawn = charts.svg(box, shown.say("emptied"), inner)
    return shown.card(shown.say("emptied"), drawn, shown.say("emptied_note", part=part))


def share_amounts(shown: Shown) -> str:
    """Sizes of shares."""
    return _amounts(shown, "share_amounts")


def packet_amounts(shown: Shown) -> str:
    """Sizes of packets."""
    return _amounts(shown, "packet_amounts")


def _amounts(shown: Shown, name: str) -> str:
    rows = shown.rows(name)
    if not rows:
        return ""
    box, high = Box(), rows[-1][1]
    low = max(1.0, rows[0][0])
    x = logarithmic(low, high, charts.LEFT, box.right)
    powers = [10.0**n for n in range(12) if low <= 10.0**n <= high]
    ticks = [Tick(fen, shown.money.number(int(fen))) for fen in powers]
    spans = [
        (start, below, count, f"{shown.amount(start)} – {shown.amount(below - 1)}: {count:,}")
        for start, below, count, _ in rows
    ]
    drawn = charts.columns(box, spans, x, ticks, shown.say(name))
    return shown.card(shown.say(name), drawn, shown.say("amounts_note"))


def shakes(shown: Shown) -> str:
    """From shakes to wins."""
    rows = [
        [
            shown.named(campaign),
            *(f"{count:,}" for count in (shakes, rests, wins, winners)),
            *(shown.amount(won), shown.amount(budget)),
        ]
        for campaign, _, shakes, rests, _, wins, winners, won, budget in shown.rows("shakes")
    ]
    head = [shown.say(key) for key in ("campaign", "shake_count", "rests", "wins", "winners", "won", "budget")]
    return shown.card(shown.say("shakes"), table(head, rows) if rows else "", "", "full")


def sponsors(shown: Shown) -> str:
    """What an opener costs."""
    rows = [
        [shown.named(name), shown.amount(fen), f"{openers:,}", shown.amount(each)]
        for name, _, openers, fen, each in shown.rows("sponsors")
    ]
    head = [shown.say(key) for key in ("sponsor", "spent", "openers", "per_opener")]
    return shown.card(shown.say("sponsors"), table(head, rows) if rows else "")


def refusals(shown: Shown) -> str:
    """Refusals on record."""
    rows = [[of, reason, f"{times:,}"] for of, reason, times in shown.rows("refusals")]
    head = [shown.say(key) for key in ("of", "reason", "times")]
    return shown.card(shown.say("refusals"), table(head, rows) if rows else "", shown.say("refusals_note"))


def risk(shown: Shown) -> str:
    """Hits of risk control, and whom it holds back."""
    rows = [
        [shown.named(rule), mode, f"{decisions:,}", "–" if users is None else f"{users:,}"]
        for rule, mode, decisions, users in shown.rows("risk_hits")
    ]
    head = [shown.say(key) for key in ("rule", "mode", "decisions", "risk_users")]
    held = [[shown.named(action), f"{users:,}"] for action, users in shown.rows("risk_in_force")]
    inner = table(head, rows) if rows else ""
    inner += table([shown.say("in_force"), shown.say("risk_users")], held) if held else ""
    return shown.card(shown.say("risk"), inner, shown.say("risk_note"))


def payments(shown: Shown) -> str:
    """Payments by state, and what is unknown."""
    rows = [
        [f"{gateway} {kind}", state, f"{count:,}", shown.amount(fen), "–" if oldest is None else moment(oldest)]
        for gateway, kind, state, count, fen, oldest in shown.rows("payments")
    ]
    head = [shown.say(key) for key in ("gateway", "state", "count", "amount", "since")]
    note = shown.say("waiting", count=f"{shown.figures.facts.unknown_payments:,}")
    return shown.card(shown.say("payments"), table(head, rows) if rows else "", note)


def breaks(shown: Shown) -> str:
    """Differences from the books of banks."""
    rows = [
        [name, shown.say("open" if is_open else "closed"), f"{count:,}", shown.amount(fen)]
        for name, is_open, count, fen in shown.rows("breaks")
    ]
    head = [shown.say(key) for key in ("class", "state", "count", "amount")]
    note = shown.say("open_breaks", count=f"{shown.figures.facts.open_breaks:,}")
    return shown.card(shown.say("breaks"), table(head, rows) if rows else "", note)
