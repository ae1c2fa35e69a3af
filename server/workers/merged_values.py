"""How values of several workers become one value: numbers, and parts of a sample. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from server.core.latency import Latencies
from server.ops.samples.hot_packets import PACKETS
from server.ops.samples.sample import (
    BankFigures,
    CampaignFigures,
    Counts,
    HotPacket,
    LinkFigures,
    OpenPayments,
    PeerFigures,
    RiskFigures,
    State,
    StoreState,
    WebhookFigures,
    WebhookQueue,
)

Values: TypeAlias = Sequence[Any]
PEER_COUNTERS: Final = ("forwarded", "served", "events", "gaps", "frames", "messages", "bytes")
STATES: Final[tuple[State, ...]] = ("serving", "starting", "draining")  # one worker that serves is enough


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


def risk(values: Sequence[RiskFigures | None]) -> RiskFigures | None:
    """Decisions and held requests are counted by each worker; the rounds are those of the database."""
    known = [one for one in values if one is not None]
    if not known:
        return None
    return RiskFigures(
        mode=known[0].mode,
        rules=known[0].rules,
        decided=added(one.decided for one in known),
        held=added(one.held for one in known),
        rule_errors=sum(one.rule_errors for one in known),
        round_age_s=max(one.round_age_s for one in known),
    )


def peers(values: Sequence[PeerFigures]) -> PeerFigures:
    """What all workers have sent and served."""
    names = ("waiting", *PEER_COUNTERS)
    return PeerFigures(**{name: sum(getattr(one, name) for one in values) for name in names})


def links(values: Sequence[LinkFigures | None]) -> LinkFigures | None:
    """The ends of links of all workers, those between them included."""
    known = [one for one in values if one is not None]
    if not known:
        return None
    missing: dict[str, str] = {}
    for one in known:
        missing |= one.missing
    return LinkFigures(
        up=added(one.up for one in known),
        missing=missing,
        lost=sum(one.lost for one in known),
        refused=added(one.refused for one in known),
        pushes=added(one.pushes for one in known),
    )


def latest(values: Values) -> Any:
    """The one that is the newest by its time, of those that are known."""
    return max((value for value in values if value is not None), key=lambda value: value.at_ms, default=None)


def state(values: Sequence[State]) -> State:
    """That of the worker which can do most."""
    return next(one for one in STATES if one in values)
