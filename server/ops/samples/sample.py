"""A sample: the state of the whole server at one moment, as plain numbers. Rates come from two samples.

Counters start at zero with the server; `now` marks gauges, which can also fall. Ids of packets are texts: they
are larger than the numbers that JSON readers hold exactly.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from server.core.latency import Latencies

State: TypeAlias = Literal["starting", "serving", "draining"]
WorkerState: TypeAlias = Literal["starting", "serving", "silent", "waiting", "given up"]
Counts: TypeAlias = dict[str, int]
Sort: TypeAlias = Literal["pending", "idle", "requests"]  # orders of the list of connections


class StoreState(msgspec.Struct, frozen=True):
    """Whether a store takes writes, since when (ms since 1970), and if not, why. `warning`: about one that does.

    `partly_away`: a node of its cluster takes none.
    """

    up: bool
    since_ms: int
    why: str = ""
    warning: str = ""
    partly_away: bool = False


class HotPacket(msgspec.Struct, frozen=True):
    """A packet with many opens in the last seconds. `left`: shares left, None if the packet is not in memory."""

    packet: str
    opens: int
    left: int | None


class Figures(msgspec.Struct, frozen=True):
    """Figures that only PostgreSQL knows, some seconds old (see PeriodicQuery)."""

    backlog_claims: int = 0  # claims that are recorded and not credited
    backlog_fen: int = 0
    oldest_ms: int | None = None  # when the oldest of them was opened (ms since 1970)
    in_packets_fen: int = 0  # unopened money in open packets


class AuditResult(msgspec.Struct, frozen=True):
    """The result of an audit."""

    at_ms: int
    took_s: float
    discrepancies: int = 0
    first: tuple[str, ...] = ()  # the first discrepancies, in words
    checked: str = ""  # how much was checked, in words

    @property
    def ok(self) -> bool:
        """The books balance."""
        return not self.discrepancies


class AuditFault(msgspec.Struct, frozen=True):
    """Why an audit failed to run. It says nothing about the books: the result before it still holds."""

    at_ms: int
    why: str


class WebhookQueue(msgspec.Struct, frozen=True):
    """Now: the deliveries that wait for an endpoint, counted up to a limit, and the age of the oldest."""

    state: str
    waiting: int
    oldest_s: float


class WebhookFigures(msgspec.Struct, frozen=True):
    """Webhooks: attempts of this server by result, those in flight now, and all queues by endpoint."""

    results: Counts = {}
    in_flight: int = 0
    queues: dict[str, WebhookQueue] = {}

    @property
    def endpoints(self) -> Counts:
        """How many endpoints there are, by state."""
        states = [queue.state for queue in self.queues.values()]
        return {state: states.count(state) for state in dict.fromkeys(states)}


class OpenPayments(msgspec.Struct, frozen=True):
    """Payments that have not ended, by state: how many, and the age of the oldest. `breaks`: contradictions.

    `away`: the gateways that do not respond now. Not `is_read`: another worker counts the rest.
    """

    waiting: Counts = {}
    oldest_s: dict[str, float] = {}
    breaks: int = 0
    away: tuple[str, ...] = ()
    is_read: bool = True


class BankFigures(msgspec.Struct, frozen=True):
    """Statements of banks: for how long one has been missing, by gateway (0: none is), and open breaks by class.

    Breaks in doubt do not count. `oldest_s`: for how long the oldest of a class has counted.
    """

    overdue_s: dict[str, float] = {}
    breaks: Counts = {}
    oldest_s: dict[str, float] = {}


class CampaignFigures(msgspec.Struct, frozen=True):
    """Campaigns: shakes of this server by result, and the money that it moved between pools and leases, in fen.

    Now: campaigns whose books are open, leases that this server gives away. `reclaimed`: leases of dead servers.
    """

    shakes: Counts = {}
    open: int = 0
    leases: int = 0
    reclaimed: int = 0
    leased_fen: int = 0
    returned_fen: int = 0


class RiskFigures(msgspec.Struct, frozen=True):
    """Risk control of this server: decisions by action, requests held back by kind, and rules that failed.

    `round_age_s`, now: for how long no round has been completed, by whichever server.
    """

    mode: str
    rules: str
    decided: Counts = {}
    held: Counts = {}
    rule_errors: int = 0
    round_age_s: float = 0.0


class PeerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to and comes from peers: other servers on the database that have a link; workers are servers, too.

    Since the start: requests that were `forwarded` to their owners, requests `served` for connections of others,
    `events` told to others, `gaps` (what may have been lost was read from the record: a server came or went, or
    NATS lost pushes), and what was sent: `messages` in `frames`, and their `bytes`.
    Now: requests that are `waiting`.
    """

    waiting: int = 0
    forwarded: int = 0
    served: int = 0
    events: int = 0
    gaps: int = 0
    frames: int = 0
    messages: int = 0
    bytes: int = 0


class LinkFigures(msgspec.Struct, frozen=True):
    """Links to other servers and workers. Now: `up` by kind, and those that live without one, with why.

    `lost`: links that were lost although their servers did not go down; `refused`: handshakes that failed, by why.
    """

    up: Counts = {}
    missing: dict[str, str] = {}
    lost: int = 0
    refused: Counts = {}
    pushes: Counts = {}  # messages of pushes over NATS: published, received, missed


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, as its supervisor sees it. `ends`: how often it ended without being told to."""

    worker: int
    state: WorkerState
    pid: int | None  # None: it has no process now
    up_s: float
    connections: int
    loop_lag_ms: float
    rss_bytes: int
    links: int  # to other workers and servers
    ends: int
    why: str = ""  # why it does not serve


class SpentHour(msgspec.Struct, frozen=True):
    """An hour that begins at `at_ms`, and what was won in it."""

    at_ms: int
    won_shares: int
    won_fen: int


class CampaignReportLine(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign on the dashboard. Its id is a text: JSON readers do not hold such numbers exactly.

    `cost_per_winner_fen`: None until a user has won.
    """

    campaign: str
    name: str
    sponsor: str
    state: str
    budget_fen: int
    won_fen: int
    left_fen: int
    won_shares: int
    left_shares: int
    winners: int
    cost_per_winner_fen: int | None
    shakes: int
    hours: list[SpentHour]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Times in ms since 1970, durations as named, money in fen."""

    at_ms: int
    clock_s: float  # the same moment on a monotonic clock
    started_at_ms: int
    state: State
    durability: str

    connections: int  # now
    users_online: int  # now; one with connections to several servers counts at one of them
    accepted: int
    closes: Counts  # connections that the server closed, by reason
    slow_readers: int  # connections closed because the client did not read
    reads: int = 0  # from clients, with one request or more
    requests: Counts  # by kind
    refusals: Counts  # by reason
    answers: Counts  # to grabs and opens
    http_requests: dict[str, Counts] = {}  # of the HTTP API, by route and status
    pushes: int

    open_ms: Latencies  # winning opens, from arrival to reply
    redis_ms: Latencies  # of batches
    postgres_ms: Latencies  # of batches
    batches: int
    claims: int  # recorded
    rejected: int  # claims that a store rejected or did not confirm; they are retried
    redriven: int  # claims that only the mirror had, recorded later
    unrecorded: int  # now: claims in flight
    live_packets: int  # now: in memory, without those that another server decides
    packet_copies: int = 0  # now: in memory, but another server decides them
    peers: PeerFigures = PeerFigures()
    other_servers: int  # now: on the same database
    current: bool  # now: it knows what other servers have changed
    local_ahead_s: float = 0.0  # now: how far ahead of the database's time the clock of the machine is
    jump_s: float = 0.0  # now: how far the database's clock has jumped, while that is not accepted
    clock_faults: tuple[str, ...] = ()  # now: which clocks are wrong, in words
    hottest: tuple[HotPacket, ...]  # in the last seconds, hottest first

    settled: int  # claims
    refunded_packets: int
    sends: int
    webhooks: WebhookFigures = WebhookFigures()
    payments: OpenPayments | None = None  # None: there is no gateway
    bank: BankFigures | None = None  # None: no gateway has statements
    campaigns: CampaignFigures | None = None  # None: no campaign is open, and no user has shaken
    risk: RiskFigures | None = None  # None: its mode is off
    links: LinkFigures | None = None  # None: the server makes none
    nats_up: bool | None = None  # now; None: there is no NATS
    money_fen: Counts  # topped_up, withdrawn, sent, claimed, refunded
    figures: Figures | None  # now; None before the first successful query

    loop_lag_ms: float  # the maximum of the last second
    rss_bytes: int  # now
    stores: dict[str, StoreState]  # now
    audit: AuditResult | None  # the last one that completed
    audit_fault: AuditFault | None = None  # of a later one that failed
    connections_max: int = 0  # now: the limit, or as many as the limit of open files has room for
    loop_failures: Counts = msgspec.field(default_factory=dict)  # by loop
    failing_loops: dict[str, str] = msgspec.field(default_factory=dict)  # now: loops that fail, and why
    lost_counts: int = 0  # processes of workers that were killed: what they counted in their last second is missing

    @property
    def backlog_age_s(self) -> float:
        """How long the oldest claim has waited to be credited."""
        oldest_ms = None if self.figures is None else self.figures.oldest_ms
        return 0.0 if oldest_ms is None else max(0.0, (self.at_ms - oldest_ms) / 1000)
