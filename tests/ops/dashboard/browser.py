"""The installed Chromium, headless; it can connect to this machine only."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from playwright.async_api import Browser, Page, async_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
REQUIRED: Final = "HONGBAO_BROWSER"
FLAGS: Final = [
    "--no-sandbox",  # root cannot use the sandbox; the browser opens our page only
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def installed() -> str | None:
    """The path of Chromium."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def installed_or_skip() -> str:
    """The path of Chromium; without it the test is skipped, or fails if HONGBAO_BROWSER=required."""
    path = installed()
    if path is None:
        why = f"no Chromium found ({', '.join(NAMES)}); on Debian or Ubuntu: apt install chromium"
        (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(why)
    return path


@asynccontextmanager
async def browser(path: str) -> AsyncIterator[Browser]:
    """Chromium runs inside `async with`."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield running
        finally:
            await running.close()


async def open_page(running: Browser, width: int, height: int, *, scheme: str = "light", scale: float = 1) -> Page:
    """An empty page in a window of this size in CSS pixels, with the scheme "light" or "dark"."""
    context = await running.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        device_scale_factor=scale,
    )
    return await context.new_page()
