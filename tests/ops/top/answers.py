"""Literal answers of the status socket to `hongbao top`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

STATUS: dict[str, Any] = {
    "state": "serving",
    "ready": True,
    "reasons": [],
    "degraded": [],
    "durability": "postgres",
    "up_s": 93_784,
    "stores": {"postgres": "up", "redis": "up"},
}
RATES: dict[str, Any] = {
    "seconds": 10.01,
    "accepted_per_s": 321.5,
    "requests_per_s": {
        "open": 21_345.6,
        "grab": 22_001.2,
        "send_packet": 123.4,
        "say": 67.8,
        "catch_up": 5.5,
        "login": 4.25,
        "get_balance": 3.0,
    },
    "answers_per_s": {"won": 20_987.6, "gone": 300.0},
    "refusals_per_s": {"store_unavailable": 12_345.0, "rate_limited": 45.6},
    "pushes_per_s": 81_234.5,
    "wins_per_s": 20_987.6,
    "sends_per_s": 122.2,
    "settled_per_s": 19_876.5,
    "money_fen_per_s": {"sent": 1_000_000.0},
    "batches_per_s": 95.5,
    "claims_per_batch": 219.8,
    "open_ms": {"p50": 8.76, "p99": 49.5},
    "redis_ms": {"p50": 2.34, "p99": 9.87},
    "postgres_ms": {"p50": 6.54, "p99": 28.75},
    "loop_lag_ms": 12.5,
}
RECENT: dict[str, Any] = {
    "rates": RATES,
    "now": {
        "connections": 1_234_567,
        "users_online": 1_200_345,
        "live_packets": 54_321,
        "unrecorded": 4_321,
        "figures": {
            "backlog_claims": 765_432,
            "backlog_fen": 99_999,
            "oldest_ms": 1_700_000_000_000,
            "in_packets_fen": 12_345_678,
        },
        "backlog_age_s": 3_723.4,
        "rss_bytes": 13_421_772_800,
    },
    "hottest": [
        {"packet": f"9112345678901234{number}", "opens": 98_765 - number, "left": left}
        for number, left in enumerate([12_345, 0, None, 3, 4, 5, 6, 7, 8, 9], start=560)
    ],
}
LISTED: dict[str, Any] = {
    "connections": [
        {
            "user_id": 9_007_199_254_740_000 + number,
            "address": f"203.0.113.{100 + number}:65{100 + number}",
            "pending_bytes": 1_047_000 - number * 100_000,
            "idle_s": 3_600.0 + number,
            "requests": 7_654_321 - number,
            "connected_s": 86_399.0 - number,
        }
        for number in range(10)
    ],
    "total": 1_234_567,
}
LISTED["connections"][1]["user_id"] = None


def answers(**changes: Any) -> dict[str, Any]:
    """The answers of one refresh; changes go into the status, such as `ready=False`."""
    whole = {"status": STATUS | changes, "recent": RECENT, "last_second": RECENT, "listed": LISTED}
    return deepcopy(whole)
