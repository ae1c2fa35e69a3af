"""A server with a bank beside it that keeps its own books, and users whose cards are bound there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import asyncpg
import pytest

from client_sim.bank.admin import AdminPages
from client_sim.bank.books import MERCHANT, MERCHANT_FEN, BankBooks
from client_sim.bank.faults import Fault, card_number
from client_sim.bank.keys import BankKeyring, new_key, public_text
from client_sim.bank.orders import Timing
from client_sim.bank.run import NOTICE_PATH
from client_sim.bank.server import BankServer
from client_sim.sdk.client import Client
from server.core.ids import IdMaker
from server.core.packet_request import Terms, request_of
from server.core.payments import ENDED
from server.gateways.bank.gateway import BankGateway
from server.gateways.port import CardAsk
from server.services.money.audit import audit
from server.services.payments.new_payments import NewPayments
from server.services.payments.paid_sends import PaidSendService
from server.services.payments.payouts import PayoutService
from server.services.payments.service import PaymentService
from storage.postgres.database import Database
from storage.postgres.money.payments import PaymentRow
from tests.cards.conftest import quick_hashes
from tests.conftest import PATIENCE_S, SEED_KEYS, Connect, Server, StartServer

__all__ = ["quick_hashes"]
Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SENDER, BEN, CARL = 1, 2, 3
HOLDERS = {SENDER: "张三", BEN: "李四", CARL: "王五"}
TIMEOUT_S = 2.5  # so long that a busy machine is no silent bank
LEASE_MS = 12_000
# What takes its time takes little of it here, but for a reply that must be later than the merchant waits.
TIMING = Timing(reply_late_s=2 * TIMEOUT_S, processing_s=0.3, not_found_s=0.5, notice_late_s=0.5)


@pytest.fixture
async def bank() -> AsyncIterator[BankServer]:
    """A bank on a free port that tells nothing yet: the server that it tells has not started."""
    books = BankBooks(":memory:")
    server = BankServer(books, BankKeyring({"b1": new_key()}, {"m1": new_key()}), timing=TIMING)
    await server.start()
    yield server
    await server.stop()
    books.close()


def bank_config(bank: BankServer) -> dict[str, Any]:
    """The section of the config for a bank."""
    return {
        "bank__url": bank.url,
        "bank__merchant": bank.merchant,
        "bank__keys": dict(bank.keys.merchant),
        "bank__bank_keys": {serial: public_text(key) for serial, key in bank.keys.bank.items()},
        "bank__timeout_s": TIMEOUT_S,
        "bank__allow_private": ("127.0.0.0/8",),
    }


StartWithBank: TypeAlias = Callable[..., Awaitable[Server]]


@pytest.fixture
def start_with_bank(start_server: StartServer, bank: BankServer) -> StartWithBank:
    """Starts servers that have the bank, and that it tells: the first one, unless `notices` is false."""

    async def start(*, notices: bool = True, **overrides: Any) -> Server:
        server = await start_server(**{"http_api__address": "127.0.0.1:0", **bank_config(bank), **overrides})
        if notices and not bank.notices.url:
            bank.notices.url = server.app.http_api.url + NOTICE_PATH
        return server

    return start


class BankRoom:
    """A group of three users; each has a card of their own, which a fault may belong to."""

    def __init__(self, server: Server, bank: BankServer, group: int, clients: list[Client], sql: Sql) -> None:
        self.server, self.bank, self.group, self.sql = server, bank, group, sql
        self.sender, self.ben, self.carl = clients
        self.tokens: dict[int, str] = {}
        self.cards: dict[int, str] = {}
        services, clock = server.app.services, server.app._clock
        self.service = service_of(server)
        self.service._token_of = self._token_of
        ids = IdMaker(server.app._config.server.node)
        by_card = services.payments.by_card
        assert by_card is not None
        self.sends = PaidSendService(
            services.sends,
            self.service,
            NewPayments(ids, clock, LEASE_MS, server.app.stores.sets),
            self.gateway,
            by_card,
            services.cards.authorisation,
            server.app._limits,
        )
        self.payouts = PayoutService(
            *(self.service, self.gateway, ids, clock, server.app.services._bus, services.sends.gate),
            server.app.stores.sets,
        )

    @property
    def gateway(self) -> BankGateway:
        gateway = self.service.gateways["bank"]
        assert isinstance(gateway, BankGateway)
        return gateway

    async def _token_of(self, payment: PaymentRow) -> str:
        return self.tokens.get(payment.user_id, "")

    async def bind(self, user_id: int = SENDER, fault: Fault = Fault.NONE) -> str:
        """Bind a card of a user at the bank; its token."""
        number = card_number(fault, user_id)
        ask = CardAsk(f"{user_id}-{fault}", number, HOLDERS[user_id], f"1380000000{user_id}")
        token = await self.gateway.confirm((await self.gateway.bind(ask)).binding)
        self.tokens[user_id], self.cards[user_id] = token, number
        return token

    async def send(self, key: str = "k", amount_fen: int = 300, shares: int = 3) -> Terms:
        """The sender sends a lucky packet, paid by their card. Raises RequestRefused."""
        return await self.sends.send(request_of(SENDER, key, "lucky", self.group, amount_fen, shares, ""))

    async def pay_out(self, user_id: int, fen: int = 500) -> int:
        """What comes into a wallet goes to the user's card; the number of the payout."""
        wallets = self.server.app.services.wallets
        await wallets.top_up(user_id, fen, f"in-{user_id}-{fen}", known_only=False)
        await self.payouts.order([user_id])
        number = await self.sql.fetchval("SELECT max(number) FROM payments WHERE user_id = $1", user_id)
        return int(number)

    async def payment(self, key: str = "k") -> asyncpg.Record:
        """The charge of a key."""
        row = await self.sql.fetchrow("SELECT * FROM payments WHERE key = $1", key)
        assert row is not None
        return row

    async def evidence(self, number: int) -> list[tuple[str, str]]:
        """Sources and verdicts of the evidence about a payment, in order, without our own starts of calls."""
        rows = await self.sql.fetch(
            """SELECT source, verdict FROM payment_evidence
               WHERE number = $1 AND source <> 'submit' ORDER BY version""",
            number,
        )
        return [(row["source"], row["verdict"]) for row in rows]

    async def breaks(self) -> int:
        """How many contradictions there are."""
        return int(await self.sql.fetchval("SELECT count(*) FROM payment_breaks"))

    async def hurry(self) -> None:
        """All open payments are due now."""
        await self.sql.execute("UPDATE payments SET next_try_ms = 0 WHERE state = 'unknown'")
        self.service.look()

    async def until_ended(self, number: int | None = None) -> asyncpg.Record:
        """A payment, by default the only one, once it has ended; it is asked again without waits."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                rows = await self.sql.fetch("SELECT * FROM payments WHERE number = coalesce($1, number)", number)
                if rows and all(row["state"] in ENDED for row in rows):
                    return rows[0]
                await self.hurry()
                await asyncio.sleep(0.02)

    async def until_told(self) -> None:
        """The bank has told all that it had to tell."""
        async with asyncio.timeout(PATIENCE_S):
            while self.bank.books.row("SELECT 1 FROM notices WHERE due_s IS NOT NULL") is not None:
                self.bank.books.db.execute("UPDATE notices SET due_s = 0 WHERE due_s IS NOT NULL AND tries > 0")
                await asyncio.sleep(0.02)


MakeBankRoom: TypeAlias = Callable[[Server], Awaitable[BankRoom]]


@pytest.fixture
def make_bank_room(connect: Connect, bank: BankServer, sql: Sql) -> MakeBankRoom:
    """Makes the room of a server."""

    async def make(server: Server) -> BankRoom:
        clients = [await connect(server, user_id) for user_id in HOLDERS]
        group = await clients[0].create_group("room")
        invite = await clients[0].invite(group)
        for client in clients[1:]:
            await client.join_group(group, invite)
        return BankRoom(server, bank, group, clients, sql)

    return make


@pytest.fixture
async def bank_room(start_with_bank: StartWithBank, make_bank_room: MakeBankRoom) -> BankRoom:
    """A room on one server with a bank."""
    return await make_bank_room(await start_with_bank())


BankBooksAgree: TypeAlias = Callable[[], Awaitable[None]]


@pytest.fixture
def bank_books_agree(database: Database, bank: BankServer, sql: Sql) -> BankBooksAgree:
    """Both books are right by themselves, and agree number by number and to the fen."""

    async def check() -> None:
        found = await audit(database, SEED_KEYS)
        assert [line for finding in found.findings for line in finding.discrepancies] == []
        assert bank.books.discrepancies() == []
        ours = await sql.fetch("SELECT number::text, kind, amount_fen, state FROM payments WHERE gateway = 'bank'")
        theirs = {
            row["number"]: (row["kind"], row["fen"], row["result"])
            for row in bank.books.rows("SELECT * FROM orders")
        }
        assert {row[0]: tuple(row)[1:] for row in ours} == theirs
        fen = sum((1 if row[1] == "charge" else -1) * row[2] for row in ours if row[3] == "succeeded")
        assert bank.books.fen(MERCHANT) - MERCHANT_FEN == fen

    return check


def service_of(server: Server) -> PaymentService:
    payments = server.app.services.payments.attempts
    assert payments is not None
    return payments


@pytest.fixture
async def bank_with_pages(bank: BankServer) -> BankServer:
    """The bank with its admin page."""
    bank.pages = AdminPages(bank)
    return bank
