"""Pages: what a tap and the result page show a viewer, from memory, with names. The rules are core/pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.core import pages
from server.core.decisions import EXPIRED, GONE, Answer, Claim, Decision
from server.core.ids import is_user
from server.core.limits import Limits
from server.core.pages import State, View, Viewer
from server.core.refusals import Reason, RequestRefused
from server.core.texts import Language, MoneyWords, ago
from server.services.campaigns.won_shares import WonShares
from server.services.chat.groups import GroupService
from server.services.chat.names import NameService
from server.services.everyday.turns import TurnService
from server.services.money.credited import CreditedClaims
from server.services.packets.audience import depth_of
from server.services.packets.awaited import AwaitedReplies
from server.services.packets.grab_open import GrabOpenService
from server.services.packets.live_packet import Snapshot
from server.services.packets.requests import GrabRequest, LookRequest
from server.services.runtime.bus import LOCAL

LINES_MAX = 100  # claims on one page of the list


class ListedClaim(NamedTuple):
    """One claim in a list; `when` says how long ago it was."""

    claim: Claim
    name: str
    when: str


class ResultList(NamedTuple):
    """A result page and the part of its list that was asked for, newest first; `more`: there are older ones."""

    page: pages.ResultPageView
    sender_name: str
    opened: int
    shares: int
    lines: list[ListedClaim]
    more: bool
    may_subscribe: bool  # there may be more claims, and this viewer may be told of them
    turn_name: str = ""  # of the user whose turn it is, if the page names one


class ShownPage(NamedTuple):
    """The page to show; with View.RESULT the result page itself. `for_names`: of the users whom the page names."""

    page: pages.OpenPageView
    sender_name: str
    result: ResultList | None
    for_names: Sequence[str] = ()


class TapResult(NamedTuple):
    """What a tap got: the answer of a grab and the page to show, as in ShownPage."""

    decision: Decision
    page: pages.OpenPageView | None
    sender_name: str
    result: ResultList | None
    for_names: Sequence[str] = ()


class ResultChange(NamedTuple):
    """What came after the claims that a viewer has seen, oldest first; `over`: nothing more will come."""

    opened: int
    summary: str
    lines: list[ListedClaim]
    over: bool


class PageService:
    """Use cases on pages. Raises RequestRefused."""

    def __init__(
        self,
        opens: GrabOpenService,
        replies: AwaitedReplies,
        names: NameService,
        groups: GroupService,
        credited: CreditedClaims,
        won: WonShares,
        turns: TurnService,
        now_ms: Callable[[], int],
        money: MoneyWords,
        limits: Limits,
    ) -> None:
        self._opens = opens
        self._replies = replies
        self._names = names
        self._groups = groups
        self._credited = credited
        self._won = won
        self._turns = turns
        self._now_ms = now_ms
        self._money = money
        self._limits = limits

    async def tap(self, user_id: int, packet_id: int, language: Language) -> TapResult:
        """Grab a packet; the page that goes with the answer. None with busy, or if there is nothing to see."""
        now_ms = self._now_ms()  # not later than the grab decides: who gets a ticket gets the page for it
        answer, seq = self._replies.expect(packet_id)
        self._opens.grab(GrabRequest(packet_id, user_id, now_ms, LOCAL, seq))
        decision, seen = await answer
        if seen is None or decision.answer is Answer.BUSY:
            return TapResult(decision, None, "", None)
        if decision is EXPIRED:
            now_ms = max(now_ms, seen.packet.terms.expires_at_ms)
        shown = await self._shown(seen, user_id, language, now_ms)
        return TapResult(decision, None, "", None) if shown is None else TapResult(decision, *shown)

    async def tap_over(self, user_id: int, seen: Snapshot, language: Language) -> TapResult:
        """What a link shows that was made for a packet which is over now: its user is not admitted any more."""
        viewer = self._viewer(seen, user_id, language)._replace(may_open=True)
        page = pages.open_page(seen.known, viewer, self._now_ms())
        assert page is not None
        [sender_name] = await self._names.of([page.sender_id])
        return TapResult(GONE if page.view is View.GONE else EXPIRED, page, sender_name, None)

    async def show(self, user_id: int, packet_id: int, language: Language) -> ShownPage:
        """The page that a tap would show now, without a grab. Raises RequestRefused (NOT_ALLOWED)."""
        seen = await self._look(user_id, packet_id)
        shown = None if seen is None else await self._shown(seen, user_id, language, self._now_ms())
        if shown is None:
            raise RequestRefused(Reason.NOT_ALLOWED)
        return shown

    async def result(self, user_id: int, packet_id: int, language: Language, before_index: int) -> ResultList:
        """The result page, with the claims before an index; 0: the newest. Raises RequestRefused (NOT_ALLOWED)."""
        seen = await self._look(user_id, packet_id)
        if seen is None or seen.packet.terms.dealt:
            return await self._result_of_win(user_id, packet_id, language)
        viewer = self._viewer(seen, user_id, language)
        if (result := await self._result(seen, viewer, self._now_ms(), before_index)) is not None:
            return result
        raise RequestRefused(Reason.NOT_ALLOWED)

    async def news(self, seen: Snapshot, user_id: int, language: Language, told: int) -> ResultChange:
        """What came after the first `told` claims, for a viewer who sees the list."""
        known, now_ms = seen.known, self._now_ms()
        page = pages.result_page(known, self._viewer(seen, user_id, language), now_ms, credited=False)
        lines = await self._lines(list(known.claims.values())[told:], language)
        summary, over = (page.summary, page.state is State.FINISHED) if page else ("", True)
        return ResultChange(len(known.claims), summary, lines, over)

    # --- putting pages together -------------------------------------------------------------------------------

    async def _look(self, user_id: int, packet_id: int) -> Snapshot | None:
        answer, seq = self._replies.expect(packet_id)
        self._opens.look(LookRequest(packet_id, user_id, self._now_ms(), LOCAL, seq))
        return (await answer).seen

    async def _shown(self, seen: Snapshot, user_id: int, language: Language, now_ms: int) -> ShownPage | None:
        viewer = self._viewer(seen, user_id, language)
        page = pages.open_page(seen.known, viewer, now_ms)
        if page is None:
            return None
        result = await self._result(seen, viewer, now_ms, 0) if page.view is View.RESULT else None
        sender_name, *for_names = await self._names.of([page.sender_id, *page.for_user_ids])
        return ShownPage(page, sender_name, result, for_names)

    def _viewer(self, seen: Snapshot, user_id: int, language: Language) -> Viewer:
        first = seen.packet.terms.target_id
        in_first_group = not is_user(first) and user_id in self._groups.members(first)
        depth = depth_of(seen.audience, user_id)
        may_pass_on = depth is not None and depth < self._limits.pass_on_depth_max
        may_open, sees_it = seen.may_open(user_id), seen.sees(user_id)
        has_said = seen.has_said(user_id)
        return Viewer(user_id, may_open, in_first_group, language, self._money, sees_it, may_pass_on, has_said)

    async def _result(self, seen: Snapshot, viewer: Viewer, now_ms: int, before_index: int) -> ResultList | None:
        known = seen.known
        has_claim = viewer.user_id in known.claims
        credited = has_claim and await self._credited.has(viewer.user_id, known.terms.packet_id)
        page = pages.result_page(known, viewer, now_ms, credited=credited)
        if page is None:
            return None
        listed = list(known.claims.values()) if page.lists_claims else []
        if before_index > 0:
            listed = listed[:before_index]
        lines = await self._lines(listed[: -LINES_MAX - 1 : -1], viewer.language)
        page = await self._with_turn(page, seen, viewer)
        sender_name, *turn_name = await self._names.of([page.sender_id, *filter(None, [page.turn_user_id])])
        return ResultList(
            page,
            sender_name,
            len(known.claims),
            known.terms.shares,
            lines,
            len(listed) > LINES_MAX,
            page.lists_claims and page.state is State.OPEN and seen.may_follow(viewer.user_id),
            *turn_name,
        )

    async def _with_turn(self, page: pages.ResultPageView, seen: Snapshot, viewer: Viewer) -> pages.ResultPageView:
        """The page, with whose turn it is to send the next one, for viewers in the group that has the relay."""
        terms = seen.packet.terms
        turn = await self._turns.after(terms) if page.state is State.FINISHED and page.lists_claims else None
        if turn is None:
            return page
        is_told = turn.group_id == terms.target_id or bool(self._groups.in_memory(viewer.user_id, turn.group_id))
        return pages.with_turn(page, viewer, turn.user_id, turn.amount_fen) if is_told else page

    async def _result_of_win(self, user_id: int, packet_id: int, language: Language) -> ResultList:
        """The page of a share that was won by shaking. Raises RequestRefused (NOT_ALLOWED)."""
        known = await self._won.known(user_id, packet_id)
        if known is None:
            raise RequestRefused(Reason.NOT_ALLOWED)
        credited = await self._credited.has(user_id, packet_id)
        viewer = Viewer(user_id, may_open=False, in_first_group=False, language=language, money=self._money)
        page = pages.result_page(known, viewer, self._now_ms(), credited=credited)
        assert page is not None
        [sender_name] = await self._names.of([page.sender_id])
        return ResultList(page, sender_name, 1, 1, [], more=False, may_subscribe=False)

    async def _lines(self, claims: Sequence[Claim], language: Language) -> list[ListedClaim]:
        names = await self._names.of([claim.user_id for claim in claims])
        now_ms = self._now_ms()
        return [
            ListedClaim(claim, name, ago(language, now_ms - claim.at_ms))
            for claim, name in zip(claims, names, strict=True)
        ]


def language_of(asked: str) -> Language:
    """The language that was asked for; English for one without a translation."""
    return Language(asked) if asked in set(Language) else Language.EN
