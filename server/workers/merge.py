"""How samples of workers become one sample of the server: one rule for each field. Pure.

Counters of a process that has ended stay in the sum; else they would fall, and rates with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from server.core.latency import Latencies
from server.ops.samples.hot_packets import PACKETS
from server.ops.samples.sample import (
    BankFigures,
    CampaignFigures,
    Counts,
    HotPacket,
    OpenPayments,
    PeerFigures,
    Sample,
    State,
    StoreState,
    WebhookFigures,
    WebhookQueue,
)
from server.workers.link_figures import counted_links, links

Values: TypeAlias = Sequence[Any]
PEER_COUNTERS: Final = ("forwarded", "served", "events", "gaps", "frames", "messages", "bytes")
STATES: Final[tuple[State, ...]] = ("serving", "starting", "draining")  # one worker that serves is enough


class MergeRule(NamedTuple):
    """How the values of several workers become one, and what of a value stays when its process ends."""

    merge: Callable[[Values], Any]
    stays: Callable[[Any], Any] | None = None  # None: nothing does, the value is one of the moment


# --- numbers ----------------------------------------------------------------------------------------------------


def first(values: Values) -> Any:
    """The first that is known."""
    return next((value for value in values if value is not None), None)


def furthest(values: Iterable[float]) -> float:
    """The one furthest from zero."""
    return max(values, key=abs)


def added(values: Iterable[Mapping[str, int]]) -> Counts:
    """Counts by name, added up."""
    total: Counter[str] = Counter()
    for counts in values:
        total.update(counts)
    return dict(total)


def added_twice(values: Sequence[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Counts by two names, added up."""
    names = dict.fromkeys(name for counts in values for name in counts)
    return {name: added(counts.get(name, {}) for counts in values) for name in names}


def highest(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The highest value of each name."""
    found: dict[str, Any] = {}
    for by_name in values:
        for name, value in by_name.items():
            found[name] = max(value, found.get(name, value))
    return found


def joined(values: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    """All different ones, in their order."""
    return tuple(dict.fromkeys(one for several in values for one in several))


def latencies(values: Sequence[Latencies]) -> Latencies:
    """All latencies."""
    counts = tuple(map(sum, zip(*(one.counts for one in values), strict=True)))
    return Latencies(counts, sum(one.sum_ms for one in values))


# --- parts of a sample ------------------------------------------------------------------------------------------


def others(values: Sequence[int]) -> int:
    """Servers beside this one: to each worker the other workers are servers, too."""
    return max(0, max(values) - (len(values) - 1))


def hottest(values: Sequence[Sequence[HotPacket]]) -> tuple[HotPacket, ...]:
    """The opens of a packet, added up; shares left as the worker knows that has seen most of it."""
    opens = Counter[str]()
    left: dict[str, int] = {}
    for one in (packet for several in values for packet in several):
        opens[one.packet] += one.opens
        if one.left is not None:
            left[one.packet] = min(one.left, left.get(one.packet, one.left))
    return tuple(HotPacket(packet, count, left.get(packet)) for packet, count in opens.most_common(PACKETS))


def stores(values: Sequence[Mapping[str, StoreState]]) -> dict[str, StoreState]:
    """A store is up if it takes the writes of all workers."""
    found: dict[str, StoreState] = {}
    for name in dict.fromkeys(name for states in values for name in states):
        states = [one[name] for one in values if name in one]
        away = [one for one in states if not one.up]
        since_ms = max(one.since_ms for one in away or states)
        why = next((one.why for one in states if one.why), "")
        warning = next((one.warning for one in states if one.warning), "")
        partly = any(one.partly_away for one in states)
        found[name] = StoreState(not away, since_ms, why, warning, partly)
    return found


def webhooks(values: Sequence[WebhookFigures]) -> WebhookFigures:
    """Attempts are counted by each worker; the queues are those of the database, as one of them last saw them."""
    queues: dict[str, WebhookQueue] = {}
    for name, queue in ((name, queue) for one in values for name, queue in one.queues.items()):
        if name not in queues or queue.oldest_s > queues[name].oldest_s:
            queues[name] = queue
    return WebhookFigures(added(one.results for one in values), sum(one.in_flight for one in values), queues)


def payments(values: Sequence[OpenPayments | None]) -> OpenPayments | None:
    """Figures of the database, which the worker on duty reads; each tells which gateways it does not reach."""
    known = [one for one in values if one is not None]
    if not known:
        return None
    read = [one for one in known if one.is_read]
    return OpenPayments(
        highest(one.waiting for one in read or known),
        highest(one.oldest_s for one in read or known),
        max(one.breaks for one in read or known),
        joined(one.away for one in known),
        is_read=bool(read),
    )


def bank(values: Sequence[BankFigures | None]) -> BankFigures | None:
    """Figures of the database. While one worker takes over from another, both may have read them."""
    known = [one for one in values if one is not None]
    if not known:
        return None
    parts = (highest(getattr(one, name) for one in known) for name in BankFigures.__struct_fields__)
    return BankFigures(*parts)


def campaigns(values: Sequence[CampaignFigures | None]) -> CampaignFigures | None:
    """Shakes and money are counted by each worker, leases belong to one; campaigns are those of the database."""
    known = [one for one in values if one is not None]
    if not known:
        return None
    return CampaignFigures(
        shakes=added(one.shakes for one in known),
        open=max(one.open for one in known),
        leases=sum(one.leases for one in known),
        reclaimed=sum(one.reclaimed for one in known),
        leased_fen=sum(one.leased_fen for one in known),
        returned_fen=sum(one.returned_fen for one in known),
    )


def peers(values: Sequence[PeerFigures]) -> PeerFigures:
    """Counters, added up. The worker with the fewest peers is told, and the most that one does not reach."""
    return PeerFigures(
        live=min((one.live for one in values if one.live is not None), default=None),
        unreached=max(one.unreached for one in values),
        **{name: sum(getattr(one, name) for one in values) for name in ("waiting", *PEER_COUNTERS)},
    )


def latest(values: Values) -> Any:
    """The one that is the newest by its time, of those that are known."""
    return max((value for value in values if value is not None), key=lambda value: value.at_ms, default=None)


def state(values: Sequence[State]) -> State:
    """That of the worker which can do most."""
    return next(one for one in STATES if one in values)


# --- the rules --------------------------------------------------------------------------------------------------


def whole(value: Any) -> Any:
    """All of it stays."""
    return value


FIRST: Final = MergeRule(first)
SUM: Final = MergeRule(sum)  # of now
COUNTER: Final = MergeRule(sum, whole)
COUNTERS: Final = MergeRule(added, whole)
HIGHEST: Final = MergeRule(max)
LATENCIES: Final = MergeRule(latencies, whole)

RULES: Final[dict[str, MergeRule]] = {
    "at_ms": HIGHEST,
    "clock_s": HIGHEST,
    "started_at_ms": MergeRule(min),
    "state": MergeRule(state),
    "durability": FIRST,
    "connections": SUM,
    "users_online": SUM,  # each user counts at one worker
    "accepted": COUNTER,
    "closes": COUNTERS,
    "slow_readers": COUNTER,
    "reads": COUNTER,
    "requests": COUNTERS,
    "refusals": COUNTERS,
    "answers": COUNTERS,
    "http_requests": MergeRule(added_twice, whole),
    "pushes": COUNTER,
    "open_ms": LATENCIES,
    "redis_ms": LATENCIES,
    "postgres_ms": LATENCIES,
    "batches": COUNTER,
    "claims": COUNTER,
    "rejected": COUNTER,
    "redriven": COUNTER,
    "unrecorded": SUM,
    "live_packets": SUM,  # each counts at the worker that decides it
    "packet_copies": SUM,
    "peers": MergeRule(peers, lambda value: PeerFigures(**{name: getattr(value, name) for name in PEER_COUNTERS})),
    "other_servers": MergeRule(others),
    "current": MergeRule(all),
    "local_ahead_s": MergeRule(furthest),
    "jump_s": MergeRule(furthest),
    "clock_faults": MergeRule(joined),
    "hottest": MergeRule(hottest),
    "settled": COUNTER,
    "refunded_packets": COUNTER,
    "sends": COUNTER,
    "webhooks": MergeRule(webhooks, lambda value: WebhookFigures(value.results)),
    "payments": MergeRule(payments),
    "bank": MergeRule(bank),
    "campaigns": MergeRule(
        campaigns,
        lambda value: (
            None
            if value is None
            else CampaignFigures(value.shakes, 0, 0, value.reclaimed, value.leased_fen, value.returned_fen)
        ),
    ),
    "links": MergeRule(links, counted_links),
    "nats_up": MergeRule(lambda values: None if None in values else all(values)),
    "money_fen": COUNTERS,
    "figures": FIRST,
    "loop_lag_ms": HIGHEST,
    "rss_bytes": SUM,
    "stores": MergeRule(stores),
    "audit": MergeRule(latest),
    "audit_fault": MergeRule(latest),
    "connections_max": SUM,
    "loop_failures": COUNTERS,
    "failing_loops": MergeRule(lambda values: {name: why for one in reversed(values) for name, why in one.items()}),
    "lost_counts": COUNTER,
}


class Ended:
    """What stays of the processes of workers that have ended."""

    def __init__(self) -> None:
        self._stays: dict[str, Any] = {}

    def add(self, last: Sample) -> None:
        """A process has ended; `last` is its last sample."""
        for name, rule in RULES.items():
            if rule.stays is not None:
                value = rule.stays(getattr(last, name))
                self._stays[name] = rule.merge([self._stays[name], value]) if name in self._stays else value

    def of(self, name: str) -> list[Any]:
        """The value of a field, if anything stays of it."""
        return [self._stays[name]] if name in self._stays else []


def merged(samples: Sequence[Sample], ended: Ended) -> Sample:
    """The sample of the server. `samples`: of the processes that live, at least one."""
    return Sample(
        **{
            name: rule.merge([*(getattr(sample, name) for sample in samples), *ended.of(name)])
            for name, rule in RULES.items()
        }
    )
