"""A crowd on the screen: a live picture during the run, the report after it.

    summary = await present("crowd", crowd)

On a terminal the picture is redrawn in place; a file or a pipe gets one line every two seconds.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from client_sim.sdk.money import MoneyUnit
from client_sim.sim import run_report, scenarios
from client_sim.sim.crowd import Crowd
from client_sim.sim.run_report import DIM, GOLD, RED
from client_sim.sim.summary import Summary
from client_sim.sim.words import PHASES

FRAME_S = 0.25
LINE_S = 2.0
WIDTH_MOST = 100
PAYMENTS = ("bound", "packets", "top_ups", "withdrawals")
TICKER_LINES_MOST = 13
OTHER_LINES = 12  # of the picture; it must not be higher than the terminal


class Sample(NamedTuple):
    """The counts at one moment."""

    at_s: float
    opens: int
    pushes: int


class Picture:
    """The figures of a crowd at this moment; rates are averages over about the last second."""

    def __init__(self, name: str, crowd: Crowd) -> None:
        self.name = name
        self.crowd = crowd
        self._began_s = time.monotonic()
        self._samples = [self._sample()]

    def _sample(self) -> Sample:
        witness = self.crowd.witness
        return Sample(time.monotonic(), witness.open_ms.count, witness.pushes.total())

    def rates(self) -> tuple[float, float]:
        """Opens and pushes per second."""
        now = self._sample()
        self._samples = [one for one in self._samples if now.at_s - one.at_s < 1.5 or one is self._samples[-1]]
        before = self._samples[0]
        self._samples.append(now)
        passed_s = max(now.at_s - before.at_s, 0.001)
        return (now.opens - before.opens) / passed_s, (now.pushes - before.pushes) / passed_s

    def in_flight_fen(self) -> int:
        """What was sent and is not opened yet, in fen."""
        return sum(row.total_fen - row.claimed_fen for row in self.crowd.witness.by_kind())

    @property
    def elapsed_s(self) -> float:
        """Since the picture was made."""
        return time.monotonic() - self._began_s

    def facts(self) -> list[tuple[str, str]]:
        """Pairs of a name and its figures."""
        crowd, witness = self.crowd, self.crowd.witness
        rows, amount = witness.by_kind(), crowd.context.amount
        sent, total_fen = sum(row.sent for row in rows), sum(row.total_fen for row in rows)
        opens, pushes = self.rates()
        p50_ms, p99_ms = witness.open_ms.percentile(50), witness.open_ms.percentile(99)
        figures: dict[str, dict[str, object]] = {
            "users": {"online": crowd.connected, "users": len(crowd.users), "groups": len(crowd.groups)},
            "packets": {"sent": sent, "finished": len(witness.finished())},
            "opens": {"rate": opens, "p50": p50_ms, "p99": p99_ms},
            "pushes": {"rate": pushes, "all": witness.pushes.total()},
            "money": {"sent": amount(total_fen), "left": amount(self.in_flight_fen())},
        }
        book = crowd.context.shakes
        if book.campaign_id:
            left = book.at_most_left[-1] if book.at_most_left else book.shares
            figures["shakes"] = {"shakes": book.shakes.total(), "won": book.won, "left": left}
        if crowd.context.bank is not None:
            figures["cards"] = {one: crowd.context.payments[one] for one in PAYMENTS}
        say = crowd.context.words
        return [(say(name), say(f"{name}_now", **fields)) for name, fields in figures.items()]

    def line(self) -> str:
        """The figures in one line."""
        crowd, open_ms = self.crowd, self.crowd.witness.open_ms
        opens, pushes = self.rates()
        last = crowd.context.ticker[-1] if crowd.context.ticker else ""
        if crowd.context.shakes.campaign_id:
            said = dict(self.facts())[crowd.context.words("shakes")]
            about = {"passed": self.elapsed_s, "phase": self._phase(), "online": crowd.connected}
            return crowd.context.words("shake_line", **about, said=said, last=last)
        return crowd.context.words(
            "line",
            passed=self.elapsed_s,
            phase=self._phase(),
            online=crowd.connected,
            packets=len(crowd.witness.packets),
            opens=opens,
            p50=open_ms.percentile(50),
            p99=open_ms.percentile(99),
            pushes=pushes,
            left=crowd.context.amount(self.in_flight_fen()),
            last=last,
        )

    def panel(self, height: int) -> Panel:
        """The figures and the ticker, in at most `height` lines."""
        facts = Table.grid(padding=(0, 2))
        for word, said in self.facts():
            facts.add_row(Text(word, DIM), said)
        bar = ProgressBar(
            total=self.crowd.seconds, completed=self._done_s(), complete_style=RED, finished_style=RED
        )
        ticker = self._ticker(max(1, min(TICKER_LINES_MOST, height - OTHER_LINES)))
        about = scenarios.SCENARIOS[self.name].about.in_language(self.crowd.context.language)
        return Panel(
            Group(facts, Text(), bar, Text("\n"), *ticker),
            title=Text.assemble((self.crowd.context.words("title"), f"bold {RED}"), about),
            subtitle=self._time(),
            border_style=RED,
            title_align="left",
            subtitle_align="right",
            padding=(0, 1),
        )

    def _ticker(self, lines: int) -> list[Text]:
        """The last events, oldest first, padded to this number of lines."""
        last = [Text(line, no_wrap=True, overflow="ellipsis") for line in list(self.crowd.context.ticker)[-lines:]]
        for line in last:
            line.highlight_regex(amounts_and_luck(self.crowd.context.money), GOLD)
        return last + [Text()] * (lines - len(last))

    def _done_s(self) -> float:
        return self.crowd.seconds - self.crowd.left_s if self.crowd.ends_at else 0.0

    def _time(self) -> str:
        left_s = self.crowd.left_s
        if left_s and self.crowd.context.has_company:
            return self.crowd.context.words("time_company", passed=self.elapsed_s)
        passed = self.crowd.context.words("time", passed=self.elapsed_s, left=left_s)
        return passed if left_s else self._phase()

    def _phase(self) -> str:
        return PHASES[self.crowd.phase].in_language(self.crowd.context.language)


def amounts_and_luck(money: MoneyUnit) -> str:
    """What is gold in a line, as a pattern."""
    before = f"{re.escape(money.symbol)}[\\d.,]*\\d|" if money.symbol else ""
    return rf"[\d.,]+(?:{re.escape(money.zh)}| {re.escape(money.en)})|{before}手气最佳|best luck"


async def present(name: str, crowd: Crowd, console: Console | None = None) -> Summary:
    """Run a scenario (see scenarios.prepare) and show it, then print the report. Raises as `perform` does."""
    console = console or Console()
    console.print(f"seed {crowd.seed}", style=DIM)
    running = asyncio.create_task(scenarios.perform(name, crowd))
    try:
        await (_draw if console.is_terminal else _log)(Picture(name, crowd), running, console)
        summary = await running
    finally:
        running.cancel()
        await asyncio.wait([running])  # all users disconnect, also after Ctrl-C
    print_report(console, crowd, summary)
    return summary


def print_report(console: Console, crowd: Crowd, summary: Summary) -> None:
    """Print the report."""
    console.print(run_report.report(crowd, summary), width=min(console.width, WIDTH_MOST))


async def _draw(picture: Picture, running: asyncio.Task[Summary], console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not running.done():
            live.update(picture.panel(console.height), refresh=True)
            await asyncio.wait([running], timeout=FRAME_S)


async def _log(picture: Picture, running: asyncio.Task[Summary], console: Console) -> None:
    while not running.done():
        await asyncio.wait([running], timeout=LINE_S)
        console.print(picture.line(), highlight=False, soft_wrap=True)
