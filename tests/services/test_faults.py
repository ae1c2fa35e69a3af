"""Interleavings that once lost a claim, moved money twice, or ended the server; each is run step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest
from redis import asyncio as aioredis

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from protocol import messages
from server.app import App
from server.core.packet import Packet
from server.services.packets.commit import mirror_first
from storage.errors import StoreRefused
from storage.postgres.packets.packets import Advance, ClaimRow, PacketStore
from storage.redis import mirror as log
from storage.redis.mirror import Extension, MirroredClaim
from tests.conftest import DAY_MS, PATIENCE_S, Connect, Server, StartServer, Turn
from tests.services.conftest import MakeParty, Party, Record, until, waiting

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance = Callable[[], Awaitable[None]]
LATER_S = 3600.0


class Gate:
    """Holds every batch before the record until `open` is set."""

    def __init__(self, app: App) -> None:
        self._records = app.services.commit._stores._packets
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        app.services.commit._stores._packets = self  # type: ignore[assignment]

    async def record(self, advances: Sequence[Advance]) -> set[int]:
        self.reached.set()
        await self.open.wait()
        return await self._records.record(advances)


def key(packet_id: int) -> str:
    return f"hongbao:packet:{packet_id}"


def live(server: Server, packet_id: int) -> Packet:
    packet = server.app.services.live_packets._by_id[packet_id].packet
    assert packet is not None
    return packet


async def recorded(record: Record, packet_id: int, claims: int) -> None:
    """Wait until the record has this number of claims."""

    async def holds() -> bool:
        return len(await record(packet_id)) == claims

    await until(holds)


def serves(server: Server) -> bool:
    """None of its loops has ended."""
    return server._task is not None and not server._task.done()


async def all_grab(room: Party, packet_id: int) -> None:
    for guest in room.guests[1:]:
        assert (await guest.grab(packet_id)).ticket


async def test_rejected_opens_keep_their_order_when_the_later_one_fails_first(
    start_server: StartServer, party: MakeParty, redis: aioredis.Redis, record: Record
) -> None:
    """A waits for its record, Redis is flushed, B is refused by the mirror: A still comes before B."""
    room = await party(await start_server(stores__durability="redis"), 4)
    other, packet_id = await room.lucky(100, 2), await room.lucky(1_000, 4)
    await room.guests[0].open(packet_id)
    await recorded(record, packet_id, 1)
    await all_grab(room, packet_id)
    gate = Gate(room.server.app)
    ahead = asyncio.create_task(room.guests[3].open(other))
    await gate.reached.wait()
    path = room.server.app.services.commit
    first = asyncio.create_task(room.guests[1].open(packet_id))
    await until(lambda: _is(lambda: not path._between.empty()))
    await redis.flushall()
    second = asyncio.create_task(room.guests[2].open(packet_id))
    await until(lambda: _is(lambda: path.rejected_claims > 0))
    gate.open.set()
    assert ((await first).index, (await second).index) == (1, 2)
    await ahead
    await recorded(record, packet_id, 3)
    assert [user for _, user, _ in await record(packet_id)] == [2, 3, 4]


async def _is(holds: Callable[[], bool]) -> bool:
    return holds()


async def test_later_batch_that_fails_before_an_earlier_one_is_recorded_is_retried(
    start_server: StartServer, party: MakeParty, redis: aioredis.Redis, record: Record
) -> None:
    """The batch that is released last must start the reload of the packet."""
    room = await party(await start_server(stores__durability="redis"), 3)
    packet_id = await room.lucky(1_000, 4)
    await room.guests[0].open(packet_id)
    await all_grab(room, packet_id)
    gate = Gate(room.server.app)
    first = asyncio.create_task(room.guests[1].open(packet_id))
    await gate.reached.wait()
    await redis.flushall()
    second = asyncio.create_task(room.guests[2].open(packet_id))
    await until(lambda: _is(lambda: room.server.app.services.commit.rejected_claims > 0))
    gate.open.set()
    assert ((await first).index, (await second).index) == (1, 2)


async def test_mirror_and_record_are_asked_at_the_same_time(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Durability postgres: Redis answers only after the record was asked, and the record only after Redis was."""
    room = await party(await start_server(), 1)
    packet_id = await room.lucky(1_000, 2)
    stores, asked = room.server.app.services.commit._stores, (asyncio.Event(), asyncio.Event())
    append, take = stores._mirror.append, stores._packets.record

    async def mirror(extensions: Any) -> Any:
        asked[0].set()
        await asked[1].wait()
        return await append(extensions)

    async def note(advances: Any) -> Any:
        asked[1].set()
        await asked[0].wait()
        return await take(advances)

    monkeypatch.setattr(stores._mirror, "append", mirror)
    monkeypatch.setattr(stores._packets, "record", note)
    assert (await room.guests[0].open(packet_id)).answer == "won"


async def test_log_that_another_server_extended_is_replaced_after_the_record_took_the_claim(
    start_server: StartServer, party: MakeParty, redis: aioredis.Redis, record: Record
) -> None:
    """Durability postgres: that server died before it recorded. The record counts; the log is written again."""
    room = await party(await start_server(), 3)
    packet_id = await room.lucky(1_000, 4)
    await room.guests[0].open(packet_id)
    before = await redis.get(key(packet_id))
    await redis.append(key(packet_id), log.pack([MirroredClaim(99, 1, 5)]))
    assert (await room.guests[1].open(packet_id)).answer == "won"
    assert (await room.guests[2].open(packet_id)).answer == "won"
    assert [user for _, user, _ in await record(packet_id)] == [2, 3, 4]
    after = await redis.get(key(packet_id))
    assert after is not None
    assert after.startswith(before)
    assert [claim.user_id for claim in log.parse(after).claims] == [2, 3, 4]


async def test_retry_of_a_send_in_doubt_finds_its_packet(
    start_server: StartServer, party: MakeParty, sql: Sql, postgres_dsn: str
) -> None:
    """The first try locks the wallet and commits while the retry waits for it; the money was enough for one."""
    room = await party(await start_server(), 1)
    await room.sender.send_packet("lucky", room.group, 20_000, 2, key="k")
    row = dict(await sql.fetchrow("SELECT * FROM packets"))  # type: ignore[arg-type]
    row |= {"packet_id": row["packet_id"] + 1, "key": "in doubt", "seed_index": row["seed_index"] + 1}
    columns = ", ".join(row)
    marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    async with sql.transaction():
        await sql.execute("UPDATE wallets SET balance_fen = 0 WHERE user_id = 1")
        await sql.execute(f"INSERT INTO packets ({columns}) VALUES ({marks})", *row.values())
        retry = asyncio.create_task(room.sender.send_packet("lucky", room.group, 20_000, 2, key="in doubt"))
        lock_view = await asyncpg.connect(postgres_dsn)
        await until(lambda: waiting(lock_view, 1))
        await lock_view.close()
    assert (await retry).packet_id == row["packet_id"]


async def test_retry_of_a_send_that_is_no_longer_allowed_finds_its_packet(
    start_server: StartServer, party: MakeParty
) -> None:
    room = await party(await start_server(), 1)
    first = await room.sender.send_packet("lucky", room.group, 1_000, 2, key="k")
    await room.guests[0].leave_group(room.group)  # two shares are too many for one member
    assert (await room.sender.send_packet("lucky", room.group, 1_000, 2, key="k")).packet_id == first.packet_id


async def test_refund_does_not_redrive_claims_that_contradict_the_record(
    start_server: StartServer,
    party: MakeParty,
    redis: aioredis.Redis,
    sql: Sql,
    books_balance: BooksBalance,
    turn_clock: Turn,
) -> None:
    """The mirror has A, B, D and the record A, D: D was recorded while Redis was away."""
    server = await start_server(refunds__interval_s=0.05)
    room = await party(server, 1)
    packet_id = await room.lucky(1_000, 2)
    await room.guests[0].open(packet_id)
    ours = live(server, packet_id)
    at_ms = ours.terms.created_at_ms + 5
    del server.app.services.live_packets._by_id[packet_id]
    await sql.execute("INSERT INTO memberships VALUES ($1, 5, 0)", room.group)
    theirs = Packet(ours.terms, list(ours.claims.values())).take(5, at_ms + 2).claim
    assert theirs is not None
    await redis.append(
        key(packet_id), log.pack([MirroredClaim(3, at_ms, theirs.amount_fen), MirroredClaim(5, at_ms, 1)])
    )
    row = ClaimRow(packet_id, 1, 5, theirs.amount_fen, theirs.at_ms)
    still_open = await room.lucky(1_000, 2)
    await redis.append(key(still_open), log.HEAD + log.pack([MirroredClaim(9, at_ms, 0)]))
    del server.app.services.live_packets._by_id[still_open]
    assert await PacketStore(server.app.stores.database).record([Advance(packet_id, 1, [row])]) == {packet_id}
    turn_clock(DAY_MS)

    async def refunded() -> bool:
        return await sql.fetchval("SELECT refunded_fen FROM packets WHERE packet_id = $1", still_open) == 1_000

    await until(refunded)
    assert serves(server)
    await books_balance()


async def test_refund_whose_redrive_was_overtaken_is_retried_in_a_later_round(
    start_server: StartServer,
    party: MakeParty,
    record: Record,
    sql: Sql,
    books_balance: BooksBalance,
    turn_clock: Turn,
) -> None:
    """Durability redis: B has its answer and waits behind A for the record when the other server refunds."""
    options: dict[str, Any] = {"stores__durability": "redis", "refunds__interval_s": LATER_S}
    room = await party(await start_server(**options), 3)
    other = await start_server(server__node=1, **options)
    packet_id = await room.lucky(1_000, 4)
    await room.guests[0].open(packet_id)
    await recorded(record, packet_id, 1)
    await all_grab(room, packet_id)
    gate = Gate(room.server.app)
    won = [await room.guests[1].open(packet_id)]
    await gate.reached.wait()
    won.append(await room.guests[2].open(packet_id))
    turn_clock(DAY_MS)
    refunds = other.app.services.refunds
    redrive, rounds = refunds._records.record, []

    async def overtaken(ahead: Sequence[Advance]) -> set[int]:
        rounds.append(len(ahead))
        if len(rounds) == 1:
            gate.open.set()
            await recorded(record, packet_id, 3)
        return await redrive(ahead)

    refunds._records.record = overtaken  # type: ignore[method-assign]

    async def closed() -> bool:
        await refunds.refund_once()
        return await sql.fetchval("SELECT closed_at_ms IS NOT NULL FROM packets WHERE packet_id = $1", packet_id)

    await until(closed)
    assert rounds
    rows = await record(packet_id)
    assert [(index, amount) for index, _, amount in rows[1:]] == [(one.index, one.amount_fen) for one in won]
    await books_balance()


async def ticket_at_another_server(
    start_server: StartServer, party: MakeParty, connect: Connect
) -> tuple[Party, Server, Client, int]:
    """Durability redis: guests at one server, and a user at another one who has a ticket of their packet."""
    room = await party(await start_server(stores__durability="redis"), 3)
    other = await start_server(stores__durability="redis", server__node=1)
    packet_id = await room.lucky(1_000, 2)
    late = await connect(other, 4)
    assert (await late.grab(packet_id)).answer == "ticket"
    return room, other, late, packet_id


async def until_lapsed(redis: aioredis.Redis, packet_id: int) -> None:
    """The log of this packet is gone."""

    async def lapsed() -> bool:
        return not await redis.exists(key(packet_id))

    await until(lapsed)


async def test_stale_packet_wins_nothing_after_its_log_has_lapsed(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    redis: aioredis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Durability redis: the packet was finished by another server and its log is gone; here it looks new."""
    monkeypatch.setattr(log, "_FORGET_MS", 50)
    room, _, late, packet_id = await ticket_at_another_server(start_server, party, connect)
    await room.all_open(packet_id, room.guests[:2])

    await until_lapsed(redis, packet_id)
    monkeypatch.setattr(mirror_first, "VIEW_S_MAX", 0.02)
    assert (await late.open(packet_id)).answer == "gone"


async def test_process_that_stands_still_before_it_asks_redis_wins_nothing_after_the_log_has_lapsed(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    redis: aioredis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Durability redis: what was read of the packet was new when the claim was taken to Redis, not when it came."""
    monkeypatch.setattr(log, "_FORGET_MS", 50)
    room, other, late, packet_id = await ticket_at_another_server(start_server, party, connect)
    mirror = other.app.services.commit._stores._mirror
    append = mirror.append

    async def append_later(extensions: Sequence[Extension]) -> set[int]:
        monkeypatch.setattr(mirror, "append", append)
        await room.all_open(packet_id, room.guests[:2])
        await until_lapsed(redis, packet_id)
        return await append(extensions)

    monkeypatch.setattr(mirror, "append", append_later)
    monkeypatch.setattr(mirror_first, "LATE_S", 0.02)
    assert (await late.open(packet_id)).answer == "gone"


async def test_read_only_database_is_a_temporary_error(
    start_server: StartServer, party: MakeParty, sql: Sql
) -> None:
    room = await party(await start_server(), 1)
    packet_id = await room.lucky(1_000, 2)
    name = await sql.fetchval("SELECT current_database()")
    others = "pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    await sql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await sql.execute(f"SELECT pg_terminate_backend(pid) FROM {others}")
    outcome = await asyncio.gather(room.guests[0].open(packet_id, patience_s=0), return_exceptions=True)
    assert getattr(outcome[0], "name", "") == "store_unavailable"
    assert serves(room.server)
    await sql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    await sql.execute(f"SELECT pg_terminate_backend(pid) FROM {others}")
    assert (await room.guests[0].open(packet_id)).answer in ("won", "claimed")


async def test_log_with_unknown_content_is_replaced(
    start_server: StartServer, party: MakeParty, redis: aioredis.Redis
) -> None:
    room = await party(await start_server(), 1)
    packet_id = await room.lucky(1_000, 2)
    del room.server.app.services.live_packets._by_id[packet_id]
    await redis.set(key(packet_id), b"hello")
    assert (await room.guests[0].open(packet_id)).answer == "won"
    assert log.parse(await redis.get(key(packet_id))).claims[0].user_id == 2


async def test_damaged_packet_is_refused_and_other_packets_open(
    start_server: StartServer, party: MakeParty, sql: Sql
) -> None:
    room = await party(await start_server(), 2)
    damaged, sound = await room.lucky(1_000, 2), await room.lucky(1_000, 2)
    await room.guests[0].open(damaged)
    await sql.execute(
        "UPDATE packets SET seed = sha256('x'), seed_index = null, client_seed = null, commitment = null"
        " WHERE packet_id = $1",
        damaged,
    )
    room.server.app.services.live_packets._by_id.clear()  # now: the list of the first open may have read it again
    assert (await room.guests[1].open(damaged)).answer == "not_allowed"
    assert (await room.guests[1].open(sound)).answer == "won"


async def test_durability_redis_requires_a_redis_that_fsyncs(
    start_server: StartServer, redis: aioredis.Redis, redis_proxy: tuple[Proxy, str]
) -> None:
    proxy, url = redis_proxy
    await redis.config_set("appendfsync", "no")
    try:
        with pytest.raises(StoreRefused):
            await start_server(stores__redis=url, stores__durability="redis")
        await proxy.cut()
        server = await start_server(stores__redis=url, stores__durability="redis")
        await proxy.heal()
        health = server.app.services.mirror_health

        async def says_why() -> bool:
            return "CONFIG SET appendfsync always" in health.why

        await until(says_why)
    finally:
        await redis.config_set("appendfsync", "always")


@pytest.mark.new_sessions
async def test_postgres_that_does_not_fsync_is_refused(start_server: StartServer, sql: Sql) -> None:
    name = await sql.fetchval("SELECT current_database()")
    await sql.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(StoreRefused, match="synchronous_commit"):
        await start_server()


async def test_drain_answers_a_grab_that_waits_for_its_packet_to_load(
    start_server: StartServer, party: MakeParty
) -> None:
    room = await party(await start_server(), 1)
    packet_id = await room.lucky(100, 2)
    recovery = room.server.app.services.reload
    load, load_began = recovery.load, asyncio.Event()

    async def slowly(lives: Any) -> Any:
        load_began.set()
        await asyncio.sleep(0.3)
        return await load(lives)

    recovery.load = slowly  # type: ignore[method-assign]
    del room.server.app.services.live_packets._by_id[packet_id]
    grab = asyncio.ensure_future(room.guests[0]._ask(messages.Grab(0, packet_id), messages.Grabbed))
    await load_began.wait()
    await room.server.stop()
    assert (await grab).answer == "ticket"


async def test_clock_that_was_set_back_makes_no_discrepancy(
    start_server: StartServer, party: MakeParty, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(), 1)
    packet_id = await room.lucky(100, 2)
    dispatch = room.server.app.dispatch
    now_ms = dispatch._now_ms
    dispatch._now_ms = lambda: now_ms() - 50
    assert (await room.guests[0].open(packet_id)).answer == "won"
    await books_balance()


async def test_packet_that_breaks_a_constraint_is_refused_alone(
    start_server: StartServer, party: MakeParty, record: Record
) -> None:
    room = await party(await start_server(), 1)
    good, bad = await room.lucky(100, 2), await room.lucky(100, 2)
    await room.guests[0].open(bad)
    (amount_fen,) = [amount for _, _, amount in await record(bad)]
    at_ms = live(room.server, good).terms.created_at_ms
    twice = ClaimRow(bad, 1, 2, 100 - amount_fen, at_ms)
    once = ClaimRow(good, 0, 2, 50, at_ms)
    records = PacketStore(room.server.app.stores.database)
    assert await records.record([Advance(bad, 1, [twice]), Advance(good, 0, [once])]) == {good}


async def test_loop_that_swallows_a_cancellation_does_not_block_the_stop(start_server: StartServer) -> None:
    server = await start_server()
    settle = server.app.services.settlement.settle_once
    entered, swallowed = asyncio.Event(), asyncio.Event()

    async def swallow_cancellation() -> int:
        if not entered.is_set():
            entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.set()
        return await settle()

    server.app.services.settlement.settle_once = swallow_cancellation  # type: ignore[method-assign]
    server.app.services.settlement._wake.set()
    await entered.wait()
    async with asyncio.timeout(PATIENCE_S):
        await server.stop()
    assert swallowed.is_set()
