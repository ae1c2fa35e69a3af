"""No push is lost during an outage of a store: an outcome that is found later is pushed later, once."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import asyncpg
import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from protocol import messages
from server.core.packet import Packet
from server.services.packets import recovery
from server.services.runtime import in_doubt
from server.services.runtime.events import Claimed
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.database import Database
from storage.postgres.money.wallets import EMPTY_ROW
from storage.postgres.packets.packets import PacketStore
from storage.postgres.packets.refunds import RefundRow
from storage.redis import mirror as log
from storage.redis.mirror import Extension, Mirror
from tests.conftest import DAY_MS, PATIENCE_S, Server, StartServer, Turn
from tests.services.conftest import MakeParty, Record, caught_up, until
from tests.services.test_faults import all_grab, live

BooksBalance: TypeAlias = Callable[[], Awaitable[None]]
SILENCE_S = 0.15  # no further push may arrive within this time
NO_SETTLEMENT = {"settlement__idle_s": 3600.0}


async def received(client: Client, count: int, *kinds: type[messages.Message]) -> list[Any]:
    """Wait for `count` pushes of these kinds; they and the ones that follow within SILENCE_S."""
    found: list[Any] = []

    async def listen() -> None:
        async for push in client.pushes():
            if isinstance(push, kinds):
                found.append(push)  # noqa: PERF401  `enough` reads it while it grows

    async def enough() -> bool:
        return len(found) >= count

    listening = asyncio.create_task(listen())
    await until(enough)
    await asyncio.sleep(SILENCE_S)
    await caught_up(client)
    listening.cancel()
    return found


async def test_redriven_claims_are_pushed_to_the_sender_and_the_finish_to_the_group(
    start_server: StartServer, party: MakeParty, redis_url: str, books_balance: BooksBalance
) -> None:
    """Another server mirrored the claims and died before they were recorded."""
    room = await party(await start_server(), 3)
    packet_id = await room.lucky(1_000, 3)
    await room.guests[0].open(packet_id)
    theirs = Packet(live(room.server, packet_id).terms, list(live(room.server, packet_id).claims.values()))
    at_ms = theirs.terms.created_at_ms + 1
    claims = [theirs.take(user_id, at_ms).claim for user_id in (3, 4)]
    mirror = Mirror(redis_url, 2.0)
    packed = log.pack([claim for claim in claims if claim is not None])
    assert await mirror.append([Extension(packet_id, log.length(1), b"", packed)]) == set()
    await mirror.close()
    del room.server.app.services.live_packets._by_id[packet_id]
    assert (await room.guests[1].grab(packet_id)).answer == "claimed"
    *notices, end = await received(room.sender, 4, messages.ClaimNotice, messages.PacketFinished)
    assert [one.index for one in notices] == [0, 1, 2]
    assert await received(room.guests[2], 1, messages.PacketFinished) == [end]
    await books_balance()


def fail_once(server: Server) -> None:
    """The next attempt to read packets fails."""
    recovery = server.app.services.reload
    load = recovery.load

    async def fail(lives: Sequence[Any]) -> Any:
        recovery.load = load  # type: ignore[method-assign]
        raise StoreUnavailable("still away")

    recovery.load = fail  # type: ignore[method-assign]


@pytest.mark.parametrize("reads_fail", [False, True])
async def test_claim_whose_commit_was_in_doubt_is_pushed_to_the_sender(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    record: Record,
    monkeypatch: pytest.MonkeyPatch,
    reads_fail: bool,
) -> None:
    """Even if the first reload fails and no client asks for the packet again."""
    monkeypatch.setattr(recovery, "RETRY_S", 0.05)
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 2)
    packet_id = await room.lucky(1_000, 2)
    await room.guests[0].open(packet_id)
    await all_grab(room, packet_id)
    if reads_fail:
        fail_once(room.server)
    proxy.lose_reply_to = str(packet_id).encode()
    opening = room.guests[1].open(packet_id, patience_s=0)
    if reads_fail:
        with pytest.raises(Refusal, match="store"):
            await opening
    else:
        assert (await opening).answer == "won"
    assert [one.index for one in await received(room.sender, 2, messages.ClaimNotice)] == [0, 1]
    assert len(await record(packet_id)) == 2
    assert (await room.guests[1].open(packet_id)).answer == "claimed"


async def test_request_for_a_packet_in_doubt_does_not_wait_for_the_next_reload(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recovery, "RETRY_S", 3600.0)
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 2)
    packet_id = await room.lucky(1_000, 2)
    await all_grab(room, packet_id)
    fail_once(room.server)
    proxy.lose_reply_to = str(packet_id).encode()
    with pytest.raises(Refusal, match="store"):
        await room.guests[1].open(packet_id, patience_s=0)
    async with asyncio.timeout(PATIENCE_S):
        assert (await room.guests[1].open(packet_id)).answer == "claimed"


async def test_claims_already_pushed_are_not_pushed_again_when_their_record_fails(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    record: Record,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Durability redis: the claims were pushed once the mirror had them."""
    monkeypatch.setattr(recovery, "RETRY_S", 0.05)
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn, stores__durability="redis"), 2)
    pushed = list[int]()  # at the server: the client would drop a second push
    bus = room.server.app.services.sends._bus
    bus.subscribe(lambda event, _: pushed.extend(one.index for one in event.claims), Claimed)
    packet_id = await room.lucky(1_000, 2)
    await all_grab(room, packet_id)
    await proxy.cut()
    assert (await room.guests[1].open(packet_id)).answer == "won"
    await proxy.heal()

    async def recorded() -> bool:
        return len(await record(packet_id)) == 1

    await until(recorded)
    await room.guests[0].open(packet_id)
    assert [one.index for one in await received(room.sender, 2, messages.ClaimNotice)] == [0, 1]
    assert pushed == [0, 1]


@pytest.mark.parametrize("retries", [False, True])
async def test_packet_whose_commit_was_in_doubt_is_pushed_once(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
    retries: bool,
) -> None:
    """To the group, with its number in the stream; the balance to the sender. With and without a retry."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.05)
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn, **NO_SETTLEMENT), 1)
    first = await room.lucky(100, 1)
    proxy.lose_commit_of = b"key-of-the-send"
    with pytest.raises(Refusal, match="store"):
        await room.sender.send_packet("lucky", room.group, 500, 2, key="key-of-the-send")
    if retries:
        await room.sender.send_packet("lucky", room.group, 500, 2, key="key-of-the-send")
    posts = await received(room.guests[0], 2, messages.PacketPosted)
    assert [(one.message, one.packet_id == first) for one in posts] == [(1, True), (2, False)]
    await until(lambda: _nothing_in_doubt(room.server))
    changes = await received(room.sender, 2, messages.BalanceChanged)
    assert [(one.balance_fen, one.change_fen) for one in changes] == [(99_900, -100), (99_400, -500)]
    assert (await room.guests[0].open(posts[1].packet_id)).answer == "won"
    await books_balance()


async def _nothing_in_doubt(server: Server) -> bool:
    services = server.app.services
    kept = (
        services.sends,
        services.wallets,
        services.settlement,
        services.refunds,
        services.resends,
    )
    return not any(one.in_doubt._in_doubt for one in kept)


async def test_packet_that_was_not_committed_is_not_pushed(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the lookup ends."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.02)
    monkeypatch.setattr(in_doubt, "LATE_S", 0.1)
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 1)
    await proxy.cut()
    with pytest.raises(Refusal, match="store"):
        await room.lucky(500, 2)
    unknown = room.server.app.services.sends.in_doubt._in_doubt
    assert len(unknown) == 1
    await proxy.heal()

    async def forgotten() -> bool:
        return not unknown

    await until(forgotten)
    await room.sender.say(room.group, "the first")
    (post,) = await received(room.guests[0], 1, messages.PacketPosted, messages.TextPosted)
    assert (type(post), post.message) == (messages.TextPosted, 1)


@pytest.mark.parametrize("lookup_is_first", [True, False])
async def test_refund_whose_commit_was_in_doubt_is_pushed_once(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    sql: asyncpg.Connection[asyncpg.Record],
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
    turn_clock: Turn,
    lookup_is_first: bool,
) -> None:
    """To the sender and to the operators, whether the lookup runs before the next round of refunds or after it."""
    interval_s, look_s = (0.3, 0.02) if lookup_is_first else (0.1, 0.3)
    monkeypatch.setattr(in_doubt, "LOOK_S", look_s)
    proxy, dsn = postgres_proxy
    server = await start_server(stores__postgres=dsn, refunds__interval_s=interval_s, settlement__idle_s=3600)
    room = await party(server, 1)
    packet_id = await room.lucky(1_000, 2)
    refunds = server.app.services.refunds
    refund, tries = refunds._records.refund, []

    async def refund_losing_the_reply(packet_ids: Sequence[int], now_ms: int) -> Any:
        tries.append(packet_ids)
        if len(tries) == 1:
            proxy.lose_commit_of = struct.pack(">q", packet_id)
        return await refund(packet_ids, now_ms)

    monkeypatch.setattr(refunds._records, "refund", refund_losing_the_reply)
    turn_clock(DAY_MS)
    spent, notice, change = await received(room.sender, 3, messages.PacketRefunded, messages.BalanceChanged)
    assert (proxy.lost_replies, tries) == (1, [[packet_id]])
    assert (notice.packet_id, notice.refunded_fen, spent.change_fen) == (packet_id, 1_000, -1_000)
    assert (change.balance_fen, change.change_fen, change.reason) == (100_000, 1_000, "refund")
    assert (refunds.refunded_packets, refunds.refunded_fen) == (1, 1_000)
    seen = server.app.services.live_packets.snapshot(packet_id)
    assert seen is not None
    assert seen.refunded
    await books_balance()


async def test_refund_of_another_server_in_the_same_millisecond_is_not_told_by_this_one(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    database: Database,
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
    turn_clock: Turn,
) -> None:
    """The other one tells of it. This one has closed nothing, so a reply that it does not get is about nothing."""
    proxy, dsn = postgres_proxy
    server = await start_server(stores__postgres=dsn, refunds__interval_s=0.05, settlement__idle_s=3600)
    room = await party(server, 1)
    packet_id = await room.lucky(1_000, 2)
    refunds = server.app.services.refunds
    refund, tries = refunds._records.refund, []

    async def refund_after_another(packet_ids: Sequence[int], now_ms: int) -> Any:
        tries.append(await PacketStore(database).refund(packet_ids, now_ms))
        proxy.lose_commit_of = struct.pack(">q", packet_id)
        return await refund(packet_ids, now_ms)

    monkeypatch.setattr(refunds._records, "refund", refund_after_another)
    turn_clock(DAY_MS)

    async def is_unanswered() -> bool:
        return proxy.lost_replies == 1 and refunds._apart

    await until(is_unanswered)
    assert [row.refunded_fen for rows in tries for row in rows] == [1_000]
    assert (refunds.in_doubt._in_doubt, refunds.refunded_packets) == ([], 0)
    await books_balance()


async def test_refund_that_was_not_committed_is_pushed_when_it_is(
    start_server: StartServer,
    party: MakeParty,
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
    turn_clock: Turn,
) -> None:
    """Once: the refund of the next round, done before the first lookup, does not count as the one in doubt."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.02)
    monkeypatch.setattr(in_doubt, "LATE_S", 0.1)
    server = await start_server(refunds__interval_s=0.05)
    room = await party(server, 1)
    packet_id = await room.lucky(1_000, 2)
    refunds = server.app.services.refunds
    refund, find_outcome, tries, refunded = (
        refunds._records.refund,
        refunds.in_doubt._find_outcome,
        [],
        asyncio.Event(),
    )

    async def fail_once(packet_ids: Sequence[int], now_ms: int) -> Any:
        tries.append(packet_ids)
        if len(tries) == 1:
            made = RefundRow(packet_id, room.sender.user_id, 1_000, now_ms, EMPTY_ROW, 1)
            raise Unanswered(StoreUnavailable("broken before it was committed"), [made])
        rows = await refund(packet_ids, now_ms)
        refunded.set()
        return rows

    async def find_outcome_later(asked: Sequence[Any]) -> Any:
        await refunded.wait()
        return await find_outcome(asked)

    monkeypatch.setattr(refunds._records, "refund", fail_once)
    monkeypatch.setattr(refunds.in_doubt, "_find_outcome", find_outcome_later)
    turn_clock(DAY_MS)

    async def forgotten() -> bool:
        return len(tries) > 1 and not refunds.in_doubt._in_doubt

    await until(forgotten)
    (notice,) = await received(room.sender, 1, messages.PacketRefunded)
    assert (notice.packet_id, refunds.refunded_packets, refunds.refunded_fen) == (packet_id, 1, 1_000)
    await books_balance()


async def test_items_in_doubt_are_looked_up_in_batches_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items that are not found do not block the others; items beyond the limit are dropped."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.0)
    monkeypatch.setattr(in_doubt, "LOOK_MAX", 2)
    monkeypatch.setattr(in_doubt, "IN_DOUBT_MAX", 5)
    lookups: list[list[int]] = []
    resolved: list[int] = []

    async def find_outcome(asked: Sequence[int]) -> list[int | None]:
        lookups.append(list(asked))
        if len(lookups) == 1:
            items.add([7])  # during the first lookup
        return [one if one > 2 else None for one in asked]

    items: in_doubt.InDoubt[int, int] = in_doubt.InDoubt(find_outcome, resolved.append)
    items.add([1, 2, 3, 4])
    looking = asyncio.create_task(items.run())

    async def found(count: int) -> bool:
        return len(resolved) == count

    await until(partial(found, 3))
    assert lookups[:3] == [[1, 2], [3, 4], [7, 1]]
    items.add(range(10, 20))
    await until(partial(found, 6))
    looking.cancel()
    assert resolved == [3, 4, 7, 10, 11, 12]
