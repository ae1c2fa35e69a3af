"""`hongbao demo` as a process: its link is read, and a program does what a person would in the app."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import aiohttp

from tests.conftest import ANY_PORTS

DEMO_S = 120.0
LINK = re.compile(r"(http://\S+)/app/#(\S+)")


class Demo:
    """A demo as a process, and what it has told."""

    def __init__(self, demo: asyncio.subprocess.Process) -> None:
        assert demo.stdin is not None
        assert demo.stdout is not None
        self.stdin, self._stdout, self._demo = demo.stdin, demo.stdout, demo
        self.told = ""

    async def link(self) -> tuple[str, dict[str, str]]:
        """The origin of the app, and the fragment of the link."""
        while (found := LINK.search(self.told)) is None:
            line = await self._stdout.readline()
            assert line, self.told
            self.told += line.decode()
        return found[1], {name: values[0] for name, values in parse_qs(found[2]).items()}

    async def end(self) -> int:
        """Read to the end; the exit code."""
        self.told += (await self._stdout.read()).decode()
        return await self._demo.wait()


@asynccontextmanager
async def demo_of(data: Path, *words: str) -> AsyncIterator[Demo]:
    """A demo in English, in a new folder below this one."""
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "demo", *words),
        *("--lang", "en", "--data", str(data / "new")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **ANY_PORTS},
    )
    try:
        async with asyncio.timeout(DEMO_S):
            yield Demo(demo)
    finally:
        if demo.returncode is None:
            demo.terminate()
            await demo.communicate()


async def page_of(origin: str) -> str:
    """The page of the app."""
    async with aiohttp.ClientSession() as browser, browser.get(f"{origin}/app/") as answer:
        return await answer.text()


async def token_for(origin: str, invite: str) -> str:
    """The token of a seat of the invite."""
    asked = {"invite": invite}
    async with aiohttp.ClientSession() as browser, browser.post(f"{origin}/app/enter", json=asked) as answer:
        return str((await answer.json(content_type=None))["token"])


def websocket_in(page: str) -> str:
    """Where the page connects."""
    found = re.search(r'<meta name="hongbao-websocket" content="(ws://[^"]+)">', page)
    assert found is not None
    return found[1]
