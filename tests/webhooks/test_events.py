"""Events from the request that causes them to the receiver: each once, numbered, signed."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from client_sim.sdk.client import Client
from tests.conftest import DAY_MS, Connect, Server, Turn
from tests.services.conftest import SENDER, MakeParty, until
from tests.webhooks.conftest import KEY, SECRET, Receiver, Sql, signatures, signed, subscribe


async def test_top_up_is_received_with_its_entry_and_a_right_signature(
    server: Server, backend: Client, receiver: Receiver
) -> None:
    await subscribe(server, receiver)
    await backend.top_up(7, 500, key="t1")
    (received,) = await receiver.wait_for(1)
    assert received.type == "wallet.changed"
    assert received.data == {
        "user_id": "7",
        "reason": "top_up",
        "change_fen": 500,
        "balance_fen": 500,
        "key": "t1",
        "number": 1,
        "previous": 0,
    }
    assert signatures(received) == {signed(received, KEY)}
    assert received.headers["content-type"] == "application/json"


async def settled(sql: Sql) -> None:
    """Wait until nothing is under way: no claim to settle, no post to make, no delivery."""

    async def rests() -> bool:
        rows = "SELECT 1 FROM settlement_queue UNION ALL SELECT 1 FROM outbox"
        waiting = "SELECT 1 FROM webhook_deliveries WHERE state = 0"
        return bool(await sql.fetchval(f"SELECT NOT EXISTS ({rows} UNION ALL {waiting})"))

    await until(rests)


def chain(events: list[Any]) -> list[int]:
    """The numbers of the events of one subject in their order; each says which one comes before it."""
    ordered = sorted(events, key=lambda one: one.data["number"])
    numbers = [one.data["number"] for one in ordered]
    assert [one.data["previous"] for one in ordered] == [0, *numbers[:-1]]
    return numbers


async def test_finished_packet_is_told_from_its_send_to_its_best_luck_each_once(
    server: Server, party: MakeParty, receiver: Receiver, sql: Sql
) -> None:
    room = await party(server, 3)
    await subscribe(server, receiver)
    packet_id = await room.lucky(900, 3)
    await room.all_open(packet_id)
    await receiver.wait_for(1, "packet.finished")
    await settled(sql)
    told = [one for one in receiver.received if one.type.startswith("packet.")]
    assert all(one.data["packet_id"] == str(packet_id) for one in told)
    assert (chain(told)[0], chain(told)[-1]) == (1, 3 + 2)
    (sent,) = receiver.of("packet.sent")
    assert (sent.data["sender_id"], sent.data["total_fen"], sent.data["shares"]) == (str(SENDER), 900, 3)
    claims = [claim for one in receiver.of("packet.claimed") for claim in one.data["claims"]]
    assert sorted(claim["index"] for claim in claims) == [0, 1, 2]
    assert sum(claim["amount_fen"] for claim in claims) == 900
    (finished,) = receiver.of("packet.finished")
    best = max(claims, key=lambda one: (one["amount_fen"], -one["index"]))
    assert finished.data["best_luck"] == {"user_id": best["user_id"], "amount_fen": best["amount_fen"]}
    assert len({one.id for one in receiver.received}) == len(receiver.received)


async def test_claims_made_at_the_same_time_are_folded(
    server: Server, party: MakeParty, receiver: Receiver, sql: Sql
) -> None:
    room = await party(server, 12)
    await subscribe(server, receiver, "shop", "packet.claimed")
    await room.all_open(await room.lucky(1_300, 13))
    await settled(sql)
    told = receiver.received
    assert sorted(claim["index"] for one in told for claim in one.data["claims"]) == list(range(12))
    assert len(told) < 12


async def test_refunded_packet_is_told_with_what_went_back(
    server: Server, party: MakeParty, receiver: Receiver, turn_clock: Turn, sql: Sql
) -> None:
    room = await party(server, 2)
    await subscribe(server, receiver)
    packet_id = await room.lucky(900, 3)
    (won,) = await room.all_open(packet_id, room.guests[:1])
    turn_clock(DAY_MS)
    (refunded,) = await receiver.wait_for(1, "packet.refunded")
    await settled(sql)
    assert won.amount_fen is not None
    assert refunded.data["refunded_fen"] == 900 - won.amount_fen
    assert (refunded.data["claimed_shares"], refunded.data["claimed_fen"]) == (1, won.amount_fen)
    assert chain([one for one in receiver.received if one.type.startswith("packet.")]) == [1, 2, 5]


async def test_wallet_is_told_with_each_of_its_versions_and_the_packets_that_changed_it(
    server: Server, party: MakeParty, receiver: Receiver, sql: Sql
) -> None:
    await subscribe(server, receiver, "shop", "wallet.changed")
    room = await party(server, 1)
    packets = [await room.lucky(100, 1) for _ in range(3)]
    for packet_id in packets:
        await room.all_open(packet_id)
    await settled(sql)
    mine = [one for one in receiver.received if one.data["user_id"] == str(SENDER)]
    assert chain(mine) == [1, 2, 3, 4]
    guest = [one for one in receiver.received if one.data["user_id"] == str(SENDER + 1)]
    assert chain(guest)[-1] == 3
    credited = [part["packet_id"] for one in guest for part in one.data["packets"]]
    assert sorted(credited) == sorted(map(str, packets))
    assert max(one.data["balance_fen"] for one in guest) == 300


async def test_ban_and_its_lifting_are_told_once_each(server: Server, receiver: Receiver, sql: Sql) -> None:
    await subscribe(server, receiver)
    people = server.app.services.people
    for change in (people.ban, people.ban, people.lift_ban, people.lift_ban):
        await change(7)
    await receiver.wait_for(2)
    await settled(sql)
    banned, unbanned = sorted(receiver.received, key=lambda one: one.data["number"])
    assert (banned.type, unbanned.type) == ("user.banned", "user.unbanned")
    assert banned.data["user_id"] == unbanned.data["user_id"] == "7"
    assert len(receiver.received) == 2


async def test_no_enabled_endpoint_means_no_event_rows(
    server: Server, party: MakeParty, receiver: Receiver, sql: Sql
) -> None:
    await subscribe(server, receiver, "off", enabled=False)
    room = await party(server, 2)
    await room.all_open(await room.lucky(100, 2))
    await server.app.services.people.ban(99)
    await settled(sql)
    assert (
        await sql.fetchval("SELECT (SELECT count(*) FROM webhook_events) + count(*) FROM webhook_deliveries") == 0
    )


async def test_endpoint_receives_only_the_types_that_it_wants(
    server: Server, party: MakeParty, receiver: Receiver, sql: Sql
) -> None:
    await subscribe(server, receiver, "shop", "packet.sent")
    room = await party(server, 2)
    await room.all_open(await room.lucky(100, 2))
    await settled(sql)
    assert receiver.count() == Counter({"packet.sent": 1})
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 1


async def test_event_of_a_transfer_that_is_rolled_back_is_not_written(server: Server, sql: Sql) -> None:
    await server.app.services.webhooks.put("shop", "https://shop.example/hooks", (), SECRET)
    transaction = sql.transaction()
    await transaction.start()
    entry = "INSERT INTO entries (user_id, version, kind, account, change_fen, balance_fen, at_ms) VALUES "
    await sql.execute(entry + "(7, 1, 1, 0, 5, 5, 1)")
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 1
    await transaction.rollback()
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 0


@asynccontextmanager
async def uncommitted(sql: Sql) -> AsyncIterator[None]:
    """What is written inside is seen by this test alone: the server delivers none of it, and deletes none of it."""
    transaction = sql.transaction()
    await transaction.start()
    yield
    await transaction.rollback()


async def test_group_of_more_than_500_claims_is_told_in_parts_without_a_gap(server: Server, sql: Sql) -> None:
    await server.app.services.webhooks.put("shop", "https://shop.example/hooks", (), SECRET)
    post = """INSERT INTO messages
              (stream_id, message, sender_id, at_ms, packet_id, reminder, first_index, end_index)
              VALUES (7, 1, 0, 1, $1, 1, 3, 1203)"""
    async with uncommitted(sql):
        await sql.execute(post, 2**60)
        rows = await sql.fetch("SELECT number, previous FROM webhook_events ORDER BY number")
    assert [tuple(row) for row in rows] == [(504, 4), (1004, 504), (1204, 1004)]


async def test_backend_reads_the_group_under_its_own_id(
    server: Server, connect: Connect, receiver: Receiver, backend: Client
) -> None:
    group_id = await backend.put_group("family", "Family")
    await backend.sync_members(group_id, 1, [SENDER])
    await backend.top_up(SENDER, 500, key="t")
    await subscribe(server, receiver, "shop", "packet.sent")
    sender = await connect(server, SENDER)
    sent = await sender.send_packet("equal", group_id, 100, 1, greeting="恭喜发财")
    (received,) = await receiver.wait_for(1)
    assert received.data["group"] == "family"
    assert (received.data["packet_id"], received.data["target_id"]) == (str(sent.packet_id), str(group_id))
    assert received.data["greeting"] == "恭喜发财"


async def test_credit_of_several_claims_follows_the_version_before_all_of_them(server: Server, sql: Sql) -> None:
    await server.app.services.webhooks.put("shop", "https://shop.example/hooks", (), SECRET)
    entry = """INSERT INTO entries
               (user_id, version, kind, account, change_fen, balance_fen, at_ms, accounts, changes_fen)
               VALUES (7, 5, 4, $1::bigint, 6, 6, 1, ARRAY[$1 - 2, $1 - 1, $1], ARRAY[1, 2, 3])"""
    async with uncommitted(sql):
        await sql.execute(entry, 2**60)
        rows = await sql.fetch("SELECT number, previous FROM webhook_events")
    assert [tuple(row) for row in rows] == [(5, 2)]


async def test_a_disabled_endpoint_gets_no_deliveries_beside_an_enabled_one(
    server: Server, backend: Client, receiver: Receiver, sql: Sql
) -> None:
    await subscribe(server, receiver, "off", enabled=False)
    await subscribe(server, receiver, "on")
    await backend.top_up(7, 5, key="t")
    await receiver.wait_for(1)
    await settled(sql)
    assert await sql.fetchval("SELECT count(*) FROM webhook_deliveries") == 1
