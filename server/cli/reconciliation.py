"""`hongbao reconcile`, `breaks` and `correct`: both books, through the status socket of a running server."""

from __future__ import annotations

import pwd
import sys
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import quote

import cyclopts
from cyclopts import Parameter, Token

from server.cli.shared.answers import DEFAULT, ServerOptions, ask_server, show
from server.cli.shared.numbers import Count, Fen, Id
from server.cli.shared.resources import WrongOptions
from server.cli.shared.users import user_id
from server.cli.shared.words import Day, FilePath, Text
from server.core.ledger import SYSTEM_ACCOUNTS
from server.core.reconciliation.rules import AGREED

LOOK_S: Final = 0.2
SYSTEM_USERS: Final = ("owner", "closed_by", "proposed_by", "decided_by")
OVER: Final = ("done", "refused")
BreakClass: TypeAlias = Literal[
    "contradiction", "bank_only", "ours_only", "amount", "state", "duplicate", "other_day", "other_account"
]


def _account(kind: Any, tokens: Sequence[Token]) -> str:
    """The name of an account of the system, or the id of a user. Raises ValueError, one line."""
    word = tokens[0].value.replace("-", "_")
    return word if word in set(map(str, SYSTEM_ACCOUNTS)) else str(user_id(kind, tokens))


AccountName = Annotated[str, Parameter(converter=_account)]


def reconcile(
    *files: FilePath,
    fetch: Day | None = None,
    to: FilePath | None = None,
    gateway: Text = "bank",
    server: ServerOptions = DEFAULT,
) -> int:
    """Import statements of a bank and match them with our payments; exit 1 if one is refused or a row differs.

    The server reads the files: FILE, and FILE.sig with the bank's signature. A statement is imported once. With
    --fetch the server asks the bank for the statement of a day, and writes both files into a folder.

    Example: hongbao reconcile /var/lib/hongbao/statements/2026-11-28.csv

    Example: hongbao reconcile --fetch 2026-11-28 --to /var/lib/hongbao/statements

    Parameters
    ----------
    files
        statements, as the bank has signed them
    fetch
        the day (of Beijing) whose newest statement is fetched
    to
        the folder for the files of --fetch, on the machine of the server
    gateway
        the bank of --fetch, by the name of its section in the config
    """
    if bool(files) == (fetch is not None) or (fetch is None) != (to is None):
        raise WrongOptions("name the files of the statements, or a day to --fetch and the folder --to put it")
    if fetch is not None and to is not None:
        folder = str(to.absolute())
        return _reconcile(f"{gateway} {fetch}", server, "fetch-statement", gateway, str(fetch), quote(folder))
    paths = [str(path.absolute()) for path in files]
    return max(_reconcile(path, server, "reconcile", quote(path)) for path in paths)


def _reconcile(name: str, server: ServerOptions, *command: str) -> int:
    """One file; the exit code. Raises NoAnswer."""
    job = ask_server(server, *command)["job"]
    while (found := ask_server(server, "reconciliation", job))["state"] not in OVER:
        _show_progress(found)
        time.sleep(LOOK_S)
    if found["state"] == "refused":
        print(f"hongbao: {name}: {found['why']}", file=sys.stderr)
        return 1
    statement = found["statement"]
    if not server.as_json:
        about = f"{statement['gateway']} {statement['day']}, issue {statement['issue']}: {statement['rows']:,} rows"
        print(about if found["is_new"] else f"{about}, imported before")
    show(server, found if server.as_json else {"classes": found["classes"]})
    return int(any(row["class"] not in AGREED for row in found["classes"]))


def _show_progress(found: dict[str, Any]) -> None:
    """One line that is written over, for people."""
    if sys.stderr.isatty():
        statement = found["statement"] or {"rows": 0}
        print(
            f"\r{found['state']} {found['rows_read']:,} of {statement['rows']:,} rows \r",
            end="",
            file=sys.stderr,
            flush=True,
        )


# --- breaks ---------------------------------------------------------------------------------------------------

breaks_cli = cyclopts.App(
    name="breaks", help="List differences from a bank, own, close them.", result_action="return_value"
)


@breaks_cli.default
@breaks_cli.command(name="list")
def list_breaks(
    *,
    only_open: Annotated[
        bool, Parameter(name="--open", negative=(), help="only those that are not closed")
    ] = False,
    break_class: Annotated[BreakClass | None, Parameter(name="--class", help="only those of a class")] = None,
    day: Annotated[Day | None, Parameter(help="only those of a statement's day")] = None,
    most: Annotated[Count, Parameter(help="length of the list")] = 20,
    server: ServerOptions = DEFAULT,
) -> int:
    """List differences between both books, the newest first.

    Example: hongbao breaks --open
    """
    words = ["--state", "open" if only_open else "all", "--most", str(most)]
    words += ["--class", break_class] if break_class else []
    words += ["--day", day.isoformat()] if day else []
    _show(server, *words, command="breaks")
    return 0


@breaks_cli.command
def own(break_id: Id, /, *, server: ServerOptions = DEFAULT) -> int:
    """Look after a break from now on, as the user of the system that you are.

    Example: hongbao breaks own 7
    """
    return _show(server, str(break_id), command="own-break")


@breaks_cli.command
def close(break_id: Id, /, *, reason: Text, server: ServerOptions = DEFAULT) -> int:
    """Close a break: it is explained, or corrected.

    Example: hongbao breaks close 7 --reason "the bank has booked it on the 29th"
    """
    return _show(server, str(break_id), *reason.split(), command="close-break")


# --- corrections ----------------------------------------------------------------------------------------------

correct_cli = cyclopts.App(
    name="correct", help="Propose and approve corrections of a break.", result_action="return_value"
)


@correct_cli.default
@correct_cli.command(name="list")
def list_corrections(
    *,
    break_id: Annotated[Id, Parameter(name="--break", help="only those of a break")] = 0,
    most: Annotated[Count, Parameter(help="length of the list")] = 20,
    server: ServerOptions = DEFAULT,
) -> int:
    """List corrections, the newest first.

    Example: hongbao correct list --break 7
    """
    return _show(server, "--break", str(break_id), "--most", str(most), command="corrections")


@correct_cli.command
def propose(
    break_id: Id,
    /,
    *,
    from_account: Annotated[AccountName, Parameter(name="--from", help="a user, outside, suspense, …")],
    to_account: Annotated[AccountName, Parameter(name="--to", help="a user, outside, suspense, …")],
    amount: Fen,
    seen: Annotated[
        Text | None, Parameter(name="--as-shown", help="propose it, if a dry run still has this digest")
    ] = None,
    yes: Annotated[
        bool, Parameter(name="--yes-as-shown", negative=(), help="print the dry run, and propose it at once")
    ] = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="propose nothing, as without the options above")] = False,
    server: ServerOptions = DEFAULT,
) -> int:
    """Propose a transfer that corrects a break, once you have seen what it would move. It moves nothing yet.

    Without --as-shown and --yes-as-shown it is a dry run: both balances before and after, and a digest of them.
    Another user of the system approves a proposal. Accounts: a user, outside, clearing, in_transit, suspense,
    corrections.

    Example: hongbao correct propose 7 --from outside --to 1001 --amount 300

    Example: hongbao correct propose 7 --from outside --to 1001 --amount 300 --as-shown 5b0c61f2ae94

    Parameters
    ----------
    amount
        the amount; at most the difference of the break
    """
    if (seen is not None) + yes + dry_run > 1:
        raise WrongOptions("give one of --as-shown, --yes-as-shown and --dry-run")
    correction = [str(break_id), from_account, to_account, str(amount)]
    if seen is None:
        shown = ask_server(server, "preview-correction", *correction)
        if not yes:
            show(server, shown)
            return _say_next(server, str(shown["digest"]))
        if not server.as_json:
            show(server, dict(shown))
        seen = str(shown["digest"])
    return _show(server, *correction, seen, command="propose-correction")


def _say_next(server: ServerOptions, digest: str) -> int:
    """What to do after a dry run, for people."""
    if not server.as_json:
        print(f"Nothing is proposed yet. If this is right, repeat the command with --as-shown {digest}")
    return 0


@correct_cli.command
def approve(correction_id: Id, /, *, server: ServerOptions = DEFAULT) -> int:
    """Approve the proposal of another user of the system: its money moves, once.

    Example: hongbao correct approve 3
    """
    return _show(server, str(correction_id), command="approve-correction")


@correct_cli.command
def reject(correction_id: Id, /, *, reason: Text, server: ServerOptions = DEFAULT) -> int:
    """Reject a proposal: it moves nothing.

    Example: hongbao correct reject 3 --reason "the wrong wallet"
    """
    return _show(server, str(correction_id), *reason.split(), command="reject-correction")


def _show(server: ServerOptions, *words: str, command: str) -> int:
    """Ask and print, with the names of the users of the system for people. Raises NoAnswer."""
    answer = ask_server(server, command, *words)
    if not server.as_json:
        for one in answer.get(command, [answer]):
            one.update({name: _user_name(one[name]) for name in SYSTEM_USERS if one.get(name)})
    show(server, answer)
    return 0


def _user_name(uid: str) -> str:
    """The name of a user of the system; the id, or the words, if there is none."""
    try:
        return f"{pwd.getpwuid(int(uid)).pw_name} ({uid})"
    except (KeyError, ValueError):
        return uid
