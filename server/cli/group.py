"""`hongbao group`: shows groups, and makes and changes them over the wire as a chat backend does."""

from __future__ import annotations

import sys
import time
from typing import Literal

import cyclopts

from client_sim.sdk.client import Client
from client_sim.sdk.errors import NoSuchGroup
from protocol import messages
from server.cli.shared.answers import DEFAULT, ServerOptions, show_answer
from server.cli.shared.as_backend import AS_BACKEND, BackendOptions, Create, as_backend, known
from server.cli.shared.numbers import Count, Id, RelayTimes, Version
from server.cli.shared.resources import CommandFailed
from server.cli.shared.users import User, Users, ids_of_lines
from server.cli.shared.words import FilePath, Text

group_cli = cyclopts.App(
    name="group",
    help="Show groups, and make and change them as a chat backend does.",
    result_action="return_value",
)


@group_cli.command(name="list")
def list_groups(*, most: Count = 20, server: ServerOptions = DEFAULT) -> int:
    """List the newest groups.

    Example: hongbao group list --most 50

    Parameters
    ----------
    most
        length of the list
    """
    return show_answer(server, "groups", "--most", most)


@group_cli.default
@group_cli.command
def show(group_id: Id, /, *, server: ServerOptions = DEFAULT) -> int:
    """Show a group and how many of its members are online.

    Example: hongbao group show 251234567890123456
    """
    return show_answer(server, "group", group_id)


@group_cli.command
def put(
    external_id: Text,
    name: Text,
    /,
    *,
    owner: User = 0,
    audience: Literal["members", "signature"] = "members",
    create: Create = False,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Make the group that has this id in your chat app, or change its name and owner; print its id here.

    Example: hongbao group put room-5 一家人 --owner 1001

    Parameters
    ----------
    external_id
        the group's id in your chat app (1 to 64 bytes)
    name
        the name that its members see
    owner
        a user, who may remove members (default: no user)
    audience
        members (a list: sync, add, remove) or signature (users show passes that you sign)
    """

    async def work(backend: Client) -> int:
        with known():
            return await backend.put_group(external_id, name, owner, audience, known_only=not create)

    print(as_backend(work, server))
    return 0


@group_cli.command
def delete(external_id: Text, /, *, server: BackendOptions = AS_BACKEND) -> int:
    """Delete the group that has this id in your chat app, for good; print its id here. Again is harmless.

    Its members are out, its open packets are refunded when they expire. Its id in your chat app is not used again.

    Example: hongbao group delete room-5

    Parameters
    ----------
    external_id
        the group's id in your chat app, as in `hongbao group put`
    """

    async def work(backend: Client) -> int:
        try:
            return await backend.delete_group(external_id)
        except NoSuchGroup:
            raise CommandFailed(
                f"the server knows no group {external_id!r}: is it the id in your chat app?"
            ) from None

    print(as_backend(work, server))
    return 0


@group_cli.command
def relay(
    group_id: Id,
    times: RelayTimes | None = None,
    /,
    *,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Set or show the relay of a group: the best luck of a lucky packet is reminded to send the next one.

    No money moves by itself.

    Example: hongbao group relay 251234567890123456 2

    Parameters
    ----------
    times
        the next packet is to have so many times the best share (1 to 3; 0: no relay; default: show it)
    """

    async def work(backend: Client) -> int:
        if times is not None:
            await backend.set_relay(group_id, times)
        return await backend.relay(group_id)

    print(as_backend(work, server))
    return 0


@group_cli.command
def sync(
    group_id: Id,
    file: FilePath | None = None,
    /,
    *,
    version: Version | None = None,
    create: Create = False,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Replace the whole member list of a group.

    Example: hongbao group sync 251234567890123456 members.txt

    Parameters
    ----------
    file
        one user per line, an id or a name (default: the standard input)
    version
        number of this state of the list; an older one changes nothing (default: the time in milliseconds)
    """
    lines = (sys.stdin.read() if file is None else file.read_text("utf-8")).split("\n")
    user_ids = ids_of_lines(lines)

    async def work(backend: Client) -> messages.MembersSynced:
        with known(advice="with --create such users are made; nothing was changed"):
            return await backend.sync_members(group_id, version or _now_ms(), user_ids, known_only=not create)

    return _print_change(as_backend(work, server))


@group_cli.command
def add(
    group_id: Id,
    users: Users,
    /,
    *,
    version: Version | None = None,
    create: Create = False,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Make users members of a group.

    Example: hongbao group add 251234567890123456 1001 1002

    Parameters
    ----------
    users
        ids, or names as in `hongbao chat --as NAME`
    version
        number of this change; older than the last change of a member, it changes nothing (default: the time in
        milliseconds)
    """

    async def work(backend: Client) -> messages.MembersChanged:
        with known(advice="with --create such users are made; nothing was changed"):
            return await backend.change_members(group_id, version or _now_ms(), joined=users, known_only=not create)

    return _print_change(as_backend(work, server))


@group_cli.command
def remove(
    group_id: Id,
    users: Users,
    /,
    *,
    version: Version | None = None,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Remove members from a group.

    Example: hongbao group remove 251234567890123456 1001 1002

    Parameters
    ----------
    users
        ids, or names as in `hongbao chat --as NAME`
    version
        as in `hongbao group add`
    """

    async def work(backend: Client) -> messages.MembersChanged:
        with known(advice="nothing was changed"):
            return await backend.change_members(group_id, version or _now_ms(), left=users, known_only=True)

    return _print_change(as_backend(work, server))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _print_change(changed: messages.MembersSynced | messages.MembersChanged) -> int:
    print(f"joined {changed.joined}, left {changed.left}, members now {changed.members}")
    return 0
