"""The terminal client of a deployment whose packets hold points: amounts are shown and typed as whole numbers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO

import pytest
from textual.pilot import Pilot

from client_sim.chat import toasts
from client_sim.chat.app import ChatApp
from client_sim.chat.clean import clean_unit
from client_sim.chat.plain import Plain
from client_sim.chat.screens import dialog
from client_sim.chat.session import Start
from client_sim.sdk.client import Client
from client_sim.sdk.money import MoneyUnit
from client_sim.sdk.names import user_id_of
from tests.conftest import PATIENCE_S, Connect, Server, StartServer, token
from tests.points import POINTS_CONFIG, yuan_in
from tests.server.test_chat import ME, family, find_in_order
from tests.server.test_chat_pages import see, shown


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """A server of points."""
    return await start_server(**POINTS_CONFIG)


async def transcript(server: Server, start: Start, *lines: str) -> str:
    """What plain mode prints for these lines."""
    out, typed = StringIO(), asyncio.Queue[str | None]()
    for line in (*lines, None):
        typed.put_nowait(line)
    async with asyncio.timeout(PATIENCE_S), Client(server.url, token(user_id_of(ME))) as client:
        await Plain(client, out, start).run(typed)
    return out.getvalue()


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_plain_chat_in_points_reads_whole_amounts_and_prints_no_yuan(
    server: Server, backend: Client, connect: Connect, language: str
) -> None:
    _, group_id = await family(backend, connect, server)
    out = await transcript(
        server,
        Start(ME, group_id, language),
        "/send 88 1 hello",
        "/wait packet",
        "/open",
        "/result",
        "/equal 100积分 1",
        "/send 8.88 1",
        "/send ¥8 1",
        "/send 9999999 1",
        "/balance",
        "/records sent",
        "/statement",
        "/help",
    )
    amount = {"zh": "88积分", "en": '"88 points"'}[language]
    patterns = [
        r"sent packet=\d+ kind=lucky total_fen=88 shares=1",
        r"opened packet=\d+ answer=won amount_fen=88 .*",
        rf"result packet=\d+ kind=lucky state=finished .* amount_fen=88 .* amount={amount} .*",
        r"sent packet=\d+ kind=equal total_fen=100 shares=1",
        r"bad why=not_understood verb=send text=8.88",
        r"bad why=not_understood verb=send text=¥8",
        r'refused name=bad_amount temporary=no detail="amount_fen: 9999999 points, allowed are 1 to 20000"',
        r"entry reason=send at_ms=\d+ change_fen=-100 .*",
        r'help verb=/send use="/send 888 5 .*',
        r'help verb=/equal use="/equal 100 5 .*',
    ]
    find_in_order(patterns, out)
    assert yuan_in(re.sub("text=(8.88|¥8)\n", "", out)) == []


@asynccontextmanager
async def running(server: Server, group_id: int, language: str) -> AsyncIterator[tuple[ChatApp, Pilot[int]]]:
    """The app on a wide screen."""
    async with asyncio.timeout(PATIENCE_S), Client(server.url, token(user_id_of(ME))) as client:
        app = ChatApp(client, Start(ME, group_id, language))
        async with app.run_test(size=(110, 40)) as pilot:
            await app.session.is_ready.wait()
            yield app, pilot


@pytest.mark.parametrize(
    ("language", "wallet", "after", "costs"),
    [
        ("zh", "零钱 10,000积分", "零钱 9,912积分", "共88积分"),
        ("en", "wallet 10,000 points", "wallet 9,912 points", "88 points in all"),
    ],
)
async def test_screens_in_points_show_and_read_whole_amounts_and_no_yuan(
    server: Server,
    backend: Client,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    wallet: str,
    after: str,
    costs: str,
) -> None:
    monkeypatch.setattr(dialog, "READ_PAUSE_S", 0.0)
    other, group_id = await family(backend, connect, server)
    seen: list[str] = []
    async with running(server, group_id, language) as (app, pilot):
        await see(app, pilot, wallet)
        await pilot.press("f2")
        await see(app, pilot, {"zh": "总金额", "en": "total"}[language], costs.replace("88", "0"))
        await pilot.press(*"88", "down", "2")
        await pilot.pause()
        await see(app, pilot, costs)
        seen.append(shown(app))
        await pilot.press("f2")  # each share: half of it, typed as it is shown
        await see(app, pilot, "44")
        await pilot.press("f2", "f2", "f2", "enter")  # past the other kinds, to the first one again
        await see(app, pilot, after)
        packet_id = app.session.model.current.cards()[-1].packet.packet_id
        opened = await other.open(packet_id)
        await app.pages.show_result(packet_id)
        await see(app, pilot, app.session.money.short(language, opened.amount_fen))
        seen.append(shown(app))
        await pilot.press("escape", "f3")
        await see(app, pilot, {"zh": "收到的红包", "en": "received"}[language])
        await pilot.press("tab")
        await see(app, pilot, app.session.money.short(language, 88))
        seen.append(shown(app))
        for show, part in ((app.pages.show_statement, "9,912"), (app.pages.show_help, "888 5")):
            await pilot.press("escape")
            await show()
            await see(app, pilot, part)
            seen.append(shown(app))
        await pilot.press("escape")
    assert [yuan_in(one) for one in seen] == [[]] * len(seen)


@pytest.mark.parametrize(("decimals", "amount"), [(0, "88"), (2, "8800"), (3, "88000")])
async def test_hint_to_a_user_without_money_tops_up_88_of_the_unit(
    server: Server, decimals: int, amount: str
) -> None:
    app = ChatApp(Client(server.url, token(user_id_of(ME))), Start(ME))
    app.session.money = MoneyUnit("x", "x", "", decimals)
    assert toasts.topup_command(app.session, "") == f"hongbao topup {ME} {amount}"


def test_unit_of_a_hostile_server_cannot_control_the_terminal() -> None:
    assert clean_unit(MoneyUnit("a\x1b[2J", "b\u202e", "\x07", 2)) == MoneyUnit("a·[2J", "b·", "·", 2)
