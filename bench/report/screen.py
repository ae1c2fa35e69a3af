"""The output of a bench in the terminal: its progress, then the figures as a table and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.status import Status
from rich.table import Table

from bench.report.words import GENERATOR_BUSY_MAX
from bench.scenarios import SCENARIOS

UNKNOWN: Final = "not known"


class Screen:
    """Lines of progress, and one live line while the clock runs."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Status | None = None
        self._operations = 0

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start_clock(self, operations: int) -> None:
        """Show the live line: the number of ended operations, of so many."""
        self._operations = operations
        self._live = self.console.status("measuring")
        self._live.start()

    def stop_clock(self) -> None:
        if self._live is not None:
            self._live.stop()

    def show_progress(self, completed: int) -> None:
        if self._live is not None:
            self._live.update(f"measuring: {completed:,} of {self._operations:,}")


def show(console: Console, figures: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, line in ROWS.items():
        table.add_row(name, line(figures))
    console.print(table, highlight=False)
    if figures["generator_busy"] > GENERATOR_BUSY_MAX:
        console.print("generator-bound: the server may be faster than this", style="yellow", highlight=False)
    console.print(_verdict(figures), style="bold", highlight=False)


def _verdict(figures: dict[str, Any]) -> str:
    if SCENARIOS[figures["scenario"]].server == "bare":
        return "this is the upper bound: our protocol on a bare server without stores or money, not our server"
    if figures["valid"]:
        return "money verdict: every claim that users were told is in the books"
    return "money verdict: INVALID: the books contradict what users were told"


def _run(figures: dict[str, Any]) -> str:
    loop = (
        f"open loop, {figures['offered_per_s']:,.0f}/s offered"
        if figures["loop"] == "open"
        else f"closed loop, {figures['depth']:,} {SCENARIOS[figures['scenario']].depth_of}"
    )
    return (
        f"{figures['scenario']}, {loop}, {figures['connections']:,} connections, durability {figures['durability']}"
    )


def _rate(figures: dict[str, Any]) -> str:
    period = f"from {figures['warmup_s']:.1f} s to {figures['seconds']:.1f} s"
    return f"{figures['rate_per_s']:,}/s {figures['rate_of']} ({period})"


def _pairs(key: str, unit: str = "") -> Callable[[dict[str, Any]], str]:
    def line(figures: dict[str, Any]) -> str:
        return "  ".join(f"{name} {_value(value)}{unit}" for name, value in figures[key].items()) or "none"

    return line


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {_value(one)}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _cpu(figures: dict[str, Any]) -> str:
    unknown = "" if figures["cpu_s"]["server"] else "  (processes on other machines are not known)"
    busy = f"  (the busiest generator: {figures['generator_busy']:.0%} of a core)"
    return _pairs("cpu_s", " s")(figures) + busy + unknown


def _settlement(figures: dict[str, Any]) -> str:
    settlement = figures["settlement"]
    if settlement["settled"] is None:
        return UNKNOWN
    drain = "" if settlement["drain_per_s"] is None else f", drained at {settlement['drain_per_s']:,}/s"
    return f"{settlement['settled']:,} claims while the clock ran, backlog {settlement['backlog']:,}{drain}"


def _books(figures: dict[str, Any]) -> str:
    return "  ".join(f"{name} {figures[name]:,}" for name in ("missing", "duplicates", "oversold", "in_doubt"))


# The rows of the table, in this order.
ROWS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "run": _run,
    "rate": _rate,
    "latency ms": _pairs("latency_ms"),
    "answers": _pairs("answers"),
    "errors": _pairs("errors"),
    "more": _pairs("extra"),
    "CPU": _cpu,
    "batches": lambda figures: _pairs("batches")(figures) if figures.get("batches") else UNKNOWN,
    "server memory": lambda figures: f"{figures['rss_mb']:,} MB" if figures["rss_mb"] else UNKNOWN,
    "settlement": _settlement,
    "money": _pairs("money"),
    "books": _books,
}
