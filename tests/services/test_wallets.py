"""Wallets: balances are pushed also when a reply of the store is lost or late, and the last one pushed is right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import asyncpg
import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from protocol.messages import BalanceChanged
from server.core import ledger
from server.services.runtime import in_doubt
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.database import Database
from storage.postgres.money.wallet_orders import WalletOrderRow, WalletOrderStore
from storage.postgres.money.wallets import BalanceRow, Booked, TransferRow, WalletStore
from tests.conftest import DAY_MS, Connect, Server, StartServer, Turn
from tests.services.conftest import MakeParty, until
from tests.services.test_reminders import NO_SETTLEMENT, received

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance: TypeAlias = Callable[[], Awaitable[None]]
USER = 7
KEY = "key-of-the-transfer"


class DelayedResult:
    """Runs the first call of a store's method, but holds its result until `go` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: object, method: str) -> None:
        self.done = asyncio.Event()
        self.go = asyncio.Event()
        real = getattr(store, method)

        async def late(*args: Any, **named: Any) -> Any:
            result = await real(*args, **named)
            monkeypatch.setattr(store, method, real)  # only the first call is late
            self.done.set()
            await self.go.wait()
            return result

        monkeypatch.setattr(store, method, late)


async def changes(client: Client, count: int) -> list[tuple[int, int, str]]:
    """(balance, change, reason) of `count` pushes, and of those that follow soon."""
    return [(one.balance_fen, one.change_fen, one.reason) for one in await received(client, count, BalanceChanged)]


def wallets_of(server: Server) -> Any:
    return server.app.services.wallets


@pytest.mark.parametrize("retries", [False, True])
async def test_transfer_whose_commit_was_in_doubt_is_pushed_once(
    start_server: StartServer,
    connect: Connect,
    postgres_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
    retries: bool,
) -> None:
    """To its user and to the operators, with and without a retry of the backend."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.05)
    proxy, dsn = postgres_proxy
    server = await start_server(stores__postgres=dsn, **NO_SETTLEMENT)
    backend, user = await connect(server, 0), await connect(server, USER)
    for ask, fen in ((backend.top_up, 500), (backend.withdraw, 200)):
        proxy.lose_commit_of = KEY.encode()
        with pytest.raises(Refusal, match="store"):
            await ask(USER, fen, key=KEY)
        if retries:
            await ask(USER, fen, key=KEY)
        await until(lambda: _nothing_in_doubt(server))
    assert proxy.lost_replies == 2
    assert await changes(user, 2) == [(500, 500, "top_up"), (300, -200, "withdraw")]
    assert wallets_of(server).moved_fen == {ledger.TransferKind.TOP_UP: 500, ledger.TransferKind.WITHDRAW: 200}
    await books_balance()


class LostReplies:
    """A database whose commits are done, and get no reply."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self._database.transaction() as connection:
            yield connection
        raise StoreUnavailable("the reply to COMMIT was lost")


TOP_UP = TransferRow(ledger.OUTSIDE, USER, ledger.TransferKind.TOP_UP, KEY, 500, 1_000)
ORDER = WalletOrderRow(USER, ledger.TransferKind.PAY, KEY, ledger.OUTSIDE, 200, "", 1_000)


async def test_transfer_that_was_found_is_not_looked_for_if_its_reply_is_lost(database: Database) -> None:
    """Two requests with one key in one millisecond: the second has nothing to be found."""
    lossy = WalletStore(cast("Database", LostReplies(database)))
    for asked in ([TOP_UP], []):
        with pytest.raises(Unanswered) as caught:
            await lossy.move(TOP_UP, USER, 500)
        assert [one.transfer for one in caught.value.asked] == asked


async def test_order_that_was_found_is_not_looked_for_if_its_reply_is_lost(database: Database) -> None:
    """The same of what is ordered with a text."""
    await WalletStore(database).move(TOP_UP, USER, 500)
    lossy = WalletOrderStore(cast("Database", LostReplies(database)))
    for asked in ([ORDER], []):
        with pytest.raises(Unanswered) as caught:
            await lossy.move(ORDER, None)
        assert [one.order for one in caught.value.asked] == asked


class LostCommits(LostReplies):
    """A database whose commits come to nothing, and get no reply."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self._database.transaction() as connection:
            yield connection
            raise StoreUnavailable("lost before the commit")


async def test_transfer_and_order_that_came_to_nothing_are_not_taken_for_those_of_the_same_millisecond(
    database: Database,
) -> None:
    """The same key is asked for again at once, and then the money moves."""
    lossy, wallets = cast("Database", LostCommits(database)), WalletStore(database)
    with pytest.raises(Unanswered) as caught:
        await WalletStore(lossy).move(TOP_UP, USER, 500)
    top_up = await wallets.move(TOP_UP, USER, 500)
    assert await wallets.find_outcome([*caught.value.asked, top_up]) == [None, top_up]
    with pytest.raises(Unanswered) as caught:
        await WalletOrderStore(lossy).move(ORDER, None)
    order = await WalletOrderStore(database).move(ORDER, None)
    assert await WalletOrderStore(database).find_outcome([*caught.value.asked, order]) == [None, order]


async def _nothing_in_doubt(server: Server) -> bool:
    return not wallets_of(server).in_doubt._in_doubt


async def test_transfer_that_was_not_committed_is_pushed_when_it_is(
    start_server: StartServer,
    connect: Connect,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once: the transfer of the retry does not count as the one in doubt, for it has another transaction."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.05)
    monkeypatch.setattr(in_doubt, "LATE_S", 0.3)
    server = await start_server(**NO_SETTLEMENT)
    backend, user = await connect(server, 0), await connect(server, USER)
    store = wallets_of(server)._store
    move = store.move

    async def not_committed(transfer: TransferRow, *change: int, **known: bool) -> Any:
        store.move = move
        made = Booked(transfer, BalanceRow(500, 1), 1)
        raise Unanswered(StoreUnavailable("broken before it was committed"), [made])

    store.move = not_committed
    with pytest.raises(Refusal, match="store"):
        await backend.top_up(USER, 500, key=KEY)
    assert await sql.fetchval("SELECT count(*) FROM transfers") == 0
    assert len(wallets_of(server).in_doubt._in_doubt) == 1
    assert await backend.top_up(USER, 500, key=KEY) == 500
    await until(lambda: _nothing_in_doubt(server))
    assert await changes(user, 1) == [(500, 500, "top_up")]


@pytest.mark.parametrize("lost", ["lose_commit_of", "lose_reply_to"])
async def test_credit_whose_commit_was_in_doubt_is_pushed_once(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    sql: Sql,
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
) -> None:
    """Whether the transaction was committed, or was rolled back and run again."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.05)
    proxy, dsn = postgres_proxy
    server = await start_server(stores__postgres=dsn, settlement__idle_s=0.2)
    room = await party(server, 1)
    settlement = server.app.services.settlement
    settle = settlement._queue.settle

    async def settle_losing_the_reply(most: int, now_ms: int) -> Any:
        if not await sql.fetchval("SELECT count(*) FROM settlement_queue"):
            return 0, []  # not settled: the claim may come this very moment
        monkeypatch.setattr(settlement._queue, "settle", settle)
        settlement._queue._writer.drop()  # so that the statement is sent as text again
        setattr(proxy, lost, b"DELETE FROM settlement_queue")
        return await settle(most, now_ms)

    monkeypatch.setattr(settlement._queue, "settle", settle_losing_the_reply)
    await room.guests[0].open(await room.lucky(1_000, 1))
    assert await changes(room.guests[0], 1) == [(1_000, 1_000, "claim")]
    assert (proxy.lost_replies, settlement.settled_claims) == (1, 1)
    assert await sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 4") == 1
    await books_balance()


async def test_last_push_has_the_newest_balance(
    start_server: StartServer, party: MakeParty, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A top-up is pushed after a share that was credited later."""
    room = await party(await start_server(), 1)
    user, backend = room.guests[0], await connect(room.server, 0)
    late = DelayedResult(monkeypatch, wallets_of(room.server)._store, "move")
    topping_up = asyncio.create_task(backend.top_up(user.user_id, 500))
    await late.done.wait()
    await user.open(await room.lucky(100, 1))
    assert await changes(user, 1) == [(600, 100, "claim")]
    late.go.set()
    assert await topping_up == 500
    assert await changes(user, 1) == [(600, 500, "top_up")]


async def test_late_push_does_not_replace_the_newer_balance_of_a_welcome(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A top-up is pushed to a user whose welcome has a newer balance."""
    room = await party(await start_server(), 1)
    user_id, backend = room.guests[0].user_id, await connect(room.server, 0)
    late = DelayedResult(monkeypatch, wallets_of(room.server)._store, "move")
    topping_up = asyncio.create_task(backend.top_up(user_id, 500))
    await late.done.wait()
    await room.guests[0].open(await room.lucky(100, 1))
    await changes(room.guests[0], 1)
    await room.guests[0].close()
    room.server.app.hub._users.pop(user_id)  # as the hub does after a while
    user = await connect(room.server, user_id)
    assert user.welcome is not None
    assert user.welcome.balance_fen == 600
    late.go.set()
    await topping_up
    assert await changes(user, 1) == [(600, 500, "top_up")]


async def test_welcome_and_balance_read_before_a_push_are_not_older_than_the_push(
    start_server: StartServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection of the user received that push, or this one."""
    server = await start_server()
    backend, first = await connect(server, 0), await connect(server, USER)
    read = DelayedResult(monkeypatch, server.app.services.login._store, "profiles")
    asked = DelayedResult(monkeypatch, wallets_of(server)._store, "holdings")
    connecting, asking = asyncio.create_task(connect(server, USER)), asyncio.create_task(first.balance())
    await asyncio.gather(read.done.wait(), asked.done.wait())
    await backend.top_up(USER, 500)
    assert await changes(first, 1) == [(500, 500, "top_up")]
    read.go.set()
    asked.go.set()
    second = await connecting
    assert second.welcome is not None
    assert (second.welcome.balance_fen, await asking) == (500, 500)
    await backend.top_up(USER, 1)
    assert await changes(second, 1) == [(501, 1, "top_up")]  # the welcome had the rest


async def test_every_change_of_a_wallet_has_a_version(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, turn_clock: Turn
) -> None:
    server = await start_server(refunds__interval_s=0.05)
    room = await party(server, 1)
    backend = await connect(server, 0)

    async def wallet() -> tuple[int, int]:
        return tuple(await sql.fetchrow("SELECT balance_fen, version FROM wallets WHERE user_id = 1"))

    async def wait_for_wallet(fen: int, version: int) -> None:
        async def it_is() -> bool:
            return await wallet() == (fen, version)

        await until(it_is)

    await wait_for_wallet(100_000, 1)
    await backend.top_up(1, 10, key="in")
    await backend.top_up(1, 10, key="in")
    await wait_for_wallet(100_010, 2)
    await backend.withdraw(1, 10)
    await wait_for_wallet(100_000, 3)
    packet_id = (await room.sender.send_packet("equal", room.group, 100, 2)).packet_id
    await wait_for_wallet(99_800, 4)
    await room.sender.open(packet_id)
    await wait_for_wallet(99_900, 5)
    turn_clock(DAY_MS)
    await wait_for_wallet(100_000, 6)  # the refund


async def test_share_is_arriving_in_balance_and_welcome_until_it_is_credited(
    start_server: StartServer, party: MakeParty, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(await start_server(), 1)
    settlement, go = room.server.app.services.settlement, asyncio.Event()
    settle = settlement.settle_once

    async def settle_later() -> int:
        await go.wait()
        return await settle()

    monkeypatch.setattr(settlement, "settle_once", settle_later)
    won = await room.guests[0].open(await room.lucky(500, 2))
    wallet = await room.guests[0].wallet()
    assert (wallet.balance_fen, wallet.arriving_fen) == (0, won.amount_fen)
    other = await connect(room.server, room.guests[0].user_id)
    assert other.welcome is not None
    assert (other.welcome.balance_fen, other.welcome.arriving_fen) == (0, won.amount_fen)
    go.set()
    assert (await received(other, 1, BalanceChanged))[0].balance_fen == won.amount_fen
    wallet = await other.wallet()
    assert (wallet.balance_fen, wallet.arriving_fen) == (won.amount_fen, 0)


async def test_credit_that_overtakes_a_read_is_not_told_as_arriving_too(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(await start_server(), 1)
    guest, settlement, go = room.guests[0], room.server.app.services.settlement, asyncio.Event()
    settle = settlement.settle_once

    async def settle_later() -> int:
        await go.wait()
        return await settle()

    monkeypatch.setattr(settlement, "settle_once", settle_later)
    won = await guest.open(await room.lucky(500, 2))
    read = DelayedResult(monkeypatch, wallets_of(room.server)._store, "holdings")
    asked = asyncio.create_task(guest.wallet())
    await read.done.wait()
    go.set()
    await received(guest, 1, BalanceChanged)
    read.go.set()
    wallet = await asked
    assert (wallet.balance_fen, wallet.arriving_fen) == (won.amount_fen, 0)
