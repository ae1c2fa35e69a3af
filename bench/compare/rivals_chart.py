"""The chart beside docs/benchmarks.md: bars of our server and of the rivals, as a separate SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import Any, Final

from bench.report.markup import Markup, element, together
from bench.report.words import number

NAMESPACE: Final = "http://www.w3.org/2000/svg"
WIDTH: Final = 760
LABEL: Final = 22  # pixels of a line of text
BAR: Final = 18
GAP: Final = 14
BESIDE: Final = 66  # pixels from a bar to the text behind its number
LETTER: Final = 7.5  # pixels of a wide font
STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1a1c1f } .soft { fill: #5b626b } .name { font-weight: 600 }
.ours { fill: #0072b2 } .theirs { fill: #9aa3ad } .spread { stroke: #1a1c1f }
@media (prefers-color-scheme: dark) { text { fill: #e9ecef } .soft { fill: #a0a8b1 } .ours { fill: #4fb0ec }
  .theirs { fill: #6d7580 } .spread { stroke: #e9ecef } }
"""


def picture(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Bars as a separate SVG: medians, with a line from the lowest to the highest rate."""
    most = max((max(*pair["ours"], *pair["theirs"]) for pair in pairs), default=1)
    texts = max((len(_beside(pair)) for pair in pairs), default=0)
    pixels_each = (WIDTH - BESIDE - texts * LETTER) / most
    drawn, y = [], 0.0
    for name, group in groupby(pairs, key=lambda pair: str(pair["run"])):
        drawn.append(element("text", name, class_="name", x=0, y=y + 15))
        y += LABEL
        rivals = list(group)
        bars = [("ours", "hongbao", rivals[0]["ours"])]
        bars += [("theirs", _beside(one), one["theirs"]) for one in rivals]
        for kind, text, rates in bars:
            drawn.append(_bar(kind, text, rates, y, pixels_each))
            y += BAR + 2
        y += GAP
    text = "; ".join(f"{pair['run']} is × {number(pair['ratio'])} of {pair['rival']}" for pair in pairs)
    inside = [
        element("title", "Our server and the rivals, per second"),
        element("desc", text),
        element("style", Markup(STYLE)),
        *drawn,
    ]
    box = f"0 0 {WIDTH} {y:.0f}"
    return element("svg", *inside, xmlns=NAMESPACE, role="img", width=WIDTH, height=y, viewBox=box) + "\n"


def _beside(pair: Mapping[str, Any]) -> str:
    """The text behind the bar of a rival."""
    return f"{pair['rival']}: ours is × {number(pair['ratio'])}"


def _bar(kind: str, text: str, rates: Sequence[float], y: float, pixels_each: float) -> Markup:
    low, middle, high = (value * pixels_each for value in (min(rates), median(rates), max(rates)))
    centre = y + BAR / 2
    return together(
        element("rect", class_=kind, x=0, y=y, width=middle, height=BAR),
        element("line", class_="spread", x1=low, x2=high, y1=centre, y2=centre),
        element("text", number(median(rates)), x=max(middle, high) + 8, y=y + 13.5),
        element("text", text, class_="soft", x=max(middle, high) + BESIDE, y=y + 13.5),
    )
