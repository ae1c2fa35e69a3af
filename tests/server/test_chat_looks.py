"""The look of the terminal client: complete at every width, and toasts hide nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Static
from textual.widgets._toast import Toast, ToastRack

from client_sim.chat.app import KEYS, ChatApp
from client_sim.chat.screens.send_form import SendForm
from client_sim.chat.screens.widgets import Groups
from client_sim.chat.session import Start
from client_sim.chat.texts import text
from client_sim.chat.toasts import Toast as ChatToast
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from tests.conftest import Connect, Server, token
from tests.server.test_chat import ME, chat, family
from tests.terminal import PATIENCE_S, Terminal


class Started(NamedTuple):
    """A running app, and the fingers at its keys."""

    app: ChatApp
    pilot: Pilot[int]


TEXT = "都到齐了吗准备抢红包啦"


@pytest.mark.long
@pytest.mark.parametrize("columns", [60, 80, 101])
async def test_toasts_at_every_width_are_complete_and_hide_nothing(
    server: Server, backend: Client, connect: Connect, columns: int
) -> None:
    other, group_id = await family(backend, connect, server)
    await other.say(group_id, TEXT * 8)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "zh"), columns=columns) as screen:
        await screen.see("● 在线", "都到齐了吗")
        screen.type("/send 190 2")
        await screen.see("零钱不足")
        screen.type("/kick 大明明")
        await screen.see("没有人叫大明明", "零钱不足")
        screen.press("f1")
        await screen.see("/send 8.88 5 恭喜发财", "帮助", "没有人叫大明明", "零钱不足", "拼手气红包：总金额")
        screen.press("esc")
        await screen.see_no_more("拼手气红包：总金额")
        await screen.see("没有人叫大明明", "零钱不足")
        for name in ("小明", "小红", "小刚"):
            screen.type(f"/kick {name}")
        await screen.see("没有人叫小刚")
        await screen.see_no_more("零钱不足")  # so many are enough
        await screen.until(lambda: screen.text.count(TEXT[0]) == 8, "the text is not whole")


async def test_top_line_after_a_resize_fills_the_width(server: Server, backend: Client, connect: Connect) -> None:
    _, group_id = await family(backend, connect, server)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "zh")) as screen:
        await screen.see("● 在线  零钱 100.00元")
        for columns in (60, 120, 80):
            screen.resize(columns)
            await screen.until(partial(_ends_at, screen, columns - 1), f"does not end at column {columns - 1}")


def _ends_at(screen: Terminal, column: int) -> bool:
    line = screen.lines[0]
    return line.endswith("● 在线  零钱 100.00元") and cell_len(line) == column


@pytest.mark.long
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_cards_and_bubbles_at_60_columns_are_complete(
    server: Server, backend: Client, connect: Connect, language: str
) -> None:
    other, group_id = await family(backend, connect, server)
    words = chat(server, ME, "--group", str(group_id), "--lang", language)
    async with Terminal(words, columns=60) as screen:
        await screen.see("●", "100.00", "一家人")
        await other.send_packet("lucky", group_id, 200, 2, "恭喜发财")
        kind = {"zh": "拼手气红包 · 2个", "en": "lucky packet · 2 shares"}[language]
        await screen.see("恭喜发财", kind)  # the last line of the card, too: it may be drawn later
        top = next(row for row, line in enumerate(screen.lines) if "恭喜发财" in line)
        assert kind in screen.lines[top + 2]
        await other.say(group_id, "word " * 12 + "END")
        await screen.see("END")
        starts = {line.index("word") for line in screen.lines if "word" in line}
        assert len(starts) == 1


@asynccontextmanager
async def started(server: Server, columns: int = 80, rows: int = 24, **options: Any) -> AsyncIterator[Started]:
    """The app without a terminal, from the moment it is ready."""
    async with Client(server.url, token(user_id_of(ME))) as client:
        app = ChatApp(client, Start(ME, language=options.pop("language", "en")), **options)
        async with app.run_test(notifications=True, size=(columns, rows)) as pilot, asyncio.timeout(PATIENCE_S):
            await app.session.is_ready.wait()
            yield Started(app, pilot)


async def test_event_that_comes_while_the_app_ends_draws_nothing(server: Server) -> None:
    async with started(server) as (app, _):
        await app.screen.query_one(Groups).remove()  # as at the end, when the parts go one by one
        app._draw()
        assert app.failure is None


async def test_first_screen_without_a_group_says_what_to_do(server: Server) -> None:
    async with started(server, topup_options=" --data s") as (app, pilot):
        first = app.screen.query_one("#first")
        while not first.display:
            await pilot.pause(0.05)
        words = str(first.query_one(Static).render())
        for needed in (
            "no group yet",
            "/new NAME",
            "/join CODE",
            "/invite",
            f"hongbao topup {ME} 8800",
            "--data s",
        ):
            assert needed in words
        assert "F2 sends" in words
        assert not app.screen.query_one("#talk").display
        await app.session.client.create_group("一家人")
        await pilot.press(*"/new 同事", "enter")
        while first.display:
            await pilot.pause(0.05)
        assert app.screen.query_one("#talk").display


async def test_hint_to_a_user_without_money_names_the_options_of_topup(server: Server, connect: Connect) -> None:
    await (await connect(server, user_id_of(ME))).create_group("一家人")
    async with started(server, topup_options="--data s") as (app, pilot):
        while not (toasts := app.screen.query(Toast)):
            await pilot.pause(0.05)
        assert str(toasts.first().render()).endswith(f"\nhongbao topup {ME} 8800 --data s")


@pytest.mark.long
async def test_many_toasts_leave_no_rows_behind(server: Server) -> None:
    async with started(server) as (app, pilot):
        first = app.screen.query_one("#first")
        while not first.region.y:
            await pilot.pause(0.05)
        top = first.region.y
        for number in range(20):
            app.toast(ChatToast(f"toast {number}"))
            await pilot.pause(0.02)
        await pilot.pause(0.2)
        shown = [str(one.render()) for one in app.screen.query(Toast)]
        assert shown == ["toast 17", "toast 18", "toast 19"]
        assert len(app.screen.query_one(ToastRack).children) == 3
        assert first.region.y == top + 3


@pytest.mark.long
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_keys_at_50_columns_are_all_shown_in_whole_words(
    server: Server, connect: Connect, language: str
) -> None:
    await (await connect(server, user_id_of(ME))).create_group("一家人")
    async with started(server, columns=50, language=language) as (app, pilot):
        keys = app.screen.query_one("#keys")
        while keys.size.height < 2:
            await pilot.pause(0.05)
        rows = str(keys.render()).split("\n")
        assert len(rows) == keys.size.height
        assert max(cell_len(row) for row in rows) <= 50
        for key, name in KEYS:
            assert any(f" {key} {text(language, name)} " in row for row in rows)
        await pilot.press("f2")
        while not isinstance(app.screen, SendForm):
            await pilot.pause(0.05)
        await pilot.pause(0.1)
        keys = app.screen.query_one("#keys")
        assert keys.region.right <= 50
        assert max(cell_len(row) for row in str(keys.render()).split("\n")) <= keys.size.width
        assert keys.region.bottom <= 24


async def test_card_opened_in_another_session_of_the_user_shows_as_opened(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    same = await connect(server, user_id_of(ME))
    async with started(server) as (app, pilot):
        sent = await other.send_packet("lucky", group_id, 200, 2, "恭喜发财")
        while not (cards := app.session.model.current.cards()):
            await pilot.pause(0.05)
        assert cards[0].packet.state == "open"
        won = await same.open(sent.packet_id)
        while cards[0].packet.state == "open":
            await pilot.pause(0.05)
        assert (cards[0].packet.state, cards[0].packet.amount_fen) == ("claimed", won.amount_fen)
