"""docs/sdk.md: every program in it is run, unchanged, against a real server."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.pushes import PushQueue
from protocol import messages
from tests.conftest import KEYS, PATIENCE_S, Connect, Server, token

DOCUMENT = Path(__file__).parents[2] / "docs" / "sdk.md"
RECIPES = {
    name: code for code, name in re.findall(r"```python\n(# (\w+\.py): .*?)```", DOCUMENT.read_text(), re.DOTALL)
}
OWNER, READER, THIRD = 1001, 1002, 1003
KEY_ID, KEY = next(iter(KEYS.items()))


class Program:
    """A running program of the document."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        line = (await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)).decode()
        assert line, f"it ended: {await self.end()}"
        return line.rstrip("\n")

    async def end(self) -> tuple[int | None, str, str]:
        """Its exit code, and what is left of its output and errors."""
        out, err = await asyncio.wait_for(self.process.communicate(), PATIENCE_S)
        return self.process.returncode, out.decode(), err.decode()

    async def interrupt(self) -> None:
        """Ctrl-C; it must print nothing more."""
        self.process.send_signal(signal.SIGINT)
        assert await self.end() == (0, "", "")


Start = Callable[..., Awaitable[Program]]


@pytest.fixture
async def start(server: Server, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts programs: `await start("send.py", OWNER, group_id, 888, 3)`."""
    async with AsyncExitStack() as stack:

        async def one(name: str, user_id: int, *words: object) -> Program:
            (tmp_path / name).write_text(RECIPES[name])
            environment = {
                **os.environ,
                "HONGBAO_URL": server.url,
                "HONGBAO_TOKEN": token(user_id),
                "HONGBAO_KEY_ID": KEY_ID,
                "HONGBAO_KEY": KEY.hex(),
                "PYTHONUNBUFFERED": "1",
            }
            command = [sys.executable, str(tmp_path / name), *map(str, words)]
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)
            stack.push_async_callback(_kill, process)
            return Program(process)

        yield one


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.communicate()


@pytest.fixture
async def owner(server: Server, connect: Connect, backend: Client) -> Client:
    """A user with 100.00 yuan."""
    await backend.top_up(OWNER, 10_000)
    return await connect(server, OWNER)


@pytest.fixture
async def group_id(owner: Client) -> int:
    """A group that the owner made."""
    return await owner.create_group("一家人")


def test_document_has_no_code_that_is_not_run() -> None:
    assert list(RECIPES) == ["backend.py", "group.py", "send.py", "tap.py", "follow.py", "bot.py"]
    assert DOCUMENT.read_text().count("```python") == len(RECIPES)


async def test_backend_started_twice_with_one_order_tops_up_once(start: Start, server: Server) -> None:
    for _ in range(2):
        code, printed, errors = await (await start("backend.py", 0, READER, 500, "order-4711")).end()
        assert (code, errors) == (0, f"user {READER} has 500 fen\n")
    async with Client(server.url, printed.strip()) as client:
        assert (client.user_id, await client.balance()) == (READER, 500)


async def test_group_is_made_once_and_has_the_users_of_the_latest_call(
    start: Start, server: Server, connect: Connect
) -> None:
    async def members_after(*user_ids: int) -> tuple[str, list[int]]:
        code, printed, errors = await (await start("group.py", 0, "room 5", "一家人", *user_ids)).end()
        assert (code, errors) == (0, "")
        group_id = int(printed.removeprefix("group ").partition(":")[0])
        async with Client(server.url, token(READER)) as reader:
            return printed.partition(": ")[2], await reader.members(group_id)

    assert await members_after(OWNER, READER) == ("2 joined, 0 left\n", [OWNER, READER])
    assert await members_after(READER, THIRD) == ("1 joined, 1 left\n", [READER, THIRD])


async def test_send_prints_the_packet_and_the_balance(start: Start, owner: Client, group_id: int) -> None:
    code, printed, errors = await (await start("send.py", OWNER, group_id, 888, 1)).end()
    assert (code, errors) == (0, "")
    packet_id = int(re.fullmatch(r"packet (\d+), 9112 fen left\n", printed)[1])  # type: ignore[index]
    assert (await owner.open(packet_id)).amount_fen == 888


async def test_send_that_is_refused_prints_why(start: Start, backend: Client, owner: Client, group_id: int) -> None:
    await backend.withdraw(OWNER, 10_000)
    assert await (await start("send.py", OWNER, group_id, 888, 1)).end() == (1, "", "the wallet holds 0 fen\n")
    code, _, errors = await (await start("send.py", OWNER, group_id, 888, 999)).end()
    assert (code, errors.startswith("not sent: 301 bad_shares")) == (1, True)


async def test_tap_opens_and_follows_the_result_page_to_the_last_share(
    start: Start, server: Server, connect: Connect, owner: Client, group_id: int
) -> None:
    reader = await connect(server, READER)
    third = await connect(server, THIRD)
    for client, name in ((owner, "妈妈"), (reader, "小梅"), (third, "老王")):
        await client.set_name(name)
        await client.join_group(group_id, await owner.invite(group_id))
    tapping = await start("tap.py", READER)
    assert await tapping.line() == "ready"
    packet_id = (await owner.send_packet("lucky", group_id, 300, 3, "新年快乐")).packet_id
    assert await tapping.line() == "open 新年快乐 Open "
    note = "(Arriving in your balance|In your balance now: .*)"
    mine = rf"妈妈 \| 新年快乐 \| \d\.\d\d yuan \| {note} \| 1 of 3 opened"
    assert re.fullmatch(mine, await tapping.line())
    assert re.fullmatch(r"  小梅 \d+ fen, just now", await tapping.line())
    await third.open(packet_id)
    await owner.open(packet_id)
    code, printed, errors = await tapping.end()
    assert (code, errors) == (0, "")
    *others, summary = printed.splitlines()
    assert [line.split()[:2] for line in others if line.startswith("+")] == [["+", "老王"], ["+", "妈妈"]]
    assert re.fullmatch(r"3 red packets, gone in \d+ seconds?", summary)


async def test_follow_prints_every_post_once_over_two_starts(
    start: Start, server: Server, connect: Connect, owner: Client, group_id: int, tmp_path: Path
) -> None:
    reader = await connect(server, READER)
    await reader.join_group(group_id, await owner.invite(group_id))
    await owner.say(group_id, "before")
    following = await start("follow.py", READER, tmp_path / "kept.json")
    assert await following.line() == "ready"
    await owner.say(group_id, "one")
    assert await following.line() == "2 one"
    await following.interrupt()
    await owner.say(group_id, "two")
    await owner.send_packet("lucky", group_id, 100, 1, "红")
    following = await start("follow.py", READER, tmp_path / "kept.json")
    assert [await following.line() for _ in range(3)] == ["ready", "3 two", "4 [红]"]
    await owner.say(group_id, "three")
    assert await following.line() == "5 three"
    await following.interrupt()


async def text_from(pushes: PushQueue, user_id: int) -> str:
    """The next text that the user posted."""
    async with asyncio.timeout(PATIENCE_S):
        async for push in pushes:
            if isinstance(push, messages.TextPosted) and push.sender_id == user_id:
                return push.text
    raise AssertionError("the client was closed")


async def test_bot_opens_packets_and_answers(start: Start, owner: Client, group_id: int) -> None:
    bot = await start("bot.py", READER, await owner.invite(group_id))
    assert await bot.line() == "ready"
    pushes = owner.pushes()
    await owner.send_packet("lucky", group_id, 888, 1)
    assert await text_from(pushes, READER) == "谢谢老板！8.88元"
    await owner.say(group_id, "余额？")
    assert await text_from(pushes, READER) in ("我有8.88元", "我有0.00元")  # settled or not yet
    await bot.interrupt()
