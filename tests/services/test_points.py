"""A server whose packets hold points: what it tells clients of every age, in texts and in refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import asyncpg
import msgspec
import pytest

from client_sim.sdk import transport
from client_sim.sdk.errors import Refusal
from protocol import messages
from protocol.money_unit import YUAN
from server.cli.shared import answers
from server.services.money.audit import audit
from storage.postgres.database import Database
from tests.conftest import DAY_MS, SEED_KEYS, Connect, Server, StartServer, Turn
from tests.points import POINTS, POINTS_CONFIG, yuan_in
from tests.services.conftest import SENDER, MakeParty, until
from tests.services.test_audit import drop_guards

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class OldWelcome(messages.Message, tag=110):
    """The welcome as clients of an older revision know it."""

    user_id: int
    balance_fen: int
    places: list[messages.StreamPosition]
    balance_version: int = 0
    arriving_fen: int = 0


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """A server of points."""
    return await start_server(**POINTS_CONFIG, limits__packet_lifetime_s=3600.0, refunds__interval_s=0.05)


def texts_of(told: object) -> str:
    """Every text of a message, also inside its lists."""
    plain = msgspec.to_builtins(told, builtin_types=(bytes,))
    return "\n".join(str(one) for one in _leaves(plain) if isinstance(one, str))


def _leaves(value: Any) -> list[object]:
    return [leaf for one in value for leaf in _leaves(one)] if isinstance(value, (list, tuple)) else [value]


async def test_client_learns_the_unit_at_login_and_pages_speak_it(server: Server, party: MakeParty) -> None:
    room = await party(server, 2)
    assert room.sender.money == POINTS
    packet_id = await room.lucky(1_234, 2)
    await room.all_open(packet_id)
    for client in (room.sender, *room.guests):
        for language, shown in (("zh", "2个红包共1,234积分"), ("en", "1,234 points in all")):
            tapped = await client.open_page(packet_id, language)
            page = (await client.result_page(packet_id, language)).page
            assert (shown in page.summary) == (client is room.sender)
            assert yuan_in(texts_of(tapped) + texts_of(page)) == []
    page = (await room.guests[0].result_page(packet_id, "en")).page
    assert page.amount == f"{page.amount_fen:,} points"


async def test_server_of_yuan_says_so_at_login(start_server: StartServer, connect: Connect) -> None:
    client = await connect(await start_server(), SENDER)
    assert client.money == YUAN
    assert client.welcome is not None
    assert client.welcome.money_unit == YUAN


async def test_client_that_ignores_the_unit_logs_in_and_reads_points_in_texts(
    server: Server, party: MakeParty, connect: Connect, sql: Sql, turn_clock: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old client knows neither the last field of the welcome nor typed reminders."""
    room = await party(server, 2)
    packet_id = await room.lucky(1_234, 3)
    await room.sender.close()
    await room.all_open(packet_id)
    turn_clock(DAY_MS)

    async def told() -> bool:
        return bool(
            await sql.fetchval(
                "SELECT EXISTS (SELECT FROM packets WHERE refunded_fen > 0) AND NOT EXISTS (SELECT FROM outbox)"
            )
        )

    await until(told)
    monkeypatch.setattr(transport, "FEATURES", ())
    old = await connect(room.server, SENDER)
    assert old.welcome is not None
    welcome = msgspec.msgpack.decode(messages.encode(old.welcome), type=OldWelcome)
    assert welcome.balance_fen == old.welcome.balance_fen
    found = await old._ask(messages.CatchUp(0, SENDER, 0), messages.CaughtUp)
    texts = [one.text for one in found.messages if isinstance(one, messages.TextPosted)]
    assert any("积分" in text and text.startswith("你的红包被领取了") for text in texts)
    assert any("积分已退回零钱" in text for text in texts)
    assert yuan_in("\n".join(texts)) == []


async def test_refusals_of_amounts_name_points(server: Server, party: MakeParty, connect: Connect) -> None:
    room = await party(server, 1)
    backend = await connect(server, 0)
    for work in (room.lucky(10**9, 2), room.lucky(1, 2), backend.top_up(SENDER, 10**15)):
        with pytest.raises(Refusal, match=r"amount_fen: \d+ points, allowed are") as refused:
            await work
        assert yuan_in(refused.value.detail) == []


async def test_audit_names_what_amounts_count(
    server: Server, party: MakeParty, database: Database, sql: Sql
) -> None:
    room = await party(server, 2)
    await room.all_open(await room.lucky(1_234, 2))

    async def settled() -> bool:
        return not await sql.fetchval("SELECT count(*) FROM settlement_queue")

    await until(settled)
    await server.stop()
    await drop_guards(sql)
    for planted in (
        "UPDATE wallets SET balance_fen = balance_fen + 1 WHERE user_id = 2",
        "UPDATE packets SET claimed_fen = claimed_fen - 1",
        "UPDATE claims SET amount_fen = 20001 WHERE index = 0",
        "DELETE FROM transfers WHERE kind = 4",
        "DELETE FROM entries WHERE user_id = 1",
        "UPDATE transfers SET amount_fen = amount_fen + 7 WHERE kind = 1",
        "UPDATE years SET sent_fen = sent_fen - 1 WHERE user_id = 1",
    ):
        await sql.execute(planted)
    for smallest in (POINTS.smallest, "fen"):
        report = await audit(database, SEED_KEYS, smallest)
        lines = [line for finding in report.findings for line in finding.discrepancies]
        assert len(lines) >= 10
        assert any(f" {smallest}, its transfers say" in line for line in lines)
        assert "¤" not in "\n".join(lines)
        assert bool(yuan_in("\n".join(lines))) == (smallest == "fen")


async def test_operators_read_points(
    server: Server, party: MakeParty, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer of the status socket in the unit of the server that gave it."""
    monkeypatch.setenv("COLUMNS", "200")
    room = await party(server, 1)
    packet_id = await room.lucky(1_234, 1)
    await room.all_open(packet_id)
    options = answers.ServerOptions(data=server.app._data)
    shown: Callable[..., Awaitable[int]] = lambda *words: asyncio.to_thread(answers.show_answer, options, *words)  # noqa: E731
    for words in (("status",), ("packet", packet_id), ("user", SENDER), ("settlement",), ("refunds",)):
        assert await shown(*words) == 0
        out = capsys.readouterr().out
        assert " points" in out, out
        assert "decimals" not in out
        assert yuan_in(out) == []
