"""Locks of other transactions and revoked rights: temporary errors for their users, service for all others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest
from structlog.testing import capture_logs

from client_sim.sdk.errors import Refusal
from server.services.runtime import supervised
from tests.conftest import Connect, Server, StartServer
from tests.services.conftest import MakeParty, Party, until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance = Callable[[], Awaitable[None]]


async def refusal(asked: Awaitable[object]) -> str:
    """The name of a refusal."""
    try:
        return f"no refusal but {await asked}"
    except Refusal as error:
        return error.name


async def serve(start_server: StartServer, party: MakeParty, guests: int, **config: str) -> Party:
    return await party(await start_server(settlement__idle_s=0.05, **config), guests)


async def balance(sql: Sql, user_id: int) -> int:
    return int(await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", user_id) or 0)


def healthy(server: Server) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return not server.app.supervisor.failing

    return holds


async def test_locked_wallet_of_a_winner_does_not_stop_other_credits(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    postgres_dsn: str,
    sql: Sql,
    books_balance: BooksBalance,
) -> None:
    room = await serve(start_server, party, 3)
    await (await connect(room.server, 0)).top_up(2, 1)
    packet_id = await room.lucky(1_000, 3)
    async with sql.transaction():
        await sql.execute("SELECT FROM wallets WHERE user_id = 2 FOR UPDATE")
        won = await room.all_open(packet_id)
        view = await asyncpg.connect(postgres_dsn)

        async def others_are_credited() -> bool:
            return [await balance(view, user) for user in (3, 4)] == [one.amount_fen for one in won[1:]]

        await until(others_are_credited)
        assert await balance(view, 2) == 1
        await view.close()

    async def is_credited() -> bool:
        return await balance(sql, 2) == 1 + won[0].amount_fen

    await until(is_credited)
    await books_balance()


async def test_locked_packet_is_unavailable_and_other_packets_are_opened(
    start_server: StartServer, party: MakeParty, sql: Sql, books_balance: BooksBalance
) -> None:
    room = await serve(start_server, party, 4)
    locked, free = await room.lucky(1_000, 4), await room.lucky(1_000, 4)
    async with sql.transaction():
        await sql.execute("SELECT FROM packets WHERE packet_id = $1 FOR UPDATE", locked)
        asked = [refusal(guest.open(locked, patience_s=0)) for guest in room.guests[:2]]
        opened = [guest.open(free) for guest in room.guests]
        refused, won = await asyncio.gather(asyncio.gather(*asked), asyncio.gather(*opened))
        assert refused == ["store_unavailable"] * 2
        assert {one.answer for one in won} == {"won"}
    again = await room.all_open(locked)
    assert {one.answer for one in again} <= {"won", "claimed"}
    await books_balance()


async def test_table_lock_gives_temporary_errors_and_ends_without_a_trace(
    start_server: StartServer, party: MakeParty, sql: Sql, books_balance: BooksBalance
) -> None:
    room = await serve(start_server, party, 2)
    packet_id = await room.lucky(1_000, 2)
    async with sql.transaction():
        await sql.execute("LOCK TABLE claims")
        assert await refusal(room.guests[0].open(packet_id, patience_s=0)) == "store_unavailable"
    assert {one.answer for one in await room.all_open(packet_id)} <= {"won", "claimed"}
    await until(healthy(room.server))
    await books_balance()


async def test_locked_wallet_of_a_sender_is_unavailable_and_others_send(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    sql: Sql,
    books_balance: BooksBalance,
) -> None:
    """All in one batch: it waits behind a first one."""
    room = await serve(start_server, party, 2)
    backend = await connect(room.server, 0)
    await asyncio.gather(*(backend.top_up(user, 10_000) for user in (2, 3)))
    senders = (room.sender, *room.guests)
    async with sql.transaction():
        await sql.execute("SELECT FROM wallets WHERE user_id = 1 FOR UPDATE")
        asked = [
            refusal(one.send_packet("lucky", room.group, 100, 2, key=f"k{key}"))
            for key in range(2)
            for one in senders
        ]
        answers = await asyncio.gather(*asked)
    assert answers[::3] == ["store_unavailable"] * 2
    assert all("PacketSent" in answer for answer in (*answers[1::3], *answers[2::3])), answers
    await room.sender.send_packet("lucky", room.group, 100, 2, key="k0")
    await books_balance()


async def test_locked_wallet_does_not_stop_other_refunds(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    postgres_dsn: str,
    sql: Sql,
    turn_clock: Callable[[int], None],
    books_balance: BooksBalance,
) -> None:
    server = await start_server(refunds__interval_s=0.05)
    room = await party(server, 1)
    await (await connect(server, 0)).top_up(2, 10_000)
    locked = await room.lucky(1_000, 2)
    free = (await room.guests[0].send_packet("lucky", room.group, 100, 2)).packet_id
    view = await asyncpg.connect(postgres_dsn)
    async with sql.transaction():
        await sql.execute("SELECT FROM wallets WHERE user_id = 1 FOR UPDATE")
        turn_clock(86_400_000)

        async def is_refunded() -> bool:
            return bool(await view.fetchval("SELECT refunded_fen FROM packets WHERE packet_id = $1", free))

        await until(is_refunded)
        assert not await view.fetchval("SELECT refunded_fen FROM packets WHERE packet_id = $1", locked)

    async def all_refunded() -> bool:
        return bool(await view.fetchval("SELECT refunded_fen FROM packets WHERE packet_id = $1", locked))

    await until(all_refunded)
    await view.close()
    await books_balance()


async def test_revoked_right_names_the_failing_loop_until_it_is_granted_again(
    start_server: StartServer,
    party: MakeParty,
    postgres_dsn: str,
    sql: Sql,
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervised, "OVER_S", 1.0)
    role = f"role_{await sql.fetchval('SELECT current_database()')}"
    await sql.execute(f"CREATE ROLE {role} LOGIN")
    try:
        await sql.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        await sql.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        await sql.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
        with capture_logs() as events:
            room = await serve(
                start_server, party, 2, stores__postgres=postgres_dsn.replace("postgres@", f"{role}@")
            )
            room.server.loops_may_fail = True
            packet_id = await room.lucky(1_000, 2)
            await sql.execute(f"REVOKE INSERT ON claims FROM {role}")
            assert await refusal(room.guests[0].open(packet_id, patience_s=0)) == "store_unavailable"
            status = room.server.app.operations.status()
            assert not status["ready"]
            assert any(reason.startswith("the loop record fails: ") for reason in status["reasons"])
            assert status["loop_failures"]["record"] >= 1
            await sql.execute(f"GRANT INSERT ON claims TO {role}")
            assert {one.answer for one in await room.all_open(packet_id)} <= {"won", "claimed"}
            await until(healthy(room.server))
            assert room.server.app.operations.status()["ready"]
        names = [event["event"] for event in events if event.get("loop") == "record"]
        assert (names.count("loop_failed"), names.count("loop_failed_no_longer")) == (1, 1)
        await books_balance()
        await room.server.stop()
    finally:
        await sql.execute(f"DROP OWNED BY {role}")
        await sql.execute(f"DROP ROLE {role}")
