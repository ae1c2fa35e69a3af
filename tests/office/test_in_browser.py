"""The pages in Chromium: hostile names are text, no script runs, they fit a phone, and they can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from client_sim.sdk.client import Client
from server.core.office.roles import OfficeRole
from server.services.office.operators import OperatorService
from tests.conftest import Connect, Server
from tests.office.conftest import ALICE, BEN, CLEO, HOSTILE, QUOTES, ROOT
from tests.ops.dashboard.browser import browser, installed_or_skip
from tests.ops.dashboard.test_page import CONTRAST, LEAST_CONTRAST

PATIENCE_MS = 20_000
LONG = "长" * 21  # 63 bytes: the longest name there may be
WIDE = "W" * 64
OUTSIDE = """() => {  // elements beyond the window, besides those of parts that scroll by themselves
  const all = document.querySelectorAll("body *:not(svg *):not(.scroll *):not(nav *):not(.skip)");
  return [...all].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5);
  }).map((element) => element.outerHTML.slice(0, 200));
}"""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser for all windows of a test."""
    async with browser(installed_or_skip()) as running:
        yield running


class Window:
    """A window at the back office, with all that the page complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url.rstrip("/")
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))

    async def log_in(self, key: str) -> None:
        """Paste a key into the page."""
        await self.page.goto(f"{self.url}/login")
        await self.page.get_by_label("Operator key").fill(key)
        await self.page.get_by_role("button", name="Log in").click()
        await expect(self.page.get_by_role("button", name="Log out")).to_be_visible()

    async def open(self, path: str) -> None:
        """Open a page."""
        await self.page.goto(self.url + path)


async def window_at(chromium: Browser, url: str, width: int = 1_200, scheme: str = "light") -> Window:
    """A window of this width; the pages are in English."""
    context = await chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale="en-GB",
    )
    return Window(await context.new_page(), url)


@pytest.fixture
async def packet_id(server: Server, people: Client, connect: Connect) -> int:
    """A packet with a hostile greeting, opened by a user with a hostile name."""
    alice, ben = await connect(server, ALICE), await connect(server, BEN)
    sent = await alice.send_packet("personal", BEN, 1_234, 1, greeting=QUOTES)
    await ben.open(sent.packet_id)
    return int(sent.packet_id)


async def test_browser_hostile_names_are_text_on_every_page(
    chromium: Browser, server: Server, people: Client, operators: OperatorService, packet_id: int
) -> None:
    await people.put_users({ALICE: LONG, 1004: WIDE})
    key = await operators.add("lin", OfficeRole.ADMIN, None, ROOT)
    window = await window_at(chromium, server.app.office.url)
    await window.log_in(str(key))
    page = window.page
    await page.get_by_role("searchbox").fill(HOSTILE)
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("bdi", has_text=HOSTILE)).to_be_visible()
    await page.get_by_role("link", name=str(BEN)).click()
    await expect(page.locator("h1 bdi")).to_have_text(HOSTILE)
    await window.open(f"/packet/{packet_id}")
    await expect(page.locator("dd bdi.text")).to_have_text(QUOTES)
    await expect(page.locator(".life .claimed bdi")).to_have_text(HOSTILE)
    for path in (f"/user/{CLEO}", f"/user/{ALICE}", "/user/1004", f"/search?q={QUOTES}", "/log", "/operators"):
        await window.open(path)
        await expect(page.get_by_role("button", name="Log out")).to_be_visible()
        assert await page.locator("main script, main img").count() == 0
    assert window.complaints == []


async def test_browser_a_user_is_frozen_by_a_form_and_the_page_says_so(
    chromium: Browser, server: Server, people: Client, operators: OperatorService
) -> None:
    key = await operators.add("lin", OfficeRole.SUPPORT, None, ROOT)
    window = await window_at(chromium, server.app.office.url)
    await window.log_in(str(key))
    page = window.page
    await window.open(f"/user/{BEN}")
    await page.locator("summary", has_text="Freeze the user").click()
    await page.get_by_label("case number").fill("CASE-7")
    await page.get_by_label("reason").fill("<b>stolen</b> phone")
    await page.get_by_role("button", name="Freeze the user").click()
    await expect(page.get_by_role("status")).to_contain_text("Freeze the user. Done: entry")
    await expect(page.get_by_text("<b>stolen</b> phone")).to_be_visible()
    await expect(page.get_by_text("frozen since")).to_be_visible()
    await page.get_by_role("button", name="中文").click()
    await expect(page.get_by_text("已冻结，自")).to_be_visible()
    await page.get_by_role("button", name="退出").click()
    await expect(page.get_by_label("操作员密钥")).to_be_visible()
    assert window.complaints == []


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
async def test_browser_pages_fit_a_phone_and_can_be_read(
    chromium: Browser, server: Server, people: Client, operators: OperatorService, packet_id: int, scheme: str
) -> None:
    await people.put_users({ALICE: WIDE, CLEO: LONG})
    key = await operators.add("lin-the-administrator", OfficeRole.ADMIN, None, ROOT)
    window = await window_at(chromium, server.app.office.url, 390, scheme)
    await window.open("/login")
    assert await window.page.evaluate(OUTSIDE) == []
    await window.log_in(str(key))
    for path in (
        "/",
        f"/user/{ALICE}",
        f"/packet/{packet_id}",
        "/log",
        "/payments",
        "/breaks",
        "/risk",
        "/campaigns",
    ):
        await window.open(path)
        assert await window.page.evaluate(OUTSIDE) == [], path
        assert await window.page.evaluate(LEAST_CONTRAST) >= CONTRAST, path
    assert window.complaints == []
