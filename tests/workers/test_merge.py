"""How samples of workers become one: a rule for every field, literal values."""

from __future__ import annotations

import pytest

from server.ops.samples.sample import (
    AuditFault,
    AuditResult,
    BankFigures,
    CampaignFigures,
    Figures,
    HotPacket,
    LinkFigures,
    OpenPayments,
    PeerFigures,
    Sample,
    StoreState,
    WebhookFigures,
    WebhookQueue,
)
from server.workers.merge import RULES, Ended, merged
from tests.ops.samples import latencies, sample

CAMPAIGNS = CampaignFigures({"won": 1, "nothing": 2}, 3, 4, 5, 600, 700)
WEBHOOKS = WebhookFigures({"delivered": 1}, 2, {"shop": WebhookQueue("enabled", 3, 4.0)})


def of(*samples: Sample) -> Sample:
    return merged(samples, Ended())


def test_every_field_of_a_sample_has_a_rule() -> None:
    assert set(RULES) == set(Sample.__struct_fields__)


def test_one_worker_is_the_whole() -> None:
    one = sample(
        connections=3,
        webhooks=WEBHOOKS,
        campaigns=CAMPAIGNS,
        payments=OpenPayments({"unknown": 1}, {"unknown": 2.0}, 3, ("bank",)),
        bank=BankFigures({"bank": 1.0}, {"amount": 2}, {"amount": 3.0}),
        hottest=(HotPacket("5", 6, 7),),
        figures=Figures(1, 2, 3, 4),
        audit=AuditResult(1, 0.1),
        open_ms=latencies(1, 2),
        clock_faults=("the machine",),
        failing_loops={"record": "why"},
        http_requests={"GET /": {"200": 1}},
    )
    assert of(one) == one


@pytest.mark.parametrize(
    ("field", "values", "whole"),
    [
        ("at_ms", (5, 7, 6), 7),
        ("clock_s", (1.5, 1.0), 1.5),
        ("started_at_ms", (9, 8), 8),
        ("state", ("draining", "starting", "serving"), "serving"),
        ("state", ("draining", "starting"), "starting"),
        ("state", ("draining",), "draining"),
        ("connections", (1, 2, 3), 6),
        ("connections_max", (100, 100), 200),
        ("closes", ({"ping_timeout": 1}, {"ping_timeout": 2, "kicked": 3}), {"ping_timeout": 3, "kicked": 3}),
        (
            "http_requests",
            ({"a": {"200": 1}}, {"a": {"200": 1, "404": 2}, "b": {"200": 3}}),
            {"a": {"200": 2, "404": 2}, "b": {"200": 3}},
        ),
        ("open_ms", (latencies(1, 20_000), latencies(1)), latencies(1, 1, 20_000)),
        ("users_online", (1, 2), 3),
        ("live_packets", (1, 2), 3),
        ("packet_copies", (1, 2), 3),
        ("reads", (1, 2), 3),
        (
            "links",
            (
                LinkFigures({"unix": 3, "tcp": 1}, {"a": "away"}, 1, {"proof": 2}, {"missed": 3}),
                None,
                LinkFigures({"unix": 3}, {"a": "away", "b": "closed"}, 2, {"proof": 1, "late": 1}, {"received": 4}),
            ),
            LinkFigures(
                {"unix": 6, "tcp": 1},
                {"a": "away", "b": "closed"},
                3,
                {"proof": 3, "late": 1},
                {"missed": 3, "received": 4},
            ),
        ),
        ("links", (None, None), None),
        ("nats_up", (True, False), False),
        ("nats_up", (True, True), True),
        ("nats_up", (None, None), None),
        (
            "peers",
            (
                PeerFigures(
                    waiting=3,
                    forwarded=4,
                    served=5,
                    events=6,
                    gaps=7,
                    frames=8,
                    messages=9,
                    bytes=10,
                ),
                PeerFigures(
                    waiting=1,
                    forwarded=2,
                    served=3,
                    events=4,
                    gaps=5,
                    frames=6,
                    messages=7,
                    bytes=8,
                ),
            ),
            PeerFigures(
                waiting=4,
                forwarded=6,
                served=8,
                events=10,
                gaps=12,
                frames=14,
                messages=16,
                bytes=18,
            ),
        ),
        ("current", (True, False), False),
        ("other_servers", (2, 2, 2), 0),
        ("other_servers", (3, 2, 3), 1),
        ("other_servers", (0, 0), 0),
        ("local_ahead_s", (0.1, -3.0), -3.0),
        ("jump_s", (0.0, 2.5), 2.5),
        ("clock_faults", (("a", "b"), ("b", "c")), ("a", "b", "c")),
        (
            "hottest",
            ((HotPacket("1", 5, 9), HotPacket("2", 4, None)), (HotPacket("2", 3, 1), HotPacket("1", 1, 8))),
            (HotPacket("2", 7, 1), HotPacket("1", 6, 8)),
        ),
        ("figures", (None, Figures(1), Figures(2)), Figures(1)),
        ("loop_lag_ms", (0.1, 7.0, 3.0), 7.0),
        ("rss_bytes", (10, 20), 30),
        ("audit", (None, AuditResult(5, 0.1), AuditResult(9, 0.2, 1)), AuditResult(9, 0.2, 1)),
        ("audit_fault", (None, AuditFault(3, "why")), AuditFault(3, "why")),
        ("loop_failures", ({"record": 1}, {"record": 2, "mirror": 0}), {"record": 3, "mirror": 0}),
        (
            "failing_loops",
            ({"record": "one"}, {"record": "two", "mirror": "three"}),
            {"record": "one", "mirror": "three"},
        ),
        ("payments", (None, None), None),
        (
            "payments",
            (
                OpenPayments({"unknown": 2}, {"unknown": 9.0}, 1, ("bank",)),
                OpenPayments({"unknown": 3}, {"unknown": 8.0}, 0, ("host",)),
                None,
            ),
            OpenPayments({"unknown": 3}, {"unknown": 9.0}, 1, ("bank", "host")),
        ),
        (
            "payments",  # the worker on duty reads them; each says which gateways it does not reach
            (
                OpenPayments({"unknown": 0}, {"unknown": 0.0}, 0, ("bank",), is_read=False),
                OpenPayments({"unknown": 3}, {"unknown": 8.0}, 2, ("host",)),
            ),
            OpenPayments({"unknown": 3}, {"unknown": 8.0}, 2, ("bank", "host")),
        ),
        (
            "payments",
            (OpenPayments({"unknown": 0}, {"unknown": 0.0}, is_read=False),) * 2,
            OpenPayments({"unknown": 0}, {"unknown": 0.0}, is_read=False),
        ),
        (
            "bank",
            (BankFigures({"bank": 1.0}, {"amount": 2}, {"amount": 3.0}), BankFigures({"bank": 2.0})),
            BankFigures({"bank": 2.0}, {"amount": 2}, {"amount": 3.0}),
        ),
        (
            "campaigns",
            (CAMPAIGNS, None, CAMPAIGNS),
            CampaignFigures({"won": 2, "nothing": 4}, 3, 8, 10, 1_200, 1_400),
        ),
        (
            "webhooks",
            (WEBHOOKS, WebhookFigures({"delivered": 5, "failed": 1}, 1, {"shop": WebhookQueue("enabled", 2, 9.0)})),
            WebhookFigures({"delivered": 6, "failed": 1}, 3, {"shop": WebhookQueue("enabled", 2, 9.0)}),
        ),
    ],
)
def test_values_of_workers_become_one(field: str, values: tuple[object, ...], whole: object) -> None:
    assert getattr(of(*(sample(**{field: value}) for value in values)), field) == whole


def test_store_is_up_if_it_takes_the_writes_of_all_workers() -> None:
    up, warned = StoreState(True, 5), StoreState(True, 7, "", "maxmemory-policy", partly_away=True)
    away = StoreState(False, 9, "connection refused")
    found = of(
        sample(stores={"postgres": up, "redis": up}), sample(stores={"postgres": warned, "redis": away})
    ).stores
    assert found == {"postgres": warned, "redis": away}


def test_counters_of_ended_processes_stay_and_gauges_do_not() -> None:
    ended = Ended()
    for _ in range(2):
        ended.add(
            sample(
                accepted=10,
                connections=10,
                requests={"grab": 4},
                open_ms=latencies(1),
                rss_bytes=10,
                webhooks=WEBHOOKS,
                campaigns=CAMPAIGNS,
                at_ms=9_000_000_000_000,
                http_requests={"a": {"200": 1}},
                peers=PeerFigures(waiting=5, forwarded=1, messages=20, frames=10),
                links=LinkFigures({"unix": 3}, {"a": "away"}, 4, {"proof": 5}, {"missed": 6}),
            )
        )
    now = merged(
        [
            sample(
                accepted=1,
                connections=1,
                requests={"open": 1},
                rss_bytes=1,
                open_ms=latencies(2),
                peers=PeerFigures(forwarded=1),
                links=LinkFigures({"unix": 2}, {}, 1),
            )
        ],
        ended,
    )
    assert now.peers == PeerFigures(forwarded=3, messages=40, frames=20)
    assert now.links == LinkFigures({"unix": 2}, {}, 9, {"proof": 10}, {"missed": 12})
    assert (now.accepted, now.connections, now.rss_bytes) == (21, 1, 1)
    assert now.requests == {"open": 1, "grab": 8}
    assert now.open_ms == latencies(1, 1, 2)
    assert now.webhooks == WebhookFigures({"delivered": 2})
    assert now.campaigns == CampaignFigures({"won": 2, "nothing": 4}, 0, 0, 10, 1_200, 1_400)
    assert now.http_requests == {"a": {"200": 2}}
    assert now.at_ms < 9_000_000_000_000
