"""The commit path: whatever the stores do, every claim that a user received is recorded once, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis import asyncio as aioredis

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from protocol.messages import Opened
from server.core.packet import Packet
from storage.postgres.database import Database
from storage.postgres.packets.packets import Advance, ClaimRow, PacketStore
from storage.redis import mirror as log
from storage.redis.mirror import Extension, Mirror, MirroredClaim
from tests.conftest import Connect, StartServer
from tests.services.conftest import MakeParty, Record, until

BooksBalance = Callable[[], Awaitable[None]]
DURABILITIES = ("postgres", "redis")


def wins_of(guests: list[Client], answers: list[Opened]) -> list[tuple[int, int, int]]:
    """The wins that the guests received: (index, user, amount), by index."""
    wins = [
        (one.index, guest.user_id, one.amount_fen)
        for guest, one in zip(guests, answers, strict=True)
        if one.answer == "won"
    ]
    return sorted(wins)


async def is_recorded(record: Record, packet_id: int, claims: list[tuple[int, int, int]]) -> None:
    """Wait until the record has exactly these claims (at durability redis it follows the answer)."""

    async def holds() -> bool:
        return await record(packet_id) == claims

    await until(holds)


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_hot_packet_gives_each_share_once(
    start_server: StartServer, party: MakeParty, record: Record, books_balance: BooksBalance, durability: str
) -> None:
    room = await party(await start_server(stores__durability=durability), 40)
    packet_id = await room.lucky(10_000, 25)
    answers = await room.all_open(packet_id)
    wins = wins_of(room.guests, answers)
    assert [index for index, _, _ in wins] == list(range(25))
    assert sum(amount for _, _, amount in wins) == 10_000
    assert [one.answer for one in answers].count("gone") == 15
    await is_recorded(record, packet_id, wins)
    await books_balance()


async def test_indexes_follow_the_order_of_arrival(start_server: StartServer, party: MakeParty) -> None:
    room = await party(await start_server(), 1)
    guest = room.guests[0]
    packets = [await room.lucky(100, 2) for _ in range(20)]
    tickets = [(await guest.grab(packet_id)).ticket for packet_id in packets]
    assert all(tickets)
    opened = await asyncio.gather(*(guest.open(packet_id) for packet_id in packets))
    assert {one.index for one in opened} == {0}
    mine = await asyncio.gather(*(room.sender.open(packet_id) for packet_id in packets))
    assert {one.index for one in mine} == {1}


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_two_servers_on_one_packet_give_each_index_once(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    record: Record,
    books_balance: BooksBalance,
    durability: str,
) -> None:
    """A server that loses the race for a version reloads and retries; no index is given twice."""
    room = await party(await start_server(stores__durability=durability), 20)
    other = await start_server(stores__durability=durability, server__node=1)
    there = await asyncio.gather(*(connect(other, guest.user_id) for guest in room.guests[10:]))
    guests = [*room.guests[:10], *there]
    for _ in range(5):
        packet_id = await room.lucky(5_000, 15)
        answers = await room.all_open(packet_id, guests)
        wins = wins_of(guests, answers)
        assert [index for index, _, _ in wins] == list(range(15))
        assert sum(amount for _, _, amount in wins) == 5_000
        await is_recorded(record, packet_id, wins)
    await books_balance()


async def test_claim_of_another_writer_is_found_in_mirror_and_record(
    start_server: StartServer, party: MakeParty, record: Record, redis_url: str, database: Database
) -> None:
    room = await party(await start_server(), 4)
    packet_id = await room.lucky(1_000, 4)
    first = await room.guests[0].open(packet_id)
    ours = room.server.app.services.live_packets._by_id[packet_id].packet
    assert ours is not None
    theirs = Packet(ours.terms, list(ours.claims.values()))  # another process that has read the same state
    stranger = theirs.take(99, ours.terms.created_at_ms + 1).claim
    assert stranger is not None
    row = ClaimRow(packet_id, 1, 99, stranger.amount_fen, stranger.at_ms)
    mirror = Mirror(redis_url, 2.0)
    claims = log.pack([MirroredClaim(99, stranger.at_ms, stranger.amount_fen)])
    assert await mirror.append([Extension(packet_id, log.length(1), b"", claims)]) == set()
    await mirror.close()
    assert await PacketStore(database).record([Advance(packet_id, 1, [row])]) == {packet_id}
    second = await room.guests[1].open(packet_id)
    assert (second.answer, second.index) == ("won", 2)
    assert await record(packet_id) == [
        (0, 2, first.amount_fen),
        (1, 99, stranger.amount_fen),
        (2, 3, second.amount_fen),
    ]


async def test_only_the_packet_in_conflict_is_retried(
    start_server: StartServer, party: MakeParty, redis: aioredis.Redis
) -> None:
    room = await party(await start_server(stores__durability="redis"), 2)
    quiet, moved = await room.lucky(200, 2), await room.lucky(200, 2)
    for packet_id in (quiet, moved):
        await room.guests[0].open(packet_id)
    path = room.server.app.services.commit

    async def recorded() -> bool:
        return path.unrecorded == 0

    await until(recorded)
    await redis.delete(f"hongbao:packet:{moved}")
    rejected = path.rejected_claims
    answers = await asyncio.gather(*(room.guests[1].open(packet_id) for packet_id in (quiet, moved)))
    assert [(one.answer, one.index) for one in answers] == [("won", 1), ("won", 1)]
    assert path.rejected_claims - rejected == 1


async def test_mirror_is_rebuilt_after_a_flush_of_redis(
    start_server: StartServer, party: MakeParty, redis: aioredis.Redis, record: Record, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(), 12)
    packet_id = await room.lucky(5_000, 11)
    before = await room.all_open(packet_id, room.guests[:5])
    await redis.flushall()
    after = await room.all_open(packet_id, room.guests[5:9])
    last = await room.guests[9].open(packet_id)  # the claim after those that it refused writes the whole log
    wins = wins_of(room.guests[:10], [*before, *after, last])
    assert await record(packet_id) == wins
    held = log.parse(await redis.get(f"hongbao:packet:{packet_id}"))
    assert [(claim.user_id, claim.amount_fen) for claim in held.claims] == [
        (user, amount) for _, user, amount in wins
    ]
    await books_balance()


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_claim_that_only_redis_has_is_redriven_at_start(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    record: Record,
    postgres_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
    durability: str,
) -> None:
    """The server dies between the mirror and the record."""
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__durability=durability, stores__postgres=dsn), 3)
    packet_id = await room.lucky(1_000, 3)
    first = await room.guests[0].open(packet_id)
    await is_recorded(record, packet_id, [(0, 2, first.amount_fen)])
    assert (await room.guests[1].grab(packet_id)).ticket
    await proxy.cut()
    outcome = await asyncio.gather(room.guests[1].open(packet_id, patience_s=0.0), return_exceptions=True)
    if durability == "redis":
        assert isinstance(outcome[0], Opened)
        assert outcome[0].answer == "won"
    else:
        assert isinstance(outcome[0], Refusal)
        assert (outcome[0].name, outcome[0].temporary) == ("store_unavailable", True)
    await room.server.kill()
    await proxy.heal()
    assert len(await record(packet_id)) == 1
    second = await start_server(stores__durability=durability)

    async def redriven() -> bool:
        return len(await record(packet_id)) == 2

    await until(redriven)  # by the sweep: no client has asked for the packet
    again = await (await connect(second, 3)).open(packet_id)
    assert again.answer == "claimed"
    assert await record(packet_id) == [(0, 2, first.amount_fen), (1, 3, again.amount_fen)]
    await books_balance()


async def test_lost_reply_to_a_commit_is_resolved_from_the_record(
    start_server: StartServer,
    party: MakeParty,
    record: Record,
    postgres_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
) -> None:
    """An unknown outcome is not a failure: the record is read again, and users receive the claims it has."""
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 10)
    packet_id = await room.lucky(1_000, 10)
    await room.guests[0].open(packet_id)
    proxy.lose_reply_to = str(packet_id).encode()  # in the statement that records the batch
    answers = await room.all_open(packet_id, room.guests[1:])
    assert proxy.lost_replies == 1
    assert sorted(one.index for one in answers) == list(range(1, 10))
    assert sorted((one.index, one.amount_fen) for one in answers) == [
        (index, amount) for index, _, amount in (await record(packet_id))[1:]
    ]
    await books_balance()


async def test_opens_go_on_without_redis_and_the_mirror_is_rebuilt(
    start_server: StartServer,
    party: MakeParty,
    record: Record,
    redis: aioredis.Redis,
    redis_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
) -> None:
    proxy, url = redis_proxy
    room = await party(await start_server(stores__redis=url), 6)
    packet_id = await room.lucky(1_000, 6)
    first = await room.guests[0].open(packet_id)
    await proxy.cut()
    without = await room.all_open(packet_id, room.guests[1:3])
    assert [one.answer for one in without] == ["won", "won"]
    assert "away" in room.server.app.operations.status()["stores"]["redis"]
    await proxy.heal()

    async def back() -> bool:
        return room.server.app.services.mirror_health.is_up

    await until(back)
    refused = await room.guests[3].open(packet_id)  # by a log that is behind; the next claim writes it whole
    after = await room.all_open(packet_id, room.guests[4:])
    wins = wins_of(room.guests, [first, *without, refused, *after])
    assert await record(packet_id) == wins
    held = log.parse(await redis.get(f"hongbao:packet:{packet_id}"))
    assert [claim.user_id for claim in held.claims] == [user for _, user, _ in wins]
    await books_balance()


async def test_open_without_redis_at_durability_redis_gets_a_temporary_error(
    start_server: StartServer, party: MakeParty, redis_proxy: tuple[Proxy, str], record: Record
) -> None:
    proxy, url = redis_proxy
    room = await party(await start_server(stores__redis=url, stores__durability="redis"), 2)
    packet_id = await room.lucky(1_000, 2)
    await room.guests[0].open(packet_id)
    await room.guests[1].grab(packet_id)
    await proxy.cut()
    with pytest.raises(Refusal) as caught:
        await room.guests[1].open(packet_id, patience_s=0.0)
    assert (caught.value.name, caught.value.temporary) == ("store_unavailable", True)
    await proxy.heal()
    again = await room.guests[1].open(packet_id)
    assert again.answer in ("won", "claimed")
    await is_recorded(record, packet_id, [(0, 2, 1_000 - again.amount_fen), (1, 3, again.amount_fen)])


async def test_requests_without_postgres_get_a_temporary_error_and_nothing_is_lost(
    start_server: StartServer,
    party: MakeParty,
    record: Record,
    postgres_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
) -> None:
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 3)
    packet_id = await room.lucky(1_000, 3)
    await room.guests[0].open(packet_id)
    await room.guests[1].grab(packet_id)
    await proxy.cut()
    for work in (
        room.guests[1].open(packet_id, patience_s=0.0),
        room.sender.send_packet("lucky", room.group, 100, 1),
        room.sender.balance(),
        room.sender.say(room.group, "hello"),
    ):
        with pytest.raises(Refusal) as caught:
            await work
        assert (caught.value.name, caught.value.temporary) == ("store_unavailable", True)
    await proxy.heal()
    answers = await room.all_open(packet_id, room.guests[1:])
    assert {one.answer for one in answers} <= {"won", "claimed"}
    assert [index for index, _, _ in await record(packet_id)] == [0, 1, 2]
    await books_balance()


async def test_send_retried_after_a_lost_reply_debits_once(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str], books_balance: BooksBalance
) -> None:
    proxy, dsn = postgres_proxy
    server = await start_server(stores__postgres=dsn, settlement__idle_s=3600)
    room = await party(server, 1)
    proxy.lose_commit_of = b"key-of-the-send"
    with pytest.raises(Refusal) as caught:
        await room.sender.send_packet("lucky", room.group, 500, 2, key="key-of-the-send")
    assert caught.value.temporary
    sent = await room.sender.send_packet("lucky", room.group, 500, 2, key="key-of-the-send")
    assert sent.total_fen == 500
    assert await room.sender.balance() == 99_500
    await books_balance()


async def test_drain_records_every_open_that_was_answered(
    start_server: StartServer, party: MakeParty, record: Record, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(), 20)
    packet_id = await room.lucky(2_000, 20)
    for guest in room.guests:
        await guest.grab(packet_id)
    opening = [asyncio.create_task(guest.open(packet_id)) for guest in room.guests]
    await opening[0]
    await room.server.stop()
    done = [task.result() for task in opening if task.done() and not task.exception()]
    recorded = await record(packet_id)
    for one in done:
        assert (one.index, one.amount_fen) in [(index, amount) for index, _, amount in recorded]
    for task in opening:
        task.cancel()
    await books_balance()
