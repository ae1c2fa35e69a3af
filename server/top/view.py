"""What the screen knows: the server's last answers, a minute of them, and what the person chose. Pure.

Everything that happens is an event, and an event turns one view into the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from server.ops.samples.rates import Rates
from server.ops.samples.sample import Figures, HotPacket, Sort

KEPT: Final = 60  # points of a curve, a second apart
SORT_KEYS: Final[dict[str, Sort]] = {"p": "pending", "i": "idle", "r": "requests"}
HELP_KEYS: Final = "h?"
QUIT_KEY: Final = "q"


class Status(msgspec.Struct, frozen=True):
    """Of `status`: the verdict, and what does not change."""

    state: str
    ready: bool
    reasons: list[str]
    degraded: list[str]
    durability: str
    up_s: float
    stores: dict[str, str]


class Now(msgspec.Struct, frozen=True):
    """Of `rates`: what is true at the moment."""

    connections: int
    users_online: int
    live_packets: int
    unrecorded: int
    figures: Figures | None
    backlog_age_s: float
    rss_bytes: int


class Lately(msgspec.Struct, frozen=True):
    """Of `rates`: what happened in the last seconds."""

    rates: Rates
    now: Now
    hottest: list[HotPacket]


class Connection(msgspec.Struct, frozen=True):
    """One of `connections`."""

    user_id: int | None  # None: not logged in
    address: str
    pending_bytes: int
    idle_s: float
    requests: int
    connected_s: float


class Connections(msgspec.Struct, frozen=True):
    """Of `connections`: the first of them, in the order that was asked for."""

    connections: list[Connection]


class Answers(msgspec.Struct, frozen=True):
    """All that is asked in one turn."""

    status: Status
    lately: Lately
    last_second: Lately
    listed: Connections

    @classmethod
    def of(cls, told: dict[str, Any]) -> Answers:
        """From the socket's answers. Raises msgspec.ValidationError."""
        return msgspec.convert(told, cls)


class Silence(msgspec.Struct, frozen=True):
    """The server did not answer: when (ms since 1970) that was noticed first, and why."""

    since_ms: int
    why: str


class KeyPress(msgspec.Struct, frozen=True):
    """A key was pressed."""

    name: str


class Resized(msgspec.Struct, frozen=True):
    """The terminal has another size."""


Event: TypeAlias = Answers | Connections | Silence | KeyPress | Resized
Points: TypeAlias = tuple[float | None, ...]  # oldest first; None: there was nothing to measure


class Curve(msgspec.Struct, frozen=True):
    """A figure that has a curve."""

    title: str
    value: Callable[[Rates], float | None]


LEFT_CURVES: Final = (
    Curve("requests/s", lambda rates: sum(rates.requests_per_s.values())),
    Curve("wins/s", lambda rates: rates.wins_per_s),
    Curve("sends/s", lambda rates: rates.sends_per_s),
    Curve("pushes/s", lambda rates: rates.pushes_per_s),
    Curve("refusals/s", lambda rates: sum(rates.refusals_per_s.values())),
    Curve("open p50 ms", lambda rates: rates.open_ms.p50),
    Curve("open p99 ms", lambda rates: rates.open_ms.p99),
)
RIGHT_CURVES: Final = (
    Curve("claims/batch", lambda rates: rates.claims_per_batch),
    Curve("postgres p50 ms", lambda rates: rates.postgres_ms.p50),
    Curve("postgres p99 ms", lambda rates: rates.postgres_ms.p99),
    Curve("redis p50 ms", lambda rates: rates.redis_ms.p50),
    Curve("redis p99 ms", lambda rates: rates.redis_ms.p99),
    Curve("loop lag ms", lambda rates: rates.loop_lag_ms),
    Curve("settled/s", lambda rates: rates.settled_per_s),
)


class TopState(msgspec.Struct, frozen=True):
    """What the screen shows."""

    answers: Answers | None = None
    minute: tuple[Rates, ...] = ()  # by the second, oldest first
    sort: Sort = "pending"
    silence: Silence | None = None
    helps: bool = False

    def points(self, curve: Curve) -> Points:
        """The last minute of a figure."""
        return tuple(curve.value(rates) for rates in self.minute)

    def after(self, event: Event) -> TopState:
        """The view when this has happened."""
        match event:
            case Answers():
                minute = (*self.minute, event.last_second.rates)[-KEPT:]
                return replace(self, answers=event, minute=minute, silence=None)
            case Connections():
                return replace(self, answers=self.answers and replace(self.answers, listed=event))
            case Silence():
                since_ms = event.since_ms if self.silence is None else self.silence.since_ms
                return replace(self, silence=Silence(since_ms, event.why))
            case KeyPress():
                is_asked = event.name in HELP_KEYS and not self.helps  # any key ends the help
                return replace(self, sort=SORT_KEYS.get(event.name, self.sort), helps=is_asked)
            case Resized():
                return self
