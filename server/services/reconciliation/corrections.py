"""Forced corrections (强制更正): transfers that cite a break, proposed by one system user, approved by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from server.core.ids import is_user
from server.core.ledger import SYSTEM_ACCOUNTS, TransferKind, WalletBalance
from server.core.reconciliation.dry_run import AccountChange, DryRun
from server.core.reconciliation.moved import moved_together
from server.services.reconciliation.breaks import BreakRefused, check_reason
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from storage.postgres.money.wallets import NotEnoughMoney
from storage.postgres.reconciliation.corrections import (
    CorrectedBreak,
    CorrectionRow,
    CorrectionStore,
    Decided,
)

if TYPE_CHECKING:
    from server.clock import Clock

LOG = structlog.get_logger()
_NAMES = {account: name.value for name, account in SYSTEM_ACCOUNTS.items()}


class CorrectionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A correction. `state`: proposed, approved or rejected. Users of the system are their ids."""

    correction_id: int
    break_id: int
    from_account: str
    to_account: str
    amount_fen: int
    state: str
    proposed_uid: int
    proposed_at_ms: int
    decided_uid: int | None
    decided_at_ms: int | None
    reason: str


class CorrectionService:
    """All methods raise BreakRefused and StoreUnavailable."""

    def __init__(self, store: CorrectionStore, clock: Clock, bus: Bus) -> None:
        self._store = store
        self._clock, self._bus = clock, bus

    async def newest(self, break_id: int, most: int) -> list[CorrectionFacts]:
        """The newest corrections, of one break (0: of all)."""
        return [_facts(row) for row in await self._store.newest(break_id, most)]

    async def dry_run(self, break_id: int, debit_account: int, credit_account: int, amount_fen: int) -> DryRun:
        """What both accounts hold, and would hold after a correction. Changes nothing."""
        await self._check_accounts(debit_account, credit_account)
        found = await self._store.find_break(break_id)
        _check_break(found, break_id, (debit_account, credit_account, amount_fen))
        changes = []
        for account, change_fen in ((debit_account, -amount_fen), (credit_account, amount_fen)):
            before_fen = await self._store.balance(account)
            after_fen = None if before_fen is None else before_fen + change_fen
            changes.append(AccountChange(account_name(account), before_fen, after_fen))
        return DryRun(break_id, None if found is None else found.difference_fen, amount_fen, changes)

    async def propose(
        self, break_id: int, debit_account: int, credit_account: int, amount_fen: int, uid: int, seen: str
    ) -> CorrectionFacts:
        """Record a proposal; it moves nothing. `seen`: the digest of its dry run, which must still hold."""
        shown = await self.dry_run(break_id, debit_account, credit_account, amount_fen)
        if seen != shown.digest:
            raise BreakRefused("this is not what a dry run has shown, or a balance has changed since: look again")
        now_ms = self._clock.now_ms()
        one = CorrectionRow(
            0, break_id, debit_account, credit_account, amount_fen, "proposed", uid, now_ms, None, None, ""
        )
        move = debit_account, credit_account, amount_fen
        made = await self._store.propose(one, lambda found: _check_break(found, break_id, move))
        LOG.info("correction_proposed", correction=made.correction_id, break_id=break_id, uid=uid)
        return _facts(made)

    async def approve(self, correction_id: int, uid: int) -> CorrectionFacts:
        """Move the money of a proposal of another user, once. If it was approved before, that is the answer.

        Money for a wallet in another set of PostgreSQL than the one it is taken from arrives there a moment later.
        """
        now_ms = self._clock.now_ms()

        def check(one: CorrectionRow, found: CorrectedBreak | None) -> None:
            _check_break(found, one.break_id, (one.debit_account, one.credit_account, one.amount_fen))

        try:
            decided = _found(await self._store.approve(correction_id, uid, now_ms, check), correction_id)
        except NotEnoughMoney:
            raise BreakRefused("the wallet holds less than the amount") from None
        if decided.correction.state == "proposed":
            raise BreakRefused(f"correction {correction_id} is your own proposal: another user approves it")
        if decided.correction.state != "approved":
            raise BreakRefused(f"correction {correction_id} was rejected")
        if decided.is_new:
            LOG.info("correction_approved", correction=correction_id, uid=uid)
            self._tell(decided)
        return _facts(decided.correction)

    async def reject(self, correction_id: int, uid: int, reason: str) -> CorrectionFacts:
        """Reject a proposal, also one's own. It moves nothing, now and later."""
        check_reason(reason)
        now_ms = self._clock.now_ms()
        decided = _found(await self._store.reject(correction_id, uid, reason, now_ms), correction_id)
        if decided.correction.state != "rejected":
            raise BreakRefused(f"correction {correction_id} was approved: correct it by another one")
        if decided.is_new:
            LOG.info("correction_rejected", correction=correction_id, uid=uid, reason=reason)
        return _facts(decided.correction)

    async def correction(self, correction_id: int) -> CorrectionRow:
        """A correction as it is recorded."""
        found = await self._store.get(correction_id)
        if found is None:
            raise BreakRefused(f"there is no correction {correction_id}")
        return found

    async def _check_accounts(self, debit_account: int, credit_account: int) -> None:
        if debit_account == credit_account:
            raise BreakRefused("both accounts are the same")
        for account in (debit_account, credit_account):
            is_there = await self._store.is_known(account) if is_user(account) else account in _NAMES
            if not is_there:
                raise BreakRefused(f"there is no account {account_name(account)}")

    def _tell(self, decided: Decided) -> None:
        """After the commit: the new balances."""
        one = decided.correction
        for user_id, balance in decided.balances.items():
            change_fen = one.amount_fen if user_id == one.credit_account else -one.amount_fen
            event = BalanceChange(
                user_id, WalletBalance(*balance), change_fen, TransferKind.CORRECTION.name.lower()
            )
            self._bus.publish(event, (user_id,))


def account_name(account: int) -> str:
    """The name of an account of the system, or the id of a user."""
    return _NAMES.get(account, str(account))


def _check_break(found: CorrectedBreak | None, break_id: int, move: tuple[int, int, int]) -> None:
    """Raises BreakRefused if a correction does not fit the break that it cites, and what others of it have moved.

    `move`: from which account, to which one, how much.
    """
    *_, amount_fen = move
    if found is None:
        raise BreakRefused(f"there is no break {break_id}")
    if found.is_closed:
        raise BreakRefused(f"break {break_id} is closed")
    if found.difference_fen is not None and amount_fen > found.difference_fen:
        raise BreakRefused(f"break {break_id} is a difference of {found.difference_fen}, not {amount_fen}")
    moved_fen = moved_together([move], found.moved)
    if found.difference_fen is not None and moved_fen > found.difference_fen:
        raise BreakRefused(
            f"break {break_id} is a difference of {found.difference_fen}: with this one its corrections would have "
            f"moved {moved_fen}"
        )


def _found(decided: Decided | None, correction_id: int) -> Decided:
    if decided is None:
        raise BreakRefused(f"there is no correction {correction_id}")
    return decided


def _facts(row: CorrectionRow) -> CorrectionFacts:
    return CorrectionFacts(
        correction_id=row.correction_id,
        break_id=row.break_id,
        from_account=account_name(row.debit_account),
        to_account=account_name(row.credit_account),
        amount_fen=row.amount_fen,
        state=row.state,
        proposed_uid=row.proposed_uid,
        proposed_at_ms=row.proposed_at_ms,
        decided_uid=row.decided_uid,
        decided_at_ms=row.decided_at_ms,
        reason=row.reason,
    )
