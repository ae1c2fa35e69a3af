"""The measurements of one generator and what its users were told. Outcomes travel as JSON and can be merged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from client_sim.sim.histogram import Histogram
from protocol import messages
from protocol.messages import Message

# The books may contain the effect of an operation that was answered like this or not at all, or may lack it.
IN_DOUBT: Final = ("store_unavailable", "internal", "unanswered")


class AckedClaim(msgspec.Struct, array_like=True, frozen=True):
    """A user was told this share."""

    packet_id: int
    user_id: int
    index: int
    amount_fen: int


class AckedSend(msgspec.Struct, array_like=True, frozen=True):
    """A sender was told that this packet is sent."""

    packet_id: int
    sender_id: int
    total_fen: int


class Second(msgspec.Struct):
    """The operations that ended within one second of the run."""

    completed: int
    latency: str  # histogram


class Outcome(msgspec.Struct, tag="outcome"):
    """Times are s since the load began. The rate and the latencies are those of begin_s…end_s."""

    connections: int = 0
    begin_s: float = 0.0  # the end of the warm-up
    end_s: float = 0.0
    operations: int = 0  # that ended, warm-up included
    counted: int = 0  # that ended between begin_s and end_s with an answer that counts
    latency: str = ""  # histogram of the operations that began after begin_s
    series: dict[int, Second] = {}
    answers: dict[str, int] = {}
    errors: dict[str, int] = {}
    claims: list[AckedClaim] = []
    acked_twice: int = 0
    sends: list[AckedSend] = []
    pushes: int = 0
    own_rate_per_s: float = 0.0  # of a scenario with its own measure; 0: `counted` by the time
    extra: dict[str, float] = {}  # a scenario's own figures: of several generators the sums
    spreads: dict[str, str] = {}  # a scenario's own latencies: name_ms -> histogram

    @property
    def rate_per_s(self) -> float:
        """Counted operations per second; 0 if there are none."""
        if self.own_rate_per_s:
            return self.own_rate_per_s
        return self.counted / (self.end_s - self.begin_s) if self.end_s > self.begin_s else 0.0

    @property
    def histogram(self) -> Histogram:
        return Histogram.decoded(self.latency) if self.latency else Histogram()

    @property
    def in_doubt(self) -> int:
        """Operations whose effect no user knows."""
        return sum(self.errors.get(name, 0) for name in IN_DOUBT)


class Acknowledgements:
    """What users were told, from their replies alone."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.claims: dict[tuple[int, int], tuple[int, int]] = {}  # (packet, user) -> (index, fen)
        self.won: set[tuple[int, int]] = set()
        self.sends: dict[int, AckedSend] = {}
        self.acked_twice = 0  # won again, sent again with one id, or a share that differs from the first answer

    def add(self, user_id: int, reply: Message) -> str:
        """Remember a reply; returns the name of the answer, or "" for an error."""
        if isinstance(reply, messages.Refused):
            self.errors[reply.name] += 1
            return ""
        match reply:
            case messages.Grabbed() | messages.Opened():
                name = self._opened(user_id, reply)
            case messages.Shaken():
                name = self._shaken(user_id, reply)
            case messages.PacketSent():
                name = self._sent(user_id, reply)
            case _:
                name = type(reply).__name__.lower()
        self.answers[name] += 1
        return name

    def _opened(self, user_id: int, reply: messages.Opened | messages.Grabbed) -> str:
        if reply.answer in ("won", "claimed"):
            place, share = (reply.packet_id, user_id), (reply.index, reply.amount_fen)
            again = reply.answer == "won" and place in self.won
            self.acked_twice += again or self.claims.setdefault(place, share) != share
            if reply.answer == "won":
                self.won.add(place)
        return reply.answer

    def _shaken(self, user_id: int, reply: messages.Shaken) -> str:
        if reply.win is not None and reply.result == "won":
            place, share = (reply.win.packet_id, user_id), (reply.win.index, reply.win.amount_fen)
            self.acked_twice += self.claims.setdefault(place, share) != share or place in self.won
            self.won.add(place)
        return reply.result

    def _sent(self, user_id: int, reply: messages.PacketSent) -> str:
        self.acked_twice += reply.packet_id in self.sends
        self.sends[reply.packet_id] = AckedSend(reply.packet_id, user_id, reply.total_fen)
        return "sent"

    def copy_to(self, outcome: Outcome) -> None:
        outcome.answers, outcome.errors = dict(+self.answers), dict(+self.errors)
        outcome.claims = [AckedClaim(*place, *share) for place, share in self.claims.items()]
        outcome.sends = list(self.sends.values())
        outcome.acked_twice = self.acked_twice


def summarize(
    outcome: Outcome, starts_s: Sequence[float], ends_s: Sequence[float], counts: Iterable[bool], end_s: float
) -> None:
    """Fill in rate, latencies and series from operations in the order of their ends; begin_s is set already.

    The rate is that of `counts` that ended in begin_s…end_s, the latencies are those of all that began later.
    """
    outcome.end_s, outcome.operations = end_s, len(ends_s)
    outcome.counted = sum(
        1 for end, count in zip(ends_s, counts, strict=True) if count and outcome.begin_s < end <= end_s
    )
    measured_ms: list[float] = []
    seconds: defaultdict[int, list[float]] = defaultdict(list)
    for start, end in zip(starts_s, ends_s, strict=True):
        seconds[int(end)].append((end - start) * 1000)
        if start >= outcome.begin_s:
            measured_ms.append((end - start) * 1000)
    outcome.latency = Histogram.of(measured_ms).encoded()
    outcome.series = {
        second: Second(len(all_ms), Histogram.of(all_ms).encoded()) for second, all_ms in seconds.items()
    }


def moment_of_share(ends_s: Sequence[float], share: float) -> float:
    """The moment at which this share of the operations had ended; 0 if there were none."""
    place = int(len(ends_s) * share)
    return ends_s[place - 1] if place else 0.0


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """All generators together: counts add up, windows cover all, so a rate is never too high."""
    added = ("connections", "operations", "counted", "acked_twice", "pushes", "own_rate_per_s")
    return Outcome(
        **{name: sum(getattr(one, name) for one in outcomes) for name in added},
        begin_s=min(one.begin_s for one in outcomes),
        end_s=max(one.end_s for one in outcomes),
        latency=_add_histograms(one.latency for one in outcomes),
        series={
            second: Second(sum(one.completed for one in parts), _add_histograms(one.latency for one in parts))
            for second, parts in sorted(_by_key(one.series for one in outcomes).items())
        },
        answers=_add_counts(one.answers for one in outcomes),
        errors=_add_counts(one.errors for one in outcomes),
        claims=[claim for one in outcomes for claim in one.claims],
        sends=[send for one in outcomes for send in one.sends],
        extra=_add_counts(one.extra for one in outcomes),
        spreads={name: _add_histograms(parts) for name, parts in _by_key(one.spreads for one in outcomes).items()},
    )


def _by_key(dicts: Iterable[dict[Any, Any]]) -> dict[Any, list[Any]]:
    values: defaultdict[Any, list[Any]] = defaultdict(list)
    for one in dicts:
        for key, value in one.items():
            values[key].append(value)
    return values


def _add_histograms(histograms: Iterable[str]) -> str:
    texts = [text for text in histograms if text]
    if len(texts) < 2:
        return "".join(texts)
    whole = Histogram()
    for text in texts:
        whole.add(Histogram.decoded(text))
    return whole.encoded()


def _add_counts(counters: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for one in counters:
        total.update(one)
    return dict(total)
