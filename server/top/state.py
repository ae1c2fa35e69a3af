"""The state of the screen: the server's last answers, one minute of rates, the chosen order. Pure.

Every input is an event; an event makes the next state from the current one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from server.ops.samples.rates import Rates
from server.ops.samples.sample import Figures, HotPacket, LinkFigures, PeerFigures, Sort, WorkerRow

CURVE_POINTS: Final = 60  # one a second
SORT_KEYS: Final[dict[str, Sort]] = {"p": "pending", "i": "idle", "r": "requests"}
HELP_KEYS: Final = "h?"
QUIT_KEY: Final = "q"


class PaymentFigures(msgspec.Struct, frozen=True):
    """From `status`: payments that have not ended, by state; contradictions; gateways that do not respond."""

    created: int
    submitted: int
    unknown: int
    oldest_s: float
    breaks: int
    away: list[str] = []  # an older server does not tell


class Status(msgspec.Struct, frozen=True):
    """From `status`: health, and what seldom changes."""

    state: str
    ready: bool
    reasons: list[str]
    degraded: list[str]
    durability: str
    up_s: float
    stores: dict[str, str]
    payments: PaymentFigures | None = None  # None: there is no gateway
    workers: list[WorkerRow] = []  # empty: the server is one process


class Now(msgspec.Struct, frozen=True):
    """From `rates`: gauges."""

    connections: int
    users_online: int
    live_packets: int
    unrecorded: int
    figures: Figures | None
    backlog_age_s: float
    rss_bytes: int
    peers: PeerFigures = PeerFigures()  # an older server does not tell
    links: LinkFigures | None = None  # None: the server makes none


class RecentRates(msgspec.Struct, frozen=True):
    """From `rates`: the last seconds."""

    rates: Rates
    now: Now
    hottest: list[HotPacket]


class Connection(msgspec.Struct, frozen=True):
    """One row of `connections`."""

    user_id: int | None  # None: not logged in
    address: str
    pending_bytes: int
    idle_s: float
    requests: int
    connected_s: float


class Connections(msgspec.Struct, frozen=True):
    """From `connections`: the first rows in the requested order."""

    connections: list[Connection]


class Answers(msgspec.Struct, frozen=True):
    """The answers of one refresh."""

    status: Status
    recent: RecentRates
    last_second: RecentRates
    listed: Connections

    @classmethod
    def of(cls, answers: dict[str, Any]) -> Answers:
        """From the answers of the status socket. Raises msgspec.ValidationError."""
        return msgspec.convert(answers, cls)


class Unreachable(msgspec.Struct, frozen=True):
    """The server did not answer: since when (ms since 1970), and why."""

    since_ms: int
    why: str


class KeyPress(msgspec.Struct, frozen=True):
    """A key was pressed."""

    name: str


class Resized(msgspec.Struct, frozen=True):
    """The size of the terminal has changed."""


Event: TypeAlias = Answers | Connections | Unreachable | KeyPress | Resized
Points: TypeAlias = tuple[float | None, ...]  # oldest first; None: nothing was measured


class Curve(msgspec.Struct, frozen=True):
    """A figure that is drawn as a curve."""

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
    minute: tuple[Rates, ...] = ()  # one a second, oldest first
    sort: Sort = "pending"
    unreachable: Unreachable | None = None
    shows_help: bool = False

    def points(self, curve: Curve) -> Points:
        """The last minute of a figure."""
        return tuple(curve.value(rates) for rates in self.minute)

    def after(self, event: Event) -> TopState:
        """The state after this event."""
        match event:
            case Answers():
                minute = (*self.minute, event.last_second.rates)[-CURVE_POINTS:]
                return replace(self, answers=event, minute=minute, unreachable=None)
            case Connections():
                return replace(self, answers=self.answers and replace(self.answers, listed=event))
            case Unreachable():
                since_ms = event.since_ms if self.unreachable is None else self.unreachable.since_ms
                return replace(self, unreachable=Unreachable(since_ms, event.why))
            case KeyPress():
                shows_help = event.name in HELP_KEYS and not self.shows_help  # any key closes the help
                return replace(self, sort=SORT_KEYS.get(event.name, self.sort), shows_help=shows_help)
            case Resized():
                return self
