"""Pending transfers: pending money cannot be spent, and is posted or voided, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from server.core import ledger
from storage.postgres.database import Database
from storage.postgres.money import pending
from storage.postgres.money.pending import PendingStore
from storage.postgres.money.wallets import BalanceRow, KeyReused, NotEnoughMoney, TransferRow, WalletStore

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance: TypeAlias = Callable[[], Awaitable[None]]
USER, OUTSIDE, KEY, NOW_MS = 7, ledger.OUTSIDE, "payout 1", 5


@pytest.fixture
async def store(database: Database) -> PendingStore:
    """User 7 has 1,000 fen."""
    top_up = TransferRow(OUTSIDE, USER, ledger.TransferKind.TOP_UP, "first", 1_000, 1)
    await WalletStore(database).move(top_up, USER, 1_000)
    return PendingStore(database)


def pending_transfer(amount_fen: int, key: str = KEY) -> TransferRow:
    return TransferRow(USER, OUTSIDE, pending.PENDING, key, amount_fen, NOW_MS)


async def wallet(sql: Sql) -> tuple[int, int, int]:
    """Balance, pending, version."""
    return tuple(await sql.fetchrow("SELECT balance_fen, pending_fen, version FROM wallets"))


def test_transfer_kinds_equal_those_of_the_ledger() -> None:
    kinds = ledger.TransferKind
    assert (pending.PENDING, pending.POSTED, pending.VOIDED) == (kinds.PENDING, kinds.POSTED, kinds.VOIDED)


async def test_pending_money_cannot_be_spent(
    store: PendingStore, database: Database, sql: Sql, books_balance: BooksBalance
) -> None:
    await store.begin(pending_transfer(700))
    await store.begin(pending_transfer(700))  # a repeated request is harmless
    assert await wallet(sql) == (1_000, 700, 1)
    withdrawal = TransferRow(USER, OUTSIDE, ledger.TransferKind.WITHDRAW, "more", 301, NOW_MS)
    with pytest.raises(NotEnoughMoney):
        await WalletStore(database).move(withdrawal, USER, -301)
    with pytest.raises(NotEnoughMoney):
        await store.begin(pending_transfer(301, "another"))
    with pytest.raises(KeyReused):
        await store.begin(pending_transfer(699))
    await books_balance()


async def test_posted_money_leaves_the_wallet_with_an_entry(
    store: PendingStore, sql: Sql, books_balance: BooksBalance
) -> None:
    await store.begin(pending_transfer(700))
    assert await store.post(USER, OUTSIDE, KEY, NOW_MS) == BalanceRow(300, 2)
    assert await store.post(USER, OUTSIDE, KEY, NOW_MS) is None
    assert await store.void(USER, OUTSIDE, KEY, NOW_MS) is None
    assert await wallet(sql) == (300, 0, 2)
    await books_balance()


async def test_voided_money_can_be_spent_again(store: PendingStore, sql: Sql, books_balance: BooksBalance) -> None:
    await store.begin(pending_transfer(700))
    assert await store.void(USER, OUTSIDE, KEY, NOW_MS) == BalanceRow(1_000, 1)
    assert await store.post(USER, OUTSIDE, KEY, NOW_MS) is None
    assert await wallet(sql) == (1_000, 0, 1)
    await books_balance()


async def test_concurrent_post_and_void_have_one_winner(
    store: PendingStore, sql: Sql, books_balance: BooksBalance
) -> None:
    for number in range(10):
        key = f"payout {number}"
        await store.begin(pending_transfer(50, key))
        ends = (store.post(USER, OUTSIDE, key, NOW_MS), store.void(USER, OUTSIDE, key, NOW_MS))
        assert sum(one is not None for one in await asyncio.gather(*ends)) == 1
    assert await sql.fetchval("SELECT count(*) FROM transfers WHERE kind IN (7, 8)") == 10
    await books_balance()
