"""The metrics: one row for each says its help text, and how it is read off a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from server.core.latency import Latencies
from server.ops.link_metrics import LINK_COUNTERS, LINK_COUNTERS_BY, LINK_GAUGES, LINK_GAUGES_BY
from server.ops.samples.sample import Counts, Sample, WorkerRow

PREFIX: Final = "hongbao_"

# {smallest} in a help text is what an amount counts
# name without the prefix: help text, and how it is read off a sample; the name of a counter gets _total appended
COUNTERS: Final[dict[str, tuple[str, Callable[[Sample], float]]]] = {
    "pushes": ("messages pushed to clients", lambda now: now.pushes),
    "batches": ("batches of claims recorded", lambda now: now.batches),
    "claims": ("claims recorded", lambda now: now.claims),
    "claims_rejected": (
        "claims that a store rejected or did not confirm; they are retried",
        lambda now: now.rejected,
    ),
    "claims_undone": (
        "old name of hongbao_claims_rejected_total, removed in the next version",
        lambda now: now.rejected,
    ),
    "claims_redriven": ("claims that only the mirror had, recorded later", lambda now: now.redriven),
    "settled_claims": ("claims credited to wallets", lambda now: now.settled),
    "refunded_packets": ("packets with a refund", lambda now: now.refunded_packets),
    "slow_readers": ("connections closed because the client did not read", lambda now: now.slow_readers),
    "reads": ("reads from clients, with one request or more", lambda now: now.reads),
    "peer_requests_forwarded": (
        "requests sent to the worker or server that decides",
        lambda now: now.peers.forwarded,
    ),
    "peer_requests_served": ("requests served for connections of others", lambda now: now.peers.served),
    "peer_events": ("events told to others, whose users are pushed them there", lambda now: now.peers.events),
    "peer_gaps": (
        "times that news may have been lost (a peer came or went, NATS lost pushes) and were read from the record",
        lambda now: now.peers.gaps,
    ),
    "peer_frames": ("frames sent to peers, at most one each turn of the loop", lambda now: now.peers.frames),
    "peer_messages": ("messages in these frames", lambda now: now.peers.messages),
    "peer_bytes": ("bytes of these frames", lambda now: now.peers.bytes),
    "risk_rule_errors": (
        "rules of risk control that failed",
        lambda now: 0 if now.risk is None else now.risk.rule_errors,
    ),
    "campaign_leases_reclaimed": (
        "leases of campaigns that were taken from servers that had died",
        lambda now: 0 if now.campaigns is None else now.campaigns.reclaimed,
    ),
    **LINK_COUNTERS,
}
COUNTERS_BY: Final[dict[str, tuple[str, str, Callable[[Sample], Counts]]]] = {
    "requests": ("requests", "kind", lambda now: now.requests),
    "refusals": ("requests refused", "reason", lambda now: now.refusals),
    "answers": ("answers to grabs and opens", "answer", lambda now: now.answers),
    "closes": ("connections closed by the server", "reason", lambda now: now.closes),
    "loop_failures": ("failures of a loop, which was then started again", "loop", lambda now: now.loop_failures),
    "webhook_deliveries": ("attempts to deliver webhooks", "result", lambda now: now.webhooks.results),
    "risk_decisions": (
        "decisions of risk control",
        "action",
        lambda now: {} if now.risk is None else now.risk.decided,
    ),
    "risk_held": (
        "requests that risk control held back; away: it gave no answer",
        "kind",
        lambda now: {} if now.risk is None else now.risk.held,
    ),
    "shakes": ("shakes", "result", lambda now: {} if now.campaigns is None else now.campaigns.shakes),
    **LINK_COUNTERS_BY,
    "money_fen": ("money moved, in {smallest}", "flow", lambda now: now.money_fen),
}
COUNTERS_BY_TWO: Final[dict[str, tuple[str, tuple[str, str], Callable[[Sample], Mapping[str, Counts]]]]] = {
    "http_requests": (
        "requests of the HTTP API",
        ("route", "status"),
        lambda now: now.http_requests,
    ),
}
GAUGES: Final[dict[str, tuple[str, Callable[[Sample], float | None]]]] = {
    "connections": ("open client connections", lambda now: now.connections),
    "users_online": (
        "users with at least one connection, each counted once on all workers and servers",
        lambda now: now.users_online,
    ),
    "unrecorded_claims": ("claims in flight: decided, not recorded yet", lambda now: now.unrecorded),
    "settlement_backlog_claims": (
        "claims that wait to be credited",
        lambda now: None if now.figures is None else now.figures.backlog_claims,
    ),
    "settlement_backlog_age_seconds": (
        "how long the oldest of these claims has waited",
        lambda now: now.backlog_age_s,
    ),
    "in_packets_fen": (
        "unopened money in open packets, in {smallest}",
        lambda now: None if now.figures is None else now.figures.in_packets_fen,
    ),
    "live_packets": ("packets in memory, each counted where it is decided", lambda now: now.live_packets),
    "packet_copies": (
        "packets in memory that another worker or server decides",
        lambda now: now.packet_copies,
    ),
    "peer_requests_waiting": ("forwarded requests that wait for their reply", lambda now: now.peers.waiting),
    **LINK_GAUGES,
    "other_servers": ("servers beside this one on the same database", lambda now: now.other_servers),
    "current": ("1 while the server knows what other servers have changed", lambda now: now.current),
    "local_clock_ahead_seconds": (
        "how far the clock of the machine is ahead of the database's time",
        lambda now: now.local_ahead_s,
    ),
    "database_clock_jump_seconds": (
        "how far the database's clock has jumped, while that is not accepted",
        lambda now: now.jump_s,
    ),
    "webhook_in_flight": ("deliveries in flight", lambda now: now.webhooks.in_flight),
    "payment_breaks": (
        "evidence that contradicts the end of a payment, or its amount, and was not closed",
        lambda now: None if now.payments is None else now.payments.breaks,
    ),
    "risk_round_age_seconds": (
        "for how long no server has completed a round of risk control",
        lambda now: None if now.risk is None else now.risk.round_age_s,
    ),
    "campaigns": (
        "campaigns whose books are open",
        lambda now: None if now.campaigns is None else now.campaigns.open,
    ),
    "campaign_leases": (
        "leases of campaigns that this server gives away",
        lambda now: None if now.campaigns is None else now.campaigns.leases,
    ),
    "loop_lag_seconds": ("maximum lag of the event loop in the last second", lambda now: now.loop_lag_ms / 1000),
    "resident_memory_bytes": ("resident memory of the process", lambda now: now.rss_bytes),
    "draining": ("1 while the server finishes its last requests", lambda now: now.state == "draining"),
    "start_time_seconds": ("start of the server, in seconds since 1970", lambda now: now.started_at_ms / 1000),
    "audit_discrepancies": (
        "discrepancies found by the last audit that completed",
        lambda now: None if now.audit is None else now.audit.discrepancies,
    ),
    "audit_last_run_timestamp_seconds": (
        "end of that audit, in seconds since 1970",
        lambda now: None if now.audit is None else now.audit.at_ms / 1000,
    ),
}
GAUGES_BY: Final[dict[str, tuple[str, str, Callable[[Sample], Mapping[str, float]]]]] = {
    "store_up": (
        "1 while the store takes writes",
        "store",
        lambda now: {name: store.up for name, store in now.stores.items()},
    ),
    **LINK_GAUGES_BY,
    "store_partly_away": (
        "1 while a node of the store's cluster takes no writes and others do",
        "store",
        lambda now: {name: store.partly_away for name, store in now.stores.items()},
    ),
    "open_payments": (
        "payments that have not ended",
        "state",
        lambda now: {} if now.payments is None else now.payments.waiting,
    ),
    "open_payment_age_seconds": (
        "age of the oldest of them",
        "state",
        lambda now: {} if now.payments is None else now.payments.oldest_s,
    ),
    "breaks": (
        "open differences between a bank's statements and our payments, without those in doubt",
        "class",
        lambda now: {} if now.bank is None else now.bank.breaks,
    ),
    "break_age_seconds": (
        "for how long the oldest of them has counted",
        "class",
        lambda now: {} if now.bank is None else now.bank.oldest_s,
    ),
    "statement_overdue_seconds": (
        "for how long a statement has been missing, from 11:00 (Beijing) on; 0: none is",
        "gateway",
        lambda now: {} if now.bank is None else now.bank.overdue_s,
    ),
    "webhook_endpoints": ("endpoints of webhooks", "state", lambda now: now.webhooks.endpoints),
    "webhook_waiting_deliveries": (
        "deliveries that wait, counted up to 1000 for each endpoint",
        "endpoint",
        lambda now: {name: queue.waiting for name, queue in now.webhooks.queues.items()},
    ),
    "webhook_lag_seconds": (
        "age of the oldest of these events",
        "endpoint",
        lambda now: {name: queue.oldest_s for name, queue in now.webhooks.queues.items()},
    ),
}
HISTOGRAMS: Final[dict[str, tuple[str, Callable[[Sample], Mapping[str, Latencies]]]]] = {
    "open_seconds": ("latency of winning opens, from arrival to reply", lambda now: {"": now.open_ms}),
    "batch_seconds": (
        "latency of a batch of claims at a store",
        lambda now: {"redis": now.redis_ms, "postgres": now.postgres_ms},
    ),
}
HISTOGRAM_LABELS: Final = {"open_seconds": [], "batch_seconds": ["store"]}
OF_WORKERS: Final[dict[str, tuple[str, Callable[[WorkerRow], float]]]] = {
    "worker_up": ("1 while the worker serves", lambda row: row.state == "serving"),
    "worker_connections": ("open client connections of the worker", lambda row: row.connections),
    "worker_links": ("links of the worker to other workers and servers", lambda row: row.links),
    "worker_loop_lag_seconds": (
        "maximum lag of the worker's event loop in the last second",
        lambda row: row.loop_lag_ms / 1000,
    ),
    "worker_resident_memory_bytes": ("resident memory of the worker", lambda row: row.rss_bytes),
    "worker_up_seconds": ("for how long the worker's process has run", lambda row: row.up_s),
}
WORKER_ENDS: Final = "worker_ends"
BUILD_INFO: Final = "build_info"
MONEY_UNIT: Final = "money_unit_fen"

NAMES: Final[tuple[str, ...]] = (
    *(f"{PREFIX}{name}_total" for name in (*COUNTERS, *COUNTERS_BY, *COUNTERS_BY_TWO)),
    *(PREFIX + name for name in (*GAUGES, *GAUGES_BY, *HISTOGRAMS, BUILD_INFO, MONEY_UNIT)),
)
NAMES_OF_WORKERS: Final[tuple[str, ...]] = (  # only of a server with several workers, each with the label `worker`
    *(PREFIX + name for name in OF_WORKERS),
    f"{PREFIX}{WORKER_ENDS}_total",
)
