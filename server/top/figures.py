"""Figures above the lists: gauges, payments, peers and workers, each as it stands on the screen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from server.ops.humanize import humanize
from server.ops.samples.sample import LinkFigures, WorkerRow
from server.top.state import Answers, PaymentFigures, RecentRates

NAME, HEAD, GOOD, BAD = "dim", "bold reverse", "bold green", "bold red"
WORKER_ROWS_MOST: Final = 8
GAP: Final = (0, 2, 0, 0)


def gauges(answers: Answers) -> Table:
    now, rates = answers.recent.now, answers.recent.rates
    backlog = None if now.figures is None else now.figures.backlog_claims
    table = Table.grid(padding=GAP)
    table.add_row(
        _gauge("connections", now.connections),
        _gauge("users", now.users_online),
        _gauge("packets", now.live_packets),
        _gauge("rss_bytes", now.rss_bytes, "memory"),
    )
    table.add_row(
        _gauge("in flight", now.unrecorded),
        _gauge("backlog", backlog),
        _gauge("age_s", now.backlog_age_s, "oldest"),
        Text.assemble(("new/s ", NAME), number(rates.accepted_per_s)),
    )
    return table


def payments_line(payments: PaymentFigures) -> Text:
    """Which gateways are away, and payments that have not ended. What matters is first: a narrow screen cuts."""
    line = Text(no_wrap=True, overflow="ellipsis").append("payments  ", NAME)
    if payments.away:
        line.append(f"{', '.join(payments.away)} away  ", BAD)
    line.append("breaks ", NAME).append(f"{payments.breaks:,}  ", BAD if payments.breaks else "")
    line.append("unknown ", NAME).append(f"{payments.unknown:,}  ")
    line.append("oldest ", NAME).append(f"{humanize('age_s', payments.oldest_s)}  ")
    line.append("submitted ", NAME).append(f"{payments.submitted:,}  ")
    return line.append("created ", NAME).append(f"{payments.created:,}")


def peers_line(links: LinkFigures, recent: RecentRates) -> Text:
    """What goes to other workers and servers. What matters is first: a narrow screen cuts."""
    peers, rates = recent.now.peers, recent.rates
    line = Text(no_wrap=True, overflow="ellipsis").append("peers  ", NAME)
    if links.missing:
        line.append(f"{len(links.missing):,} links missing  ", BAD)
    line.append("links ", NAME).append(f"{sum(links.up.values()):,}  ")
    line.append("forwarded/s ", NAME).append(f"{number(rates.forwarded_per_s)}  ")
    line.append("waiting ", NAME).append(f"{peers.waiting:,}  ")
    line.append("events/s ", NAME).append(f"{number(rates.peer_events_per_s)}  ")
    line.append("messages/frame ", NAME).append(f"{number(rates.messages_per_frame)}  ")
    return line.append("gaps ", NAME).append(f"{peers.gaps:,}")


def shown_workers(workers: Sequence[WorkerRow]) -> list[WorkerRow]:
    """As many as have room: those that do not serve, then those with the longest turns of the loop."""
    first = sorted(workers, key=lambda one: (one.state == "serving", -one.loop_lag_ms))[:WORKER_ROWS_MOST]
    return sorted(first, key=lambda one: one.worker)


def workers_table(workers: Sequence[WorkerRow]) -> Table:
    """What differs between workers."""
    table = new_table()
    for title in ("worker", "connections", "links", "loop lag", "memory", "ends", "up"):
        table.add_column(title, no_wrap=True, justify="right")
    table.add_column("state", no_wrap=True, ratio=1)
    for one in workers:
        table.add_row(
            str(one.worker),
            humanize("connections", one.connections),
            humanize("links", one.links),
            f"{number(one.loop_lag_ms)} ms",
            humanize("rss_bytes", one.rss_bytes),
            humanize("ends", one.ends),
            humanize("up_s", one.up_s),
            Text(humanize("", f"{one.state} {one.why}".strip()), GOOD if one.state == "serving" else BAD),
        )
    return table


def _gauge(name: str, value: float | None, title: str = "") -> Text:
    return Text.assemble((f"{title or name} ", NAME), humanize(name, value))


def number(value: float | None) -> str:
    """A rate or milliseconds: one decimal below 100, none above."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def new_table() -> Table:
    return Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style=HEAD)
