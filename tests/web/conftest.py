"""A server that serves the app, and people with phones: Chromium at 390 pixels, logged in by a link."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.conftest import Connect, Server, StartServer
from tests.http_api.conftest import ADDRESS
from tests.ops.dashboard.browser import browser, installed_or_skip
from tests.websocket.conftest import LISTEN
from tests.wire.test_example_client import token

PATIENCE_MS = 20_000
WEB = Path(__file__).parents[2] / "client_sim" / "web"
SDK = WEB / "sdk" / "dist" / "hongbao.js"
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "wire.json").read_text("utf-8"))
SERVES_APP = {**LISTEN, "http_api__address": ADDRESS, "web__enabled": "true"}
ALICE, BEN, CLEO = 1, 2, 3

# Keeps every socket of the page; loses the next reply, or holds back what comes, when it is asked to.
WATCH_SOCKETS = """
window.sockets = [];
let isLosing = false;
let held;
window.loseNextReply = () => { isLosing = true; };
window.holdBack = () => { held = []; };
window.letCome = () => { const all = held; held = undefined; all.forEach((one) => one()); };
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    sockets.push(this);
    this.addEventListener("message", (event) => {
      if (held !== undefined) {
        held.push(() => this.dispatchEvent(new MessageEvent("message", { data: event.data })));
        event.stopImmediatePropagation();
        return;
      }
      if (!isLosing || new Uint8Array(event.data)[1] === 0x03) return;
      isLosing = false;
      event.stopImmediatePropagation();
      this.close();
    });
  }
};
"""

expect.set_options(timeout=PATIENCE_MS)


class Phone:
    """One person's phone: the app in a page of its own, with all that the page complained about."""

    def __init__(self, page: Page, url: str, user_id: int, language: str) -> None:
        self.page = page
        self.link = f"{url}/app/#token={token(user_id)}&lang={language}"
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def start(self) -> Phone:
        """Open the link."""
        await self.page.goto(self.link)
        return self

    async def start_again(self) -> None:
        """The phone has ended the app, and it is started again, without a link."""
        await self.page.goto("about:blank")
        await self.page.goto(self.link.partition("#")[0])

    def button(self, name: str, **options: Any) -> Locator:
        """A button that can be pressed, by what a screen reader says of it."""
        return self.page.get_by_role("button", name=name, **options)

    async def tap(self, name: str, **options: Any) -> None:
        """Tap a button."""
        await self.button(name, **options).last.click()

    async def begin_packet(self) -> None:
        """From a chat to the form that sends a packet there."""
        await self.tap("更多功能")
        await self.tap("红包", exact=True)

    async def type(self, label: str, text: str) -> None:
        """Type into a field."""
        await self.page.get_by_label(label, exact=True).fill(text)

    async def sees(self, text: str, **options: Any) -> None:
        """The text is on the screen at last."""
        await expect(self.page.get_by_text(text, **options).last).to_be_visible()


Hold = Callable[..., Awaitable[Phone]]  # server, user, language="zh", other options of a context


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """A server with the app."""
    return await start_server(**SERVES_APP)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser for all phones of a test."""
    async with browser(installed_or_skip()) as running:
        yield running


@pytest.fixture
async def hold(chromium: Browser) -> Hold:
    """Makes phones."""

    async def one(
        server: Server, user_id: int, language: str = "zh", *, start: bool = True, **options: Any
    ) -> Phone:
        context = await chromium.new_context(**{"viewport": {"width": 390, "height": 844}, **options})
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        await page.add_init_script(WATCH_SOCKETS)
        phone = Phone(page, server.app.http_api.url, user_id, language)
        return await phone.start() if start else phone

    return one


@pytest.fixture
async def family(server: Server, connect: Connect) -> int:
    """A group of three with money: its owner is Alice."""
    backend = await connect(server, 0)
    await backend.put_users({ALICE: "小安", BEN: "Ben", CLEO: "小可"})
    for user_id in (ALICE, BEN, CLEO):
        await backend.top_up(user_id, 50_000)
    group_id = await backend.put_group("family", "一家人", owner_id=ALICE)
    await backend.sync_members(group_id, 1, [ALICE, BEN, CLEO])
    return int(group_id)
