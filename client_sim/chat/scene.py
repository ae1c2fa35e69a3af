"""The scene for the pictures in the docs: a family on New Year's Eve, on a real server, drawn as SVG."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from textual.pilot import Pilot
from textual.screen import Screen

from client_sim.bank.faults import card_number
from client_sim.chat.app import ChatApp
from client_sim.chat.screens.open_page import OpenPage
from client_sim.chat.screens.pay_sheet import PaySheet
from client_sim.chat.screens.result_page import ResultPage
from client_sim.chat.screens.wallet import WalletScreen
from client_sim.chat.session import Start
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of

ME, MOTHER, OTHERS = "小梅", "妈妈", ("阿强", "老王", "大刘")
SIZE = (80, 24)
PATIENCE_S = 10.0
SETTLE_S = 0.5  # some parts are drawn a moment later
BACKEND = 0
SHOWN_CLOCK = "20:08"  # in place of the real time: the pictures change only when the program does
CELL_WIDTH, CELL_HEIGHT, BASELINE = 12.2, 24.4, 18.5  # of the SVG that Rich writes
HALVES = ({"▀"}, {"▄"})
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # it would be fetched from another site
_CLOCK = re.compile(r"\d\d:\d\d")
_NUMBER = re.compile(r"terminal-\d+")  # depends on the content: with it every line would change
_TEXT = re.compile(
    r'<text class="([^"]*-r\d+)" x="([\d.]+)" y="([\d.]+)" textLength="[^"]*" clip-path="[^"]*">(.*?)</text>',
    re.DOTALL,
)

PHONE = "13800001234"  # of the card
Mint = Callable[[int], str]
Inbox = Callable[[str], Sequence[str]]  # the messages that have come to a phone


class Scene:
    """The other users, and what they do."""

    def __init__(self, url: str, mint: Mint) -> None:
        self._url = url
        self._mint = mint
        self._stack = AsyncExitStack()
        self.people: dict[str, Client] = {}
        self.family_id = 0
        self.groups: dict[str, int] = {}

    def client(self, user_id: int) -> Client:
        """A client, not connected yet."""
        return Client(self._url, self._mint(user_id))

    async def __aenter__(self) -> Scene:
        backend = await self._stack.enter_async_context(self.client(BACKEND))
        for name in (MOTHER, *OTHERS, ME):
            user_id = user_id_of(name)
            await backend.top_up(user_id, 8_800)
            self.people[name] = await self._stack.enter_async_context(self.client(user_id))
            await self.people[name].set_name(name)
        for group in ("高中同学", "同事", "一家人"):
            self.family_id = await self.people[MOTHER].create_group(group)
            self.groups[group] = self.family_id
            invite = await self.people[MOTHER].invite(self.family_id)
            for name in (*OTHERS, ME):
                await self.people[name].join_group(self.family_id, invite)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def say(self, name: str, text: str) -> None:
        """Post a text to the family."""
        await self.people[name].say(self.family_id, text)

    async def send(self, name: str, kind: str, amount_fen: int, shares: int, greeting: str) -> int:
        """Send a packet to the family; its id."""
        return (await self.people[name].send_packet(kind, self.family_id, amount_fen, shares, greeting)).packet_id

    async def bind(self, name: str, inbox: Inbox) -> None:
        """Bind a card of the bank."""
        offered = await self.people[name].bind_card(card_number(), name, PHONE)
        found = re.search(r"\d{6}", inbox(PHONE)[-1])
        assert found is not None
        await self.people[name].confirm_card(offered.challenge_id, found[0], "246810")


async def draw(url: str, mint: Mint, folder: Path, inbox: Inbox) -> list[Path]:
    """Play the scene; write chat.svg (the conversation) and chat-….svg (open page, result, wallet, pay sheet).

    `inbox`: of the bank that the server has.
    """
    async with Scene(url, mint) as scene:
        app = ChatApp(scene.client(user_id_of(ME)), Start(ME, scene.family_id, "zh"))
        async with app.run_test(size=SIZE) as pilot:
            await asyncio.wait_for(app.session.is_ready.wait(), PATIENCE_S)
            return [*await _play(scene, app, pilot, folder), *await _pay(scene, app, pilot, folder, inbox)]


async def _play(scene: Scene, app: ChatApp, pilot: Pilot[int], folder: Path) -> list[Path]:
    await scene.say(MOTHER, "都到齐了吗？准备抢红包啦")
    packet_id = await scene.send(MOTHER, "lucky", 8_88, 5, "恭喜发财，大吉大利")
    for name in (*OTHERS, MOTHER):
        await scene.people[name].open(packet_id)
    await app.pages.tap(packet_id)
    opening = await _drawn(app, pilot, OpenPage, folder / "chat-open.svg")
    await pilot.press("enter")
    result = await _drawn(app, pilot, ResultPage, folder / "chat-result.svg")
    await pilot.press("escape")
    await scene.say(ME, "谢谢妈妈！我也发一个")
    await scene.people["老王"].say(scene.groups["同事"], "明天聚餐？")
    mine = await scene.send(ME, "equal", 1_00, 5, "新年快乐")
    await scene.people["阿强"].open(mine)
    await _until(pilot, lambda: len(app.session.model.current.entries) >= 6)
    app.clear_notifications()
    return [await _drawn(app, pilot, Screen, folder / "chat.svg"), opening, result]


async def _pay(scene: Scene, app: ChatApp, pilot: Pilot[int], folder: Path, inbox: Inbox) -> list[Path]:
    await scene.bind(ME, inbox)
    await app.pages.show_wallet()
    wallet = await _drawn(app, pilot, WalletScreen, folder / "chat-wallet.svg")
    await pilot.press("escape")
    await pilot.press(*"/send 18.88 5 红包雨", "enter")
    return [wallet, await _drawn(app, pilot, PaySheet, folder / "chat-pay.svg")]


async def _drawn(app: ChatApp, pilot: Pilot[int], page: type[Screen[Any]], path: Path) -> Path:
    """A picture of a page, as soon as it is shown."""
    await _until(pilot, lambda: isinstance(app.screen, page) and app.screen.is_mounted)
    await pilot.pause(SETTLE_S)
    return _written(app, path)


async def _until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await pilot.pause(0.05)


def _written(app: ChatApp, path: Path) -> Path:
    svg = _NUMBER.sub("terminal", app.export_screenshot(title="hongbao chat"))
    path.write_text(_TEXT.sub(_aligned, _FONT_FACE.sub("", svg)), encoding="utf-8")
    return path


def _aligned(found: re.Match[str]) -> str:
    """A text of the SVG with a position for each character: Chinese stays in its columns in any font."""
    kind, left, place, words = found.groups()
    words = _CLOCK.sub(SHOWN_CLOCK, words)
    if words.isspace():
        return words
    if set(words) in HALVES:  # drawn as glyphs they would have gaps between them
        top = float(place) - BASELINE + (CELL_HEIGHT / 2 if words[0] == "▄" else 0)
        width, height = CELL_WIDTH * len(words), CELL_HEIGHT / 2
        return f'<rect class="{kind}" x="{left}" y="{top:g}" width="{width:g}" height="{height:g}"/>'
    at, places = float(left), []
    for one in html.unescape(words):
        places.append(f"{at:g}")
        at += CELL_WIDTH * cell_len(one)
    return f'<text class="{kind}" x="{" ".join(places)}" y="{place}">{words}</text>'
