"""`hongbao demo --phone`: the code on the terminal lets a phone in, to open packets or to shake."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.clusters import data_folder
from tests.conftest import ANY_PORTS
from tests.server.demos import LINK, demo_of

DEMO_S = 120.0


async def send(page: Page, shares: int) -> None:
    """Send a lucky packet of 3.00 yuan."""
    if not await page.locator(".panel").count():
        await page.get_by_role("button", name="Red packets and more").click()
    await page.locator(".panel-button.red").click()
    await page.get_by_label("Total", exact=True).fill("3")
    await page.get_by_label("Quantity", exact=True).fill(str(shares))
    await page.get_by_role("button", name="Put money in").click()
    await page.get_by_role("button", name="Pay from the wallet").click()
    await expect(page.get_by_role("heading", name="Send a red packet")).to_have_count(0)


@pytest.mark.long
async def test_phone_that_scans_the_code_opens_a_packet_among_the_crowd(cluster: Path, chromium: Browser) -> None:
    with data_folder(cluster) as folder:
        words = ("demo", "--phone", "--users", "20", "--groups", "1", "--lang", "en", "--data", str(folder / "new"))
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.cli", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **ANY_PORTS},
        )
        assert demo.stdin is not None
        assert demo.stdout is not None
        try:
            async with asyncio.timeout(DEMO_S):
                told = ""
                while (found := re.search(r"http://\S+#invite=\S+", told)) is None:
                    line = await demo.stdout.readline()
                    assert line, told
                    told += line.decode()
                assert "▀" in told  # the code
                page = await (await chromium.new_context(viewport={"width": 390, "height": 844})).new_page()
                await page.goto(found[0])
                await send(page, shares=30)  # more than there are simulated users: one is left for the phone
                await page.locator(".packet-card").last.click()
                await page.locator(".coin").click()
                await expect(page.locator(".result-amount")).to_have_text(re.compile(r"^\d+\.\d\d yuan$"))
                await page.go_back()
                await send(page, shares=3)  # and these are theirs
                finished = page.get_by_text(re.compile("all opened. Best luck")).last
                await expect(finished).to_be_attached(timeout=60_000)
                demo.stdin.write(b"\n")
                told += (await demo.stdout.read()).decode()
                assert await demo.wait() == 0, told
                assert "audit: ok" in told
        finally:
            if demo.returncode is None:
                demo.terminate()
                await demo.wait()


@pytest.mark.long
async def test_phone_shakes_in_the_app_until_it_wins_money_of_the_festival(
    cluster: Path, chromium: Browser
) -> None:
    words = ("--festival", "--phone", "--users", "30")
    with data_folder(cluster) as folder:
        async with demo_of(folder, *words) as demo:
            await demo.link()
            link = LINK.search(demo.told)
            assert link is not None
            page = await (await chromium.new_context(viewport={"width": 390, "height": 844})).new_page()
            await page.goto(link[0])
            await page.get_by_role("button", name="Shake · New Year's Eve").click()
            won = page.locator(".shake-amount")
            while not await won.count():
                await page.get_by_role("button", name="Shake", exact=True).click()
                await page.wait_for_timeout(600)
            amount = (await won.text_content() or "").strip("¥")
            demo.stdin.write(b"\n")
            assert await demo.end() == 0, demo.told
    assert "✗" not in demo.told
    guest = re.search(r"^✔ Guest 1 won (\d+), ¥([\d.]+) in all$", demo.told, re.MULTILINE)
    assert guest is not None
    assert float(guest[2]) >= float(amount)
    assert "audit: ok (" in demo.told
