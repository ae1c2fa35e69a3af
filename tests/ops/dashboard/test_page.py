"""The page in a browser: it loads without errors, follows a server, reports a lost connection, shows no markup."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio
from msgspec.structs import replace
from playwright.async_api import Browser, Page, expect

from protocol.money_unit import YUAN, MoneyUnit
from server.core.ids import BACKEND
from server.ops.health import Health
from server.ops.samples.sample import (
    AuditFault,
    AuditResult,
    CampaignReportLine,
    HotPacket,
    LinkFigures,
    OpenPayments,
    PeerFigures,
    SpentHour,
    StoreState,
)
from tests.conftest import Connect, StartServer
from tests.ops.dashboard.browser import browser, installed_or_skip, open_page
from tests.ops.dashboard.feed import serve
from tests.ops.samples import EMPTY, WORKERS, latencies, sample
from tests.points import COINS, POINTS, yuan_in

pytestmark = pytest.mark.asyncio(loop_scope="module")  # that of the browser
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


BROKEN_WORDS = """() => {  // words that stand on more than one line
    const broken = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (node.parentElement.closest("script, style, noscript")) continue;
        for (const word of node.data.matchAll(/[\\w.,:()-]+/g)) {
            const range = document.createRange();
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const lines = new Set([...range.getClientRects()].map((one) => Math.round(one.top)));
            if (lines.size > 1) broken.push(word[0]);
        }
    }
    return broken;
}"""
BEYOND = """() => [...document.querySelectorAll("body *:not(svg *)")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map((element) => element.outerHTML)"""
COLOURS_ON_CARD = """() => {  // what the eye sees: each colour laid over the card, as red, green and blue
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const seen = (color, opacity) => {
        pen.globalAlpha = 1;
        pen.fillStyle = getComputedStyle(document.querySelector("section")).backgroundColor;
        pen.fillRect(0, 0, 1, 1);
        pen.globalAlpha = opacity;
        pen.fillStyle = color;
        pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const cells = [...document.querySelectorAll("#heat rect")].map((one) => getComputedStyle(one));
    const opacities = cells.map((one) => Number(one.fillOpacity)).sort((one, other) => one - other);
    const scale = getComputedStyle(document.querySelector(".scale")).backgroundImage;
    const ends = scale.match(/(?:rgba?|color)\\([^)]*\\)/g);
    return {
        card: seen("#000", 0),
        fewest: seen(cells[0].fill, opacities[0]),
        most: seen(cells[0].fill, opacities.at(-1)),
        legend: ends.map((end) => seen(end, 1)),
    };
}"""
WHY = "连接被拒绝：127.0.0.1:6379 connection refused (ConnectionRefusedError)"
FULL = replace(
    BUSY,
    hottest=tuple(HotPacket(f"730000000000000000{n}", 500 - n, left) for n, left in enumerate((3, 0, None))),
    refusals={"overloaded": 222, "not_enough_money": 3, "store_unavailable": 1},
    stores={"postgres": StoreState(True, 1_699_999_990_000), "redis": StoreState(False, 1_700_000_000_000, WHY)},
    money_fen={"topped_up": 1_234_567_890, "withdrawn": 0, "sent": 987_654_321, "claimed": 1, "refunded": 1},
    audit=AuditResult(1_700_000_000_500, 0.1, 0),
    payments=OpenPayments(
        {"created": 0, "submitted": 1_234, "unknown": 56_789},
        {"created": 0.0, "submitted": 4.0, "unknown": 93_784.0},
        2,
        ("bank", "host"),
    ),
)


class ObservedPage(NamedTuple):
    """A page with its console output and its requests."""

    page: Page
    console: list[str]
    urls: set[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_chromium() -> AsyncIterator[Browser]:
    """One Chromium for these tests: its start costs as much as a test."""
    async with browser(installed_or_skip()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def chromium(shared_chromium: Browser) -> AsyncIterator[Browser]:
    """Chromium; each page has a context of its own, and none outlives its test."""
    yield shared_chromium
    for context in shared_chromium.contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def observed(chromium: Browser) -> ObservedPage:
    return observe(await open_page(chromium, 1280, 900))


def observe(page: Page) -> ObservedPage:
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


@pytest.mark.parametrize(
    ("unit", "head", "topped_up"),
    [
        (YUAN, "in yuan, since the start", "12,345,678.90"),
        (POINTS, "in points, since the start", "1,234,567,890"),
        (COINS, "in gold coins, since the start", "1,234,567.890"),
    ],
)
async def test_page_shows_money_in_the_unit_of_the_server(
    observed: ObservedPage, unit: MoneyUnit, head: str, topped_up: str
) -> None:
    async with serve(Health([], []), money=unit) as feed:
        await observed.page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(observed.page.locator("[data-text=connections]")).to_have_text("0")
        feed.show(FULL)
        await expect(observed.page.locator("[data-text=toppedUp]")).to_have_text(topped_up)
        await expect(observed.page.locator("#money-title small")).to_have_text(head)
        text = await observed.page.inner_text("body")
        assert bool(yuan_in(text)) == (unit == YUAN)


async def test_payments_are_shown_where_there_is_a_gateway(observed: ObservedPage) -> None:
    page = observed.page
    async with serve(Health([], [])) as feed:
        await page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(page.locator("[data-text=connections]")).to_have_text("0")
        await expect(page.locator("#payments")).to_be_hidden()
        feed.show(FULL)
        await expect(page.locator("#payments")).to_be_visible()
        for name, text in (
            ("payCreated", "0"),
            ("payCreatedAge", "none waits"),
            ("paySubmitted", "1,234"),
            ("payUnknown", "56,789"),
            ("payUnknownAge", "oldest 1 d 2 h"),
            ("payBreaks", "✗ 2"),
            ("payAway", "✗ bank, host away"),
        ):
            await expect(page.locator(f"[data-text={name}]")).to_have_text(text)
        await expect(page.locator("#unknown")).to_have_class("bad")
        feed.show(replace(FULL, at_ms=1_700_000_002_000, payments=OpenPayments({"unknown": 1}, {"unknown": 59.0})))
        await expect(page.locator("[data-text=payAway]")).to_have_text("✓ respond")
        await expect(page.locator("[data-text=payBreaks]")).to_have_text("✓ none")
        await expect(page.locator("#unknown")).not_to_have_class("bad")


CAMPAIGN = CampaignReportLine(
    campaign="7300000000000000001",
    name="除夕摇红包",
    sponsor="招财银行",
    state="running",
    budget_fen=10_000_000,
    won_fen=4_212_300,
    left_fen=5_787_700,
    won_shares=4_212,
    left_shares=5_788,
    winners=4_100,
    cost_per_winner_fen=1_027,
    shakes=120_000,
    hours=[SpentHour(1_700_000_000_000 + hour * 3_600_000, 1_000 * hour, 1_000_000 * hour) for hour in range(3)],
)


async def test_open_campaigns_are_shown_with_what_is_spent_left_and_costs_a_winner(observed: ObservedPage) -> None:
    page = observed.page
    async with serve(Health([], [])) as feed:
        await page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(page.locator("[data-text=connections]")).to_have_text("0")
        await expect(page.locator("#campaigns")).to_be_hidden()
        feed.campaigns[:] = [
            CAMPAIGN,
            replace(CAMPAIGN, name=MARKUP, won_fen=0, cost_per_winner_fen=None, hours=[]),
        ]
        feed.show(BUSY)
        await expect(page.locator("#campaigns")).to_be_visible()
        cells = page.locator("#campaign-lines tr").first.locator("td")
        await expect(cells).to_have_text(
            [
                *("除夕摇红包 (招财银行)", "running", "42,123.00 (42 %)", "57,877.00", "4,100", "10.27"),
                re.compile(r"^\d\d:\d\d 2,000$"),
            ]
        )
        await expect(page.locator("#campaign-lines .bars").first.locator("span")).to_have_count(3)
        await expect(page.locator("#campaign-lines tr").last).to_contain_text(f"{MARKUP} (招财银行)")
        await expect(page.locator("#campaign-lines tr").last.locator("td").nth(5)).to_have_text("–")
        assert await page.locator("body img").count() == 0
        assert observed.console == []
        feed.campaigns.clear()
        feed.show(replace(BUSY, at_ms=1_700_000_002_000))
        await expect(page.locator("#campaigns")).to_be_hidden()


async def test_workers_are_shown_where_there_are_several(observed: ObservedPage) -> None:
    page = observed.page
    async with serve(Health([], [])) as feed:
        await page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(page.locator("[data-text=connections]")).to_have_text("0")
        await expect(page.locator("#workers-section")).to_be_hidden()
    async with serve(Health([], []), workers=WORKERS) as feed:
        await page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(page.locator("#workers-section")).to_be_visible()
        cells = page.locator("#workers td")
        await expect(cells).to_have_text(
            [
                *("0", "✓ serving", "1,234", "3", "13 ms", "66 MB", "1 h 2 min", "0"),
                *("1", "✗ given up: signal 9", "0", "0", "0.0 ms", "0 MB", "0 s", "5"),
            ]
        )


async def test_peers_are_shown_where_there_are_some(observed: ObservedPage) -> None:
    page = observed.page
    async with serve(Health([], [])) as feed:
        await page.goto(f"http://127.0.0.1:{feed.port}/")
        await expect(page.locator("[data-text=connections]")).to_have_text("0")
        await expect(page.locator("#peers-section")).to_be_hidden()
        now = PeerFigures(waiting=5, forwarded=900, served=800, events=70, gaps=6, frames=20, messages=1_000)
        links = LinkFigures({"unix": 1, "tcp": 1}, {"a": "away"})
        feed.show(replace(BUSY, clock_s=EMPTY.clock_s + 1, peers=now, links=links))
        await expect(page.locator("#peers-section")).to_be_visible()
        await expect(page.locator("#missing")).to_have_class("sub bad")
        await expect(page.locator("#peers-section dd")).to_have_text(
            [
                *("2", "✗ 1 missing"),
                *("900", "5 wait"),
                *("800", "requests"),
                *("70", "0 kB /s"),
                *("50", "20 frames /s"),
                *("6", "peers came or went"),
            ]
        )


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


@pytest.mark.parametrize("scheme", ["dark", pytest.param("light", marks=pytest.mark.long)])
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


@pytest.mark.parametrize(
    "width", [390, *(pytest.param(width, marks=pytest.mark.long) for width in (320, 360, 1280))]
)
async def test_page_breaks_no_word_and_shows_nothing_beyond_the_screen(chromium: Browser, width: int) -> None:
    page = await open_page(chromium, width, 900)
    async with serve(Health([], ["redis is away: opens go on without the mirror"])) as feed:
        await page.goto(f"http://127.0.0.1:{feed.port}/")
        feed.campaigns.append(CAMPAIGN)
        feed.show(FULL)
        await expect(page.locator("#stores")).to_contain_text("ConnectionRefusedError")
        assert await page.evaluate(BROKEN_WORDS) == []
        assert await page.evaluate(BEYOND) == []


async def test_states_differ_by_a_sign_and_not_by_colour_alone(observed: ObservedPage) -> None:
    async with serve(Health([], [])) as feed:
        await observed.page.goto(f"http://127.0.0.1:{feed.port}/")
        feed.show(FULL)
        await expect(observed.page.locator("#hot td:last-child")).to_have_text(
            ["● 3", "■ all opened", "○ not in memory"]
        )
        await expect(observed.page.locator("#stores td.store")).to_have_text(
            [re.compile("^✓ up for"), re.compile("^✗ away since")]
        )
        shape = "(element) => getComputedStyle(element, '::before').borderRadius"
        state = observed.page.locator("#state")
        assert await state.evaluate(shape) == "50%"
        await state.evaluate("(element) => mark(element, false, true)")
        assert await state.evaluate(shape) == "0px"


@pytest.mark.parametrize("rows", [3, pytest.param(0, marks=pytest.mark.long)])
async def test_refusals_panel_ends_with_its_last_row(observed: ObservedPage, rows: int) -> None:
    async with serve(Health([], [])) as feed:
        await observed.page.goto(f"http://127.0.0.1:{feed.port}/")
        hottest = tuple(HotPacket(str(7300000000000000000 + n), 9, 1) for n in range(10))
        feed.show(replace(FULL, hottest=hottest, refusals=dict(list(FULL.refusals.items())[:rows])))
        await expect(observed.page.locator("#hot tr")).to_have_count(10)
        below = """(table) => {
            const end = table.closest("section").getBoundingClientRect().bottom;
            return end - table.getBoundingClientRect().bottom;
        }"""
        assert await observed.page.locator("table:has(#refusals)").evaluate(below) < 24


@pytest.mark.parametrize("scheme", ["dark", pytest.param("light", marks=pytest.mark.long)])
async def test_legend_of_the_latency_chart_shows_the_colours_of_the_chart(chromium: Browser, scheme: str) -> None:
    page = await open_page(chromium, 1280, 900, scheme=scheme)
    async with serve(Health([], [])) as feed:
        await page.goto(f"http://127.0.0.1:{feed.port}/")
        feed.show(FULL)
        await expect(page.locator("#heat rect")).to_have_count(3)
        seen = await page.evaluate(COLOURS_ON_CARD)
    for end, cell in zip(seen["legend"], (seen["fewest"], seen["most"]), strict=True):
        assert _distance(end, cell) <= 8
    assert _distance(seen["card"], seen["fewest"]) > 40  # one open can be told from none
    assert _distance(seen["card"], seen["most"]) > 2 * _distance(seen["card"], seen["fewest"])


def _distance(one: list[int], other: list[int]) -> int:
    return sum(abs(mine - yours) for mine, yours in zip(one, other, strict=True))


@pytest.fixture
async def observed_beside_a_server() -> AsyncIterator[ObservedPage]:
    """In a browser of its own, on the loop of the test: a server of the tests runs there."""
    async with browser(installed_or_skip()) as running:
        yield observe(await open_page(running, 1280, 900))


@pytest.mark.long
@pytest.mark.asyncio(loop_scope="function")
async def test_page_shows_the_events_of_a_real_server(
    observed_beside_a_server: ObservedPage,
    start_server: StartServer,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    observed = observed_beside_a_server
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
