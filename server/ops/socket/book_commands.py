"""The commands about both books: statements, breaks, corrections. The kernel says which user changes one.

A path is one word, as a URL spells it. Users of the system are texts: their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from server.core.ledger import SYSTEM_ACCOUNTS
from server.core.reconciliation.dry_run import DryRun
from server.core.reconciliation.rules import BREAK_CLASSES
from server.ops.socket.arguments import ID_MAX, integer, one_id, options_in
from server.ops.socket.command_texts import MOST_MAX
from server.ops.socket.status_socket import PEER, Answer, BadArguments, Run
from server.services.reconciliation.assembly import ReconciliationServices
from server.services.reconciliation.breaks import BreakFacts, BreakRefused
from server.services.reconciliation.corrections import CorrectionFacts

MOST: Final = 20
FEN_MAX: Final = 10**15
Facts: TypeAlias = dict[str, Any]


def book_commands(services: ReconciliationServices) -> dict[str, Run]:
    """The functions by the names of their commands."""
    do = BookCommands(services)
    runs: dict[str, Run] = {
        "reconcile": do.reconcile,
        "fetch-statement": do.fetch,
        "reconciliation": do.reconciliation,
        "breaks": do.breaks,
        "own-break": do.own,
        "close-break": do.close,
        "corrections": do.corrections,
        "preview-correction": do.preview,
        "propose-correction": do.propose,
        "approve-correction": do.approve,
        "reject-correction": do.reject,
    }
    return {name: partial(_refusing, run) for name, run in runs.items()}


async def _refusing(run: Run, words: list[str]) -> Answer:
    """A rule that is not kept is an error of one line."""
    try:
        return await run(words)
    except BreakRefused as error:
        return {"error": str(error)}


class BookCommands:
    """The function behind each command: words in, answer out.

    Raises BadArguments, BreakRefused, StoreUnavailable.
    """

    def __init__(self, services: ReconciliationServices) -> None:
        self._statements, self._breaks = services.statements, services.breaks
        self._corrections = services.corrections

    async def reconcile(self, words: list[str]) -> Answer:
        (path,) = _words(words, 1)
        if not path.startswith("/"):
            raise BadArguments("the path of the file must be absolute")
        return {"job": self._statements.start(Path(unquote(path)), _asking()).number}

    async def fetch(self, words: list[str]) -> Answer:
        gateway, day, folder = _words(words, 3)
        asked = _day(day)
        if asked is None or not folder.startswith("/"):
            raise BadArguments("give a day, and the absolute path of a folder")
        return {"job": self._statements.fetch(gateway, asked, Path(unquote(folder)), _asking()).number}

    async def reconciliation(self, words: list[str]) -> Answer:
        job = self._statements.job(one_id(words))
        if job is None:
            return {"error": "the server does not know this import: was it restarted? Give the file again"}
        claim = job.claim
        return {
            "state": job.state,
            "why": job.why,
            "rows_read": job.rows_read,
            "is_new": job.is_new,
            "statement": None if claim is None else {**claim._asdict(), "day": str(claim.day)},
            "classes": [
                {"class": one.row_class, "rows": one.rows, "amount_fen": one.amount_fen} for one in job.results
            ],
        }

    async def breaks(self, words: list[str]) -> Answer:
        options = options_in(words, **{"state": "all", "class": "", "day": "", "most": str(MOST)})
        if options["state"] not in ("open", "all") or options["class"] not in ("", *BREAK_CLASSES):
            raise BadArguments(f"--state is open or all, --class one of {', '.join(BREAK_CLASSES)}")
        found = await self._breaks.newest(
            only_open=options["state"] == "open",
            break_class=options["class"],
            day=_day(options["day"]),
            most=integer(options["most"], 1, MOST_MAX),
        )
        return {"breaks": [_break(one) for one in found]}

    async def own(self, words: list[str]) -> Answer:
        (word,) = _words(words, 1)
        return _break(await self._breaks.own(integer(word, 1, ID_MAX), _asking()))

    async def close(self, words: list[str]) -> Answer:
        word, *reason = _words(words, 2, more=True)
        return _break(await self._breaks.close(integer(word, 1, ID_MAX), _asking(), " ".join(reason)))

    async def corrections(self, words: list[str]) -> Answer:
        options = options_in(words, **{"break": "0", "most": str(MOST)})
        most = integer(options["most"], 1, MOST_MAX)
        found = await self._corrections.newest(integer(options["break"], 0, ID_MAX), most)
        return {"corrections": [_correction(one) for one in found]}

    async def preview(self, words: list[str]) -> Answer:
        return _shown(await self._corrections.dry_run(*_correction_in(_words(words, 4))))

    async def propose(self, words: list[str]) -> Answer:
        *correction, seen = _words(words, 5)
        return _correction(await self._corrections.propose(*_correction_in(correction), _asking(), seen))

    async def approve(self, words: list[str]) -> Answer:
        (word,) = _words(words, 1)
        return _correction(await self._corrections.approve(integer(word, 1, ID_MAX), _asking()))

    async def reject(self, words: list[str]) -> Answer:
        word, *reason = _words(words, 2, more=True)
        return _correction(await self._corrections.reject(integer(word, 1, ID_MAX), _asking(), " ".join(reason)))


def _words(words: list[str], count: int, *, more: bool = False) -> list[str]:
    """So many words, or more. Raises BadArguments."""
    if len(words) < count or (len(words) > count and not more):
        raise BadArguments(f"there must be {count} arguments")
    return words


def _asking() -> int:
    """The user of the system who has given this command, as the kernel reports it."""
    uid = PEER.get().uid
    assert uid is not None  # a change over TCP was refused before
    return uid


def _day(word: str) -> date | None:
    try:
        return date.fromisoformat(word) if word else None
    except ValueError:
        raise BadArguments(f"expected a day such as 2026-11-28, got {word[:40]!r}") from None


def _correction_in(words: list[str]) -> tuple[int, int, int, int]:
    """A break, two accounts and an amount."""
    break_id, debit, credit, amount = words
    return integer(break_id, 1, ID_MAX), _account(debit), _account(credit), integer(amount, 1, FEN_MAX)


def _account(word: str) -> int:
    """An account of the system by its name, or a user by the id."""
    known: Mapping[str, int] = {str(name): account for name, account in SYSTEM_ACCOUNTS.items()}
    if word in known:
        return known[word]
    if not word.isdecimal():
        raise BadArguments(f"an account is the id of a user, or one of {', '.join(known)}")
    return integer(word, 1, ID_MAX)


def _uid(uid: int | None) -> str | None:
    return None if uid is None else str(uid)


def _break(one: BreakFacts) -> Facts:
    closed_by = "a later statement" if one.closed_at_ms is not None and one.closed_uid is None else None
    return {
        "break_id": one.break_id,
        "class": one.break_class,
        "state": one.state,
        "gateway": one.gateway,
        "payment": _uid(one.number),
        "bank_ref": one.bank_ref,
        "day": one.day,
        "issue": one.issue,
        "line": one.line,
        "difference_fen": one.difference_fen,
        "opened_at_ms": one.opened_at_ms,
        "owner": _uid(one.owner_uid),
        "closed_by": closed_by or _uid(one.closed_uid),
        "reason": one.reason,
        "corrections": one.corrections,
        "detail": one.detail,
    }


def _correction(one: CorrectionFacts) -> Facts:
    return {
        "correction_id": one.correction_id,
        "break_id": one.break_id,
        "from": one.from_account,
        "to": one.to_account,
        "amount_fen": one.amount_fen,
        "state": one.state,
        "proposed_by": _uid(one.proposed_uid),
        "proposed_at_ms": one.proposed_at_ms,
        "decided_by": _uid(one.decided_uid),
        "decided_at_ms": one.decided_at_ms,
        "reason": one.reason,
    }


def _shown(one: DryRun) -> Facts:
    return {
        "break_id": one.break_id,
        "difference_fen": one.difference_fen,
        "amount_fen": one.amount_fen,
        "accounts": [change._asdict() for change in one.changes],
        "digest": one.digest,
    }
