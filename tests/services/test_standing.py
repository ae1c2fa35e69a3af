"""The standing of users in memory: it follows the record, also when a change comes during a read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.core.refusals import Reason, RequestRefused
from server.services.chat.standing import GOOD
from tests.conftest import Server, StartServer


async def refused(server: Server, user_id: int) -> bool:
    try:
        await server.app.services.standing.check(user_id)
    except RequestRefused as why:
        return why.reason is Reason.BANNED
    return False


async def test_standing_follows_bans_and_revocations_of_every_server(start_server: StartServer) -> None:
    one, other = await start_server(server__node=1), await start_server(server__node=2)
    assert await one.app.services.standing.check(7) == GOOD
    for banning in (one, other):
        await banning.app.services.people.ban(7)
        assert (await refused(one, 7), await refused(other, 7)) == (True, True)
        await banning.app.services.people.lift_ban(7)
        assert (await refused(one, 7), await refused(other, 7)) == (False, False)
    tokens_from_s = await other.app.services.people.revoke_tokens(7)
    assert (await one.app.services.standing.check(7)).tokens_from_s == tokens_from_s


@pytest.mark.parametrize("is_gap", [False, True])
async def test_standing_that_was_read_before_a_change_is_not_kept(
    server: Server, monkeypatch: pytest.MonkeyPatch, is_gap: bool
) -> None:
    services, store = server.app.services, server.app.stores.users
    read, go_on = asyncio.Event(), asyncio.Event()
    restricted = store.restricted

    async def slow(user_ids: Any) -> Any:
        rows = await restricted(user_ids)
        read.set()
        await go_on.wait()
        return rows

    monkeypatch.setattr(store, "restricted", slow)
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(services.standing.check(7))
        await read.wait()
        monkeypatch.undo()
        await store.ban(7, 1)
        await (services.standing.catch_up() if is_gap else services.standing.follow(7, 2))
        go_on.set()
    assert asked.result() == GOOD  # the request came before the ban
    assert await refused(server, 7)
