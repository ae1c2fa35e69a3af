"""The metrics of links to other servers and of NATS: tables of the same form as those in `metric_tables`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from server.ops.samples.sample import Counts, Sample

LINK_COUNTERS: Final[dict[str, tuple[str, Callable[[Sample], float]]]] = {
    "links_lost": (
        "links to other servers that were lost although those did not go down",
        lambda now: 0 if now.links is None else now.links.lost,
    ),
}
LINK_COUNTERS_BY: Final[dict[str, tuple[str, str, Callable[[Sample], Counts]]]] = {
    "link_handshakes_refused": (
        "handshakes over TCP that failed",
        "reason",
        lambda now: {} if now.links is None else now.links.refused,
    ),
    "nats_pushes": (
        "messages of pushes over NATS",
        "result",
        lambda now: {} if now.links is None else now.links.pushes,
    ),
}
LINK_GAUGES: Final[dict[str, tuple[str, Callable[[Sample], float | None]]]] = {
    "links_missing": (
        "servers that live and have no link to this one",
        lambda now: None if now.links is None else len(now.links.missing),
    ),
    "nats_up": ("1 while there is a connection to NATS", lambda now: now.nats_up),
}
LINK_GAUGES_BY: Final[dict[str, tuple[str, str, Callable[[Sample], Mapping[str, float]]]]] = {
    "links": (
        "ends of links to other servers",
        "kind",
        lambda now: {} if now.links is None else now.links.up,
    ),
}
