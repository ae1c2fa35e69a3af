"""The report of a run, in tables: packets, answers, one packet in full, expectations, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from client_sim.sdk.money import yuan
from client_sim.sim.books import PacketBook
from client_sim.sim.crowd import Crowd
from client_sim.sim.sim_context import KIND_NAMES, name_of
from client_sim.sim.summary import Expectation, Summary
from client_sim.sim.witness import Witness

CLAIMS_SHOWN = 12
BAR_WIDTH = 24
RED, GOLD, DIM = "red", "bold yellow", "dim"

ANSWERS = {
    "ticket": "tapped, not opened",
    "won": "opened a share",
    "claimed": "opened it before",
    "gone": "手慢了，红包派完了",
    "expired": "该红包已超过24小时",
    "busy": "had to wait",
    "not_allowed": "tried a packet of others",
}
REFUSALS = {
    "client_closed": "went offline before the reply",
    "connection_lost": "lost the connection before the reply",
    "timed_out": "no reply in time",
    "not_enough_money": "not enough money in the wallet",
    "rate_limited": "too many requests per second",
}


def report(crowd: Crowd, summary: Summary) -> RenderableType:
    """The whole report."""
    parts: list[RenderableType] = [Text(), kinds_table(crowd.witness), Text(), answers_table(crowd.witness), Text()]
    best = crowd.best_packet()
    if best is not None:
        parts += [result_list(best, crowd.context.guests), Text()]
    return Group(*parts, expectations_table(summary.expectations), Text(), verdict(summary))


def kinds_table(witness: Witness) -> Table:
    """Totals of the packets, by kind."""
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
    """The answers to taps and opens, and the refusals."""
    table = _table("answers", "answer")
    table.add_column("times", justify="right")
    table.add_column("")
    for answer, meaning in ANSWERS.items():
        if witness.answers[answer]:
            table.add_row(answer, f"{witness.answers[answer]:,}", Text(meaning, DIM))
    for name, times in sorted(witness.refusals.items()):
        table.add_row(name, f"{times:,}", Text(REFUSALS.get(name, "refused for now"), DIM))
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_style=f"bold {RED}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column(first)
    return table


def result_list(book: PacketBook, guests: Mapping[int, str]) -> RenderableType:
    """A finished lucky packet like its result page: users, amounts, times, and the best luck.

    `guests`: the names of users who are not part of the crowd.
    """
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
        amount = Text(f"{yuan(line.amount_fen)}元", GOLD if line is best else "")
        name = guests.get(line.user_id) or name_of(line.user_id)
        table.add_row(str(line.user_id), name, amount, bar, Text(line.when, DIM), luck)
    rest = len(lines) - len(shown)
    return Group(_headline(book), table, *([Text(f"… and {rest} more", DIM)] if rest else []))


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of a result list. `when` is empty if the proof, which has the times, is missing."""

    user_id: int
    amount_fen: int
    index: int
    when: str


def _lines(book: PacketBook) -> list[ReportLine]:
    if book.revealed is None:
        shares = sorted(book.shares.items(), key=lambda item: item[1].index)
        return [ReportLine(user_id, share.amount_fen, share.index, "") for user_id, share in shares]
    posted_ms = book.posted.at_ms if book.posted is not None else book.revealed.claims[0].at_ms
    return [
        ReportLine(claim.user_id, claim.amount_fen, claim.index, f"+{(claim.at_ms - posted_ms) / 1000:.2f} s")
        for claim in book.revealed.claims
    ]


def _headline(book: PacketBook) -> Text:
    assert book.order is not None
    assert book.finished is not None
    return Text.assemble(
        (f"{name_of(book.order.sender_id)}的{KIND_NAMES[book.order.kind]}  ", f"bold {RED}"),
        f"{book.order.shares}个红包共{yuan(book.order.total_fen)}元，{_spoken(book.finished.took_ms)}被抢光",
    )


def _spoken(took_ms: int) -> str:
    """A time in Chinese, rounded to seconds, minutes or hours, at least one second."""
    amount = max(1, (took_ms + 500) // 1000)
    for unit in ("秒", "分钟"):
        if amount < 60:
            return f"{amount}{unit}"
        amount = (amount + 30) // 60
    return f"{amount}小时"


def expectations_table(expectations: list[Expectation]) -> Table:
    """What was expected, what was seen, and whether it holds."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for one in expectations:
        mark = Text("✓", "bold green") if one.holds else Text("✗", f"bold {RED}")
        table.add_row(Text("expected", DIM), one.expected, Text("seen", DIM), one.seen, mark)
    return table


def verdict(summary: Summary) -> RenderableType:
    """Whether everything that users were told can be true, and if not, why."""
    checked = f"{summary.revealed:,} of {summary.finished:,} finished packets revealed their seed"
    if not summary.contradictions and not summary.failures:
        return Text.assemble(
            ("✔ ", "bold green"), f"{checked}; every share was recomputed; no answer contradicts another"
        )
    lines = [Text.assemble(("✘ ", f"bold {RED}"), one) for one in (*summary.contradictions, *summary.failures)]
    return Group(Text(checked), *lines)
