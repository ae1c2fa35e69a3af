"""The page in a browser: it loads without errors, follows a server, reports a lost connection, shows no markup."""

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
    unrecorded=17,
    rejected=5,
    requests={"grab": 7, "open": 4, "send_packet": 0},
    refusals={"overloaded": 3, "rate_limited": 0},
    open_ms=latencies(0.4, 4, 4, 99),
    hottest=(HotPacket("7300000000000000001", 5, 3), HotPacket("7300000000000000002", 4, None)),
)
CONTRAST = 4.5  # WCAG level AA for text
LEAST_CONTRAST = """() => {  // the least contrast between a text and its background
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


class ObservedPage(NamedTuple):
    """A page with its console output and its requests."""

    page: Page
    console: list[str]
    urls: set[str]


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with browser(installed_or_skip()) as running:
        yield running


@pytest.fixture
async def observed(chromium: Browser) -> ObservedPage:
    page = await open_page(chromium, 1280, 900)
    console: list[str] = []
    urls: set[str] = set()
    page.on("console", lambda message: console.append(message.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    page.on("request", lambda request: urls.add(request.url))
    return ObservedPage(page, console, urls)


async def test_page_loads_without_console_output_and_requests_only_its_own_server(observed: ObservedPage) -> None:
    async with serve(Health([], [])) as feed:
        await observed.page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(observed.page.locator("#stream")).to_have_text("live")
        await expect(observed.page.locator("#state")).to_have_text("serving")
        await expect(observed.page.locator("[data-text=connections]")).to_have_text("0")
        feed.show(BUSY)
        await expect(observed.page.locator("[data-text=connections]")).to_have_text("1,234")
        await expect(observed.page.locator("[data-text=inFlight]")).to_have_text("17")
        await expect(observed.page.locator("[data-text=retried]")).to_have_text("5")
        assert not re.search("NaN|undefined|null", await observed.page.inner_text("body"))
        await expect(observed.page.locator("#heat rect")).to_have_count(3)
        await expect(observed.page.locator("#heat")).to_have_attribute("aria-label", re.compile("p99"))
        await expect(observed.page.locator("#requests-legend")).to_contain_text("grab 7.0")
        here = f"http://127.0.0.1:{feed.port}"
        assert {url for url in observed.urls if not url.startswith("data:")} == {f"{here}/", f"{here}/events"}
        assert observed.console == []


async def test_markup_in_a_sample_is_shown_as_text(observed: ObservedPage) -> None:
    async with serve(Health([MARKUP], [])) as feed:
        await observed.page.goto(f"http://127.0.0.1:{feed.port}/")
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
        for selector in ("#hot", "#refusals", "#stores", "#problems", "[data-text=durability]", "#requests-legend"):
            await expect(observed.page.locator(selector)).to_contain_text(MARKUP)
        assert await observed.page.locator("body img").count() == 0


async def test_failed_audit_does_not_hide_earlier_discrepancies(observed: ObservedPage) -> None:
    found = AuditResult(1_700_000_000_500, 0.1, 2, ("wallets: one", "sends: another"))
    async with serve(Health([], [])) as feed:
        await observed.page.goto(f"http://127.0.0.1:{feed.port}/")
        feed.show(
            replace(BUSY, audit=found, audit_fault=AuditFault(1_700_000_009_000, "PostgreSQL: connection refused"))
        )
        audit = observed.page.locator("#audit")
        await expect(audit).to_have_text(re.compile(r"^2 discrepancies at [\d:]+, failed at [\d:]+$"))
        await expect(observed.page.locator("#problems")).to_contain_text(["Audit: wallets: one"])


async def test_page_reports_a_lost_connection_and_reconnects(observed: ObservedPage) -> None:
    stream = observed.page.locator("#stream")
    async with serve(Health([], [])) as feed:
        await observed.page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(stream).to_have_text("live")
    await expect(stream).to_have_text("no connection")
    await expect(observed.page).to_have_title("hongbao: no connection")
    async with serve(Health([], []), feed.port) as feed:
        await expect(stream).to_have_text("live")
        feed.show(BUSY)
        await expect(observed.page.locator("[data-text=connections]")).to_have_text("1,234")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_fits_every_width_and_has_enough_contrast(chromium: Browser, scheme: str) -> None:
    page = await open_page(chromium, 1280, 900, scheme=scheme)
    async with serve(Health([], ["redis is away: opens go on without the mirror"])) as feed:
        await page.goto(f"http://127.0.0.1:{feed.port}/")
        feed.show(BUSY)
        await expect(page.locator("[data-text=connections]")).to_have_text("1,234")
        assert await page.evaluate(LEAST_CONTRAST) >= CONTRAST
        for width in (320, 390, 560, 820, 1280):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_page_shows_the_events_of_a_real_server(
    observed: ObservedPage, start_server: StartServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ops.samples.periodic_query.EVERY_S", 0.1)
    monkeypatch.setattr("server.ops.samples.periodic_query.PAUSE_FACTOR", 0)  # also on a slow machine
    monkeypatch.setattr("server.ops.samples.hot_packets.SECONDS", 600)  # the packet must stay hot on a slow machine
    server = await start_server(ops__http="127.0.0.1:0")
    await observed.page.goto(f"http://127.0.0.1:{server.app.operations.http_port}/")
    await expect(observed.page.locator("#stream")).to_have_text("live")
    await expect(observed.page.locator("[data-text=sent]")).to_have_text("0.00")

    sender = await connect(server, 1)
    await (await connect(server, BACKEND)).top_up(1, 10_000)
    group = await sender.create_group("party")
    packet = await sender.send_packet("lucky", group, 888, 1)
    won = await sender.open(packet.packet_id)
    assert won.amount_fen == 888

    for name, text in (("toppedUp", "100.00"), ("sent", "8.88"), ("claimed", "8.88"), ("verdict", "✓ balanced")):
        await expect(observed.page.locator(f"[data-text={name}]")).to_have_text(text)
    await expect(observed.page.locator("[data-text=sum]")).to_have_text(
        "8.88 sent = 8.88 claimed + 0.00 refunded + 0.00 in packets"
    )
    await expect(observed.page.locator("#hot tr")).to_contain_text([str(packet.packet_id)])
    assert observed.console == []
