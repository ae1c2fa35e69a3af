"""A bank in the test's hands: its cards, its messages, its books, and a fault before any of its calls."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import date
from hashlib import sha256
from typing import Any, TypeAlias

import asyncpg
import pytest

from client_sim.sdk.client import Client
from protocol import messages
from server.config import Config
from server.core.payments import Evidence, Order, PaymentKind, Verdict
from server.gateways.port import (
    BankStatement,
    Capabilities,
    CardAsk,
    CardDeclined,
    CardOffer,
    GatewayAway,
    NoStatement,
)
from server.services.cards import passwords
from server.services.money.audit import audit
from server.services.payments import assembly
from storage.postgres.database import Database
from tests.conftest import PATIENCE_S, SEED_KEYS, Connect, Server, StartServer

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
NUMBER, OTHER_NUMBER = "6222021234567890128", "4111111111111111"
HOLDER, PHONE, PASSWORD = "王小明", "13800001234", "246810"
HAVE_FEN = 1_000_000  # on each card
SENDER, BEN, CARL = 1, 2, 3


class Bank:
    """A gateway for cards with its own books. `faults`: by verb, what happens in place of the next calls."""

    name = "bank"
    patience_s = 0.5
    is_away = False

    def __init__(self) -> None:
        self.capabilities = Capabilities(takes_cards=True, takes_refunds=True, amount_fen_max=500_000)
        self.faults: dict[str, list[Callable[[Callable[[], Any]], Any]]] = {}
        self.asks: list[CardAsk] = []
        self.declines: dict[str, str] = {}  # by number of a card, why
        self.messages: dict[str, tuple[str, str]] = {}  # by request id: to, text
        self.says = "招商银行"  # the name of the bank of each card
        self.unbound: list[str] = []
        self.fen: dict[str, int] = {}  # by token
        self.orders: dict[int, tuple[Order, str, str]] = {}  # by number: the order, its result and reason
        self.calls: list[tuple[str, int]] = []

    async def _serve(self, verb: str, done: Callable[[], Any]) -> Any:
        faults = self.faults.get(verb, [])
        if faults:
            outcome = faults.pop(0)(done)
            return await outcome if asyncio.iscoroutine(outcome) else outcome
        return done()

    # --- cards ------------------------------------------------------------------------------------------------

    async def bind(self, ask: CardAsk) -> CardOffer:
        self.asks.append(ask)
        if ask.number in self.declines:
            raise CardDeclined(self.declines[ask.number])
        offer = CardOffer(f"bind-{ask.number}-{ask.request_id}", self.says, ask.number[-4:], ref_of(ask.number))
        result: CardOffer = await self._serve("bind", lambda: offer)
        return result._replace(binding=f"binding-{ref_of(ask.number)}-{ask.request_id}")

    async def confirm(self, binding: str) -> str:
        token = "tok-" + sha256(binding.encode()).hexdigest()
        self.fen.setdefault(token, HAVE_FEN)
        return str(await self._serve("confirm", lambda: token))

    async def send_code(self, request_id: str, to: str, text: str) -> None:
        await self._serve("sms", lambda: self.messages.setdefault(request_id, (to, text)))

    async def unbind(self, token: str) -> None:
        await self._serve("unbind", lambda: self.unbound.append(token))

    async def statement(self, day: date) -> BankStatement:
        raise NoStatement("none")

    @property
    def code(self) -> str:
        """The code in the newest message."""
        found = re.search(r"\d{6}", list(self.messages.values())[-1][1])
        assert found is not None
        return found[0]

    # --- payments ---------------------------------------------------------------------------------------------

    async def charge(self, order: Order) -> Evidence:
        return await self._ordered("charge", order)

    async def payout(self, order: Order) -> Evidence:
        return await self._ordered("payout", order)

    async def refund(self, order: Order) -> Evidence:
        return await self._ordered("refund", order)

    async def _ordered(self, verb: str, order: Order) -> Evidence:
        self.calls.append((verb, order.number))
        evidence: Evidence = await self._serve(verb, lambda: self._done(verb, order))
        return evidence

    def _done(self, verb: str, order: Order) -> Evidence:
        if order.number not in self.orders:
            sign = -1 if order.kind is PaymentKind.CHARGE else 1
            result, reason = ("succeeded", "")
            if order.kind is PaymentKind.REFUND:
                result, reason = self._given_back(order)
            elif order.token in self.unbound or order.token not in self.fen:
                result, reason = "failed", "the card is not bound"
            elif self.fen[order.token] + sign * order.amount_fen < 0:
                result, reason = "failed", "余额不足"
            else:
                self.fen[order.token] += sign * order.amount_fen
            self.orders[order.number] = (order, result, reason)
        return self._told(verb, order)

    def _given_back(self, order: Order) -> tuple[str, str]:
        """To the card of the charge, bound or not; not more than it was."""
        charge, result, _ = self.orders.get(order.of_number, (None, "", ""))
        given = sum(
            one.amount_fen
            for one, said, _ in self.orders.values()
            if one.of_number == order.of_number and said == "succeeded"
        )
        if charge is None or result != "succeeded" or given + order.amount_fen > charge.amount_fen:
            return "failed", "no such charge, or less is left of it"
        self.fen[charge.token] += order.amount_fen
        return "succeeded", ""

    def _told(self, verb: str, order: Order) -> Evidence:
        if order.number not in self.orders:
            return Evidence(verb, Verdict.NOT_FOUND)
        _, result, reason = self.orders[order.number]
        return Evidence(verb, Verdict(result), reason)

    async def query(self, order: Order) -> Evidence:
        self.calls.append(("query", order.number))
        evidence: Evidence = await self._serve("query", lambda: self._told("query", order))
        return evidence

    async def cancel(self, order: Order) -> Evidence:
        return Evidence("close", Verdict.UNKNOWN)

    def use_config(self, config: Config) -> None:
        pass

    async def close(self) -> None:
        pass

    def done(self, kind: str) -> list[tuple[int, str]]:
        """The orders of a kind: amount and result, in order."""
        return [(one.amount_fen, result) for one, result, _ in self.orders.values() if one.kind == kind]


def ref_of(number: str) -> str:
    return "card-" + sha256(number.encode()).hexdigest()[:16]


def no_answer(done: Callable[[], Any]) -> Any:
    """The call is lost on the way."""
    return Evidence("call", Verdict.UNKNOWN, "no response")


def answer_lost(done: Callable[[], Any]) -> Any:
    """The bank does what is asked, and its answer is lost."""
    done()
    return Evidence("call", Verdict.UNKNOWN, "no response")


def away(done: Callable[[], Any]) -> Any:
    """A call about a card gets no answer."""
    raise GatewayAway


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of passwords that take no time: with those of the program each takes 14 ms of processor time."""
    monkeypatch.setattr(passwords, "TIME_COST", 1)
    monkeypatch.setattr(passwords, "MEMORY_KIB", 8)


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Bank:
    """The bank of all servers of the test."""
    bank = Bank()
    monkeypatch.setattr(assembly, "_gateways", lambda *_: {"bank": bank})
    return bank


class Street:
    """Three users in a group on a server with a bank; each has 500.00 yuan in the wallet."""

    def __init__(self, server: Server, bank: Bank, sql: Sql, backend: Client, clients: list[Client]) -> None:
        self.server, self.bank, self.sql, self.backend = server, bank, sql, backend
        self.sender, self.ben, self.carl = clients
        self.group = 0

    async def bound(
        self, client: Client | None = None, number: str = NUMBER, holder: str = HOLDER, password: str = PASSWORD
    ) -> messages.CardLine:
        """A card of a user, by default the sender's."""
        client = client or self.sender
        offered = await client.bind_card(number, holder, PHONE)
        return await client.confirm_card(offered.challenge_id, self.bank.code, password)

    async def send(self, key: str = "k", amount_fen: int = 300, **options: Any) -> messages.PacketSent:
        """A lucky packet of the sender."""
        return await self.sender.send_packet("lucky", self.group, amount_fen, 3, key=key, **options)

    async def payment(self, key: str = "k") -> asyncpg.Record:
        row = await self.sql.fetchrow("SELECT * FROM payments WHERE key = $1", key)
        assert row is not None
        return row

    async def until_ended(self, key: str = "k") -> asyncpg.Record:
        """The payment of a key, once it has ended; it is asked again without the waits between two attempts."""
        async with asyncio.timeout(PATIENCE_S):
            while (row := await self.payment(key))["state"] not in ("succeeded", "failed"):
                await self.sql.execute("UPDATE payments SET next_try_ms = 0 WHERE state = 'unknown'")
                attempts = self.server.app.services.payments.attempts
                assert attempts is not None
                attempts.look()
                await asyncio.sleep(0.02)
        return row


MakeStreet: TypeAlias = Callable[..., Awaitable[Street]]


@pytest.fixture
def make_street(start_server: StartServer, bank: Bank, connect: Connect, sql: Sql) -> MakeStreet:
    """Makes the street of a server that it starts."""

    async def make(**overrides: Any) -> Street:
        server = await start_server(**overrides)
        backend = await connect(server, 0)
        clients = []
        for user_id in (SENDER, BEN, CARL):
            await backend.top_up(user_id, 50_000)
            clients.append(await connect(server, user_id))
        street = Street(server, bank, sql, backend, clients)
        street.group = await clients[0].create_group("street")
        invite = await clients[0].invite(street.group)
        for client in clients[1:]:
            await client.join_group(street.group, invite)
        return street

    return make


@pytest.fixture
async def street(make_street: MakeStreet) -> Street:
    """A street on one server."""
    return await make_street()


AuditBooks: TypeAlias = Callable[[], Awaitable[list[str]]]


@pytest.fixture
def discrepancies(database: Database) -> AuditBooks:
    """What the audit finds."""

    async def find() -> list[str]:
        found = await audit(database, SEED_KEYS)
        return [line for finding in found.findings for line in finding.discrepancies]

    return find
