"""Seeds: told before the send, mixed with the client's, sealed in the records, revealed when the packet is over."""

from __future__ import annotations

import io
from typing import TypeAlias

import asyncpg
import pytest
import redis.asyncio as aioredis

from client_sim.sdk import Client, Refusal, TimedOut, Verdict
from protocol import messages
from protocol.codes import Refusal as Code
from server.core import seeds
from server.services.money.audit import Report, audit
from server.services.seeds.service import packet_seed_of
from server.services.seeds.upkeep import renew, seal_all_again
from storage.errors import StoreRefused
from storage.postgres.database import Database
from tests.cases import each
from tests.conftest import DAY_MS, SEED_KEYS, Connect, StartServer, Turn
from tests.services.conftest import MakeParty, Party, until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CLIENT_SEED, OTHER_SEED = b"a client's seed!", b"another client's seed"
OTHER_KEYS = {"other": bytes(range(32, 64))}


async def wrong_in(database: Database) -> list[str]:
    report: Report = await audit(database, SEED_KEYS)
    assert [finding.unchecked for finding in report.findings if finding.unchecked] == []
    return [f"{finding.name}: {line}" for finding in report.findings for line in finding.discrepancies]


async def finished(room: Party, packet_id: int) -> messages.Revealed:
    """Open a packet for two and return its proof."""
    await room.all_open(packet_id, room.guests[:2])

    async def is_over() -> bool:
        return (await room.sender.result_page(packet_id)).page.state == "finished"

    await until(is_over)
    return await room.sender.reveal(packet_id)


@pytest.fixture
async def room(start_server: StartServer, party: MakeParty) -> Party:
    return await party(await start_server(), 2)


async def send(client: Client, group: int, key: str, client_seed: bytes, fen: int = 100) -> messages.PacketSent:
    return await client.send_packet("lucky", group, fen, 2, key=key, client_seed=client_seed)


async def test_root_told_before_the_send_is_that_of_the_proof(room: Party, sql: Sql) -> None:
    told = await room.sender.seed_trees()
    first = told.next_index
    assert [tree.number for tree in told.trees] == [first // 64, first // 64 + 1]
    rows = await sql.fetch("SELECT number, root FROM seed_trees WHERE user_id = $1 ORDER BY number", 1)
    assert [(row[0], row[1]) for row in rows] == [(tree.number, tree.root) for tree in told.trees]
    sent = await room.sender.send_packet("lucky", room.group, 100, 2)
    assert sent.seed_index == first
    proof = await finished(room, sent.packet_id)
    assert (proof.root, proof.seed_index) == (told.trees[0].root, first)
    assert await room.sender.verify(sent.packet_id) == Verdict([], [])
    assert (await room.guests[0].verify(sent.packet_id)).unproven == [
        "this client did not send it: commitment, client seed and root are the server's word"
    ]
    assert (await room.sender.seed_trees()).next_index == first + 1


async def test_trees_asked_for_again_are_the_same(room: Party) -> None:
    first, second = await room.sender.seed_trees(), await room.sender.seed_trees()
    assert (first.next_index, first.trees) == (second.next_index, second.trees)
    assert (await room.guests[0].seed_trees()).trees != first.trees


async def test_repeated_send_takes_no_seed_and_the_first_client_seed_counts(room: Party) -> None:
    first = await send(room.sender, room.group, "once", CLIENT_SEED)
    again = await send(room.sender, room.group, "once", OTHER_SEED)
    assert (again.packet_id, again.seed_index, again.commitment) == (
        first.packet_id,
        first.seed_index,
        first.commitment,
    )
    assert (await room.sender.seed_trees()).next_index == first.seed_index + 1
    assert (await finished(room, first.packet_id)).client_seed == CLIENT_SEED


async def test_refused_sends_take_no_seed(room: Party, database: Database) -> None:
    first = await send(room.sender, room.group, "paid", CLIENT_SEED)
    for number in range(3):
        with pytest.raises(Refusal) as refused:
            await send(room.guests[0], room.group, f"poor {number}", CLIENT_SEED)
        assert refused.value.code == Code.NOT_ENOUGH_MONEY
    await send(room.sender, room.group, "much", CLIENT_SEED, fen=40_000)
    await send(room.sender, room.group, "much more", CLIENT_SEED, fen=40_000)
    with pytest.raises(Refusal) as refused:
        await send(room.sender, room.group, "too much", CLIENT_SEED, fen=40_000)
    assert refused.value.code == Code.NOT_ENOUGH_MONEY
    last = await send(room.sender, room.group, "paid too", b"")
    assert last.seed_index == first.seed_index + 3
    assert await wrong_in(database) == []


@each("length", [1, 15, 33, 64])
async def test_client_seed_of_another_length_is_refused(room: Party, length: int) -> None:
    with pytest.raises(Refusal) as refused:
        await send(room.sender, room.group, "k", bytes(length))
    assert refused.value.code == Code.BAD_SEED


async def test_proof_without_a_client_seed_says_so(room: Party) -> None:
    await room.sender.seed_trees()
    sent = await send(room.sender, room.group, "old client", b"")
    assert (await finished(room, sent.packet_id)).client_seed == b""
    assert await room.sender.verify(sent.packet_id) == Verdict(
        [], ["the send had no client seed: the server knew the seed before"]
    )


async def test_same_packet_with_another_client_seed_has_another_seed(room: Party) -> None:
    proofs = []
    for client_seed in (CLIENT_SEED, OTHER_SEED):
        sent = await send(room.sender, room.group, client_seed.hex()[:20], client_seed)
        proofs.append(await finished(room, sent.packet_id))
    assert [proof.client_seed for proof in proofs] == [CLIENT_SEED, OTHER_SEED]
    assert len({proof.seed for proof in proofs}) == 2


async def test_retry_of_a_send_that_timed_out_has_the_same_seed(room: Party) -> None:
    """The app repeats a send whose outcome it does not know: one packet, and its proof accuses no server."""
    await room.sender.seed_trees()
    real_ask, lost = room.sender._connection.ask, [True]

    async def ask_and_lose_the_reply(request: messages.Message, reply: type[messages.Message]) -> messages.Message:
        answer = await real_ask(request, reply)
        if lost and isinstance(request, messages.SendPacket):
            lost.clear()
            raise TimedOut("the reply was lost")
        return answer

    room.sender._connection.ask = ask_and_lose_the_reply  # type: ignore[method-assign, assignment]
    with pytest.raises(TimedOut):
        await room.sender.send_packet("lucky", room.group, 100, 2)
    sent = await room.sender.send_packet("lucky", room.group, 100, 2)
    await finished(room, sent.packet_id)
    assert await room.sender.verify(sent.packet_id) == Verdict([], [])
    assert (await room.sender.seed_trees()).next_index == sent.seed_index + 1


async def test_records_hold_no_seed_in_plain(room: Party, sql: Sql) -> None:
    sent = await send(room.sender, room.group, "k", CLIENT_SEED)
    row = await sql.fetchrow("SELECT * FROM packets WHERE packet_id = $1", sent.packet_id)
    tree = await sql.fetchrow("SELECT * FROM seed_trees WHERE user_id = 1")
    assert row is not None
    assert tree is not None
    secret = room.server.app.services.seeds._known[1, tree["number"]]
    server_seed = seeds.server_seed(secret, sent.seed_index)
    held = [bytes(value) for one in (row, tree) for value in one.values() if isinstance(value, bytes)]
    assert row["seed"] is None
    assert not any(secret in value or server_seed in value for value in held)
    assert row["commitment"] == sent.commitment


@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_secrets_of_an_unfinished_packet_stand_in_no_table_and_under_no_key(
    start_server: StartServer,
    party: MakeParty,
    sql: Sql,
    redis: aioredis.Redis,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    durability: str,
) -> None:
    """The tree's secret, the server seed and the packet's seed: with any of them the next share can be told."""
    room = await party(await start_server(stores__durability=durability), 2)
    sent = await send(room.sender, room.group, "k", CLIENT_SEED)
    assert (await room.guests[0].open(sent.packet_id)).answer == "won"

    async def is_in_both_stores() -> bool:
        claims = await sql.fetchval("SELECT count(*) FROM claims WHERE packet_id = $1", sent.packet_id)
        return bool(claims) and len(await redis.keys(f"*{sent.packet_id}*")) == 1

    await until(is_in_both_stores)
    dumps = await dumps_of_all_tables(sql) | await all_keys(redis)
    captured = capsys.readouterr()
    dumps["lines of the server"] = (captured.out + captured.err + caplog.text).encode()
    assert [name for name, dump in dumps.items() if sent.commitment.hex().encode() in dump] == ["packets"]
    row = (await room.server.app.stores.packets.rows([sent.packet_id]))[sent.packet_id]
    secret = room.server.app.services.seeds._known[1, sent.seed_index // 64]
    server_seed = seeds.server_seed(secret, sent.seed_index)
    packet_seed = packet_seed_of(row, server_seed)
    hidden = {"secret of the tree": secret, "server seed": server_seed, "seed of the packet": packet_seed}
    assert [
        f"{what} in {name}"
        for what, value in hidden.items()
        for name, dump in dumps.items()
        if value in dump or value.hex().encode() in dump.lower()
    ] == []
    await room.guests[1].open(sent.packet_id)

    async def is_recorded() -> bool:
        return bool(await sql.fetchval("SELECT closed_at_ms FROM packets WHERE packet_id = $1", sent.packet_id))

    await until(is_recorded)
    proof = await room.sender.reveal(sent.packet_id)
    assert (proof.server_seed, proof.seed) == (server_seed, packet_seed)  # it was these that were searched for


async def dumps_of_all_tables(sql: Sql) -> dict[str, bytes]:
    """What stands in each table, with binary values in hex."""
    dumps: dict[str, bytes] = {}
    for (table,) in await sql.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        dump = io.BytesIO()
        await sql.copy_from_table(table, output=dump)
        dumps[table] = dump.getvalue()
    assert len(dumps) > 20
    return dumps


async def all_keys(redis: aioredis.Redis) -> dict[str, bytes]:
    """Each key of Redis with its value; all of them are strings, and some lapse."""
    keys: list[bytes] = await redis.keys()
    assert keys
    return {f"Redis: {key!r}": key + b" " + (await redis.get(key) or b"") for key in keys}


async def test_sends_beyond_a_tree_use_the_next_one_that_was_told(room: Party, database: Database) -> None:
    told = await room.sender.seed_trees()
    packets = [await send(room.sender, room.group, f"{number}", CLIENT_SEED, fen=2) for number in range(66)]
    assert [one.seed_index for one in packets] == list(range(told.next_index, told.next_index + 66))
    proof = await finished(room, packets[-1].packet_id)
    assert proof.root == told.trees[1].root
    assert await room.sender.verify(packets[-1].packet_id) == Verdict([], [])
    assert await wrong_in(database) == []


async def test_packet_of_a_server_that_died_goes_on_with_its_seed(
    start_server: StartServer, party: MakeParty, connect: Connect, database: Database
) -> None:
    room = await party(await start_server(), 2)
    sent = await room.sender.send_packet("lucky", room.group, 1_000, 2)
    first = await room.guests[0].open(sent.packet_id)
    await room.server.kill()
    guest = await connect(await start_server(), room.guests[1].user_id)
    second = await guest.open(sent.packet_id)
    assert (first.answer, second.answer, first.amount_fen + second.amount_fen) == ("won", "won", 1_000)
    assert await wrong_in(database) == []


# --- epochs -------------------------------------------------------------------------------------------------------


async def test_renewed_seeds_begin_a_fresh_tree_and_the_audit_accepts_the_jump(
    room: Party, database: Database, sql: Sql
) -> None:
    before = await room.sender.seed_trees()
    first = await send(room.sender, room.group, "before", CLIENT_SEED)
    begun = await renew(database, SEED_KEYS, 5)  # a clock that is far behind
    assert begun.first_index // 64 > before.trees[-1].number
    after = await room.sender.seed_trees()
    assert after.next_index == begun.first_index
    assert not {tree.root for tree in after.trees} & {tree.root for tree in before.trees}
    assert (await send(room.sender, room.group, "after", CLIENT_SEED)).seed_index == begun.first_index
    assert (await finished(room, first.packet_id)).root == before.trees[0].root
    assert await wrong_in(database) == []
    assert await sql.fetchval("SELECT count(*) FROM seed_epochs") == 2


@pytest.mark.fresh_database  # it is a template, in which no other session may be
async def test_server_on_a_copy_of_the_database_begins_fresh_seeds(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, postgres_dsn: str
) -> None:
    room = await party(await start_server(), 2)
    last = await send(room.sender, room.group, "before", CLIENT_SEED)
    await room.server.stop()
    assert (await sql.fetchval("SELECT count(*) FROM seed_epochs")) == 1
    same = await start_server()
    assert (await sql.fetchval("SELECT count(*) FROM seed_epochs")) == 1
    await same.stop()
    name = postgres_dsn.split("?")[0].rpartition("/")[2]
    copy = postgres_dsn.replace(f"/{name}?", f"/{name}_copy?")
    await sql.close()
    admin = await asyncpg.connect(postgres_dsn.replace(f"/{name}?", "/postgres?"))
    await admin.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name} STRATEGY = FILE_COPY")
    try:
        server = await start_server(stores__postgres=copy)
        sender = await connect(server, 1)
        assert (await sender.seed_trees()).next_index >= last.seed_index + 64
        await server.stop()
    finally:
        await admin.execute(f"DROP DATABASE {name}_copy WITH (FORCE)")
        await admin.close()


async def test_server_without_the_seed_key_starts_only_with_fresh_seeds_and_still_refunds(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    database: Database,
    turn_clock: Turn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = await party(await start_server(), 2)
    sent = await room.sender.send_packet("lucky", room.group, 1_000, 2)
    await room.guests[0].open(sent.packet_id)
    await room.server.stop()
    monkeypatch.setattr("tests.conftest.SEED_KEYS", OTHER_KEYS)
    with pytest.raises(StoreRefused, match="hongbao seeds renew"):
        await start_server()
    await renew(database, OTHER_KEYS, 5)
    server = await start_server(refunds__interval_s=0.05)
    sender, guest = await connect(server, 1), await connect(server, room.guests[1].user_id)
    assert (await guest.open(sent.packet_id)).answer == "not_allowed"
    assert (await sender.send_packet("lucky", room.group, 1_000, 2)).seed_index > sent.seed_index
    turn_clock(DAY_MS)

    async def is_refunded() -> bool:
        return bool((await server.app.stores.packets.rows([sent.packet_id]))[sent.packet_id].closed_at_ms)

    await until(is_refunded)
    report = await audit(database, OTHER_KEYS)
    assert report.ok
    assert "not checked" in report.checked


async def test_trees_sealed_again_open_with_the_new_key_alone(room: Party, database: Database) -> None:
    sent = await send(room.sender, room.group, "k", CLIENT_SEED)
    await room.guests[0].seed_trees()
    await finished(room, sent.packet_id)
    assert await seal_all_again(database, SEED_KEYS | OTHER_KEYS, lambda size: bytes(size)) == 3
    assert await seal_all_again(database, SEED_KEYS | OTHER_KEYS, lambda size: bytes(size)) == 0
    report = await audit(database, OTHER_KEYS)
    assert (report.ok, "not checked" in report.checked) == (True, False)
