"""What operators change: each change through the service that other doors use, inside two entries of the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final

from server.core.campaigns.terms import Action
from server.core.office.entries import Cause, Facts, OfficeRefused, Operator, Subject
from server.core.office.roles import Door
from server.core.refusals import Reason, RequestRefused
from server.services.office.journal import BegunChange, OfficeJournal, WantedEntries
from server.services.payments.conclusions import ConclusionService, NotConcluded
from server.services.reconciliation.breaks import BreakFacts, BreakRefused
from server.services.reconciliation.corrections import CorrectionFacts
from storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from server.core.reconciliation.dry_run import DryRun
    from server.services.campaigns.service import CampaignService
    from server.services.chat.people import PeopleService
    from server.services.reconciliation.breaks import BreakService
    from server.services.reconciliation.corrections import CorrectionService
    from storage.postgres.office.finding import FindingStore
    from storage.postgres.risk.risk import RiskStore

RELEASED_MS: Final = 7 * 86_400_000  # for so long rules leave a released user alone
BY_TWO: Final = (Door.CONFIRM_PAYMENT, Door.DECLINE_PAYMENT)
ACTIONS: Final = {
    Door.PAUSE_CAMPAIGN: Action.PAUSE,
    Door.RESUME_CAMPAIGN: Action.RESUME,
    Door.END_CAMPAIGN: Action.END,
}


class UserChanges:
    """Freezes and releases users. All methods raise OfficeRefused, StoreUnavailable: then the end is not known."""

    def __init__(
        self,
        journal: OfficeJournal,
        people: PeopleService,
        finding: FindingStore,
        risk: RiskStore,
        now_ms: Callable[[], int],
    ) -> None:
        self._journal, self._people, self._finding, self._risk = journal, people, finding, risk
        self._now_ms = now_ms

    async def freeze(self, operator: Operator, user_id: int, cause: Cause) -> int:
        """End the connections of a user, and refuse logins and sends; the number of the entry."""
        return await self._ban(operator, Door.FREEZE, user_id, cause)

    async def unfreeze(self, operator: Operator, user_id: int, cause: Cause) -> int:
        """Let a user in again."""
        return await self._ban(operator, Door.UNFREEZE, user_id, cause)

    async def _ban(self, operator: Operator, door: Door, user_id: int, cause: Cause) -> int:
        known, freezes = await self._finding.user(user_id), door is Door.FREEZE
        if known is None:
            raise OfficeRefused(f"there is no user {user_id}")
        before = {"frozen": known.banned_at_ms is not None}
        subject = Subject("user", str(user_id))
        async with refusing(self._journal, operator, door, subject, cause, before) as change:
            await (self._people.ban(user_id) if freezes else self._people.lift_ban(user_id))
            change.after = {"frozen": freezes}
        return change.entry_id

    async def release(self, operator: Operator, user_id: int, cause: Cause) -> int:
        """Nothing of risk control holds a user back for a week; the number of the entry."""
        rows, now_ms = await self._risk.verdicts([user_id]), self._now_ms()
        before: Facts = {"action": rows[0].action, "decision_id": rows[0].decision_id} if rows else {}
        subject, until_ms = Subject("user", str(user_id)), now_ms + RELEASED_MS
        async with refusing(self._journal, operator, Door.RELEASE, subject, cause, before) as change:
            reason = f"{cause.case_number}: {cause.reason}"
            if await self._risk.release(user_id, now_ms, operator.uid, until_ms, reason) is None:
                raise OfficeRefused(f"nothing holds user {user_id} back")
            change.after = {"action": "allow", "released_until_ms": until_ms}
        return change.entry_id


class BookChanges:
    """Breaks and corrections. All methods raise OfficeRefused, StoreUnavailable: then the end is not known."""

    def __init__(self, journal: OfficeJournal, breaks: BreakService, corrections: CorrectionService) -> None:
        self._journal, self._breaks, self._corrections = journal, breaks, corrections

    async def own(self, operator: Operator, break_id: int, cause: Cause) -> int:
        """Look after a break from now on."""
        before = _break(await self._break_of(break_id))
        async with self._about_break(operator, Door.OWN_BREAK, break_id, cause, before) as change:
            change.after = _break(await self._breaks.own(break_id, operator.uid))
        return change.entry_id

    async def close(self, operator: Operator, break_id: int, cause: Cause) -> int:
        """Close a break. Its reason in the books has the case number, too."""
        before = _break(await self._break_of(break_id))
        async with self._about_break(operator, Door.CLOSE_BREAK, break_id, cause, before) as change:
            change.after = _break(await self._breaks.close(break_id, operator.uid, in_books(cause)))
        return change.entry_id

    async def dry_run(self, break_id: int, debit: int, credit: int, amount_fen: int) -> DryRun:
        """What a correction would move. Changes nothing."""
        try:
            return await self._corrections.dry_run(break_id, debit, credit, amount_fen)
        except BreakRefused as refused:
            raise OfficeRefused(str(refused)) from None

    async def propose(
        self, operator: Operator, break_id: int, accounts: tuple[int, int], amount_fen: int, seen: str, cause: Cause
    ) -> int:
        """Propose a correction as its dry run has shown it (`seen`). `accounts`: from, to. It moves nothing yet."""
        shown = await self.dry_run(break_id, *accounts, amount_fen)
        before = {one.account: one.before_fen for one in shown.changes}
        async with self._about_break(operator, Door.PROPOSE, break_id, cause, before) as change:
            made = await self._corrections.propose(break_id, *accounts, amount_fen, operator.uid, seen)
            change.subject, change.after = _subject(made.correction_id), _correction(made)
        return change.entry_id

    async def approve(self, operator: Operator, correction_id: int, cause: Cause) -> int:
        """Move the money of a proposal of another operator or user of the system, under its case number."""
        before = await self._of_correction(correction_id)
        asked = await self._case_of(correction_id)
        subject = _subject(correction_id)
        async with refusing(self._journal, operator, Door.APPROVE, subject, cause, before) as change:
            if asked not in ("", cause.case_number):
                raise OfficeRefused(f"correction {correction_id} was proposed under the case number {asked}")
            change.after = _correction(await self._corrections.approve(correction_id, operator.uid))
        return change.entry_id

    async def reject(self, operator: Operator, correction_id: int, cause: Cause) -> int:
        """Reject a proposal, also one's own."""
        before, subject = await self._of_correction(correction_id), _subject(correction_id)
        async with refusing(self._journal, operator, Door.REJECT, subject, cause, before) as change:
            change.after = _correction(await self._corrections.reject(correction_id, operator.uid, in_books(cause)))
        return change.entry_id

    def _about_break(
        self, operator: Operator, door: Door, break_id: int, cause: Cause, before: Facts
    ) -> AbstractAsyncContextManager[BegunChange]:
        return refusing(self._journal, operator, door, Subject("break", str(break_id)), cause, before)

    async def _break_of(self, break_id: int) -> BreakFacts:
        try:
            return await self._breaks.get(break_id)
        except BreakRefused as refused:
            raise OfficeRefused(str(refused)) from None

    async def _of_correction(self, correction_id: int) -> Facts:
        try:
            return {"state": (await self._corrections.correction(correction_id)).state}
        except BreakRefused as refused:
            raise OfficeRefused(str(refused)) from None

    async def _case_of(self, correction_id: int) -> str:
        """The case number under which a correction was proposed; empty: on the command line."""
        wanted = WantedEntries("", *_subject(correction_id), Door.PROPOSE)
        return next((one.case_number for one in await self._journal.newest(1, 0, wanted)), "")


class MoneyChanges:
    """Payments by hand or at their bank, and campaigns. All methods raise OfficeRefused, StoreUnavailable."""

    def __init__(
        self, journal: OfficeJournal, conclusions: ConclusionService | None, campaigns: CampaignService
    ) -> None:
        """`conclusions`: None without a gateway."""
        self._journal, self._conclusions, self._campaigns = journal, conclusions, campaigns

    async def conclude(self, operator: Operator, door: Door, number: int, state: str, cause: Cause) -> int:
        """Confirm or decline a payment that is made by hand, or have it closed at its bank. `state`: of now.

        What is made by hand moves money on the word of people: one operator asks, and another one does it.
        """
        if door in BY_TWO and not await self._is_asked(operator, door, number, cause):
            subject = Subject("payment", str(number))
            return await self._journal.ask(operator, door, subject, cause, {"state": state})
        async with refusing(
            self._journal, operator, door, Subject("payment", str(number)), cause, {"state": state}
        ) as change:
            change.after = {"state": await self._concluded(door, number, operator.name, cause)}
        return change.entry_id

    async def _is_asked(self, operator: Operator, door: Door, number: int, cause: Cause) -> bool:
        """Whether another operator has asked for it. Raises OfficeRefused if this one has, or for another case."""
        for one in await self._journal.asked():
            if (one.door, one.subject_kind, one.subject) == (door, "payment", str(number)):
                if one.uid == operator.uid:
                    raise OfficeRefused("you have asked for this: another operator does it")
                if one.case_number != cause.case_number:
                    raise OfficeRefused(f"it was asked for under the case number {one.case_number}")
                return True
        return False

    async def _concluded(self, door: Door, number: int, name: str, cause: Cause) -> str:
        service = self._conclusions
        if service is None:
            raise OfficeRefused("this server has no gateway")
        if door is Door.CONFIRM_PAYMENT:
            return await service.confirm(number, name)
        if door is Door.DECLINE_PAYMENT:
            return await service.decline(number, name, cause.reason)
        return await service.close(number)

    async def campaign(self, operator: Operator, door: Door, campaign_id: int, stage: str, cause: Cause) -> int:
        """Pause, resume or end a campaign. `stage`: of now."""
        subject = Subject("campaign", str(campaign_id))
        async with refusing(self._journal, operator, door, subject, cause, {"stage": stage}) as change:
            view = await self._campaigns.change(campaign_id, ACTIONS[door])
            change.after = {"stage": str(view.stage)}
        return change.entry_id


@asynccontextmanager
async def refusing(
    journal: OfficeJournal, operator: Operator, door: Door, subject: Subject, cause: Cause, before: Facts
) -> AsyncIterator[BegunChange]:
    """A change in which what the services refuse is an OfficeRefused of one line."""
    async with journal.change(operator, door, subject, cause, before) as change:
        try:
            yield change
        except RequestRefused as refused:
            said = refused.detail or str(refused.reason).replace("_", " ")
            if refused.reason is Reason.STORE_UNAVAILABLE:  # the end is not known, so none is logged
                raise StoreUnavailable(said) from None
            raise OfficeRefused(said) from None
        except (BreakRefused, NotConcluded) as refused:
            raise OfficeRefused(str(refused)) from None


def in_books(cause: Cause) -> str:
    """A cause as the books keep it."""
    return f"{cause.case_number}: {cause.reason}"


def _subject(correction_id: int) -> Subject:
    return Subject("correction", str(correction_id))


def _break(one: BreakFacts) -> Facts:
    return {"state": one.state, "owner_uid": one.owner_uid, "reason": one.reason}


def _correction(one: CorrectionFacts) -> Facts:
    moved = {"from": one.from_account, "to": one.to_account, "amount_fen": one.amount_fen}
    return {"state": one.state, "break_id": one.break_id, **moved, "proposed_uid": one.proposed_uid}
