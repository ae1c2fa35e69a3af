"""What a person sees of a crowd: a live picture while it runs, and the story in tables when it is over.

    summary = await present("crowd", crowd)

On a terminal the picture is redrawn in place; into a file or a pipe goes one line every two seconds.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import NamedTuple

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from client_sim import scenarios
from client_sim.crowd import Crowd, Summary
from client_sim.town import KIND_NAMES, name_of, yuan
from client_sim.witness import PacketBook, Witness

FRAME_S = 0.25
LINE_S = 2.0
WIDTH_MOST = 100
TICKER_LINES_MOST = 13
OTHER_LINES = 11  # of the picture; it must not be higher than the terminal
CLAIMS_SHOWN = 12
BAR_WIDTH = 24
RED, GOLD, DIM = "red", "bold yellow", "dim"

ANSWERS = {
    "ticket": "tapped, and left unopened",
    "won": "opened a share",
    "claimed": "had opened it before",
    "gone": "手慢了,红包派完了",
    "expired": "该红包已超过24小时",
    "busy": "would have to wait",
    "not_allowed": "tried what was not theirs",
}
REFUSALS = {
    "client_closed": "went offline before the answer",
    "connection_lost": "lost the connection before the answer",
    "timed_out": "no answer in time",
    "not_enough_money": "the wallet held less than that",
    "rate_limited": "asked too often",
}


class Sample(NamedTuple):
    """How much had happened at one moment."""

    at_s: float
    opens: int
    pushes: int


class Picture:
    """The numbers of a crowd at this moment; rates are those of the last second or so."""

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
        """What was sent and nobody has opened yet, in fen."""
        return sum(row.total_fen - row.claimed_fen for row in self.crowd.witness.by_kind())

    @property
    def elapsed_s(self) -> float:
        """Since the first moment."""
        return time.monotonic() - self._began_s

    def facts(self) -> list[tuple[str, str]]:
        """What is worth knowing, in pairs of a word and what to say about it."""
        crowd, witness = self.crowd, self.crowd.witness
        rows = witness.by_kind()
        sent, total_fen = sum(row.sent for row in rows), sum(row.total_fen for row in rows)
        opens, pushes = self.rates()
        p50_ms, p99_ms = witness.open_ms.percentile(50), witness.open_ms.percentile(99)
        return [
            ("people", f"{crowd.connected} of {len(crowd.users)} online, in {len(crowd.groups)} groups"),
            ("packets", f"{sent:,} sent, {len(witness.finished()):,} opened to the last share"),
            ("opens", f"{opens:,.0f}/s, p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms"),
            ("pushes", f"{pushes:,.0f}/s, {witness.pushes.total():,} so far"),
            ("money", f"{yuan(total_fen)} 元 sent, {yuan(self.in_flight_fen())} 元 in flight"),
        ]

    def line(self) -> str:
        """All of it in one line."""
        crowd, open_ms = self.crowd, self.crowd.witness.open_ms
        opens, pushes = self.rates()
        last = crowd.town.ticker[-1] if crowd.town.ticker else ""
        return (
            f"{self.elapsed_s:5.1f} s  {crowd.phase}: {crowd.connected} online, "
            f"{len(crowd.witness.packets)} packets, {opens:.0f} opens/s, p50 {open_ms.percentile(50):.1f} ms, "
            f"p99 {open_ms.percentile(99):.1f} ms, {pushes:.0f} pushes/s, "
            f"{yuan(self.in_flight_fen())} 元 in flight  {last}"
        )

    def panel(self, height: int) -> Panel:
        """All of it as a picture of at most `height` lines."""
        facts = Table.grid(padding=(0, 2))
        for word, said in self.facts():
            facts.add_row(Text(word, DIM), said)
        bar = ProgressBar(
            total=self.crowd.seconds, completed=self._done_s(), complete_style=RED, finished_style=RED
        )
        ticker = self._ticker(max(1, min(TICKER_LINES_MOST, height - OTHER_LINES)))
        about = scenarios.SCENARIOS[self.name].about
        return Panel(
            Group(facts, Text(), bar, Text("\n"), *ticker),
            title=Text.assemble(("红包 ", f"bold {RED}"), about),
            subtitle=self._time(),
            border_style=RED,
            title_align="left",
            subtitle_align="right",
            padding=(0, 1),
        )

    def _ticker(self, lines: int) -> list[Text]:
        """The last events, oldest first, always the same number of lines."""
        last = [Text(line, no_wrap=True, overflow="ellipsis") for line in list(self.crowd.town.ticker)[-lines:]]
        for line in last:
            line.highlight_regex(r"[\d.,]+ 元|手气最佳", GOLD)
        return last + [Text()] * (lines - len(last))

    def _done_s(self) -> float:
        return self.crowd.seconds - self.crowd.left_s if self.crowd.ends_at else 0.0

    def _time(self) -> str:
        left_s = self.crowd.left_s
        return f"{self.elapsed_s:.0f} s gone, {left_s:.0f} s left" if left_s else self.crowd.phase


async def present(name: str, crowd: Crowd, console: Console | None = None) -> Summary:
    """Run a scenario (see scenarios.prepare) while showing it, then tell how it went. Raises as `perform` does."""
    console = console or Console()
    console.print(f"seed {crowd.seed}", style=DIM)
    playing = asyncio.create_task(scenarios.perform(name, crowd))
    try:
        await (_draw if console.is_terminal else _log)(Picture(name, crowd), playing, console)
        summary = await playing
    finally:
        playing.cancel()
        await asyncio.wait([playing])  # everybody leaves, also when the person has seen enough
    console.print(report(crowd, summary), width=min(console.width, WIDTH_MOST))
    return summary


async def _draw(picture: Picture, playing: asyncio.Task[Summary], console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not playing.done():
            live.update(picture.panel(console.height), refresh=True)
            await asyncio.wait([playing], timeout=FRAME_S)


async def _log(picture: Picture, playing: asyncio.Task[Summary], console: Console) -> None:
    while not playing.done():
        await asyncio.wait([playing], timeout=LINE_S)
        console.print(picture.line(), highlight=False, soft_wrap=True)


# --- when it is over --------------------------------------------------------------------------------------------


def report(crowd: Crowd, summary: Summary) -> RenderableType:
    """Everything there is to tell in the end."""
    parts: list[RenderableType] = [Text(), kinds_table(crowd.witness), Text(), answers_table(crowd.witness), Text()]
    best = crowd.best_packet()
    if best is not None:
        parts += [result_list(best), Text()]
    return Group(*parts, verdict(summary))


def kinds_table(witness: Witness) -> Table:
    """The packets by kind."""
    table = _table("packets", "kind")
    for head in ("sent", "shares", "opened", "total 元", "opened 元"):
        table.add_column(head, justify="right")
    rows = witness.by_kind()
    for row in rows:
        figures = (
            f"{row.sent:,}",
            f"{row.shares:,}",
            f"{row.opened:,}",
            yuan(row.total_fen),
            yuan(row.claimed_fen),
        )
        table.add_row(f"{row.kind} {KIND_NAMES[row.kind]}", *figures)
    table.add_section()
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    table.add_row("all", *(f"{number:,}" for number in sums[:3]), *map(yuan, sums[3:]), style="bold")
    return table


def answers_table(witness: Witness) -> Table:
    """What the users were told when they tapped and opened, and what was refused."""
    table = _table("answers", "answer")
    table.add_column("times", justify="right")
    table.add_column("")
    for answer, meaning in ANSWERS.items():
        if witness.answers[answer]:
            table.add_row(answer, f"{witness.answers[answer]:,}", Text(meaning, DIM))
    for name, times in sorted(witness.refusals.items()):
        table.add_row(name, f"{times:,}", Text(REFUSALS.get(name, "refused for the moment"), DIM))
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_style=f"bold {RED}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column(first)
    return table


def result_list(book: PacketBook) -> RenderableType:
    """A finished lucky packet as its result page: who, how much, how soon, and whose luck was best."""
    lines = _lines(book)
    best = max(lines, key=lambda line: (line.amount_fen, -line.index))
    shown = lines[:CLAIMS_SHOWN]
    if best not in shown:
        shown = [*shown[:-1], best]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", style=DIM)
    for justify in ("left", "right", "left", "right", "left"):
        table.add_column(justify=justify)
    for line in shown:
        bar = Bar(best.amount_fen, 0, line.amount_fen, width=BAR_WIDTH, color="yellow" if line is best else RED)
        luck = Text("手气最佳", GOLD) if line is best else Text()
        amount = Text(f"{yuan(line.amount_fen)} 元", GOLD if line is best else "")
        table.add_row(str(line.user_id), name_of(line.user_id), amount, bar, Text(line.when, DIM), luck)
    rest = len(lines) - len(shown)
    return Group(_headline(book), table, *([Text(f"… and {rest} more", DIM)] if rest else []))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a result list. `when` is empty if the times were not revealed."""

    user_id: int
    amount_fen: int
    index: int
    when: str


def _lines(book: PacketBook) -> list[Line]:
    if book.revealed is None:
        told = sorted(book.shares.items(), key=lambda item: item[1].index)
        return [Line(user_id, share.amount_fen, share.index, "") for user_id, share in told]
    posted_ms = book.posted.at_ms if book.posted is not None else book.revealed.claims[0].at_ms
    return [
        Line(claim.user_id, claim.amount_fen, claim.index, f"+{(claim.at_ms - posted_ms) / 1000:.2f} s")
        for claim in book.revealed.claims
    ]


def _headline(book: PacketBook) -> Text:
    assert book.order is not None
    assert book.finished is not None
    return Text.assemble(
        (f"{name_of(book.order.sender_id)} 的{KIND_NAMES[book.order.kind]}  ", f"bold {RED}"),
        f"{book.order.shares}个红包共{yuan(book.order.total_fen)}元,{_spoken(book.finished.took_ms)}被抢光",
    )


def _spoken(took_ms: int) -> str:
    """A time as a person would say it."""
    seconds = max(1, round(took_ms / 1000))
    return f"{seconds}秒" if seconds < 60 else f"{round(seconds / 60)}分钟"


def verdict(summary: Summary) -> RenderableType:
    """Whether all of it can be true, and if not, why not."""
    checked = f"{summary.revealed:,} of {summary.finished:,} finished packets revealed their seed"
    if summary.ok:
        return Text.assemble(
            ("✔ ", "bold green"), f"{checked}; every share recomputed, and nobody was told anything that is not so"
        )
    lines = [Text.assemble(("✘ ", f"bold {RED}"), one) for one in (*summary.contradictions, *summary.failures)]
    return Group(Text(checked), *lines)
