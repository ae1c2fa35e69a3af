"""`hongbao office`: operators of the back office, and the log of what they saw and did.

The commands work on the records, whether a server runs on them or not. What they change is logged, with the user of
the system who gave the command.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Final, Literal

import cyclopts
from cyclopts import Parameter, Token
from rich.table import Table
from rich.text import Text as Cell

from server.cli.shared.numbers import Count, Id
from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.resources import CommandFailed, with_records
from server.cli.shared.streams import console, print_whole
from server.cli.shared.words import Text
from server.clock import Clock
from server.config import load
from server.core.beijing_year import time_text
from server.core.office.entries import OfficeRefused, Operator
from server.core.office.operator_keys import OperatorKey
from server.core.office.roles import OfficeRole
from server.ops.humanize import humanize
from server.services.office.journal import LoggedEntry, OfficeJournal, WantedEntries
from server.services.office.journal import system_user as user_of_system
from server.services.office.operators import OperatorService
from storage.postgres.database import Database
from storage.postgres.office.office import OfficeStore

RoleName = Literal["viewer", "support", "finance", "admin"]
Work = Callable[[OperatorService, Operator], Coroutine[Any, Any, int]]
SHOWN_ONCE: Final = "this key is shown once; it logs in at the back office"


def _system_uid(_: Any, tokens: Sequence[Token]) -> int:
    """The uid of a user of the system, by name or number. Raises ValueError, one line."""
    word = tokens[0].value
    if word.isascii() and word.isdecimal() and len(word) < 11 and int(word) < 1 << 32:
        return int(word)
    try:
        return pwd.getpwnam(word).pw_uid
    except KeyError:
        raise ValueError(f"this machine has no user {word!r}") from None


SystemUser = Annotated[int | None, Parameter(converter=_system_uid)]

office_cli = cyclopts.App(
    name="office",
    help="Manage operators of the back office, and read the log of what they saw and did.",
    result_action="return_value",
)
operator_cli = cyclopts.App(name="operator", help="Add and change operators.", result_action="return_value")
office_cli.command(operator_cli)


@operator_cli.command
def add(
    name: Text,
    /,
    *,
    role: RoleName,
    system_user: SystemUser = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Add an operator and print their key, once. Only a hash of it is kept.

    Example: hongbao office operator add lin --role finance

    Parameters
    ----------
    name
        1 to 32 letters, digits, dots, - and _
    role
        what they may see and do (docs/back-office.md)
    system_user
        the user of the system that this person is, if they also correct and close breaks on the command line: then
        both count as one person, and they cannot approve what they have proposed there
    """

    async def work(service: OperatorService, by: Operator) -> int:
        return _show_key(await service.add(name, OfficeRole(role), system_user, by))

    return _on_operators(work, data, config, postgres)


@operator_cli.command(name="list")
def list_operators(*, data: DataOption = DATA, config: ConfigOption = None, postgres: PostgresOption = None) -> int:
    """List the operators.

    Example: hongbao office operator list
    """

    async def work(service: OperatorService, _: Operator) -> int:
        table = Table("operator", "role", "key", "single sign-on", "system user", "last seen")
        for one in await service.all():
            uid = "" if one.system_uid is None else str(one.system_uid)
            key = "none" if one.key_hash is None else f"since {time_text(one.key_made_at_ms)}"
            key = "disabled" if one.is_disabled else key
            seen = "" if one.seen_at_ms is None else time_text(one.seen_at_ms)
            table.add_row(one.name, one.role, key, one.oidc_subject or "", uid, seen)
        print_whole(console(), table)
        return 0

    return _on_operators(work, data, config, postgres)


@operator_cli.command
def key(
    name: Text, /, *, data: DataOption = DATA, config: ConfigOption = None, postgres: PostgresOption = None
) -> int:
    """Make another key for an operator and print it, once. The key before it and all sessions end.

    Example: hongbao office operator key lin
    """

    async def work(service: OperatorService, by: Operator) -> int:
        return _show_key(await service.new_key(name, by))

    return _on_operators(work, data, config, postgres)


@operator_cli.command
def role(
    name: Text,
    role: RoleName,
    /,
    *,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Give an operator another role, from their next request on.

    Example: hongbao office operator role lin admin
    """

    async def work(service: OperatorService, by: Operator) -> int:
        await service.set_role(name, OfficeRole(role), by)
        print(f"{name} is {role} from the next request on")
        return 0

    return _on_operators(work, data, config, postgres)


@operator_cli.command
def link(
    name: Text,
    /,
    *,
    subject: Text,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Say that an operator is a subject of the provider of single sign-on, so that both are one person.

    Example: hongbao office operator link lin --subject 248289761001

    Parameters
    ----------
    name
        the operator
    subject
        the claim `sub` of that person's ID tokens; the provider shows it, mostly as the id of the user
    """
    issuer = load(config, {"stores.postgres": postgres}).oidc.issuer
    if not issuer:
        raise CommandFailed("oidc.issuer is not set: give --config")

    async def work(service: OperatorService, by: Operator) -> int:
        await service.link(name, issuer, subject, by)
        print(f"{name} signs on as {subject} at {issuer}")
        return 0

    return _on_operators(work, data, config, postgres)


@operator_cli.command
def disable(
    name: Text, /, *, data: DataOption = DATA, config: ConfigOption = None, postgres: PostgresOption = None
) -> int:
    """Log an operator out and let them in no more. `hongbao office operator key` gives a key again.

    Example: hongbao office operator disable lin
    """

    async def work(service: OperatorService, by: Operator) -> int:
        await service.disable(name, by)
        print(f"{name} is logged out and has no key")
        return 0

    return _on_operators(work, data, config, postgres)


@office_cli.command
def log(
    *,
    operator: Text = "",
    about: Text = "",
    door: Text = "",
    most: Count = 50,
    before: Id = 0,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Show what operators saw and did, the newest first.

    Example: hongbao office log --about user:1001

    Parameters
    ----------
    operator
        only of this operator
    about
        only about this subject, as kind:id (user:1001, packet:…, payment:…, break:7, correction:3, campaign:…)
    door
        only of this door, such as freeze
    most
        length of the list
    before
        only entries before this number
    """
    kind, _, subject = about.partition(":")
    wanted = WantedEntries(operator, kind, subject, door)

    async def on(database: Database) -> int:
        journal = OfficeJournal(await _store(database), Clock().now_ms)
        _show_entries(await journal.newest(most, before, wanted))
        return 0

    return with_records(load(config, {"stores.postgres": postgres}), data, on)


def _on_operators(work: Work, data: DataOption, config: ConfigOption, postgres: PostgresOption) -> int:
    async def on(database: Database) -> int:
        clock = Clock()
        store = await _store(database)
        service = OperatorService(store, clock.now_ms, clock.elapsed_s, clock.random_bytes)
        try:
            return await work(service, _by())
        except OfficeRefused as refused:
            raise CommandFailed(str(refused)) from None

    return with_records(load(config, {"stores.postgres": postgres}), data, on)


async def _store(database: Database) -> OfficeStore:
    """The records of the back office. Raises CommandFailed if there are none yet."""
    store = OfficeStore(database)
    if not await store.is_there():
        raise CommandFailed("these records have no back office yet: start a server of this version on them first")
    return store


def _by() -> Operator:
    """The user of the system who gave the command."""
    uid = os.getuid()
    try:
        return user_of_system(pwd.getpwuid(uid).pw_name, uid)
    except KeyError:
        return user_of_system(str(uid), uid)


def _show_key(key: OperatorKey) -> int:
    print(f"{key}\n{SHOWN_ONCE}")
    return 0


def _show_entries(entries: Sequence[LoggedEntry]) -> None:
    table = Table("entry", "time", "operator", "door", "state", "about", "case", "reason", "before", "after")
    for one in entries:
        number = str(one.entry_id) if one.of_entry is None else f"{one.entry_id} (of {one.of_entry})"
        about = f"{one.subject_kind}:{one.subject}" if one.subject else one.subject_kind
        cells = (number, time_text(one.at_ms), f"{one.operator} ({one.role})", one.door, one.state, about)
        facts = _facts(one.before), _facts(one.after)
        table.add_row(*(Cell(humanize("text", cell)) for cell in (*cells, one.case_number, one.reason, *facts)))
    print_whole(console(), table)


def _facts(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
