"""A run as the page knows it: what it is called, its colour, and what is said of it in more than one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bench.report import chart
from bench.report.chart import number
from bench.report.markup import Inside, Markup, element

COLOURS: Final = 8  # then they come round again
PERCENTILES: Final = {  # name in the document -> as people write it, its percent
    "p50": ("p50", 50.0),
    "p90": ("p90", 90.0),
    "p99": ("p99", 99.0),
    "p99_9": ("p99.9", 99.9),
    "p99_99": ("p99.99", 99.99),
}
NOTHING: Final = "–"


class Run(NamedTuple):
    """A document with what tells it apart on the page."""

    place: int  # from 0
    told: Mapping[str, Any]

    @property
    def colour(self) -> str:
        """The class of its lines."""
        return f"c{self.place % COLOURS}"

    @property
    def name(self) -> str:
        """A few words for legends."""
        void = "" if self.told["valid"] else ", void"
        return f"{self.place + 1} {self.told['scenario']}, {tier(self.told)}{load(self.told)}{void}"

    @property
    def latencies_ms(self) -> list[tuple[float, float]]:
        """The latency curve as far as it can be drawn on a logarithmic scale."""
        last = chart.PERCENTS[-1]
        return [(percent, value) for percent, value in self.told["curve"] if percent <= last and value > 0]


def title(told: Mapping[str, Any]) -> str:
    """What ran, in a few words."""
    return f"{told['scenario']}, {tier(told)}{told['loop']} loop"


def load(told: Mapping[str, Any]) -> str:
    """The loop, and how much it asks."""
    if told["loop"] == "open":
        return f"open {number(told['offered_per_s'] or 0)}/s"
    return f"closed {told['connections']:,} × {told['depth']}"


def tier(told: Mapping[str, Any]) -> str:
    """The tier of a server that keeps books."""
    return f"tier {told['durability']}, " if has_books(told) else ""


def has_books(told: Mapping[str, Any]) -> bool:
    """False for the bare echo, which records nothing."""
    return bool(told["durability"] != "none")


def sentence(told: Mapping[str, Any]) -> str:
    """What ran."""
    generators = f"{told['generators']} generator{'s' if told['generators'] != 1 else ''}"
    ran = f"{told['requests']:,} requests in {number(told['seconds'])} s"
    if told["loop"] == "open":
        offered = f"{number(told['offered_per_s'] or 0)} per second were offered by a seeded plan"
        return (
            f"{ran} over {told['connections']:,} connections from {generators}. {offered}; "
            "latency counts from when a request was meant to start, so late work is in it."
        )
    return (
        f"{ran} over {told['connections']:,} connections from {generators}, {told['depth']} under way on each. "
        "A closed loop waits for the server: its latencies do not show what a queue would add."
    )


def ms(value_ms: float) -> str:
    """A latency; that of nobody is 0."""
    return f"{number(value_ms)} ms" if value_ms else NOTHING


def reading(told: Mapping[str, Any]) -> str:
    """The latencies in words."""
    latency_ms = told["latency_ms"]
    if not told["curve"]:
        return "No latencies were measured."
    return (
        f"Half of the requests took at most {ms(latency_ms['p50'])}, 1 in 100 more than {ms(latency_ms['p99'])}, "
        f"1 in 1,000 more than {ms(latency_ms['p99_9'])}; the slowest took {ms(latency_ms['max'])}."
    )


def name_of(percentile: str) -> str:
    """A percentile as people write it."""
    return PERCENTILES[percentile][0] if percentile in PERCENTILES else percentile


def cores(told: Mapping[str, Any], process: str) -> float:
    """How many cores a process kept busy."""
    return round((told["cpu_s"].get(process) or 0) / told["seconds"], 2) if told["seconds"] else 0.0


def swatch(colour: str, kind: str = "solid") -> Markup:
    """A patch of a run's colour, beside its name."""
    return element("span", class_=f"swatch {kind} {colour}", aria_hidden="true")


def notice(kind: str, strong: str, words: str) -> Markup:
    """A line that must be seen: good or bad."""
    sign = "✓" if kind == "good" else "✗"
    mark = element("span", sign, class_="sign", aria_hidden="true")
    return element("p", mark, element("span", element("strong", strong), words), class_=f"notice {kind}")


def section(title: str, *inside: Inside) -> Markup:
    """A part of the page under its title."""
    return element("section", element("h2", title), *inside)
