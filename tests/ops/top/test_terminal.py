"""`hongbao top` in a real pseudo-terminal, against a real server."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from client_sim.sdk.client import Client
from tests.conftest import Connect, Server, StartServer
from tests.joining import join
from tests.terminal import Terminal

TOP = [sys.executable, "-m", "server.cli", "top", "--data"]
BUSY, STILL = 10_001, 10_002


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of the first server."""
    return tmp_path / "server0"


@asynccontextmanager
async def top(data: Path, folder: Path) -> AsyncIterator[Terminal]:
    """`hongbao top` on `data`. Files in `folder` keep the terminal settings before and after, and the pid."""
    words = (
        f"stty -a > {folder}/before; sh -c 'echo $$ > {folder}/pid; exec \"$@\"' - {' '.join(TOP)} {data}; "
        f"echo code $?; stty -a > {folder}/after"
    )
    async with Terminal(["sh", "-c", words]) as terminal:
        yield terminal


def is_restored(folder: Path) -> bool:
    """The terminal has its old settings."""
    return (folder / "before").read_text() == (folder / "after").read_text() != ""


def users(terminal: Terminal) -> list[int]:
    """The users of the listed connections, from the top."""
    lines = terminal.lines
    head = next((row for row, line in enumerate(lines) if line.lstrip().startswith("user ")), len(lines))
    return [int(line.split()[0]) for line in lines[head + 1 : -1] if line[:9].strip()]


def is_first(terminal: Terminal, user: int) -> bool:
    """The connection of this user is at the top."""
    return users(terminal)[:1] == [user]


def has(terminal: Terminal, pattern: str) -> bool:
    """The screen matches this pattern."""
    return re.search(pattern, terminal.text) is not None


async def wait_for(terminal: Terminal, *patterns: str) -> None:
    """Wait for each of these patterns in turn."""
    for pattern in patterns:
        await terminal.until(partial(has, terminal, pattern), f"no {pattern}")


async def test_top_shows_a_win_and_q_restores_the_terminal(
    server: Server, connect: Connect, backend: Client, data: Path, tmp_path: Path
) -> None:
    sender, member = await connect(server, BUSY), await connect(server, STILL)
    async with top(data, tmp_path) as terminal:
        await terminal.see("connections 3 ", "users 3 ", "postgres up", "redis up")
        await wait_for(terminal, r"wins/s +0\.0 ", r"open p50 ms +- ")

        await backend.top_up(BUSY, 100)
        group_id = await sender.create_group("watched")
        await join(member, group_id, sender)
        packet_id = (await sender.send_packet("lucky", group_id, 100, 2)).packet_id
        assert (await sender.open(packet_id)).answer == "won"

        await wait_for(
            terminal, r"wins/s +[\d.]*[1-9]", r"open p50 ms +[\d.]+ ", rf" {packet_id} +1 +1\n", "packets 1 "
        )
        terminal.press("q")
        await terminal.see("code 0")
        await terminal.ended()
    assert is_restored(tmp_path)


async def test_key_changes_the_order_of_the_connections(
    server: Server, connect: Connect, data: Path, tmp_path: Path
) -> None:
    await connect(server, STILL)
    busy = await connect(server, BUSY)
    await asyncio.sleep(0.2)  # idle times are rounded to tenths
    for _ in range(20):
        await busy.balance()
    async with top(data, tmp_path) as terminal:
        await terminal.see("pending▼")
        for key, title, first in (("i", "idle▼", STILL), ("r", "requests▼", BUSY), ("i", "idle▼", STILL)):
            terminal.press(key)
            await terminal.see(title)
            await terminal.until(partial(is_first, terminal, first), f"{first} is not first")


async def test_top_continues_after_a_restart_of_the_server(
    start_server: StartServer, data: Path, tmp_path: Path
) -> None:
    same = str(tmp_path / "s")
    server = await start_server(ops__socket=same)
    async with top(data, tmp_path) as terminal:
        await terminal.see("serving")
        await server.stop()
        await terminal.see("no answer since", "start one with")
        await terminal.see_no_more("serving")
        await start_server(ops__socket=same)
        await terminal.see_no_more("no answer since")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_top_and_restores_the_terminal(number: int, data: Path, tmp_path: Path) -> None:
    async with top(data, tmp_path) as terminal:
        await terminal.see("no answer since", "start one with")
        os.kill(int((tmp_path / "pid").read_text()), number)
        await terminal.see("code 0")
        await terminal.ended()
    assert is_restored(tmp_path)


async def test_top_without_a_terminal_prints_one_snapshot(server: Server, data: Path) -> None:
    process = await asyncio.create_subprocess_exec(*TOP, str(data), stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert output.startswith(b"hongbao  serving")
    assert b"claims/batch" in output
    assert b"\x1b" not in output


async def test_top_once_prints_one_snapshot_on_a_terminal(server: Server, data: Path) -> None:
    async with Terminal([*TOP, str(data), "--once"], rows=60) as terminal:
        await terminal.see("hongbao  serving", "claims/batch")
        assert await terminal.ended() == 0


async def test_top_once_without_a_server_fails_with_one_line(data: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *TOP, str(data), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    expected = rf"hongbao: no server answers at .*status\.sock; start one with: hongbao serve --data {data}\n"
    assert re.fullmatch(expected, errors.decode())
