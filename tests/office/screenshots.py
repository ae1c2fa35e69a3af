"""Draws the back office: `python -m tests.office.screenshots [FOLDER]`, some seconds. `--all` draws every page.

It starts a server on which a packet was sent and opened, and takes the pages for the docs in Chromium.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from playwright.async_api import Page

from client_sim.sdk.client import Client
from server import config
from server.cli.shared.resources import mint, opened
from server.clock import Clock
from server.core.ids import BACKEND
from server.core.office.roles import OfficeRole
from server.embedded import start
from server.embedded.stores import POSTGRES
from server.process import ServerProcess
from server.services.office.journal import system_user
from server.services.office.operators import OperatorService
from storage.postgres.office.office import OfficeStore
from tests.ops.dashboard.browser import browser, installed, open_page

NAMES: Final = {1001: "小安", 1002: "Ben <b>", 1003: "小可", 1004: "Mei"}
ME: Final = 1001
CAUSE: Final = {"case number": "CASE-31", "reason": "phone was stolen, asked for by its owner"}


class PageShot(NamedTuple):
    """A picture: its file, the page, the width of the window, light or dark."""

    name: str
    path: str
    width: int
    scheme: str


async def play(url: str, token_of: Callable[[int], str]) -> int:
    """Users with money, and a packet that all of them have opened; its id."""
    async with Client(url, token_of(BACKEND)) as backend:
        await backend.put_users(NAMES)
        for user_id in NAMES:
            await backend.top_up(user_id, 88_800, f"top-up-{user_id}")
        group_id = await backend.put_group("family", "一家人", owner_id=ME)
        await backend.sync_members(group_id, 1, list(NAMES))
    async with Client(url, token_of(ME)) as sender:
        packet = (await sender.send_packet("lucky", group_id, 6_600, 4, greeting="恭喜发财，大吉大利")).packet_id
    for user_id in NAMES:
        async with Client(url, token_of(user_id)) as user:
            await user.open(packet)
        await asyncio.sleep(0.4)
    await asyncio.sleep(1.5)
    return packet


async def operators(dsn: str) -> str:
    """The key of an operator."""
    clock, by = Clock(), system_user("root", 0)
    async with opened(dsn) as database:
        service = OperatorService(OfficeStore(database), clock.now_ms, clock.elapsed_s, clock.random_bytes)
        return str(await service.add("lin", OfficeRole.ADMIN, None, by))


async def take(office: str, key: str, packet: int, folder: Path, *, is_all: bool) -> list[Path]:
    """Log in, freeze a user, and take the pages."""
    path = installed()
    assert path is not None
    shots = [PageShot("back-office.png", f"/packet/{packet}", 1_180, "light")]
    shots.append(PageShot("back-office-phone.png", "/user/1002", 390, "dark"))
    if is_all:
        pages = (
            "/",
            f"/user/{ME}",
            "/log",
            "/payments",
            "/breaks",
            "/campaigns",
            "/risk",
            "/operators",
            "/search?q=小安",
        )
        shots += [
            PageShot(f"page{place}-{width}-{scheme}.png", one, width, scheme)
            for place, one in enumerate((*pages, f"/packet/{packet}", "/user/1002"))
            for width, scheme in ((1_180, "light"), (390, "dark"))
        ]
    made = []
    async with browser(path) as running:
        for shot in shots:
            page = await open_page(running, shot.width, 900, scheme=shot.scheme, scale=1 if shot.width > 400 else 2)
            await _log_in(page, office, key)
            if shot is shots[0]:
                await _freeze(page, office)
            await page.goto(office + shot.path)
            made.append(folder / shot.name)
            await page.screenshot(path=made[-1], full_page=True)
            await page.close()
    return made


async def _log_in(page: Page, office: str, key: str) -> None:
    await page.goto(f"{office}/login")
    await page.get_by_label("Operator key").fill(key)
    await page.get_by_role("button", name="Log in").click()


async def _freeze(page: Page, office: str) -> None:
    await page.goto(f"{office}/user/1002")
    await page.locator("summary", has_text="Freeze the user").click()
    for label, text in CAUSE.items():
        await page.get_by_label(label).fill(text)
    await page.get_by_role("button", name="Freeze the user").click()


def main() -> int:
    """The command line."""
    words = [one for one in sys.argv[1:] if one != "--all"]
    folder = Path(words[0] if words else "docs")
    if installed() is None:
        print("Chromium is not installed; on Debian or Ubuntu: apt install chromium", file=sys.stderr)
        return 1
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {"HONGBAO_OFFICE__ENABLED": "true", "HONGBAO_OFFICE__LISTEN": listen, "HONGBAO_OPS__HTTP": ""}
    with (
        tempfile.TemporaryDirectory(prefix="hb-") as name,
        ServerProcess(Path(name), environment=environment) as server,
    ):
        data, settings = Path(name), config.load(None, {})
        packet = asyncio.run(play(server.url, lambda user: mint(settings, data, user)))
        with start(data, (POSTGRES,), 15.0) as stores:
            key = asyncio.run(operators(stores.postgres_dsn))
        made = asyncio.run(take(f"http://{listen}", key, packet, folder, is_all="--all" in sys.argv))
    print(*made, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
