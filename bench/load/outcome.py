"""What one generator measured and what its users were told. Outcomes travel as JSON and can be merged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from client_sim.sim.histogram import Histogram
from protocol import messages
from protocol.messages import Message

# The books may have or not have what was answered like this, as they may with what was not answered.
IN_DOUBT: Final = ("store_unavailable", "internal", "unanswered")


class ToldClaim(msgspec.Struct, array_like=True, frozen=True):
    """A user was told this share."""

    packet_id: int
    user_id: int
    index: int
    amount_fen: int


class ToldSend(msgspec.Struct, array_like=True, frozen=True):
    """A sender was told that this packet is out."""

    packet_id: int
    sender_id: int
    total_fen: int


class Second(msgspec.Struct):
    """What ended within one second of the run."""

    completed: int
    latency: str  # histogram


class Outcome(msgspec.Struct, tag="outcome"):
    """Times are s since the load began. What counts for the rate and the latencies lies in begin_s…end_s."""

    connections: int = 0
    begin_s: float = 0.0  # the end of the warm-up
    end_s: float = 0.0
    turns: int = 0  # that ended, warm-up included
    counted: int = 0  # that ended between begin_s and end_s with an answer that counts
    latency: str = ""  # histogram of the turns that began after begin_s
    series: dict[int, Second] = {}
    answers: dict[str, int] = {}
    errors: dict[str, int] = {}
    claims: list[ToldClaim] = []
    told_twice: int = 0
    sends: list[ToldSend] = []
    pushes: int = 0
    own_rate_per_s: float = 0.0  # of a scenario with a measure of its own; 0: `counted` by the time
    extra: dict[str, float] = {}  # a scenario's own figures: of several generators the sums
    spreads: dict[str, str] = {}  # a scenario's own latencies: name_ms -> histogram

    @property
    def rate_per_s(self) -> float:
        """What counts, per second; 0 if nothing does."""
        if self.own_rate_per_s:
            return self.own_rate_per_s
        return self.counted / (self.end_s - self.begin_s) if self.end_s > self.begin_s else 0.0

    @property
    def histogram(self) -> Histogram:
        """The latencies."""
        return Histogram.decoded(self.latency) if self.latency else Histogram()

    @property
    def in_doubt(self) -> int:
        """Turns of which nobody was told whether they did something."""
        return sum(self.errors.get(name, 0) for name in IN_DOUBT)


class Told:
    """What users were told, from their replies alone."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.claims: dict[tuple[int, int], tuple[int, int]] = {}  # (packet, user) -> (index, fen)
        self.won: set[tuple[int, int]] = set()
        self.sends: dict[int, ToldSend] = {}
        self.told_twice = 0  # a second time won, sent twice with one id, or another share than before

    def note(self, user_id: int, reply: Message) -> str:
        """Remember a reply; the name of the answer, or "" if it was an error."""
        if isinstance(reply, messages.Refused):
            self.errors[reply.name] += 1
            return ""
        name = NOTES[type(reply)](self, user_id, reply) if type(reply) in NOTES else type(reply).__name__.lower()
        self.answers[name] += 1
        return name

    def _opened(self, user_id: int, reply: messages.Opened | messages.Grabbed) -> str:
        if reply.answer in ("won", "claimed"):
            place, share = (reply.packet_id, user_id), (reply.index, reply.amount_fen)
            again = reply.answer == "won" and place in self.won
            self.told_twice += again or self.claims.setdefault(place, share) != share
            if reply.answer == "won":
                self.won.add(place)
        return reply.answer

    def _sent(self, user_id: int, reply: messages.PacketSent) -> str:
        self.told_twice += reply.packet_id in self.sends
        self.sends[reply.packet_id] = ToldSend(reply.packet_id, user_id, reply.total_fen)
        return "sent"

    def into(self, outcome: Outcome) -> None:
        """Write it all down."""
        outcome.answers, outcome.errors = dict(+self.answers), dict(+self.errors)
        outcome.claims = [ToldClaim(*place, *share) for place, share in self.claims.items()]
        outcome.sends = list(self.sends.values())
        outcome.told_twice = self.told_twice


NOTES: Final[dict[type[Message], Callable[[Told, int, Any], str]]] = {
    messages.Grabbed: Told._opened,
    messages.Opened: Told._opened,
    messages.PacketSent: Told._sent,
}


def reckon(
    outcome: Outcome, starts_s: Sequence[float], ends_s: Sequence[float], counts: Iterable[bool], end_s: float
) -> None:
    """Fill in rate, latencies and series from turns in the order of their ends; begin_s is there already.

    The rate is that of `counts` that ended in begin_s…end_s, the latencies are those of all that began later.
    """
    outcome.end_s, outcome.turns = end_s, len(ends_s)
    outcome.counted = sum(
        1 for end, count in zip(ends_s, counts, strict=True) if count and outcome.begin_s < end <= end_s
    )
    both = list(zip(starts_s, ends_s, strict=True))
    latencies_ms = ((end - start) * 1000 for start, end in both if start >= outcome.begin_s)
    outcome.latency = Histogram.of(latencies_ms).encoded()
    seconds: defaultdict[int, list[float]] = defaultdict(list)
    for start, end in both:
        seconds[int(end)].append((end - start) * 1000)
    outcome.series = {
        second: Second(len(all_ms), Histogram.of(all_ms).encoded()) for second, all_ms in seconds.items()
    }


def after(ends_s: Sequence[float], share: float) -> float:
    """When this share of the turns had ended; 0 if there were none."""
    place = int(len(ends_s) * share)
    return ends_s[place - 1] if place else 0.0


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """All generators together: counts add up, windows cover all, so a rate is never too high."""
    return Outcome(
        connections=sum(one.connections for one in outcomes),
        begin_s=min(one.begin_s for one in outcomes),
        end_s=max(one.end_s for one in outcomes),
        turns=sum(one.turns for one in outcomes),
        counted=sum(one.counted for one in outcomes),
        latency=_together(one.latency for one in outcomes),
        series=_series(outcomes),
        answers=_sums(one.answers for one in outcomes),
        errors=_sums(one.errors for one in outcomes),
        claims=[claim for one in outcomes for claim in one.claims],
        told_twice=sum(one.told_twice for one in outcomes),
        sends=[send for one in outcomes for send in one.sends],
        pushes=sum(one.pushes for one in outcomes),
        own_rate_per_s=sum(one.own_rate_per_s for one in outcomes),
        extra=_sums(one.extra for one in outcomes),
        spreads={
            name: _together(one.spreads[name] for one in outcomes if name in one.spreads)
            for name in dict.fromkeys(name for one in outcomes for name in one.spreads)
        },
    )


def _together(histograms: Iterable[str]) -> str:
    texts = [text for text in histograms if text]
    if len(texts) < 2:
        return "".join(texts)
    whole = Histogram()
    for text in texts:
        whole.add(Histogram.decoded(text))
    return whole.encoded()


def _series(outcomes: Sequence[Outcome]) -> dict[int, Second]:
    result = {}
    for second in sorted({second for one in outcomes for second in one.series}):
        parts = [one.series[second] for one in outcomes if second in one.series]
        result[second] = Second(sum(part.completed for part in parts), _together(part.latency for part in parts))
    return result


def _sums(counters: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for one in counters:
        total.update(one)
    return dict(total)
