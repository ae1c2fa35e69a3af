"""The page in a browser: it loads in silence, follows a real server, says when that is gone, shows no markup."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, Page, expect

from server.core.ids import BACKEND
from server.ops.health import Health
from server.ops.samples.sample import AuditFault, AuditResult, HotPacket, StoreState
from tests.conftest import Connect, StartServer
from tests.ops.dashboard.browser import browser, installed_or_skip, open_page
from tests.ops.dashboard.feed import serve
from tests.ops.samples import latencies, sample

PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)
MARKUP = "<img src=x onerror=alert(1)>"
BUSY = sample(
    at_ms=1_700_000_001_000,
    clock_s=1001.0,
    connections=1234,
    requests={"grab": 7, "open": 4, "send_packet": 0},
    refusals={"overloaded": 3, "rate_limited": 0},
    open_ms=latencies(0.4, 4, 4, 99),
    hottest=(HotPacket("7300000000000000001", 5, 3), HotPacket("7300000000000000002", 4, None)),
)
CONTRAST = 4.5  # what WCAG asks of text at level AA
FAINTEST = """() => {  // the least contrast of any text with what lies behind it
    const light = (color) => {
        const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
        const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        const color = getComputedStyle(element).backgroundColor;
        return color === "rgba(0, 0, 0, 0)" ? behind(element.parentElement) : color;
    };
    const all = [...document.querySelectorAll("body *:not(script, noscript, svg *)")];
    const texts = all.filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    return Math.min(...texts.map((element) => {
        const [one, other] = [light(getComputedStyle(element).color), light(behind(element))];
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    }));
}"""


class Watched(NamedTuple):
    """A page, what it complained about and whom it asked."""

    page: Page
    complaints: list[str]
    asked: set[str]


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with browser(installed_or_skip()) as running:
        yield running


@pytest.fixture
async def watched(chromium: Browser) -> Watched:
    page = await open_page(chromium, 1280, 900)
    complaints: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.add(request.url))
    return Watched(page, complaints, asked)


async def test_it_loads_in_silence_and_asks_nobody_else(watched: Watched) -> None:
    async with serve(Health([], [])) as feed:
        await watched.page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(watched.page.locator("#stream")).to_have_text("live")
        await expect(watched.page.locator("#state")).to_have_text("serving")
        await expect(watched.page.locator("[data-text=connections]")).to_have_text("0")
        feed.show(BUSY)
        await expect(watched.page.locator("[data-text=connections]")).to_have_text("1,234")
        await expect(watched.page.locator("#heat rect")).to_have_count(3)
        await expect(watched.page.locator("#heat")).to_have_attribute("aria-label", re.compile("99 % within"))
        await expect(watched.page.locator("#requests-legend")).to_contain_text("grab 7.0")
        here = f"http://127.0.0.1:{feed.port}"
        assert {url for url in watched.asked if not url.startswith("data:")} == {f"{here}/", f"{here}/events"}
        assert watched.complaints == []


async def test_what_is_told_is_shown_as_text(watched: Watched) -> None:
    async with serve(Health([MARKUP], [])) as feed:
        await watched.page.goto(f"http://127.0.0.1:{feed.port}/")
        feed.show(
            replace(
                BUSY,
                hottest=(HotPacket(MARKUP, 5, 3),),
                refusals={MARKUP: 9},
                requests={MARKUP: 9},
                stores={MARKUP: StoreState(False, 0, MARKUP)},
                durability=MARKUP,
            )
        )
        for place in ("#hot", "#refusals", "#stores", "#troubles", "[data-text=durability]", "#requests-legend"):
            await expect(watched.page.locator(place)).to_contain_text(MARKUP)
        assert await watched.page.locator("body img").count() == 0


async def test_an_audit_that_failed_hides_nothing_that_was_found(watched: Watched) -> None:
    found = AuditResult(1_700_000_000_500, 0.1, 2, ("wallets: one", "sends: another"))
    async with serve(Health([], [])) as feed:
        await watched.page.goto(f"http://127.0.0.1:{feed.port}/")
        feed.show(replace(BUSY, audit=found, audit_fault=AuditFault(1_700_000_009_000, "PostgreSQL: away")))
        audit = watched.page.locator("#audit")
        await expect(audit).to_have_text(re.compile(r"^2 discrepancies at [\d:]+, failed at [\d:]+$"))
        await expect(watched.page.locator("#troubles")).to_contain_text(["Audit: wallets: one"])


async def test_it_says_that_there_is_no_connection_and_comes_back_by_itself(watched: Watched) -> None:
    stream = watched.page.locator("#stream")
    async with serve(Health([], [])) as feed:
        await watched.page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(stream).to_have_text("live")
    await expect(stream).to_have_text("no connection")
    await expect(watched.page).to_have_title("hongbao: no connection")
    async with serve(Health([], []), feed.port) as feed:
        await expect(stream).to_have_text("live")
        feed.show(BUSY)
        await expect(watched.page.locator("[data-text=connections]")).to_have_text("1,234")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_sticks_out_and_everything_can_be_read(chromium: Browser, scheme: str) -> None:
    page = await open_page(chromium, 1280, 900, scheme=scheme)
    async with serve(Health([], ["redis is away: opens go on without the mirror"])) as feed:
        await page.goto(f"http://127.0.0.1:{feed.port}/")
        feed.show(BUSY)
        await expect(page.locator("[data-text=connections]")).to_have_text("1,234")
        assert await page.evaluate(FAINTEST) >= CONTRAST
        for width in (320, 390, 560, 820, 1280):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_it_follows_a_real_server(
    watched: Watched, start_server: StartServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ops.samples.periodic_query.EVERY_S", 0.1)
    monkeypatch.setattr(
        "server.ops.samples.hottest.SECONDS", 600
    )  # it must still be hot when a busy machine gets there
    server = await start_server(ops__http="127.0.0.1:0")
    await watched.page.goto(f"http://127.0.0.1:{server.app.operations.http_port}/")
    await expect(watched.page.locator("#stream")).to_have_text("live")
    await expect(watched.page.locator("[data-text=sent]")).to_have_text("0.00")

    sender = await connect(server, 1)
    await (await connect(server, BACKEND)).top_up(1, 10_000)
    group = await sender.create_group("party")
    packet = await sender.send_packet("lucky", group, 888, 1)
    won = await sender.open(packet.packet_id)
    assert won.amount_fen == 888

    for name, told in (("toppedUp", "100.00"), ("sent", "8.88"), ("claimed", "8.88"), ("verdict", "✓ it balances")):
        await expect(watched.page.locator(f"[data-text={name}]")).to_have_text(told)
    await expect(watched.page.locator("[data-text=sum]")).to_have_text(
        "8.88 sent = 8.88 claimed + 0.00 refunded + 0.00 in packets"
    )
    await expect(watched.page.locator("#hot tr")).to_contain_text([str(packet.packet_id)])
    assert watched.complaints == []
