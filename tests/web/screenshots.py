"""Draws every screen of the app: `python -m tests.web.screenshots [FOLDER]`, about four minutes.

It starts a server with a simulated bank, lets a few users chat, and takes each screen in Chinese and English, light
and dark. One sheet for each of the four goes into the folder, and each screen by itself with `--single`.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from playwright.async_api import Browser, Page

from client_sim.bank.desk import BankDesk
from client_sim.bank.faults import Fault, card_number
from client_sim.sdk.client import Client
from server import config
from server.cli.shared.demo_bank import DemoBank
from server.cli.shared.demo_http import http_words
from server.cli.shared.demo_web import web_environment
from server.cli.shared.resources import mint
from server.core.campaigns.deck import Band, fitting_budget
from server.instance import running
from server.process import ServerProcess
from tests.ops.dashboard.browser import browser, installed

ME, OWNER, SPONSOR = 2, 2, 700
NAMES: Final = {1: "小安", 2: "Mei 小梅", 3: "阿强", 4: "Ben", 5: "小可", 6: "老王", 7: "Dana"}
PASSWORD: Final = "246810"
PHONE: Final = "13800001234"
SAID: Final = (
    (1, "今晚一起吃火锅吗？"),
    (4, "I'm in! Who pays?"),
    (3, "红包走起！"),
    (2, "好，我先来一个"),
)
WIDTH, HEIGHT = 390, 844
BANDS: Final = [(200, 299, 900_000), (300, 500, 100_000)]
CHANCE_S: Final = 1.05
VERSIONS: Final = tuple(itertools.product(("zh", "en"), ("light", "dark")))


class Shot(NamedTuple):
    """A screen as PNG."""

    name: str
    png: bytes


class Scene:
    """A server with people, of whom one has the phone."""

    def __init__(self, url: str, data: Path, bank: str) -> None:
        self._url, self._data, self._desk = url, data, BankDesk(bank)
        self.clients: dict[int, Client] = {}
        self.cards = itertools.count(43)  # each with a phone of its own, which gets one code a minute
        self.group = self.packet = self.campaign = 0

    def token(self, user_id: int) -> str:
        """A login token."""
        return mint(config.load(None, {}), self._data, user_id)

    def link(self, url: str, language: str) -> str:
        """The link that logs the phone in."""
        return f"{url}#token={self.token(ME)}&lang={language}"

    async def prepare(self) -> None:
        """Money, names, a chat with packets in all states, a card, a campaign."""
        for user_id in (0, *NAMES):
            self.clients[user_id] = Client(self._url, self.token(user_id))
            await self.clients[user_id].connect()
        backend = self.clients[0]
        await backend.put_users(NAMES)
        for user_id in NAMES:
            await backend.top_up(user_id, 88_800)
        self.group = await backend.put_group("hotpot", "火锅群 Hotpot", owner_id=OWNER)
        await backend.sync_members(self.group, 1, list(NAMES))
        await self.clients[ME].open_chat(4)
        await self._chat()
        await self._card()
        await self._campaign()

    async def _chat(self) -> None:
        for user_id, text in SAID:
            await self.clients[user_id].say(self.group, text)
        finished = await self._send(1, 888, 5, "新年快乐", opens=(3, ME, 4, 5, 6))
        self.packet = finished
        await self.clients[5].say(self.group, "手气太好了！")
        await self._send(3, 1_000, 2, "手快有手慢无", opens=(4, 7))
        await self._send(ME, 2_000, 6, "", opens=(1, 4))
        await self.clients[7].say(self.group, "谢谢老板！Thank you, boss!")
        await self._everyday()
        await self._send(6, 5_200, 7, "恭喜发财,大吉大利", opens=(4,))
        await self.clients[4].send_packet("personal", ME, 520, greeting="给你的")

    async def _everyday(self) -> None:
        """Packets with words, for named members, and for later."""
        words = {"greeting": "暗号是我们的群名", "words": "火锅"}
        await self.clients[4].send_packet("password", self.group, 600, 4, **words)
        await self.clients[5].send_packet("exclusive", self.group, 200, 2, "辛苦两位", for_user_ids=(3, 6))
        for number, greeting in enumerate(("除夕快乐", "开工大吉"), 1):
            send_at_ms = int(time.time() * 1000) + number * 86_400_000
            await self.clients[ME].send_packet("lucky", self.group, 1_880, 6, greeting, send_at_ms=send_at_ms)

    async def _send(self, sender: int, amount_fen: int, shares: int, greeting: str, opens: tuple[int, ...]) -> int:
        sent = await self.clients[sender].send_packet("lucky", self.group, amount_fen, shares, greeting)
        for user_id in opens:
            await self.clients[user_id].open(sent.packet_id)
        return int(sent.packet_id)

    async def _card(self) -> None:
        me, phone = self.clients[ME], PHONE
        offered = await me.bind_card(card_number(Fault.NONE, 42), "王小梅", phone)
        await me.confirm_card(offered.challenge_id, await self._desk.code(phone), PASSWORD)
        await self._desk.close()

    async def _campaign(self) -> None:
        backend, now_ms, day_ms = self.clients[0], int(time.time() * 1000), 86_400_000
        await backend.put_sponsor(SPONSOR, "某超市")
        budget = fitting_budget(9_000, [Band(*band) for band in BANDS])
        await backend.top_up(SPONSOR, budget, "sponsor")
        span = now_ms - 364 * day_ms, now_ms + day_ms
        made = await backend.create_campaign(
            SPONSOR, "春节摇一摇", *span, 9_000, budget, BANDS, key="c", highlighted=True, per_user_limit=99
        )
        self.campaign = made.campaign_id

    async def close(self) -> None:
        """Close all connections."""
        for client in self.clients.values():
            await client.close()


class Walk:
    """One language and one scheme: through all screens."""

    def __init__(self, scene: Scene, page: Page, language: str) -> None:
        self.scene, self.page, self.language = scene, page, language

    def say(self, zh: str, en: str) -> str:
        """The text of a button."""
        return zh if self.language == "zh" else en

    async def tap(self, zh: str, en: str) -> None:
        """Tap a button."""
        await self.page.get_by_role("button", name=self.say(zh, en), exact=True).last.click()

    async def shot(self, name: str, wait_ms: int = 450) -> Shot:
        """The screen, once it has come to rest."""
        await self.page.wait_for_timeout(wait_ms)
        return Shot(name, await self.page.screenshot())

    async def back(self) -> None:
        """The back button of the phone."""
        await self.page.go_back()
        await self.page.wait_for_timeout(120)

    async def screens(self) -> AsyncIterator[Shot]:
        """All screens."""
        page = self.page
        await page.locator(".chat-row").nth(1).wait_for()
        yield await self.shot("chats", 900)
        await page.context.set_offline(True)
        await page.locator(".offline").wait_for()
        yield await self.shot("offline")
        await page.context.set_offline(False)
        await page.locator(".offline").wait_for(state="detached")
        await page.locator(".chat-row", has_text="火锅群").click()
        await page.locator(".packet-card").last.wait_for()
        yield await self.shot("chat")
        await self.tap("更多功能", "Red packets and more")
        yield await self.shot("panel")
        async for shot in self._packet():
            yield shot
        async for shot in self._sending():
            yield shot
        await self.tap("更多", "More")
        await self.tap("谁总是抢第一？", "Who is always first?")
        yield await self.shot("members")
        await self.back()
        await self.back()
        async for shot in self._money():
            yield shot

    async def _packet(self) -> AsyncIterator[Shot]:
        page = self.page
        await page.locator(".packet-card:not(.used)").last.click()
        await page.locator(".coin").wait_for()
        yield await self.shot("open")
        await page.evaluate("document.querySelector('.open-card').classList.add('turning')")
        yield await self.shot("turning", 200)
        await self.back()
        await page.locator(".packet-card", has_text="暗号是我们的群名").click()
        await page.locator(".open-words").wait_for()
        yield await self.shot("words")
        await self.back()
        await page.locator(".packet-card", has_text="辛苦两位").click()
        yield await self.shot("for others", 700)
        await self.back()
        await page.locator(".packet-card.used", has_text="手快有手慢无").click()
        yield await self.shot("gone", 700)
        await self.back()
        await page.locator(".packet-card.used", has_text="新年快乐").click()
        await page.locator(".claim-mark").wait_for()
        yield await self.shot("result")
        await self.tap("验证公平", "Check the proof")
        await page.locator(".verdict").wait_for()
        yield await self.shot("proof")
        await self.back()
        await self.back()
        await page.locator(".message.mine .packet-card").last.click()
        await self.tap("查看领取详情", "See who opened it")
        await self.tap("继续发送此红包", "Send this red packet again")
        yield await self.shot("again", 700)
        await self.back()
        await self.back()

    async def _sending(self) -> AsyncIterator[Shot]:
        page = self.page
        if not await page.locator(".panel").count():
            await self.tap("更多功能", "Red packets and more")
        await page.locator(".panel-button.red").click()
        await page.locator(".field input").nth(0).fill("66.66")
        await page.locator(".field input").nth(1).fill("6")
        await page.locator(".big-amount").click()
        yield await self.shot("send")
        await self.tap("改为普通红包", "Change to identical")
        yield await self.shot("send equal")
        await page.locator(".kinds button").nth(1).click()
        await page.locator(".field.leads").click()
        for place in (0, 2):
            await page.locator(".person").nth(place).click()
        yield await self.shot("for whom")
        await page.locator(".foot-bar button").click()
        yield await self.shot("send exclusive")
        await page.locator(".kinds button").nth(2).click()
        await page.locator(".field input").nth(2).fill("火锅")
        await page.locator(".field.when input").fill("2027-02-05T20:00")
        await page.locator(".big-amount").click()
        yield await self.shot("send words later")
        await page.locator(".field.when input").fill("")
        await page.locator(".kinds button").nth(0).click()
        await self.tap("改为普通红包", "Change to identical")
        await self.tap("塞钱进红包", "Put money in")
        await page.locator(".ways").wait_for()
        yield await self.shot("pay")
        await self.tap("忘记密码？", "Forgot it?")
        await page.locator(".row.leads", has_text="0425").wait_for()
        yield await self.shot("forgotten password")
        await self.back()
        await self.tap("添加银行卡", "Add a bank card")
        card = next(self.scene.cards)
        await page.locator(".bind .field input").fill(card_number(Fault.NONE, card))
        await self.tap("下一步", "Next")
        yield await self.shot("bind")
        await page.locator(".bind .field input").nth(1).fill("王小梅")
        await page.locator(".bind .field input").nth(2).fill(f"1390000{card:04d}")
        await self.tap("下一步", "Next")
        await page.locator(".bind .digits").first.wait_for()
        yield await self.shot("bind code")
        for _ in range(3):
            await self.back()

    async def _money(self) -> AsyncIterator[Shot]:
        page = self.page
        await self.tap("零钱", "Wallet")
        await page.locator(".purse-buttons").wait_for()
        yield await self.shot("wallet")
        for name, zh, en in (
            ("records", "红包记录", "Red packets"),
            ("scheduled", "定时红包", "Scheduled"),
            ("statement", "零钱明细", "Statement"),
            ("cards", "银行卡 1", "Bank cards 1"),
            ("top up", "充值", "Top up"),
            ("withdraw", "提现", "Withdraw"),
            ("transfer", "转账", "Transfer"),
        ):
            await self.tap(zh, en)
            yield await self.shot(name, 700)
            await self.back()
        await self.back()
        await page.locator(".shake-entry").click()
        await page.locator(".shaker:enabled").wait_for()
        yield await self.shot("shake")
        for _ in range(40):
            await page.locator(".shaker").click()
            await page.wait_for_timeout(CHANCE_S * 1000)
            if await page.locator(".shake-win").count():
                break
        yield await self.shot("win")
        await self.scene.clients[0].pause_campaign(self.scene.campaign)
        await page.wait_for_timeout(CHANCE_S * 1000)
        await page.locator(".shaker").click()
        yield await self.shot("rest", 900)
        await self.scene.clients[0].resume_campaign(self.scene.campaign)
        await self.back()
        await self.tap("我", "Me")
        yield await self.shot("me")
        await self.back()


async def take(scene: Scene, running_browser: Browser, link: str, scheme: str) -> AsyncIterator[tuple[Page, Shot]]:
    """All screens in the language of the link and a scheme, and the desktop, each while it is on the screen."""
    context = await running_browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme=scheme,
        has_touch=True,  # type: ignore[arg-type]
    )
    page = await context.new_page()
    await page.goto(link)
    async for shot in Walk(scene, page, "zh" if link.endswith("zh") else "en").screens():
        yield page, shot
    await page.set_viewport_size({"width": 1000, "height": HEIGHT})
    await page.locator(".chat-row", has_text="火锅群").click()
    await page.wait_for_timeout(600)
    yield page, Shot("desktop", await page.screenshot())
    await context.close()
    stranger = await running_browser.new_page(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme, locale=link[-2:]
    )
    await stranger.goto(link.partition("#")[0])
    await stranger.wait_for_timeout(900)
    yield stranger, Shot("no login", await stranger.screenshot())
    await stranger.close()


async def sheet(running_browser: Browser, shots: list[Shot]) -> bytes:
    """All screens on one sheet."""
    page = await running_browser.new_page(viewport={"width": 1300, "height": 800})
    cells = "".join(
        f'<figure><img src="data:image/png;base64,{base64.b64encode(shot.png).decode()}">'
        f"<figcaption>{shot.name}</figcaption></figure>"
        for shot in shots
    )
    style = "body{margin:12px;display:flex;flex-wrap:wrap;gap:12px;background:#888;font:14px sans-serif;color:#fff}"
    style += "figure{margin:0}img{height:400px;display:block;border-radius:8px}"
    await page.set_content(f"<style>{style}</style>{cells}")
    png = await page.screenshot(full_page=True)
    await page.close()
    return png


@contextmanager
def opened_scene() -> Iterator[tuple[Scene, str]]:
    """A server with its bank; the scene, and the url of the app."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name, DemoBank(Path(name), 1) as bank:
        data = Path(name)
        environment = {**bank.environment, **web_environment()}
        with ServerProcess(data, *http_words(data), environment=environment) as server:
            found = running(data)
            assert found is not None
            asyncio.run(bank.open_desk(found.http_api, share=0.0))
            yield Scene(server.url, data, bank.url), f"{found.http_api}/app/"


async def draw(scene: Scene, url: str, folder: Path, *, single: bool) -> None:
    """All sheets."""
    await scene.prepare()
    path = installed()
    assert path is not None
    async with browser(path) as running_browser:
        for language, scheme in VERSIONS:
            shots = []
            async for _, shot in take(scene, running_browser, scene.link(url, language), scheme):
                shots.append(shot)
                if single:
                    name = f"{language}-{scheme}-{len(shots):02d}-{shot.name.replace(' ', '-')}.png"
                    (folder / name).write_bytes(shot.png)
            (folder / f"web-{language}-{scheme}.png").write_bytes(await sheet(running_browser, shots))
    await scene.close()


def main() -> int:
    """The command line."""
    words = [word for word in sys.argv[1:] if word != "--single"]
    folder = Path(words[0] if words else "docs")
    if installed() is None:
        print("Chromium is not installed; on Debian or Ubuntu: apt install chromium", file=sys.stderr)
        return 1
    with opened_scene() as (scene, url):
        asyncio.run(draw(scene, url, folder, single="--single" in sys.argv))
    print(*sorted(folder.glob("web-*.png")), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
