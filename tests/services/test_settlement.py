"""Settlement and refund: every claim is credited once, every rest goes back once, also after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import pytest

from client_sim.sdk.errors import Refusal
from server.core.kinds import WITH_BEST_LUCK
from server.services.money.credited import CreditedClaims
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.database import Database
from storage.postgres.money.settlement import Credit, SettlementQueue
from storage.postgres.money.wallets import BalanceRow, WalletStore
from storage.postgres.packets.packets import Advance, ClaimRow
from storage.redis import mirror as log
from storage.redis.mirror import Extension, Mirror, MirroredClaim
from tests.conftest import DAY_MS, Connect, StartServer, Turn
from tests.services.conftest import MakeParty, Record, until, waiting

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance = Callable[[], Awaitable[None]]
PACKETS = 9_007_199_254_740_992  # the first id that is not a user's


async def queue(sql: Sql, amounts_fen: list[int]) -> None:
    """Claims that wait: user n has amounts_fen[n - 1] from packet n."""
    for number, amount_fen in enumerate(amounts_fen, 1):
        await sql.execute(
            "INSERT INTO settlement_queue VALUES ($1, $2, $3, 0, 0)", PACKETS + number, number, amount_fen
        )


@pytest.fixture
def settlement(database: Database) -> SettlementQueue:
    """The queue, without a server that empties it."""
    return SettlementQueue(database, WITH_BEST_LUCK)


async def test_settle_takes_the_largest_claims_first(settlement: SettlementQueue, sql: Sql) -> None:
    await queue(sql, [5, 900, 20, 7_000, 1])
    order = []
    for now_ms in range(5):
        taken, credits = await settlement.settle(1, now_ms)
        assert taken == 1
        order += [credit.change_fen for credit in credits]
    assert order == [7_000, 900, 20, 5, 1]
    assert await settlement.settle(1, 6) == (0, [])


async def test_settle_of_a_claim_that_is_queued_twice_credits_it_once(
    settlement: SettlementQueue, sql: Sql
) -> None:
    await queue(sql, [300])
    await settlement.settle(10, 1)
    await queue(sql, [300])  # as if the same claim came again
    await settlement.settle(10, 2)
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = 1") == 300
    assert await sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 4") == 1
    assert await sql.fetchval("SELECT count(*) FROM settlement_queue") == 0


async def test_claim_whose_transfer_was_lost_is_not_credited_again(settlement: SettlementQueue, sql: Sql) -> None:
    """The list of what a user received is a second guard: the books are wrong, and nothing goes on."""
    await queue(sql, [300])
    await settlement.settle(10, 1)
    async with sql.transaction():
        await sql.execute("SET LOCAL session_replication_role = replica")  # no trigger refuses it
        await sql.execute("DELETE FROM transfers WHERE kind = 4")
    await queue(sql, [300])
    with pytest.raises(asyncpg.UniqueViolationError, match="received_pkey"):
        await settlement.settle(10, 2)
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = 1") == 300
    assert await sql.fetchval("SELECT count(*) FROM settlement_queue") == 1


async def test_claim_is_uncredited_until_its_own_transfer(settlement: SettlementQueue, sql: Sql) -> None:
    await queue(sql, [300, 5])
    assert await settlement.uncredited(1, PACKETS + 1)
    await settlement.settle(1, 1)
    assert not await settlement.uncredited(1, PACKETS + 1)
    assert await settlement.uncredited(2, PACKETS + 2)
    assert await settlement.uncredited(1, PACKETS + 2)
    assert await settlement.uncredited(2, PACKETS + 1)


async def test_credited_claims_are_bounded_in_memory_and_looked_up_when_dropped(
    settlement: SettlementQueue, sql: Sql
) -> None:
    await queue(sql, [300, 5, 1])
    await settlement.settle(10, 1)
    credited = CreditedClaims(settlement, kept_max=2)
    for user_id in (1, 2, 3, 1):
        assert await credited.has(user_id, PACKETS + user_id)
        assert len(credited._credited) <= 2


async def test_credits_of_a_user_in_one_batch_are_one_push(
    settlement: SettlementQueue, sql: Sql, database: Database
) -> None:
    await sql.executemany(
        "INSERT INTO settlement_queue VALUES ($1, 1, 7, 0, 0)", [(PACKETS + n,) for n in range(4)]
    )
    taken, (credit,) = await settlement.settle(10, 5)
    assert (taken, credit[:-1]) == (4, Credit(1, PACKETS, 4, 28, 5, BalanceRow(28, 4), 0)[:-1])
    assert await sql.fetchval("SELECT count(*) FROM entries") == 1
    lines = await WalletStore(database).entries(1, 0)
    assert [(one.version, one.account, one.change_fen, one.balance_fen) for one in lines] == [
        (n + 1, PACKETS + n, 7, 7 * (n + 1)) for n in range(4)
    ]
    assert await WalletStore(database).entries(1, 2) == lines[2:]  # a page may begin inside an entry


async def test_credit_in_doubt_is_found_by_the_time_of_its_batch(settlement: SettlementQueue, sql: Sql) -> None:
    """With what is in the wallet by now. One that came to nothing is not taken for its successor."""
    await queue(sql, [300, 200])
    _, (one, other) = await settlement.settle(10, 5)
    never = one._replace(packet_id=PACKETS + 9)
    await sql.execute("INSERT INTO settlement_queue VALUES ($1, 1, 7, 0, 0)", PACKETS + 8)
    await settlement.settle(10, 6)
    found = await settlement.find_outcome([never, other, one._replace(at_ms=6), one])
    assert found == [None, other, None, one._replace(balance=BalanceRow(307, 2))]
    assert (one.balance, other.balance) == (BalanceRow(300, 1), BalanceRow(200, 1))


async def test_credit_that_came_to_nothing_is_not_taken_for_one_of_the_same_millisecond(
    database: Database, settlement: SettlementQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers credit a claim in one millisecond; the commit of the first is lost before it is done."""
    await queue(sql, [300])
    lost = SettlementQueue(database, WITH_BEST_LUCK)
    begin = lost._writer.transaction

    @asynccontextmanager
    async def rolled_back() -> AsyncIterator[Any]:
        async with begin() as connection:
            yield connection
            raise StoreUnavailable("lost before the commit")

    monkeypatch.setattr(lost._writer, "transaction", rolled_back)
    with pytest.raises(Unanswered) as unanswered:
        await lost.settle(10, 5)
    _, (credit,) = await settlement.settle(10, 5)
    (in_doubt,) = unanswered.value.asked
    assert (in_doubt.packet_id, in_doubt.user_id, in_doubt.at_ms) == (credit.packet_id, credit.user_id, 5)
    assert await lost.find_outcome([in_doubt, credit]) == [None, credit]


async def test_settlements_at_the_same_time_take_different_claims(
    database: Database, sql: Sql, lock_view: Sql
) -> None:
    """The second does not even wait for the first, which has taken its claims and cannot commit yet."""
    amounts = list(range(1, 201))
    await queue(sql, amounts)
    await sql.execute("INSERT INTO wallets (user_id, balance_fen) VALUES (200, 0)")
    async with sql.transaction():
        await sql.execute("SELECT FROM wallets WHERE user_id = 200 FOR UPDATE")
        first = asyncio.create_task(SettlementQueue(database, WITH_BEST_LUCK).settle(50, 1))
        await until(lambda: waiting(lock_view, 1))
        second = asyncio.create_task(SettlementQueue(database, WITH_BEST_LUCK).settle(50, 1))

        async def done_or_waiting() -> bool:
            return second.done() or await waiting(lock_view, 2)

        await until(done_or_waiting)
        second_waits = not second.done()
    taken = await asyncio.gather(first, second)
    assert not second_waits, "for the claims that the first has taken"
    assert [count for count, _ in taken] == [50, 50]
    assert await sql.fetchval("SELECT sum(balance_fen) FROM wallets") == sum(amounts[-100:])


async def test_claims_reach_wallets_and_are_pushed(
    start_server: StartServer, party: MakeParty, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(), 1)
    guest = room.guests[0]
    opened = await guest.open(await room.lucky(500, 1))
    async for push in guest.pushes():
        if getattr(push, "reason", None) == "claim":
            assert (push.balance_fen, push.change_fen) == (opened.amount_fen, opened.amount_fen)
            break
    assert await guest.balance() == 500
    await books_balance()


async def test_settlement_goes_on_after_a_restart(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(settlement__idle_s=3600), 3)
    room.server.app.services.settlement.wake = lambda: None  # type: ignore[method-assign]  # it sleeps when the claims come
    await room.all_open(await room.lucky(900, 3))
    await room.server.kill()
    await start_server()

    async def settled() -> bool:
        return await sql.fetchval("SELECT count(*) FROM settlement_queue") == 0

    await until(settled)
    assert await sql.fetchval("SELECT sum(balance_fen) FROM wallets WHERE user_id IN (2, 3, 4)") == 900
    await books_balance()


async def test_refund_pays_back_the_rest_once(
    start_server: StartServer, party: MakeParty, sql: Sql, books_balance: BooksBalance, turn_clock: Turn
) -> None:
    room = await party(await start_server(refunds__interval_s=0.05), 2)
    packet_id = await room.lucky(1_000, 3)
    won = await room.guests[0].open(packet_id)
    turn_clock(DAY_MS)
    async for push in room.sender.pushes():
        if hasattr(push, "refunded_fen"):
            assert (push.packet_id, push.refunded_fen) == (packet_id, 1_000 - won.amount_fen)
            break
    assert (await room.guests[1].open(packet_id)).answer == "expired"
    assert (await room.guests[0].open(packet_id)).answer == "claimed"
    assert await room.sender.balance() == 100_000 - won.amount_fen
    assert await sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 5") == 1
    revealed = await room.guests[0].reveal(packet_id)
    assert (revealed.state, len(revealed.claims), revealed.best_index) == ("refunded", 1, -1)
    await books_balance()


async def test_refund_goes_on_after_a_restart(
    start_server: StartServer, party: MakeParty, sql: Sql, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(limits__packet_lifetime_s=0.3, refunds__interval_s=3600), 1)
    await room.server.app.services.refunds.refund_once()
    for _ in range(5):
        await room.lucky(100, 1)
    await room.server.kill()
    await start_server(refunds__interval_s=0.05, refunds__batch_max=2)

    async def refunded() -> bool:
        return await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = 1") == 100_000

    await until(refunded)
    await books_balance()


async def test_refunds_by_two_servers_pay_once(
    start_server: StartServer, party: MakeParty, sql: Sql, books_balance: BooksBalance
) -> None:
    slow = {"limits__packet_lifetime_s": 0.2, "refunds__interval_s": 3600}
    room = await party(await start_server(**slow), 1)
    other = await start_server(**slow, server__node=1)
    for _ in range(10):
        await room.lucky(100, 1)

    async def due() -> bool:
        now_ms = room.server.app.services.refunds._now_ms()
        return await sql.fetchval("SELECT count(*) FROM packets WHERE expires_at_ms <= $1", now_ms) == 10

    await until(due)
    counts = await asyncio.gather(*(one.app.services.refunds.refund_once() for one in (room.server, other)))
    assert sum(counts) == 10
    assert await room.sender.balance() == 100_000
    await books_balance()


async def test_refund_redrives_a_claim_that_only_redis_has(
    start_server: StartServer,
    party: MakeParty,
    record: Record,
    redis_url: str,
    sql: Sql,
    books_balance: BooksBalance,
    turn_clock: Turn,
) -> None:
    room = await party(await start_server(refunds__interval_s=3600, stores__durability="redis"), 2)
    packet_id = await room.lucky(1_000, 2)
    await room.guests[0].open(packet_id)
    live = room.server.app.services.live_packets._by_id[packet_id].packet
    assert live is not None

    async def recorded() -> bool:
        return len(await record(packet_id)) == 1

    await until(recorded)
    amount_fen = 1_000 - next(iter(live.claims.values())).amount_fen
    mirror = Mirror(redis_url, 2.0)
    claim = log.pack([MirroredClaim(3, live.terms.created_at_ms + 1, amount_fen)])
    assert await mirror.append([Extension(packet_id, log.length(1), b"", claim)]) == set()
    await mirror.close()
    turn_clock(DAY_MS)

    async def over() -> bool:
        await room.server.app.services.refunds.refund_once()
        return await sql.fetchval("SELECT closed_at_ms IS NOT NULL FROM packets WHERE packet_id = $1", packet_id)

    await until(over)
    assert [user for _, user, _ in await record(packet_id)] == [2, 3]
    assert await sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 5") == 0
    await books_balance()


async def test_late_claim_is_refused_by_the_record(start_server: StartServer, party: MakeParty, sql: Sql) -> None:
    room = await party(await start_server(limits__packet_lifetime_s=0.2, refunds__interval_s=0.05), 1)
    packet_id = await room.lucky(100, 1)

    async def closed() -> bool:
        return await sql.fetchval("SELECT closed_at_ms IS NOT NULL FROM packets WHERE packet_id = $1", packet_id)

    await until(closed)
    records = room.server.app.services.refunds._records
    row = await records.rows([packet_id])
    late = ClaimRow(packet_id, 0, 2, 100, row[packet_id].created_at_ms + 1)
    assert await records.record([Advance(packet_id, 0, [late])]) == set()


async def test_withdraw_is_keyed_and_never_overdraws(start_server: StartServer, connect: Connect) -> None:
    backend = await connect(await start_server(), 0)
    await backend.top_up(7, 1_000, key="in")
    assert await backend.withdraw(7, 400, key="out") == 600
    assert await backend.withdraw(7, 400, key="out") == 600
    for amount_fen, key, reason in ((601, "more", "not_enough_money"), (401, "out", "key_reused")):
        with pytest.raises(Refusal) as caught:
            await backend.withdraw(7, amount_fen, key=key)
        assert caught.value.name == reason
