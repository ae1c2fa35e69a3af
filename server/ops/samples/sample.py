"""A sample: the whole server at one moment, as plain numbers. Rates and percentiles are what lies between two.

Whatever is counted grows from the server's start; `now` marks what may also fall. Ids of packets are texts: they
are larger than what JSON's readers hold exactly.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from server.core.latency import Latencies

State: TypeAlias = Literal["starting", "serving", "draining"]
Counts: TypeAlias = dict[str, int]
Sort: TypeAlias = Literal["pending", "idle", "requests"]  # by which connections are listed


class StoreState(msgspec.Struct, frozen=True):
    """Whether a store answers, since when (ms since 1970), and if not, why."""

    up: bool
    since_ms: int
    why: str = ""


class HotPacket(msgspec.Struct, frozen=True):
    """A packet that many open: how many opens came lately, and the shares left; None: it is not in memory."""

    packet: str
    opens: int
    left: int | None


class Figures(msgspec.Struct, frozen=True):
    """What only PostgreSQL knows; asked now and then, so it may be some seconds old."""

    backlog_claims: int = 0  # recorded, not credited
    backlog_fen: int = 0
    oldest_ms: int | None = None  # when the oldest of them was opened (ms since 1970)
    in_packets_fen: int = 0  # unopened, in packets that are open


class AuditResult(msgspec.Struct, frozen=True):
    """What an audit has found."""

    at_ms: int
    took_s: float
    discrepancies: int = 0
    first: tuple[str, ...] = ()  # of them, in words
    checked: str = ""

    @property
    def ok(self) -> bool:
        """The books balance."""
        return not self.discrepancies


class AuditFault(msgspec.Struct, frozen=True):
    """Why an audit could not be done. That says nothing about the books: what one before has found still holds."""

    at_ms: int
    why: str


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Times in ms since 1970, durations as named, money in fen."""

    at_ms: int
    clock_s: float  # the same moment on the loop's clock, which never jumps
    started_at_ms: int
    state: State
    durability: str

    connections: int  # now
    users_online: int  # now
    accepted: int
    closes: Counts  # connections that we ended, by reason
    slow_readers: int  # cut for not reading
    requests: Counts  # by kind
    refusals: Counts  # by reason
    answers: Counts  # to grabs and opens
    pushes: int

    open_ms: Latencies  # opens that won, from their arrival until it was said
    redis_ms: Latencies  # batches
    postgres_ms: Latencies
    batches: int
    claims: int  # recorded
    rejected: int  # claims that a store refused or did not answer for, decided again
    redriven: int  # claims that only the mirror held
    unrecorded: int  # now: claims on their way
    live_packets: int  # now
    hottest: tuple[HotPacket, ...]  # of the last seconds, hottest first

    settled: int  # claims
    refunded_packets: int
    sends: int
    money_fen: Counts  # topped_up, withdrawn, sent, claimed, refunded
    figures: Figures | None  # now; None: never asked with success

    loop_lag_ms: float  # the worst of the last second
    rss_bytes: int  # now
    stores: dict[str, StoreState]  # now
    audit: AuditResult | None  # of the last one that was done
    audit_fault: AuditFault | None = None  # of one that was tried since

    @property
    def backlog_age_s(self) -> float:
        """How long the oldest claim has waited for its credit."""
        oldest_ms = None if self.figures is None else self.figures.oldest_ms
        return 0.0 if oldest_ms is None else max(0.0, (self.at_ms - oldest_ms) / 1000)
