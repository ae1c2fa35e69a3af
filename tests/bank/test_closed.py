"""What sends requests sends none once it is closed: a session that it opened then would be closed by nothing.

The loop of the tests fails each test that leaves a session open.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from client_sim.bank.books import BankBooks
from client_sim.bank.desk import BankDesk, NoBank
from client_sim.bank.keys import BankKeyring, new_key
from client_sim.bank.notices import NoticeSender
from server.core.payments import Evidence, Order, PaymentKind, Verdict
from server.core.webhooks.addresses import networks_of
from server.gateways.host.gateway import HostGateway
from server.outgoing_http import CLOSED
from tests.bank.conftest import SENDER, StartWithBank, service_of

ORDER = Order(1 << 60, PaymentKind.CHARGE, SENDER, 300)


class Receiver(NamedTuple):
    """Where requests would arrive, and the connections that were made."""

    url: str
    connections: list[asyncio.StreamWriter]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A port that ends every connection."""
    made: list[asyncio.StreamWriter] = []

    def end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(writer)
        writer.close()

    async with await asyncio.start_server(end, "127.0.0.1", 0) as listening:
        yield Receiver(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", made)


async def test_notice_after_the_close_is_not_sent_and_stays_due(receiver: Receiver) -> None:
    books = BankBooks(":memory:")
    sender = NoticeSender(books, BankKeyring({"b1": new_key()}, {}), receiver.url, time.time, time.time)
    books.db.execute("INSERT INTO notices (number, body, forged, due_s) VALUES ('5', '{}', 0, 1.0)")
    await sender.close()
    await sender.send_now("5")
    assert [tuple(row) for row in books.rows("SELECT tries, due_s FROM notices")] == [(0, 1.0)]
    assert receiver.connections == []
    books.close()


async def test_sender_that_runs_again_sends_what_stayed_due(receiver: Receiver) -> None:
    books = BankBooks(":memory:")
    sender = NoticeSender(books, BankKeyring({"b1": new_key()}, {}), receiver.url, time.time, time.time)
    await sender.close()
    books.db.execute("INSERT INTO notices (number, body, forged, due_s) VALUES ('5', '{}', 0, 1.0)")
    running = asyncio.create_task(sender.run())
    while not books.row("SELECT 1 FROM notices WHERE tries = 1"):  # noqa: ASYNC110  nothing sets an event for it
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await sender.close()
    assert len(receiver.connections) > 0
    books.close()


async def test_desk_after_the_close_asks_nothing(receiver: Receiver) -> None:
    desk = BankDesk(receiver.url)
    await desk.close()
    with pytest.raises(NoBank, match="are closed"):
        await desk.state()
    assert receiver.connections == []


async def test_host_wallet_after_the_close_is_not_called(receiver: Receiver) -> None:
    here = networks_of(["127.0.0.0/8"])
    keys = {"k1": bytes(range(32))}
    gateway = HostGateway(receiver.url, keys, 5.0, here, lambda: 1, time.monotonic, secrets.token_bytes)
    await gateway.close()
    assert await gateway.charge(ORDER) == Evidence("charge", Verdict.UNKNOWN, CLOSED)
    assert receiver.connections == []


async def test_server_that_has_ended_calls_its_bank_no_more(start_with_bank: StartWithBank) -> None:
    server = await start_with_bank(notices=False)
    gateway = service_of(server).gateways["bank"]
    assert (await gateway.query(ORDER)).verdict is Verdict.NOT_FOUND
    await server.stop()
    assert await gateway.query(ORDER) == Evidence("query", Verdict.UNKNOWN, CLOSED)
