"""The report of a run, in tables: packets, answers, one packet in full, expectations, and the verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from client_sim.sdk.money import MoneyUnit
from client_sim.sim.books import PacketBook
from client_sim.sim.crowd import Crowd
from client_sim.sim.shakes.book import ShakeBook
from client_sim.sim.sim_context import name_of
from client_sim.sim.summary import Expectation, Summary
from client_sim.sim.witness import Witness
from client_sim.sim.words import ANSWERS, KINDS, OTHER_REFUSAL, PACKETS, REFUSALS, SHAKEN, words

CLAIMS_SHOWN = 12
BAR_WIDTH = 24
RED, GOLD, DIM = "red", "bold yellow", "dim"


def report(crowd: Crowd, summary: Summary) -> RenderableType:
    """The whole report."""
    language, money, witness = crowd.context.language, crowd.context.money, crowd.witness
    books = crowd.context.rounds
    if books:
        expected, seen = (
            expectations_table(summary.expectations, language),
            shakes_verdict(books, summary, language),
        )
        won = guests_wins(books, crowd.context.guests, language, money)
        return Group(Text(), shakes_table(books, language), Text(), expected, Text(), seen, *won)
    tables = kinds_table(witness, language, money), answers_table(witness, language)
    parts: list[RenderableType] = [Text(), tables[0], Text(), tables[1], Text()]
    best = crowd.best_packet()
    if best is not None:
        parts += [result_list(best, crowd.context.guests, language, money), Text()]
    return Group(
        *parts, expectations_table(summary.expectations, language), Text(), verdict(summary, language, money)
    )


def kinds_table(witness: Witness, language: str, money: MoneyUnit) -> Table:
    """Totals of the packets, by kind."""
    table = _table(words(language, "packets"), words(language, "kind"))
    for head in ("head_sent", "head_shares", "head_opened", "head_total", "head_opened_sum"):
        table.add_column(words(language, head, unit=money.head(language)), justify="right")
    rows = witness.by_kind()
    for row in rows:
        figures = (
            f"{row.sent:,}",
            f"{row.shares:,}",
            f"{row.opened:,}",
            money.number(row.total_fen),
            money.number(row.claimed_fen),
        )
        table.add_row(KINDS[row.kind].in_language(language), *figures)
    table.add_section()
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    table.add_row(
        words(language, "all"), *(f"{number:,}" for number in sums[:3]), *map(money.number, sums[3:]), style="bold"
    )
    return table


def answers_table(witness: Witness, language: str) -> Table:
    """The answers to taps and opens, and the refusals."""
    table = _table(words(language, "answers"), words(language, "answer"))
    table.add_column(words(language, "times"), justify="right")
    table.add_column("")
    for answer, meaning in ANSWERS.items():
        if witness.answers[answer]:
            table.add_row(answer, f"{witness.answers[answer]:,}", Text(meaning.in_language(language), DIM))
    for name, times in sorted(witness.refusals.items()):
        table.add_row(name, f"{times:,}", Text(REFUSALS.get(name, OTHER_REFUSAL).in_language(language), DIM))
    return table


def shakes_table(books: Sequence[ShakeBook], language: str) -> Table:
    """How many shakes had which result, in all rounds."""
    results = sum((book.results for book in books), Counter[str]())
    table = _table(words(language, "shakes"), words(language, "shake_result"))
    table.add_column(words(language, "times"), justify="right")
    table.add_column("")
    for result, meaning in SHAKEN.items():
        if results[result]:
            table.add_row(result, f"{results[result]:,}", Text(meaning.in_language(language), DIM))
    return table


def shakes_verdict(books: Sequence[ShakeBook], summary: Summary, language: str) -> RenderableType:
    """Whether everything that users were told can be true, and if not, why."""
    found = [one for book in books for one in book.contradictions]
    wrong = [*found, *summary.contradictions, *summary.failures]
    if not wrong:
        won = sum(book.won + book.guests_won for book in books)
        return Text.assemble(("✔ ", "bold green"), words(language, "shakes_checked", won=won))
    return Group(*(Text.assemble(("✘ ", f"bold {RED}"), one) for one in wrong))


def guests_wins(
    books: Sequence[ShakeBook], guests: Mapping[int, str], language: str, money: MoneyUnit
) -> Iterator[Text]:
    """A line for each guest who has won."""
    for user_id, name in guests.items():
        amounts = [one for book in books for one in book.guests.get(user_id, ())]
        if amounts:
            about = {"name": name, "n": len(amounts), "amount": money.short(language, sum(amounts))}
            yield Text.assemble(("✔ ", "bold green"), words(language, "guest_won", **about))


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_style=f"bold {RED}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column(first)
    return table


def result_list(book: PacketBook, guests: Mapping[int, str], language: str, money: MoneyUnit) -> RenderableType:
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
        luck = Text(words(language, "best_luck"), GOLD) if line is best else Text()
        amount = Text(money.short(language, line.amount_fen), GOLD if line is best else "")
        name = guests.get(line.user_id) or name_of(line.user_id)
        table.add_row(str(line.user_id), name, amount, bar, Text(line.when, DIM), luck)
    rest = len(lines) - len(shown)
    more = [Text(words(language, "more_claims", rest=rest), DIM)] if rest else []
    return Group(_headline(book, language, money), table, *more)


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


def _headline(book: PacketBook, language: str, money: MoneyUnit) -> Text:
    assert book.order is not None
    assert book.finished is not None
    kind = PACKETS[book.order.kind].in_language(language)
    took = {"shares": book.order.shares, "amount": money.short(language, book.order.total_fen)}
    return Text.assemble(
        (words(language, "headline", sender=name_of(book.order.sender_id), kind=kind), f"bold {RED}"),
        words(language, "took", time=_spoken(book.finished.took_ms, language), **took),
    )


def _spoken(took_ms: int, language: str) -> str:
    """A time, rounded to seconds, minutes or hours, at least one second."""
    amount = max(1, (took_ms + 500) // 1000)
    for unit in ("seconds", "minutes"):
        if amount < 60:
            return words(language, unit, n=amount)
        amount = (amount + 30) // 60
    return words(language, "hours", n=amount)


def expectations_table(expectations: list[Expectation], language: str) -> Table:
    """What was expected, what was seen, and whether it holds."""
    table = Table.grid(padding=(0, 2, 0, 0))
    expected, seen = words(language, "expected"), words(language, "seen")
    for one in expectations:
        mark = Text("✓", "bold green") if one.holds else Text("✗", f"bold {RED}")
        table.add_row(Text(expected, DIM), one.expected, Text(seen, DIM), one.seen, mark)
    return table


def verdict(summary: Summary, language: str, money: MoneyUnit) -> RenderableType:
    """Whether everything that users were told can be true, and if not, why."""
    checked = words(language, "checked", revealed=summary.revealed, finished=summary.finished)
    if not summary.contradictions and not summary.failures:
        return Text.assemble(("✔ ", "bold green"), words(language, "no_contradiction", checked=checked))
    wrong = (
        re.sub(r"(?<=\d) fen\b", f" {money.smallest}", one) for one in (*summary.contradictions, *summary.failures)
    )
    lines = [Text.assemble(("✘ ", f"bold {RED}"), one) for one in wrong]
    return Group(Text(checked), *lines)
