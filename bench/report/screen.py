"""What a bench prints for people: what it is doing, then the figures as a table and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.status import Status
from rich.table import Table

from bench.load.generator_pool import Hear
from bench.scenarios import SCENARIOS

GENERATOR_BUSY_MAX: Final = 0.9


class Screen:
    """Lines of what goes on, and one line that changes while the clock runs."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Status | None = None
        self._turns = 0

    @property
    def hear(self) -> Hear:
        """For the generators."""
        return Hear(self.say, self._tick)

    def say(self, text: str) -> None:
        """One line, or several."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def clock_runs(self, turns: int) -> None:
        """From now on the live line tells how many turns of all have ended."""
        self._turns = turns
        self._live = self.console.status("measuring")
        self._live.start()

    def clock_stops(self) -> None:
        """The live line goes."""
        if self._live is not None:
            self._live.stop()

    def _tick(self, completed: int) -> None:
        if self._live is not None:
            self._live.update(f"measuring: {completed:,} of {self._turns:,}")


def show(console: Console, figures: dict[str, Any]) -> None:
    """The figures, and whether the run counts."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, line in ROWS.items():
        table.add_row(name, line(figures))
    console.print(table, highlight=False)
    if figures["generator_busy"] > GENERATOR_BUSY_MAX:
        console.print("generator-bound: the server may be faster than this", style="yellow", highlight=False)
    console.print(_ending(figures), style="bold", highlight=False)


def _ending(figures: dict[str, Any]) -> str:
    if SCENARIOS[figures["scenario"]].server == "bare":
        return "this is the ceiling: our wire on a bare server without stores or money, no server of ours"
    if figures["valid"]:
        return "money verdict: every claim that was told is in the books"
    return "money verdict: void: the books contradict the users"


def _loop(figures: dict[str, Any]) -> str:
    loop = (
        f"open loop, {figures['offered_per_s']:,.0f}/s offered"
        if figures["loop"] == "open"
        else f"closed loop, {figures['depth']:,} {SCENARIOS[figures['scenario']].depth_of}"
    )
    return (
        f"{figures['scenario']}, {loop}, {figures['connections']:,} connections, durability {figures['durability']}"
    )


def _rate(figures: dict[str, Any]) -> str:
    return (
        f"{figures['rate_per_s']:,}/s {figures['rate_of']}"
        f" (from {figures['warmup_s']:.1f} s to {figures['seconds']:.1f} s)"
    )


def _pairs(key: str, unit: str = "") -> Callable[[dict[str, Any]], str]:
    def line(figures: dict[str, Any]) -> str:
        return "  ".join(f"{name} {_said(value)}{unit}" for name, value in figures[key].items()) or "none"

    return line


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {_said(one)}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _cpu(figures: dict[str, Any]) -> str:
    unknown = "" if figures["cpu_s"]["server"] else "  (processes elsewhere are not known)"
    busy = f"  (the busiest generator: {figures['generator_busy']:.0%} of a core)"
    return _pairs("cpu_s", " s")(figures) + busy + unknown


def _settlement(figures: dict[str, Any]) -> str:
    told = figures["settlement"]
    if told["settled"] is None:
        return "not known"
    drain = "" if told["drain_per_s"] is None else f", which then went at {told['drain_per_s']:,}/s"
    return f"{told['settled']:,} claims while the clock ran, {told['backlog']:,} left{drain}"


def _books(figures: dict[str, Any]) -> str:
    return "  ".join(f"{name} {figures[name]:,}" for name in ("missing", "duplicates", "oversold", "in_doubt"))


# What the table shows, in this order.
ROWS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "run": _loop,
    "rate": _rate,
    "latency ms": _pairs("latency_ms"),
    "answers": _pairs("answers"),
    "errors": _pairs("errors"),
    "more": _pairs("extra"),
    "CPU": _cpu,
    "server memory": lambda figures: f"{figures['rss_mb']:,} MB" if figures["rss_mb"] else "not known",
    "settlement": _settlement,
    "money": _pairs("money"),
    "books": _books,
}
