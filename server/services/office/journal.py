"""The log of the back office: an entry commits before what was seen is sent, and before a change is begun."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import structlog

from server.core.office.entries import (
    ASKED_MS,
    NO_FACTS,
    Cause,
    EntryState,
    Facts,
    OfficeEntry,
    OfficeRefused,
    Operator,
    Subject,
)
from server.core.office.roles import Door
from storage.postgres.office.office import EVERY_ENTRY, EntryFilter, OfficeEntryRow, OfficeStore

LOG = structlog.get_logger()
LoggedEntry: TypeAlias = OfficeEntryRow
WantedEntries: TypeAlias = EntryFilter
ASKED_MAX = 100
SYSTEM_ROLE = "system"  # of users of the system, who need no role


class BegunChange:
    """A change whose first entry has committed. `entry_id`: of that one."""

    def __init__(self, entry_id: int, subject: Subject) -> None:
        self.entry_id = entry_id
        self.subject = subject  # a change may be of another subject once it is made: a proposal has its number then
        self.after: Facts = NO_FACTS


class OfficeJournal:
    """Writes and reads the log. All methods raise StoreUnavailable: then nothing may be shown or done."""

    def __init__(self, store: OfficeStore, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms

    async def write(self, entry: OfficeEntry) -> int:
        """Append an entry; its number."""
        return await self._store.write(row_of(entry, self._now_ms()))

    async def seen(self, operator: Operator, door: Door, subject: Subject, what: Facts = NO_FACTS) -> None:
        """An operator is about to see something. `what`: which part of it, or the ids that a search has found."""
        await self.write(OfficeEntry(operator, door, EntryState.SEEN, subject, after=what))

    async def denied(self, operator: Operator, door: Door, subject: Subject) -> None:
        """An operator was refused at a door."""
        await self.write(OfficeEntry(operator, door, EntryState.DENIED, subject))
        LOG.warning("office_door_denied", operator=operator.name, role=operator.role, door=str(door))

    @asynccontextmanager
    async def change(
        self, operator: Operator, door: Door, subject: Subject, cause: Cause, before: Facts
    ) -> AsyncIterator[BegunChange]:
        """Inside it a change is made. The second entry tells its end; OfficeRefused inside: nothing was changed.

        If a store gives no answer inside, the end is unknown and the first entry stays alone.
        """
        begun = await self.write(OfficeEntry(operator, door, EntryState.BEGUN, subject, cause, before))
        change = BegunChange(begun, subject)
        try:
            yield change
        except OfficeRefused as refused:
            why = {"why": str(refused)}
            await self.write(OfficeEntry(operator, door, EntryState.REFUSED, subject, cause, before, why, begun))
            raise
        done = OfficeEntry(operator, door, EntryState.DONE, change.subject, cause, before, change.after, begun)
        await self.write(done)
        LOG.info("office_change", operator=operator.name, door=str(door), entry=begun, case=cause.case_number)

    async def ask(self, operator: Operator, door: Door, subject: Subject, cause: Cause, before: Facts) -> int:
        """Another operator is to do this; the number of the entry."""
        return await self.write(OfficeEntry(operator, door, EntryState.ASKED, subject, cause, before))

    # --- reading ----------------------------------------------------------------------------------------------

    async def newest(
        self, most: int, before: int = 0, wanted: WantedEntries = EVERY_ENTRY
    ) -> Sequence[LoggedEntry]:
        """The newest entries before a number (0: all)."""
        return await self._store.newest(before, wanted, most)

    async def asked(self) -> Sequence[LoggedEntry]:
        """What operators have asked others for, and was not tried since; the newest first."""
        return await self._store.asked(self._now_ms() - ASKED_MS, ASKED_MAX)

    async def changes(self, subject: Subject, most: int = 20) -> Sequence[LoggedEntry]:
        """What operators have done about a subject, the newest first."""
        return await self._store.changes(*subject, most)

    async def entry(self, entry_id: int) -> LoggedEntry | None:
        """An entry by its number."""
        return await self._store.entry(entry_id)


def row_of(entry: OfficeEntry, now_ms: int) -> OfficeEntryRow:
    """An entry as it is recorded; its number is known then."""
    by = entry.operator
    return OfficeEntryRow(
        entry_id=0,
        at_ms=now_ms,
        operator_id=by.operator_id or None,
        operator=by.name,
        role=by.role,
        uid=by.uid,
        address=by.address,
        door=entry.door,
        state=entry.state,
        of_entry=entry.of_entry,
        subject_kind=entry.subject.kind,
        subject=entry.subject.name,
        case_number=entry.cause.case_number,
        reason=entry.cause.reason,
        before=dict(entry.before),
        after=dict(entry.after),
    )


def system_user(name: str, uid: int) -> Operator:
    """A user of the system, who gives a command."""
    return Operator(0, name, SYSTEM_ROLE, uid, "")
