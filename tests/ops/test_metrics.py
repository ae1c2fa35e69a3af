"""Metrics of literal samples, read with the parser of Prometheus."""

from __future__ import annotations

import re

from msgspec.structs import replace
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from protocol.money_unit import YUAN
from server.core.latency import BOUNDS_MS
from server.ops.metric_tables import NAMES, NAMES_OF_WORKERS
from server.ops.metrics import CONTENT_TYPE, Metrics
from server.ops.samples.sample import (
    AuditFault,
    AuditResult,
    BankFigures,
    CampaignFigures,
    Figures,
    LinkFigures,
    OpenPayments,
    PeerFigures,
    RiskFigures,
    Sample,
    StoreState,
    WebhookFigures,
    WebhookQueue,
)
from tests.ops.samples import EMPTY, WORKERS, FixedSampler, latencies, sample
from tests.points import COINS, POINTS, yuan_in

FULL = sample(
    connections=3,
    users_online=2,
    requests={"grab": 5, "open": 4},
    refusals={"overloaded": 1, "rate_limited": 0},
    answers={"won": 2},
    http_requests={"GET /v1/users/{user_id}": {"200": 23, "404": 24}},
    pushes=9,
    closes={"ping_timeout": 1},
    open_ms=latencies(0.4, 4, 20_000),
    redis_ms=latencies(1),
    postgres_ms=latencies(2, 2),
    batches=6,
    claims=7,
    rejected=8,
    redriven=10,
    unrecorded=11,
    figures=Figures(12, 1_200, EMPTY.at_ms - 1_500, 13),
    settled=14,
    refunded_packets=15,
    payments=OpenPayments({"unknown": 29}, {"unknown": 30.5}, 31),
    bank=BankFigures({"bank": 32.5}, {"amount": 33}, {"amount": 34.5}),
    campaigns=CampaignFigures({"won": 35, "nothing": 36}, 37, 38, 39),
    risk=RiskFigures("on", "v", {"allow": 55, "deny": 56}, {"send": 57}, 58, 59.5),
    links=LinkFigures({"unix": 42, "tcp": 43}, {"a": "away"}, 52, {"proof": 53}, {"missed": 54}),
    nats_up=False,
    webhooks=WebhookFigures({"delivered": 25}, 26, {"shop": WebhookQueue("enabled", 27, 28.5)}),
    money_fen={"topped_up": 16, "sent": 17},
    live_packets=18,
    packet_copies=40,
    reads=41,
    peers=PeerFigures(
        waiting=44,
        forwarded=45,
        served=46,
        events=47,
        gaps=48,
        frames=49,
        messages=50,
        bytes=51,
    ),
    other_servers=2,
    local_ahead_s=2.5,
    jump_s=-3.5,
    slow_readers=19,
    loop_lag_ms=20.5,
    rss_bytes=21,
    stores={"postgres": StoreState(True, 1), "redis": StoreState(False, 1, "connection refused")},
    state="draining",
    audit=AuditResult(1_700_000_000_500, 0.1, 2, ("a", "b")),
    loop_failures={"record": 22, "mirror": 0},
)


def scraped(now: Sample) -> dict[str, Metric]:
    text = Metrics(FixedSampler([now]), "1.2.3", YUAN).text().decode()
    return {metric.name: metric for metric in text_string_to_metric_families(text)}


def test_workers_have_metrics_of_their_own_and_one_process_has_none() -> None:
    assert not {name for name in scraped(FULL) if "worker" in name}
    text = Metrics(FixedSampler([FULL]), "1.2.3", YUAN, lambda: WORKERS).text().decode()
    found = {metric.name: metric for metric in text_string_to_metric_families(text)}
    of_workers = {
        one.name: [value.value for value in metric.samples if value.name == one.name]
        for metric in found.values()
        for one in metric.samples
        if "worker" in one.labels
    }
    assert of_workers == {
        "hongbao_worker_up": [1, 0],
        "hongbao_worker_connections": [1_234, 0],
        "hongbao_worker_links": [3, 0],
        "hongbao_worker_loop_lag_seconds": [0.0125, 0],
        "hongbao_worker_resident_memory_bytes": [66_060_288, 0],
        "hongbao_worker_up_seconds": [3_725, 0],
        "hongbao_worker_ends_total": [0, 5],
    }
    assert set(of_workers) == set(NAMES_OF_WORKERS)


def values(now: Sample) -> dict[str, dict[str, float]]:
    """Values by metric name and label value, without histograms."""
    return {
        name: {",".join(one.labels.values()): one.value for one in metric.samples}
        for name, metric in scraped(now).items()
        if metric.type != "histogram"
    }


def test_every_number_of_a_sample_is_exported_in_base_units() -> None:
    assert values(FULL) == {
        "hongbao_pushes": {"": 9},
        "hongbao_batches": {"": 6},
        "hongbao_claims": {"": 7},
        "hongbao_claims_rejected": {"": 8},
        "hongbao_claims_undone": {"": 8},  # old name
        "hongbao_claims_redriven": {"": 10},
        "hongbao_settled_claims": {"": 14},
        "hongbao_refunded_packets": {"": 15},
        "hongbao_slow_readers": {"": 19},
        "hongbao_requests": {"grab": 5, "open": 4},
        "hongbao_shakes": {"won": 35, "nothing": 36},
        "hongbao_risk_decisions": {"allow": 55, "deny": 56},
        "hongbao_risk_held": {"send": 57},
        "hongbao_risk_rule_errors": {"": 58},
        "hongbao_risk_round_age_seconds": {"": 59.5},
        "hongbao_campaigns": {"": 37},
        "hongbao_campaign_leases": {"": 38},
        "hongbao_campaign_leases_reclaimed": {"": 39},
        "hongbao_refusals": {"overloaded": 1, "rate_limited": 0},
        "hongbao_answers": {"won": 2},
        "hongbao_http_requests": {"GET /v1/users/{user_id},200": 23, "GET /v1/users/{user_id},404": 24},
        "hongbao_closes": {"ping_timeout": 1},
        "hongbao_loop_failures": {"record": 22, "mirror": 0},
        "hongbao_webhook_deliveries": {"delivered": 25},
        "hongbao_webhook_endpoints": {"enabled": 1},
        "hongbao_open_payments": {"unknown": 29},
        "hongbao_open_payment_age_seconds": {"unknown": 30.5},
        "hongbao_payment_breaks": {"": 31},
        "hongbao_statement_overdue_seconds": {"bank": 32.5},
        "hongbao_breaks": {"amount": 33},
        "hongbao_break_age_seconds": {"amount": 34.5},
        "hongbao_webhook_in_flight": {"": 26},
        "hongbao_webhook_lag_seconds": {"shop": 28.5},
        "hongbao_webhook_waiting_deliveries": {"shop": 27},
        "hongbao_money_fen": {"topped_up": 16, "sent": 17},
        "hongbao_connections": {"": 3},
        "hongbao_users_online": {"": 2},
        "hongbao_unrecorded_claims": {"": 11},
        "hongbao_settlement_backlog_claims": {"": 12},
        "hongbao_settlement_backlog_age_seconds": {"": 1.5},
        "hongbao_in_packets_fen": {"": 13},
        "hongbao_live_packets": {"": 18},
        "hongbao_packet_copies": {"": 40},
        "hongbao_reads": {"": 41},
        "hongbao_peer_requests_waiting": {"": 44},
        "hongbao_peer_requests_forwarded": {"": 45},
        "hongbao_peer_requests_served": {"": 46},
        "hongbao_peer_events": {"": 47},
        "hongbao_peer_gaps": {"": 48},
        "hongbao_peer_frames": {"": 49},
        "hongbao_peer_messages": {"": 50},
        "hongbao_peer_bytes": {"": 51},
        "hongbao_other_servers": {"": 2},
        "hongbao_current": {"": 1},
        "hongbao_links": {"unix": 42, "tcp": 43},
        "hongbao_links_missing": {"": 1},
        "hongbao_links_lost": {"": 52},
        "hongbao_link_handshakes_refused": {"proof": 53},
        "hongbao_nats_up": {"": 0},
        "hongbao_nats_pushes": {"missed": 54},
        "hongbao_local_clock_ahead_seconds": {"": 2.5},
        "hongbao_database_clock_jump_seconds": {"": -3.5},
        "hongbao_loop_lag_seconds": {"": 0.0205},
        "hongbao_resident_memory_bytes": {"": 21},
        "hongbao_draining": {"": 1},
        "hongbao_start_time_seconds": {"": 1_699_999_990},
        "hongbao_audit_discrepancies": {"": 2},
        "hongbao_audit_last_run_timestamp_seconds": {"": 1_700_000_000.5},
        "hongbao_store_up": {"postgres": 1, "redis": 0},
        "hongbao_store_partly_away": {"postgres": 0, "redis": 0},
        "hongbao_build_info": {"postgres,1.2.3": 1},
        "hongbao_money_unit_fen": {"": 100},
    }


def test_exported_names_are_those_in_the_table() -> None:
    types = {
        f"{name}_total" if metric.type == "counter" else name: metric.type for name, metric in scraped(FULL).items()
    }
    assert set(types) == set(NAMES)
    assert len(NAMES) == len(set(NAMES)) == 74
    assert {name for name, kind in types.items() if kind == "histogram"} == {
        "hongbao_open_seconds",
        "hongbao_batch_seconds",
    }


def test_histograms_are_cumulative_and_in_seconds() -> None:
    found = scraped(FULL)
    opens = {one.labels.get("le", one.name): one.value for one in found["hongbao_open_seconds"].samples}
    assert (opens["0.0005"], opens["0.003"], opens["0.005"], opens["10.0"], opens["+Inf"]) == (1, 1, 2, 2, 3)
    assert opens["hongbao_open_seconds_count"] == 3
    assert opens["hongbao_open_seconds_sum"] == 20.0044
    assert len(opens) == len(BOUNDS_MS) + 3
    counts = {
        one.labels["store"]: one.value
        for one in found["hongbao_batch_seconds"].samples
        if one.name.endswith("_count")
    }
    assert counts == {"redis": 1, "postgres": 2}


def test_unknown_values_are_left_out() -> None:
    unknown = {
        "hongbao_settlement_backlog_claims",
        "hongbao_in_packets_fen",
        "hongbao_audit_discrepancies",
        "hongbao_audit_last_run_timestamp_seconds",
        "hongbao_payment_breaks",
        "hongbao_campaigns",
        "hongbao_campaign_leases",
        "hongbao_risk_round_age_seconds",
        "hongbao_links_missing",
        "hongbao_nats_up",
    }
    assert values(FULL).keys() - values(EMPTY).keys() == unknown


def test_failed_audit_keeps_the_result_of_the_one_before() -> None:
    fault = AuditFault(1_700_000_009_000, "PostgreSQL: connection refused")
    exported = values(replace(FULL, audit_fault=fault))
    assert exported["hongbao_audit_discrepancies"] == {"": 2}
    assert exported["hongbao_audit_last_run_timestamp_seconds"] == {"": 1_700_000_000.5}
    assert "hongbao_audit_discrepancies" not in values(sample(audit_fault=fault))


def test_labels_contain_no_user_and_no_packet() -> None:
    labels = {label for metric in scraped(FULL).values() for one in metric.samples for label in one.labels}
    told = {
        "kind",
        "loop",
        "reason",
        "action",
        "answer",
        "flow",
        "store",
        "le",
        "version",
        "durability",
        "route",
        "status",
        "endpoint",
        "result",
        "state",
        "gateway",
        "class",
    }
    assert labels == told


def test_help_of_an_old_name_gives_the_new_name() -> None:
    old = scraped(FULL)["hongbao_claims_undone"]
    assert old.documentation == "old name of hongbao_claims_rejected_total, removed in the next version"


def test_content_type_is_the_text_format_of_prometheus() -> None:
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"


def test_help_texts_name_what_an_amount_counts() -> None:
    now = sample(figures=Figures(in_packets_fen=5))
    for money, smallest, factor in (
        (YUAN, "fen", 100),
        (POINTS, "points", 1),
        (COINS, "units of 0.001 gold coins", 1000),
    ):
        text = Metrics(FixedSampler([now]), "1.2.3", money).text().decode()
        assert f"\nhongbao_money_unit_fen {factor}.0\n" in text
        assert bool(yuan_in(re.sub(r"hongbao_\w+", "", text))) == (money == YUAN)
        assert f"# HELP hongbao_money_fen_total money moved, in {smallest}\n" in text
        assert f"# HELP hongbao_in_packets_fen unopened money in open packets, in {smallest}\n" in text
        assert "{" not in "".join(line for line in text.splitlines() if line.startswith("# HELP"))
