"""Measures the app: `python -m tests.web.figures`, about two minutes. The figures stand in docs/web.md.

A phone of a quarter of this machine's speed (CPU throttled by 4) on loopback: from the tap on the coin to the
amount, and on slow 3G to the first paint of the page. The memory of a page is read before and after an hour of a
busy group, whose messages come in a minute. `test_figures.py` holds these figures to their bounds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Sequence
from typing import Any, Final

from playwright.async_api import Browser, CDPSession, Page

from client_sim.sdk.client import Client
from tests.http_api.test_page_in_browser import SLOW_3G as SLOW_3G_OF_DEVTOOLS
from tests.ops.dashboard.browser import browser, installed
from tests.web.screenshots import HEIGHT, NAMES, WIDTH, Scene, opened_scene

OPENS = 40
THROTTLE = 4
SLOW_3G: Final = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
TEXTS_WARM: Final = 2_500  # before the hour: more than a chat remembers
TEXTS_OF_AN_HOUR: Final = 7_200  # two a second
TEXTS_A_PACKET: Final = 60  # one every half minute
PAUSE_S: Final = 0.5  # after so many texts, for the limit of requests
SHARES: Final = 3
AMOUNT_MS = """
() => new Promise((done) => {
  const coin = document.querySelector(".coin");
  const since = performance.now();
  const seen = new MutationObserver(() => {
    if (document.querySelector(".result-amount")) { seen.disconnect(); done(performance.now() - since); }
  });
  seen.observe(document.body, { childList: true, subtree: true });
  coin.click();
})
"""


async def phone(chromium: Browser, link: str) -> tuple[Page, CDPSession]:
    """A page that is logged in, and its controls."""
    page = await (await chromium.new_context(viewport={"width": WIDTH, "height": HEIGHT})).new_page()
    controls = await page.context.new_cdp_session(page)
    await controls.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    await page.goto(link)
    return page, controls


async def opens(sender: Client, group: int, page: Page, count: int = OPENS) -> list[float]:
    """Milliseconds from the tap on the coin to the amount, for each of the packets, in a chat that is shown."""
    taken = []
    for number in range(count):
        await sender.send_packet("lucky", group, 20, 2, f"no {number}")
        await page.locator(".packet-card:not(.used)", has_text=f"no {number}").last.click()
        await page.locator(".coin").wait_for()
        await page.wait_for_timeout(300)  # as long as a person needs to see the coin
        taken.append(float(await page.evaluate(AMOUNT_MS)))
        await page.go_back()
    return taken


async def first_paint_ms(chromium: Browser, link: str, network: dict[str, Any]) -> float:
    """On a slow network, without anything in the cache."""
    page = await (await chromium.new_context()).new_page()
    controls = await page.context.new_cdp_session(page)
    await controls.send("Network.enable")
    await controls.send("Network.emulateNetworkConditions", network)
    await page.goto(link)
    script = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
    while not (painted := float(await page.evaluate(script))):
        await page.wait_for_timeout(50)
    return painted


async def heap_mb(controls: CDPSession) -> float:
    """What the page holds after a collection."""
    await controls.send("HeapProfiler.enable")
    await controls.send("HeapProfiler.collectGarbage")
    used = await controls.send("Runtime.getHeapUsage")
    return float(used["usedSize"]) / 1e6


async def chatter(
    users: Sequence[Client], group: int, page: Page, texts: int, about: str, pause_s: float = 0
) -> None:
    """So many texts, and packets among them that others open; until the last one is on the screen."""
    for first in range(0, texts, TEXTS_A_PACKET):
        numbers = range(first, min(first + TEXTS_A_PACKET, texts))
        said = (users[number % len(users)].say(group, f"{about} {number}") for number in numbers)
        await asyncio.gather(*said)
        sent = await users[0].send_packet("lucky", group, 10 * SHARES, SHARES, f"{about} {first}")
        await asyncio.gather(*(user.open(sent.packet_id) for user in users[:SHARES]))
        await asyncio.sleep(pause_s)
    await page.get_by_text(f"{about} {texts - 1}", exact=True).last.wait_for()


async def measure(scene: Scene, url: str) -> None:
    """Print all figures."""
    await scene.prepare()
    path, link = installed(), scene.link(url, "zh")
    assert path is not None
    async with browser(path) as chromium:
        page, controls = await phone(chromium, link)
        await page.locator(".chat-row", has_text="火锅群").click()
        taken = sorted(await opens(scene.clients[1], scene.group, page))
        print(f"tap to amount: p50 {statistics.median(taken):.0f} ms, p95 {taken[int(0.95 * OPENS)]:.0f} ms")
        users = [scene.clients[user_id] for user_id in NAMES]
        await chatter(users, scene.group, page, TEXTS_WARM, "warm", PAUSE_S)
        before = await heap_mb(controls)
        await chatter(users, scene.group, page, TEXTS_OF_AN_HOUR, "text", PAUSE_S)
        print(f"memory: {before:.1f} MB, after {TEXTS_OF_AN_HOUR:,} texts {await heap_mb(controls):.1f} MB")
        for network in (SLOW_3G, SLOW_3G_OF_DEVTOOLS):
            painted = await first_paint_ms(chromium, link, network)
            print(f"first paint on slow 3G, latency {network['latency']} ms: {painted:.0f} ms")
    await scene.close()


def main() -> int:
    """The command line."""
    if installed() is None:
        print("Chromium is not installed; on Debian or Ubuntu: apt install chromium", file=sys.stderr)
        return 1
    with opened_scene() as (scene, url):
        asyncio.run(measure(scene, url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
