"""Shakes: lost ones are decided in memory at once, and touch no store; a won one is a claim of a lease.

shake -> the user's one chance of the second -> lost: answered
                                             -> won: what has the user won before? (known, or read in a batch)
      -> the next claim of a lease -> the commit path, as every open -> answered when it is durable
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from server.core.campaigns.pacing import SECOND_MS
from server.core.campaigns.shakes import ENDED, NOTHING, OnOverload, Result, Shook, Win
from server.core.campaigns.terms import Stage, Wanted
from server.core.decisions import WON, Decision
from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.services.campaigns.board import CampaignBoard
from server.services.campaigns.leases import LeaseBook, LeaseKeeper
from server.services.campaigns.live_campaign import NO_WIN, LiveCampaign, Won
from server.services.campaigns.outsiders import UnknownShaker, UnknownShakers, refuse
from server.services.campaigns.unknown_campaigns import UnknownCampaigns
from server.services.enterprise.reported import ReportedUsers
from server.services.packets.commit.path import CommitPath
from server.services.packets.grab_open import FAILURES_MAX, WinRejected
from server.services.packets.requests import WinRequest
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import LOCAL, Bus, Outcome
from server.services.runtime.change_feed import ChangeFeed
from storage.postgres.campaigns.campaigns import CampaignStore
from storage.postgres.campaigns.leases import LeaseStore

LOOKED_UP_MAX: Final = 1_000
ADDRESSED_TO: Final = -1  # of a win that has no seq yet
Answer = Callable[[Shook | Reason], None]


class ShakeRequest:
    """A shake whose answer comes later. `session` and `seq`: where it goes (see runtime.bus)."""

    __slots__ = ("answered", "campaign_id", "seq", "session", "user_id")

    def __init__(self, campaign_id: int, user_id: int, session: int, seq: int) -> None:
        self.campaign_id = campaign_id
        self.user_id = user_id
        self.session = session
        self.seq = seq
        self.answered = False


class ShakeService:
    """Decides shakes on the campaigns in memory."""

    def __init__(
        self,
        board: CampaignBoard,
        book: LeaseBook,
        keeper: LeaseKeeper,
        campaigns: CampaignStore,
        leases: LeaseStore,
        commit: CommitPath,
        reported: ReportedUsers,
        changes: ChangeFeed,
        limits: Limits,
        bus: Bus,
        now_ms: Callable[[], int],
        random_part: Callable[[], float],
        on_overload: OnOverload,
        rest_ms: int,
    ) -> None:
        """`on_overload`: what a shake is answered with then. `rest_ms`: when a user who rests may shake again."""
        self._board, self._book, self._keeper = board, book, keeper
        self._leases = leases
        self._commit = commit
        self.unknown_users = UnknownShakers(reported, bus)
        self._changes = changes
        self._bus = bus
        self._now_ms = now_ms
        self._random_part = random_part
        self._rest = Shook(Result.REST, rest_ms)
        self._is_rest_told = on_overload == "rest"
        self.wins: Batcher[tuple[int, int], Won] = Batcher(self._look_up, LOOKED_UP_MAX, limits)
        self.unknown = UnknownCampaigns(board, campaigns, limits, bus, self._rest)
        self.waiting = 0  # shakes that are answered later
        self.results = dict.fromkeys(Result, 0)
        bus.subscribe(self._on_rejected, WinRejected)

    def shake(self, campaign_id: int, user_id: int, session: int, seq: int, at_ms: int) -> Shook | None:
        """The answer to a shake; None: it comes over the bus, to a ShakeRequest. Raises RequestRefused."""
        live = self._board.get(campaign_id)
        if live is None:
            return self.unknown.answer(ShakeRequest(campaign_id, user_id, session, seq))
        try:
            if live.calm_from_ms <= at_ms < live.calm_until_ms:  # nearly always
                shook = None if live.wins.known(user_id) is None else self._at_limit(live, user_id)
            else:
                shook = self._before_chance(live, user_id, at_ms)
        except UnknownShaker as unknown:
            request = ShakeRequest(campaign_id, user_id, session, seq)
            again = partial(self._shake_now, campaign_id, user_id, session, seq)
            self.unknown_users.ask(unknown, request, again)
            return None
        if shook is None:
            pace = live.pace
            if user_id in pace.seen or not pace.takes(user_id, self._random_part()):
                shook = NOTHING
            elif (shook := self._won(live, ShakeRequest(campaign_id, user_id, session, seq))) is None:
                return None
        live.shakes += 1
        self.results[shook.result] += 1
        return shook

    def _before_chance(self, live: LiveCampaign, user_id: int, now_ms: int) -> Shook | None:
        """The answers that take no chance; None: this shake takes one."""
        row = live.row
        if row.state != "open" or not row.starts_at_ms <= now_ms < row.ends_at_ms:
            stage = live.stage(now_ms)
            if stage is Stage.ENDED:
                return ENDED
            return self._rest if stage is Stage.PAUSED else Shook(Result.REST, row.starts_at_ms - now_ms)
        if not live.may_shake(user_id):
            refuse(live, user_id)
        if now_ms // SECOND_MS != live.pace.second:
            live.begin_second(now_ms, self._changes.others + 1, is_overloaded=self._commit.almost_overloaded)
        if live.is_overloaded:
            return self._overloaded(live)
        return self._at_limit(live, user_id) or (None if live.published_left else ENDED)

    def _at_limit(self, live: LiveCampaign, user_id: int) -> Shook | None:
        """The answer to a user who is known to have won all that a user may."""
        known = live.wins.known(user_id)
        if known is None or known.shares < live.wins.limit:
            return None
        return Shook(Result.LIMIT, win=known.latest)

    def _shake_now(self, campaign_id: int, user_id: int, session: int, seq: int) -> Shook | None:
        return self.shake(campaign_id, user_id, session, seq, self._now_ms())

    def _overloaded(self, live: LiveCampaign) -> Shook:
        """No number is consumed."""
        if self._is_rest_told:
            live.rests += 1
            return self._rest
        live.nothings += 1
        return NOTHING

    # --- a shake that wins ------------------------------------------------------------------------------------

    def _won(self, live: LiveCampaign, request: ShakeRequest) -> Shook | None:
        """The chance is taken: the answer, or None if it comes later."""
        try:
            if self._is_known(live, request.user_id):
                return self._take(live, request)
            looked_up = self.wins.submit((live.campaign_id, request.user_id))
        except RequestRefused:  # overloaded
            live.pace.give_back()
            return self._overloaded(live)
        self.waiting += 1
        looked_up.add_done_callback(partial(self._looked_up, live, request))
        return None

    def _is_known(self, live: LiveCampaign, user_id: int) -> bool:
        """Whether it is known what a user has won: from the record, or because only this server has given shares.

        A win that another server has just given to the user is found by the record, before the answer.
        """
        wins = live.wins
        if wins.complete_at == self._changes.heard_others and not self._commit.won_after_mirror:
            wins.learn(user_id, NO_WIN)
        return wins.known(user_id) is not None

    def _looked_up(self, live: LiveCampaign, request: ShakeRequest, looked_up: asyncio.Future[Won]) -> None:
        self.waiting -= 1
        failed = looked_up.exception()
        if failed is not None:
            live.pace.give_back()
            self._answer(live, request, failed.reason if isinstance(failed, RequestRefused) else Reason.INTERNAL)
            return
        live.wins.learn(request.user_id, looked_up.result())
        if (shook := self._take(live, request)) is not None:
            self._answer(live, request, shook)

    def _take(self, live: LiveCampaign, request: ShakeRequest) -> Shook | None:
        """The next claim of a lease, for a user of whom the wins are known; None: it is in flight."""
        user_id = request.user_id
        win = WinRequest(0, user_id, self._now_ms(), LOCAL, ADDRESSED_TO)
        shook = self._claim(live, win)
        if shook is not None:
            live.pace.give_back()
            return shook
        self.waiting += 1
        live.wins.begin(user_id)
        live.given_here += 1
        win.seq = self._bus.expect(partial(self._on_outcome, live, request, win))
        return None

    def _claim(self, live: LiveCampaign, win: WinRequest) -> Shook | None:
        """Decide a claim and hand it to the commit path; otherwise why not.

        The record may have been asked since the chance was taken: meanwhile a pause, an end or the removal of a
        member may have been replied to.
        """
        before = live.wins.before(win.user_id)
        if before >= live.wins.limit:  # a share that is in flight may come to nothing: no limit is told
            return self._at_limit(live, win.user_id) or NOTHING
        if self._commit.overloaded:
            return self._overloaded(live)
        if live.row.state != Wanted.OPEN or win.at_ms >= live.row.ends_at_ms:
            return ENDED if live.has_ended(win.at_ms) else self._rest
        if live.row.group_id and not live.may_shake(win.user_id):
            return NOTHING
        one = self._keeper.pick(live, win.user_id)
        if one is None or one.packet is None:
            return self._rest
        decision = one.packet.take(win.user_id, win.at_ms)
        if decision.answer is not WON:
            return ENDED
        win.packet_id, win.claim, win.is_first = one.packet_id, decision.claim, not before
        live.active_at_ms = win.at_ms
        self._commit.submit(one, win)
        return None

    def _on_outcome(self, live: LiveCampaign, request: ShakeRequest, win: WinRequest, outcome: Outcome) -> None:
        """The claim is durable, or came to nothing."""
        self.waiting -= 1
        if isinstance(outcome, Decision) and outcome.claim is None:
            outcome = Reason.STORE_UNAVAILABLE  # the lease is not there any more
        if isinstance(outcome, Decision):
            assert outcome.claim is not None
            share = Win(outcome.claim.amount_fen, win.packet_id, outcome.claim.index)
            live.wins.end(win.user_id, share)
            outcome = Shook(Result.WON, win=share)
        else:
            live.wins.end(win.user_id, None)
            live.given_here -= 1
        self._answer(live, request, outcome)

    def _answer(self, live: LiveCampaign, request: ShakeRequest, outcome: Shook | Reason) -> None:
        live.shakes += 1
        if isinstance(outcome, Shook):
            self.results[outcome.result] += 1
        self._bus.reply(request, outcome)

    # --- a claim that a store refused -------------------------------------------------------------------------

    def _on_rejected(self, event: WinRejected, audience: Collection[int]) -> None:
        """Its user was not told: unless it is recorded after all, the user wins another share, if that may be."""
        win, recorded = event.request, event.recorded
        live = self._board.get(self._campaign_of(win))
        if recorded is not None:
            self._bus.reply(win, recorded)
        elif live is None or win.failures >= FAILURES_MAX:
            self._bus.reply(win, Reason.STORE_UNAVAILABLE)
        else:
            live.wins.doubt(win.user_id)  # another server may have been first
            try:
                looked_up = self.wins.submit((live.campaign_id, win.user_id))
            except RequestRefused as refused:
                self._bus.reply(win, refused.reason)
            else:
                looked_up.add_done_callback(partial(self._claim_again, live, win))

    def _claim_again(self, live: LiveCampaign, win: WinRequest, looked_up: asyncio.Future[Won]) -> None:
        failed = looked_up.exception()
        if failed is not None:
            reason = failed.reason if isinstance(failed, RequestRefused) else Reason.INTERNAL
            self._bus.reply(win, reason)
            return
        live.wins.learn(win.user_id, looked_up.result())
        live.wins.end(win.user_id, None)  # this win itself does not count
        shook = self._claim(live, win)
        live.wins.begin(win.user_id)
        if shook is not None:
            self._bus.reply(win, shook)

    def _campaign_of(self, win: WinRequest) -> int:
        lease = self._book.held.get(win.packet_id)
        return 0 if lease is None else lease.row.campaign_id

    # --- what only the record knows ---------------------------------------------------------------------------

    async def _look_up(self, asked: list[tuple[int, int]]) -> list[Won | Exception]:
        found = await self._leases.newest_wins(asked)
        rows = [found.get(one) for one in asked]
        return [
            NO_WIN if row is None else Won(row.n, Win(row.amount_fen, row.packet_id, row.index)) for row in rows
        ]
