"""Breaks for operators: listed, owned, and closed with a reason. Plain values come back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

import msgspec
import structlog

from storage.postgres.reconciliation.breaks import BreakRow, BreakStore, CannotClose

LOG = structlog.get_logger()
REASON_MAX: Final = 200  # characters


class BreakRefused(Exception):
    """A break or a correction is not as the operator wants it; the message is one line."""


class BreakFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A break. `state`: in_doubt, open, owned or closed. `closed_by` is empty if a later statement resolved it.

    `difference_fen`: the most that a correction may move; None: not known. Users of the system are their ids.
    """

    break_id: int
    break_class: str
    state: str
    gateway: str
    number: int | None
    bank_ref: str
    day: str
    issue: int | None
    line: int | None
    difference_fen: int | None
    detail: str
    opened_at_ms: int
    due_at_ms: int
    owner_uid: int | None
    closed_at_ms: int | None
    closed_uid: int | None
    reason: str
    corrections: int


class BreakService:
    """All methods raise StoreUnavailable."""

    def __init__(self, store: BreakStore, now_ms: Callable[[], int], smallest: str) -> None:
        """`smallest`: what an amount counts, for the words of a break."""
        self._store = store
        self._now_ms = now_ms
        self._smallest = smallest

    async def newest(
        self, *, only_open: bool, break_class: str = "", day: date | None = None, most: int = 20
    ) -> list[BreakFacts]:
        """The newest breaks of a class (empty: of all) and of a day (None: of all)."""
        rows = await self._store.newest(only_open=only_open, break_class=break_class, day=day, most=most)
        return [self._facts(row) for row in rows]

    async def get(self, break_id: int) -> BreakFacts:
        """A break. Raises BreakRefused if there is none."""
        row = await self._store.get(break_id)
        if row is None:
            raise BreakRefused(f"there is no break {break_id}")
        return self._facts(row)

    async def own(self, break_id: int, uid: int) -> BreakFacts:
        """A user of the system looks after an open break from now on. Raises BreakRefused."""
        if not await self._store.own(break_id, uid, self._now_ms()):
            raise BreakRefused(
                f"break {break_id} is closed" if await self._store.get(break_id) else _none(break_id)
            )
        LOG.info("break_owned", break_id=break_id, uid=uid)
        return await self.get(break_id)

    async def close(self, break_id: int, uid: int, reason: str) -> BreakFacts:
        """Close a break for a reason. Raises BreakRefused."""
        check_reason(reason)
        try:
            if not await self._store.close(break_id, uid, reason, self._now_ms()):
                raise BreakRefused(_none(break_id))
        except CannotClose as error:
            raise BreakRefused(f"break {break_id}: {error}") from None
        LOG.info("break_closed", break_id=break_id, uid=uid, reason=reason)
        return await self.get(break_id)

    def _facts(self, row: BreakRow) -> BreakFacts:
        return BreakFacts(
            break_id=row.break_id,
            break_class=row.break_class,
            state=_state(row, self._now_ms()),
            gateway=row.gateway,
            number=row.number,
            bank_ref=row.bank_ref,
            day=str(row.day or ""),
            issue=row.issue,
            line=row.line,
            difference_fen=row.difference_fen,
            detail=row.detail.replace("¤", self._smallest),
            opened_at_ms=row.opened_at_ms,
            due_at_ms=row.due_at_ms,
            owner_uid=row.owner_uid,
            closed_at_ms=row.closed_at_ms,
            closed_uid=row.closed_uid,
            reason=row.reason,
            corrections=row.corrections,
        )


def check_reason(reason: str) -> None:
    """Raises BreakRefused if a reason says nothing, or is too long."""
    if not reason.strip() or len(reason) > REASON_MAX or not reason.isprintable():
        raise BreakRefused(f"the reason must have 1 to {REASON_MAX} printable characters")


def _state(row: BreakRow, now_ms: int) -> str:
    if row.closed_at_ms is not None:
        return "closed"
    if row.due_at_ms > now_ms:
        return "in_doubt"
    return "open" if row.owner_uid is None else "owned"


def _none(break_id: int) -> str:
    return f"there is no break {break_id}"
