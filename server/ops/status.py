"""Samples as answers of the status socket: the state at a glance, and rates."""

from __future__ import annotations

from typing import Any

import msgspec

from protocol.money_unit import MoneyUnit
from server.ops.health import Health
from server.ops.samples.rates import non_zero, rates
from server.ops.samples.sample import OpenPayments, Sample, WebhookFigures
from server.ops.samples.sampler import Sampler


def status_of(sample: Sample, health: Health, money: MoneyUnit) -> dict[str, Any]:
    """A sample as the answer of `status`, without the counters that are zero."""
    figures = sample.figures
    return {
        "state": sample.state,
        "ready": health.ready,
        "reasons": health.reasons,
        "degraded": health.degraded,
        "durability": sample.durability,
        "up_s": round((sample.at_ms - sample.started_at_ms) / 1000),
        "connections": sample.connections,
        "connections_max": sample.connections_max,
        "users_online": sample.users_online,
        "accepted": sample.accepted,
        "reads": sample.reads,
        "requests": non_zero(sample.requests),
        "pushes": sample.pushes,
        "answers": non_zero(sample.answers),
        "refusals": non_zero(sample.refusals),
        "closes": non_zero(sample.closes),
        "slow_readers": sample.slow_readers,
        "live_packets": sample.live_packets,
        "packet_copies": sample.packet_copies,
        "other_servers": sample.other_servers,
        "current": sample.current,
        "commit": _commit_of(sample),
        "settlement": {
            "settled": sample.settled,
            "waiting_claims": None if figures is None else figures.backlog_claims,
            "waiting_fen": None if figures is None else figures.backlog_fen,
            "oldest_s": sample.backlog_age_s,
        },
        "sends": sample.sends,
        "refunded_packets": sample.refunded_packets,
        "webhooks": _webhooks_of(sample.webhooks),
        **_where_there_are(sample),
        "money_unit": msgspec.structs.asdict(money),
        "money_fen": sample.money_fen | {"in_packets": None if figures is None else figures.in_packets_fen},
        "loop_lag_ms": sample.loop_lag_ms,
        "loop_failures": non_zero(sample.loop_failures),
        "rss_bytes": sample.rss_bytes,
        "stores": {name: "up" if store.up else f"away: {store.why}" for name, store in sample.stores.items()},
        "audit": sample.audit,
        "audit_fault": sample.audit_fault,
    }


def _commit_of(sample: Sample) -> dict[str, int]:
    return {
        "batches": sample.batches,
        "claims": sample.claims,
        "in_flight": sample.unrecorded,
        "rejected": sample.rejected,
        "redriven": sample.redriven,
    }


def _where_there_are(sample: Sample) -> dict[str, Any]:
    """What a server has only with a gateway, a campaign, links to other servers, or NATS."""
    found: dict[str, Any] = {}
    if sample.payments is not None:
        found["payments"] = _payments_of(sample.payments)
    if sample.campaigns is not None:
        found["campaigns"] = msgspec.structs.asdict(sample.campaigns)
    if sample.risk is not None:
        found["risk"] = msgspec.structs.asdict(sample.risk)
    if sample.links is not None:
        found["links"] = msgspec.structs.asdict(sample.links)
        found["peers"] = msgspec.structs.asdict(sample.peers)
    if sample.nats_up is not None:
        found["nats"] = "up" if sample.nats_up else "away"
    return found


def _payments_of(figures: OpenPayments) -> dict[str, Any]:
    """Payments that have not ended, by state (`hongbao payments`), breaks, gateways that do not respond."""
    oldest_s = max(figures.oldest_s.values(), default=0.0)
    return {**figures.waiting, "oldest_s": oldest_s, "breaks": figures.breaks, "away": list(figures.away)}


def _webhooks_of(figures: WebhookFigures) -> dict[str, Any]:
    queues = figures.queues.values()
    return {
        "endpoints": figures.endpoints,
        "waiting": sum(queue.waiting for queue in queues),
        "oldest_s": max((queue.oldest_s for queue in queues), default=0.0),
        "in_flight": figures.in_flight,
        **figures.results,
    }


def rates_of(sampler: Sampler, seconds: int) -> dict[str, Any]:
    """Rates over the last seconds, and gauges of now, as the answer of `rates`."""
    samples = sampler.last(seconds)
    newest = samples[-1]
    return {
        "rates": rates(samples),
        "now": {
            "connections": newest.connections,
            "users_online": newest.users_online,
            "live_packets": newest.live_packets,
            "peers": newest.peers,
            "links": newest.links,
            "unrecorded": newest.unrecorded,
            "figures": newest.figures,
            "backlog_age_s": newest.backlog_age_s,
            "rss_bytes": newest.rss_bytes,
            "state": newest.state,
            "stores": sampler.fresh.stores,
        },
        "hottest": newest.hottest,
    }
