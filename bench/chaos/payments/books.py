"""What the auditor reads: the tables of hongbao, with its own SQL, and books and statements of the bank."""

from __future__ import annotations

import csv
import hashlib
import io
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import asyncpg

FILE: Final = "bank.db"  # in the folder of a bank
STATEMENT_S: Final = 60.0
TWO_DAYS_S: Final = 2 * 86_400.0
BETWEEN_SETS: Final = (22, 23, 24)  # kinds of transfers to and from accounts in transit of sets, docs/money.md
OPEN: Final = ("created", "submitted", "unknown")


class BookedPayment(NamedTuple):
    """A row of `payments`. `unknown_ms`: when its outcome was not known first, `ended_ms`: when it was known.

    `of_number`: the charge that a refund gives back.
    """

    number: int
    user_id: int
    kind: str
    amount_fen: int
    key: str
    has_content: bool
    state: str
    packet_id: int
    unknown_ms: int
    ended_ms: int
    of_number: int = 0


class BookedTransfer(NamedTuple):
    """A row of `transfers`."""

    debit: int
    credit: int
    kind: int
    key: str
    amount_fen: int


class BookedPacket(NamedTuple):
    """A row of `packets`."""

    packet_id: int
    sender_id: int
    key: str
    total_fen: int
    refunded_fen: int
    closed: bool


class OurBooks(NamedTuple):
    """The database of hongbao."""

    payments: list[BookedPayment]
    transfers: list[BookedTransfer]
    packets: list[BookedPacket]
    wallets: dict[int, int]
    breaks: list[str]


class BankOrder(NamedTuple):
    """An order at the bank."""

    number: str
    kind: str
    fen: int
    result: str
    fault: str


class Posting(NamedTuple):
    """Money that moved at the bank."""

    number: str
    kind: str
    debit: str
    credit: str
    fen: int


class StatementRow(NamedTuple):
    """A row of a statement, as the file has it."""

    number: str
    kind: str
    amount_fen: int
    state: str


class BankBooks(NamedTuple):
    """The books of the bank, and its statements. `notice_ms`: of each acknowledged notice, when and how long."""

    orders: list[BankOrder]
    postings: list[Posting]
    statement: list[StatementRow]
    faulty_statements: list[str]
    notice_ms: list[tuple[float, float]]


QUERIES: Final = (
    """SELECT number, user_id, kind, amount_fen, coalesce(key, ''), content IS NOT NULL, state,
              coalesce(packet_id, 0),
              coalesce((SELECT min(at_ms) FROM payment_evidence e
                        WHERE e.number = p.number AND e.state = 'unknown'), 0),
              changed_at_ms, coalesce(of_number, 0)
       FROM payments p WHERE gateway = 'bank'""",
    "SELECT debit_account, credit_account, kind, key, amount_fen FROM transfers",
    "SELECT packet_id, sender_id, key, total_fen, refunded_fen, closed_at_ms IS NOT NULL FROM packets",
    "SELECT user_id, balance_fen FROM wallets",
    "SELECT number || ': ' || detail FROM payment_breaks",
)
UNSETTLED_PAYMENTS: Final = "SELECT count(*) FROM payments WHERE state IN ('created', 'submitted', 'unknown')"
UNSETTLED: Final = """
SELECT (SELECT count(*) FROM payments WHERE state IN ('created', 'submitted', 'unknown'))
     + (SELECT count(*) FROM settlement_queue) + (SELECT count(*) FROM packets WHERE closed_at_ms IS NULL)
     + (SELECT count(*) FROM orders_between_sets) + (SELECT count(*) FROM corrections_between_sets)
"""
ORDERS: Final = "SELECT number, kind, fen, result, fault FROM orders"
POSTINGS: Final = "SELECT number, kind, debit, credit, fen FROM postings"
NOTICES: Final = "SELECT answered_s, took_ms FROM notices WHERE answer = '200' AND took_ms IS NOT NULL"
UNTOLD: Final = (
    "SELECT (SELECT count(*) FROM notices WHERE due_s IS NOT NULL)"
    " + (SELECT count(*) FROM orders WHERE result = 'processing')"
)
DAYS: Final = "SELECT DISTINCT date(at_s, 'unixepoch', '+8 hours') FROM postings WHERE at_s > 0 ORDER BY 1"


async def unsettled(dsns: Sequence[str]) -> int:
    """Payments that are open, claims and transfers that wait for their money, packets that have not ended."""
    return sum([await _count(dsn, UNSETTLED) for dsn in dsns])


async def unsettled_payments(dsn: str) -> int:
    """Payments that are open. Raises OSError, asyncpg.PostgresError."""
    return await _count(dsn, UNSETTLED_PAYMENTS)


async def _count(dsn: str, query: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def read_ours(dsn: str) -> OurBooks:
    """The database as of one moment. Raises OSError, asyncpg.PostgresError."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            payments, transfers, packets, wallets, breaks = [await connection.fetch(one) for one in QUERIES]
    finally:
        await connection.close()
    return OurBooks(
        [BookedPayment(*row) for row in payments],
        [BookedTransfer(*row) for row in transfers],
        [BookedPacket(*row) for row in packets],
        {row[0]: row[1] for row in wallets},
        [row[0] for row in breaks],
    )


def joined(sets: Sequence[OurBooks]) -> OurBooks:
    """The books of several sets as if there were one. A transfer between users of two sets stands in both; what
    only moves between sets is left out.
    """
    transfers = dict.fromkeys(row for one in sets for row in one.transfers if row.kind not in BETWEEN_SETS)
    return OurBooks(
        [row for one in sets for row in one.payments],
        list(transfers),
        [row for one in sets for row in one.packets],
        {user_id: fen for one in sets for user_id, fen in one.wallets.items()},
        [line for one in sets for line in one.breaks],
    )


def misplaced(sets: Sequence[OurBooks]) -> Iterator[str]:
    """Wallets in two sets; payments and packets that are not in the set of the wallet of their user."""
    homes: dict[int, int] = {}
    for number, one in enumerate(sets):
        for user_id in one.wallets:
            if homes.setdefault(user_id, number) != number:
                yield f"user {user_id} has wallets in set {homes[user_id]} and in set {number}"
    for number, one in enumerate(sets):
        users = {f"payment {row.number}": row.user_id for row in one.payments}
        users |= {f"packet {row.packet_id}": row.sender_id for row in one.packets}
        for name, user_id in users.items():
            if homes.get(user_id, number) != number:
                yield f"{name} is in set {number}, the wallet of user {user_id} is in set {homes[user_id]}"


async def read_bank(file: Path, url: str) -> BankBooks:
    """The books of the bank, from its file, and its statements, from its page. Raises sqlite3.Error, OSError."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as books:
        orders = [BankOrder(*row) for row in books.execute(ORDERS)]
        postings = [Posting(*row) for row in books.execute(POSTINGS)]
        days = [str(row[0]) for row in books.execute(DAYS)]
    rows, wrong = await _statements(url, days)
    return BankBooks(orders, postings, rows, wrong, read_notices(file))


def read_notices(file: Path) -> list[tuple[float, float]]:
    """Of each acknowledged notice, when (seconds since 1970) and how long it took (ms). Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as books:
        return [(float(at), float(took)) for at, took in books.execute(NOTICES)]


async def _statements(url: str, days: Sequence[str]) -> tuple[list[StatementRow], list[str]]:
    """The statements of these days, two days later; a line for each that does not have its digest."""
    rows, wrong = list[StatementRow](), list[str]()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=STATEMENT_S)) as session:
        await session.post(f"{url}/admin/do", json={"action": "ahead", "seconds": TWO_DAYS_S})
        for day in days:
            async with session.get(f"{url}/admin/bills/{day}.csv") as answer:
                body = await answer.read()
            async with session.get(f"{url}/admin/bills/{day}.csv.sig") as answer:
                signed = await answer.json()
            lines = list(csv.DictReader(io.StringIO(body.decode("utf-8"))))
            if signed["sha256"] != hashlib.sha256(body).hexdigest() or signed["rows"] != len(lines):
                wrong.append(f"the statement of {day} does not have its digest or its number of rows")
            rows += [
                StatementRow(one["number"], one["kind"], int(one["amount_fen"]), one["state"]) for one in lines
            ]
    return rows, wrong


def untold(file: Path) -> int:
    """Notices of the bank that are not acknowledged, and orders that are still processed. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as books:
        (count,) = books.execute(UNTOLD).fetchone()
        return int(count)
