"""Webhooks of a server with two sets: what happens in either is delivered once, from set 0."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from storage.errors import StoreUnavailable
from storage.postgres.sets.webhooks import SQL, SetEventStore
from storage.postgres.webhooks.deliveries import EventRow
from tests.conftest import BACKEND, Connect
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, Crowd, MakeCrowd, Sql, is_settled
from tests.sets.test_full_path import sender_of
from tests.webhooks.conftest import LOOPBACK, Receiver, drain_webhooks_s, make_receiver, receiver, subscribe

__all__ = ["drain_webhooks_s", "make_receiver", "receiver"]

EVENTS = "SELECT count(*) FROM webhook_events"


async def subscribed(crowd: MakeCrowd, receiver: Receiver, *types: str) -> Crowd:
    """Two users of each set, and an endpoint."""
    one = await crowd(2, 2, webhooks__allow_private=LOOPBACK)
    await subscribe(one.server, receiver, "shop", *types)
    return one


@pytest.mark.parametrize("number", [0, 1])
async def test_packet_of_either_set_is_told_from_its_send_to_its_finish(
    crowd: MakeCrowd, receiver: Receiver, sql: Sql, other_sql: Sql, number: int
) -> None:
    one = await subscribed(crowd, receiver)
    packet_id = (await sender_of(one, number).send_packet("lucky", one.group, 700, 2)).packet_id
    (sent,) = await receiver.wait_for(1, "packet.sent")
    assert (sent.data["packet_id"], sent.data["group"], sent.data["total_fen"]) == (str(packet_id), "crowd", 700)
    opened = [await user.open(packet_id) for user in (one.old[1], one.new[1])]
    (finished,) = await receiver.wait_for(1, "packet.finished")
    best = max(opened, key=lambda reply: reply.amount_fen).amount_fen
    assert finished.data["best_luck"]["amount_fen"] == best
    changed = {event.data["user_id"]: event.data for event in await receiver.wait_for(3, "wallet.changed")}
    for user_id, reply in ((OLD + 1, opened[0]), (NEW + 1, opened[1])):
        data = changed[str(user_id)]
        assert (data["reason"], data["change_fen"]) == ("claim", reply.amount_fen)
        assert data["balance_fen"] == EACH_FEN + reply.amount_fen
    await until(lambda: is_settled(sql, other_sql))

    async def nothing_waits() -> bool:
        return not await other_sql.fetchval(EVENTS)

    await until(nothing_waits)
    ids = [event.id for event in receiver.received]
    assert len(ids) == len(set(ids))


async def test_admission_in_a_further_set_is_told(crowd: MakeCrowd, receiver: Receiver) -> None:
    one = await subscribed(crowd, receiver, "link.shown")
    packet_id = (await one.new[0].send_packet("fission", OLD, 900, 3)).packet_id
    assert (await one.old[0].open(packet_id)).answer == "won"
    link = (await one.old[0].pass_on(packet_id)).link
    await one.new[1].open_link(link)
    (shown,) = await receiver.wait_for(1)
    assert (shown.type, shown.data["user_id"], shown.data["from_user_id"]) == ("link.shown", str(NEW + 1), str(OLD))


async def test_event_killed_between_the_two_commits_is_delivered_once(
    crowd: MakeCrowd, receiver: Receiver, sql: Sql, other_sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set 0 has the event, the set that wrote it does not know: it is moved a second time."""
    move = SetEventStore.move

    async def lost(self: SetEventStore, most: int, render: Any) -> int:
        async with self._writer.transaction() as connection:
            events = [EventRow(*row) for row in await connection.fetch(SQL["oldest"], most)]
        if not events:
            return 0
        bodies = await render(self._facts, events)
        columns = [[one[column] for one in events] for column in range(1, 7)]
        async with self._home.transaction() as at_home:
            await at_home.execute(SQL["record"], *columns, [bodies[one.event_id] for one in events])
        monkeypatch.setattr(SetEventStore, "move", move)
        raise StoreUnavailable("killed between the commits")

    one = await subscribed(crowd, receiver, "packet.sent")
    monkeypatch.setattr(SetEventStore, "move", lost)
    await one.new[0].send_packet("lucky", one.group, 700, 2)
    await receiver.wait_for(1)

    async def is_moved() -> bool:
        return not await other_sql.fetchval(EVENTS)

    await until(is_moved)
    assert SetEventStore.move is move  # it was killed once
    assert await sql.fetchval(EVENTS) == 1
    assert len(receiver.received) == 1


async def test_events_are_written_in_a_further_set_only_while_an_endpoint_is_enabled(
    crowd: MakeCrowd, receiver: Receiver, connect: Connect, sql: Sql, other_sql: Sql
) -> None:
    one = await crowd(1, 1, webhooks__allow_private=LOOPBACK)
    backend = await connect(one.server, BACKEND)
    await backend.top_up(NEW, 100)
    await subscribe(one.server, receiver, "shop", "wallet.changed")
    await backend.top_up(NEW, 200)
    (event,) = await receiver.wait_for(1)
    assert (event.data["user_id"], event.data["change_fen"]) == (str(NEW), 200)
    assert await one.server.app.services.webhooks.remove("shop")
    state = "SELECT state FROM webhook_endpoints"
    assert await other_sql.fetchval(state) == "disabled"
    await backend.top_up(NEW, 300)
    assert await other_sql.fetchval(EVENTS) == 0


async def test_commands_that_enable_an_endpoint_reach_further_sets(
    crowd: MakeCrowd, receiver: Receiver, sql: Sql, other_sql: Sql
) -> None:
    """A command writes set 0 alone; the loop of each set looks there."""
    one = await crowd(1, 1, webhooks__allow_private=LOOPBACK)
    await subscribe(one.server, receiver, "shop", enabled=False)
    await sql.execute("UPDATE webhook_endpoints SET state = 'enabled'")

    async def is_told() -> bool:
        return bool(await other_sql.fetchval("SELECT state FROM webhook_endpoints") == "enabled")

    await until(is_told)
    sent, found = await asyncio.gather(
        one.new[0].send_packet("lucky", one.group, 700, 2), receiver.wait_for(1, "packet.sent")
    )
    assert found[0].data["packet_id"] == str(sent.packet_id)
