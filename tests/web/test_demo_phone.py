"""`hongbao demo --phone`: the code on the terminal lets a phone in, which opens packets among simulated users."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.conftest import ANY_PORTS

DEMO_S = 120.0


@pytest.mark.long
async def test_phone_that_scans_the_code_opens_a_packet_among_the_crowd(tmp_path: Path, chromium: Browser) -> None:
    words = ("demo", "--phone", "--users", "20", "--groups", "1", "--lang", "en", "--data", str(tmp_path))
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
            card = page.locator(".packet-card:not(.used)").last
            amount = page.locator(".result-amount")
            while not await amount.count():  # a person who is slow loses some
                await card.click(timeout=60_000)
                await page.wait_for_timeout(50)
                if await page.locator(".coin").count():
                    await page.locator(".coin").click()
                    await page.wait_for_timeout(500)
                if not await amount.count():
                    await page.go_back()
            await expect(amount).to_have_text(re.compile(r"^\d+\.\d\d yuan$"))
            await page.go_back()
            finished = page.get_by_text(re.compile("^All opened. Best luck")).last
            await expect(finished).to_be_attached(timeout=60_000)  # the report needs one
            demo.stdin.write(b"\n")
            told += (await demo.stdout.read()).decode()
            assert await demo.wait() == 0, told
            assert "audit: ok" in told
    finally:
        if demo.returncode is None:
            demo.terminate()
            await demo.wait()
