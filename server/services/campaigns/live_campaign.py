"""A campaign in memory: what the record says, the chances of the present second, the leases of this server."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container
from typing import Final, NamedTuple

from server.core.campaigns.pacing import SECOND_MS, Pace
from server.core.campaigns.pool import Pool
from server.core.campaigns.shakes import Win
from server.core.campaigns.terms import Stage, Wanted, lease_shares, stage_of
from storage.postgres.campaigns.campaigns import CampaignRow
from storage.postgres.campaigns.leases import LeaseRow

KNOWN_MAX: Final = 1_000_000  # users of whom a campaign remembers what they have won; others are looked up again


class HeldLease(NamedTuple):
    """A lease that this server gives away, with the amounts of its shares."""

    row: LeaseRow
    dealt: tuple[int, ...]


class Won(NamedTuple):
    """What a user has won: how many shares, and the latest one."""

    shares: int
    latest: Win | None


NO_WIN: Final = Won(0, None)


class UserWins:
    """How many shares each user has won in a campaign: the one place that decides about the limit of a user.

    Shares that are being won count. What is not known is read from the record before a user wins; the record
    refuses what another server has decided at the same moment.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._known: OrderedDict[int, Won] = OrderedDict()
        # Of a user: what the user has won; None: it must be read. Each shake asks, so no function stands around it.
        self.known: Callable[[int], Won | None] = self._known.get
        # While it is `ChangeFeed.heard_others`, no win is missing from `known`; None: some may be.
        self.complete_at: int | None = None
        self._in_flight: dict[int, int] = {}

    def learn(self, user_id: int, won: Won) -> None:
        """The record says so. What was learned meanwhile is newer."""
        before = self._known.get(user_id)
        if before is None or before.shares < won.shares:
            self._known[user_id] = won
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
                self.complete_at = None

    @property
    def in_flight(self) -> int:
        """Shares that are being won."""
        return sum(self._in_flight.values())

    def doubt(self, user_id: int) -> None:
        """Another server may have given a share to this user."""
        self._known.pop(user_id, None)
        self.complete_at = None

    def before(self, user_id: int) -> int:
        """How many shares a user, of whom the wins are known, has won or is winning."""
        won = self._known.get(user_id, NO_WIN)
        return won.shares + self._in_flight.get(user_id, 0)

    def begin(self, user_id: int) -> None:
        """A share is in flight."""
        self._in_flight[user_id] = self._in_flight.get(user_id, 0) + 1

    def end(self, user_id: int, win: Win | None) -> None:
        """It is won, or (None) it came to nothing."""
        self._in_flight[user_id] -= 1
        if not self._in_flight[user_id]:
            del self._in_flight[user_id]
        won = self._known.get(user_id)
        if win is not None and won is not None:
            self._known[user_id] = Won(won.shares + 1, win)


class ShakeCounts(NamedTuple):
    """Shakes that were answered; `rests` and `nothings` of them took no chance because of overload."""

    shakes: int
    rests: int
    nothings: int


class LiveCampaign:
    """One campaign. `given` is what all servers have given away, as far as this one knows."""

    def __init__(self, row: CampaignRow, audience: Container[int] | None) -> None:
        self.row = row
        self.audience = audience  # None: all users
        self.pace = Pace(row.shares, row.starts_at_ms, row.ends_at_ms)
        self.wins = UserWins(row.per_user_limit)
        self.lease_shares = lease_shares(row.shares, row.per_user_limit)
        self.leases: list[HeldLease] = []  # those with shares to give, the oldest first
        self.pool: Pool | None = None  # once it was needed
        self.has_started = False  # and this server has recorded that it runs
        self.needs_more = False  # a user found no lease
        self.active_at_ms = 0  # when a user last won here, or found no lease
        self.is_overloaded = False  # in the present second
        self.calm_from_ms = self.calm_until_ms = 0  # meanwhile each user of this server may take a chance
        self.published_left, self.published_at_ms = row.published_left, row.published_at_ms
        self.recorded = 0  # shares that were won, by all servers, when the record was read last
        self.given_here = 0  # shares, since the start of this server
        self.known_here = 0  # of these, those that were recorded when the record was read last
        self.shakes = self.rests = self.nothings = 0

    @property
    def campaign_id(self) -> int:
        """Its id, which is also the account of its pool."""
        return self.row.campaign_id

    @property
    def given(self) -> int:
        """Shares that were given away. At most a little too many, until the record is read again."""
        return self.recorded + self.given_here - self.known_here

    def begin_second(self, now_ms: int, servers: int, *, is_overloaded: bool) -> None:
        """Pace the second of `now_ms`, in which the campaign runs. `servers`: how many there are, with this one."""
        self.pace.begin(now_ms, self.given, servers)
        self.is_overloaded = is_overloaded
        if not is_overloaded and self.published_left and self.audience is None:
            self.calm_from_ms = now_ms
            self.calm_until_ms = min((self.pace.second + 1) * SECOND_MS, self.row.ends_at_ms)

    def follow(self, row: CampaignRow) -> None:
        """The record has changed."""
        self.row, self.has_started = row, False
        self.calm_until_ms = 0

    def publish(self, left: int, at_ms: int) -> None:
        """So many shares are left at most."""
        self.published_left, self.published_at_ms = left, at_ms
        self.calm_until_ms = 0

    def stage(self, now_ms: int) -> Stage:
        """How far it is."""
        return stage_of(Wanted(self.row.state), now_ms, self.row.starts_at_ms, self.row.ends_at_ms)

    def has_ended(self, now_ms: int) -> bool:
        """It gives nothing any more. Each win asks, so it is not a comparison of stages."""
        return now_ms >= self.row.ends_at_ms or self.row.state == Wanted.ENDED

    def may_shake(self, user_id: int) -> bool:
        """Whether it is for this user, as far as memory knows: see EventAudience."""
        return self.audience is None or user_id in self.audience

    def is_shown_to(self, user_id: int) -> bool:
        """Whether a user may see it: of one for followers others are told what it takes to shake."""
        return bool(self.row.event_kind) or self.may_shake(user_id)

    def take_counts(self) -> ShakeCounts:
        """Shakes since the last call."""
        counts = ShakeCounts(self.shakes, self.rests, self.nothings)
        self.shakes = self.rests = self.nothings = 0
        return counts
