"""Measures the app: `python -m tests.web.figures`, about a minute. The figures stand in docs/web.md.

A phone of a quarter of this machine's speed (CPU throttled by 4) on loopback: from the tap on the coin to the
amount, and on slow 3G to the first paint of the page. The memory of a page in a busy group is read at its start and
its end.
"""

from __future__ import annotations

import asyncio
import statistics
import sys

from playwright.async_api import Browser, CDPSession, Page

from tests.http_api.test_page_in_browser import SLOW_3G
from tests.ops.dashboard.browser import browser, installed
from tests.web.screenshots import HEIGHT, NAMES, WIDTH, Scene, opened_scene

OPENS = 40
THROTTLE = 4
TEXTS = 3_000  # in the busy group
PAUSE_S = 0.005
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


async def opens(scene: Scene, page: Page) -> list[float]:
    """Milliseconds from the tap on the coin to the amount, for each of the packets."""
    await page.locator(".chat-row", has_text="火锅群").click()
    taken = []
    for number in range(OPENS):
        await scene.clients[1].send_packet("lucky", scene.group, 20, 2, f"no {number}")
        await page.locator(".packet-card:not(.used)", has_text=f"no {number}").last.click()
        await page.locator(".coin").wait_for()
        await page.wait_for_timeout(300)  # as long as a person needs to see the coin
        taken.append(float(await page.evaluate(AMOUNT_MS)))
        await page.go_back()
    return taken


async def first_paint_ms(chromium: Browser, link: str) -> float:
    """On slow 3G, without anything in the cache."""
    page = await (await chromium.new_context()).new_page()
    controls = await page.context.new_cdp_session(page)
    await controls.send("Network.enable")
    await controls.send("Network.emulateNetworkConditions", SLOW_3G)
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


async def measure(scene: Scene, url: str) -> None:
    """Print all figures."""
    await scene.prepare()
    path, link = installed(), scene.link(url, "zh")
    assert path is not None
    async with browser(path) as chromium:
        page, controls = await phone(chromium, link)
        taken = sorted(await opens(scene, page))
        print(f"tap to amount: p50 {statistics.median(taken):.0f} ms, p95 {taken[int(0.95 * OPENS)]:.0f} ms")
        before = await heap_mb(controls)
        for number in range(TEXTS):
            await scene.clients[1 + number % len(NAMES)].say(scene.group, f"text {number}")
            await asyncio.sleep(PAUSE_S)
        await page.get_by_text(f"text {TEXTS - 1}", exact=True).wait_for()
        print(f"memory: {before:.1f} MB, after {TEXTS:,} texts {await heap_mb(controls):.1f} MB")
        print(f"first paint on slow 3G: {await first_paint_ms(chromium, link):.0f} ms")
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
