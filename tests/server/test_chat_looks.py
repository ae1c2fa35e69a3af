"""The look of the terminal client: complete at every width, and toasts hide nothing."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from rich.cells import cell_len
from textual.widgets._toast import Toast

from client_sim.chat.app import ChatApp
from client_sim.chat.session import Start
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from tests.conftest import Connect, Server, token
from tests.server.test_chat import ME, chat, family
from tests.terminal import PATIENCE_S, Terminal

TEXT = "都到齐了吗准备抢红包啦"


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


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_cards_and_bubbles_at_60_columns_are_complete(
    server: Server, backend: Client, connect: Connect, language: str
) -> None:
    other, group_id = await family(backend, connect, server)
    words = chat(server, ME, "--group", str(group_id), "--lang", language)
    async with Terminal(words, columns=60) as screen:
        await screen.see("●", "100.00", "一家人")
        await other.send_packet("lucky", group_id, 200, 2, "恭喜发财")
        await screen.see("恭喜发财")
        top = next(row for row, line in enumerate(screen.lines) if "恭喜发财" in line)
        kind = {"zh": "拼手气红包 · 2个", "en": "lucky packet · 2 shares"}[language]
        assert kind in screen.lines[top + 2]
        await other.say(group_id, "word " * 12 + "END")
        await screen.see("END")
        starts = {line.index("word") for line in screen.lines if "word" in line}
        assert len(starts) == 1


async def test_hint_to_a_user_without_money_names_the_options_of_topup(server: Server) -> None:
    async with Client(server.url, token(user_id_of(ME))) as client:
        app = ChatApp(client, Start(ME, language="en"), topup_options="--data s")
        async with app.run_test(notifications=True) as pilot, asyncio.timeout(PATIENCE_S):
            await app.session.is_ready.wait()
            while not (toasts := app.screen.query(Toast)):
                await pilot.pause(0.05)
            assert str(toasts.first().render()).endswith(f"\nhongbao topup {ME} 8800 --data s")
