"""The status socket by itself: lines, roles, time, and operators who mean no good."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.ops.status import (
    LINE_BYTES_MAX,
    OPERATORS_MAX,
    Answer,
    Command,
    Misused,
    Peer,
    StatusSocket,
    ask,
    peer_of,
)
from storage.errors import StoreUnavailable

NOBODY = 65_534
COMMAND_S = 0.05


async def echo(words: list[str]) -> Answer:
    return {"words": words}


async def hang(_: list[str]) -> Answer:
    await asyncio.sleep(3600)
    raise AssertionError


async def hang_whatever(_: list[str]) -> Answer:
    """Not even a cancellation ends it."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if ENDS.is_set():
                raise


ENDS = asyncio.Event()


async def misuse(_: list[str]) -> Answer:
    raise Misused("one number, please")


async def away(_: list[str]) -> Answer:
    raise StoreUnavailable("PostgreSQL: gone fishing")


async def defect(_: list[str]) -> Answer:
    return {"never": 1 // 0}


async def large(_: list[str]) -> Answer:
    return {"large": "x" * 1_000_000}


COMMANDS = {
    "echo": Command("read", "[WORD…]", "say it again", echo),
    "change": Command("change", "", "change it", echo),
    "hang": Command("read", "", "never answers", hang),
    "hang-whatever": Command("read", "", "never ends", hang_whatever),
    "misuse": Command("read", "N", "misused", misuse),
    "away": Command("read", "", "the store is away", away),
    "defect": Command("read", "", "a defect", defect),
    "large": Command("read", "", "a large answer", large),
}

Open = Callable[..., Awaitable[StatusSocket]]


@pytest.fixture
async def open_socket(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the socket at tmp_path/s; `uid` is who is said to be at the other end."""
    opened: list[StatusSocket] = []

    async def one(uid: int | None = None, **options: Any) -> StatusSocket:
        if uid is not None:
            options["peer_of"] = lambda _: Peer(uid, 4711)
        opened.append(StatusSocket(COMMANDS, command_s=COMMAND_S, **options))
        await opened[-1].open(tmp_path / "s")
        return opened[-1]

    yield one
    ENDS.set()
    for one_socket in opened:
        await one_socket.close()
    await asyncio.sleep(0)
    ENDS.clear()


@asynccontextmanager
async def operator(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the socket."""
    reader, writer = await asyncio.open_unix_connection(path)
    yield reader, writer
    writer.close()


async def test_a_line_in_is_a_line_out(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    async with operator(tmp_path / "s") as (reader, writer):
        writer.write(b"echo a  b\necho\nnonsense\n\nmisuse\naway\n")
        lines = [json.loads(await reader.readline()) for _ in range(6)]
    names = sorted(COMMANDS)
    assert lines == [
        {"words": ["a", "b"]},
        {"words": []},
        {"error": "no command 'nonsense'", "commands": names},
        {"error": "no command ''", "commands": names},
        {"error": "one number, please", "usage": "misuse N"},
        {"error": "PostgreSQL: gone fishing"},
    ]


async def test_a_defect_is_logged_and_the_operator_goes_on(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    with capture_logs() as events:
        assert await ask(tmp_path / "s", "defect now") == {"error": "a defect of the server; its log says more"}
    assert [(event["event"], event["command"]) for event in events] == [
        ("operator_command_failed", ["defect", "now"])
    ]
    assert await ask(tmp_path / "s", "echo a") == {"words": ["a"]}


async def test_nobody_else_may_connect(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


async def test_the_kernel_says_who_is_there(tmp_path: Path) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_of(one) == Peer(os.getuid(), os.getpid())
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert peer_of(server) == Peer(None, None)


@pytest.mark.parametrize(
    ("uid", "change_uids", "may"),
    [(0, (), True), (NOBODY, (), False), (NOBODY, (NOBODY,), True), (NOBODY + 1, (NOBODY,), False)],
)
async def test_changes_are_for_some_and_are_logged(
    open_socket: Open, tmp_path: Path, uid: int, change_uids: tuple[int, ...], may: bool
) -> None:
    await open_socket(uid, change_uids=change_uids)
    with capture_logs() as events:
        assert await ask(tmp_path / "s", "echo free") == {"words": ["free"]}
        answer = await ask(tmp_path / "s", "change 5")
    assert (answer == {"words": ["5"]}) is may
    assert ("error" in answer) is not may
    assert events == [
        {
            "event": "operator_changes" if may else "operator_refused",
            "log_level": "info" if may else "warning",
            "command": ["change", "5"],
            "uid": uid,
            "pid": 4711,
        }
    ]


async def test_whom_the_server_runs_as_may_change(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    assert await ask(tmp_path / "s", "change 5") == {"words": ["5"]}


async def test_over_tcp_one_may_only_read(open_socket: Open) -> None:
    port = await (await open_socket()).open_tcp("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"echo a\nchange 5\n")
    assert json.loads(await reader.readline()) == {"words": ["a"]}
    assert "error" in json.loads(await reader.readline())
    writer.close()


@pytest.mark.parametrize("command", ["hang", "hang-whatever"])
async def test_a_hung_command_holds_up_nobody(open_socket: Open, tmp_path: Path, command: str) -> None:
    await open_socket()
    hung = asyncio.create_task(ask(tmp_path / "s", command))
    await asyncio.sleep(0)
    assert await ask(tmp_path / "s", "echo a") == {"words": ["a"]}
    assert not hung.done()
    assert await hung == {"error": "no answer within 0.05 s"}


async def test_commands_that_never_end_are_bounded(
    open_socket: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ops.status.HUNG_MAX", 2)
    await open_socket()
    for _ in range(2):
        assert await ask(tmp_path / "s", "hang-whatever") == {"error": "no answer within 0.05 s"}
    assert await ask(tmp_path / "s", "echo") == {"error": "too many commands hang"}


async def test_operators_are_bounded_and_make_room(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    async with AsyncExitStack() as here:
        for _ in range(OPERATORS_MAX):
            reader, writer = await here.enter_async_context(operator(tmp_path / "s"))
            writer.write(b"echo\n")
            assert json.loads(await reader.readline()) == {"words": []}
        reader, _ = await here.enter_async_context(operator(tmp_path / "s"))
        assert json.loads(await reader.readline()) == {"error": f"{OPERATORS_MAX} operators are here already"}
        assert await reader.read() == b""
    async with asyncio.timeout(10):
        while "words" not in await ask(tmp_path / "s", "echo"):
            pass


async def test_who_says_nothing_makes_room(
    open_socket: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ops.status.IDLE_S", 0.01)
    await open_socket()
    async with operator(tmp_path / "s") as (reader, _):
        assert await reader.read() == b""


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_line_that_is_too_long_is_answered_and_ends_it(
    open_socket: Open, tmp_path: Path, end: bytes
) -> None:
    await open_socket()
    async with operator(tmp_path / "s") as (reader, writer):
        writer.write(b"x" * 10 * LINE_BYTES_MAX + end)
        assert json.loads(await reader.readline()) == {"error": f"a line has at most {LINE_BYTES_MAX} bytes"}
        with suppress(ConnectionResetError):  # what it did not read of ours
            assert await reader.read() == b""


async def test_an_operator_who_does_not_read_is_let_go(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.setblocking(False)
        deaf.connect(str(tmp_path / "s"))
        deaf.send(b"large\n" * 10)
        await asyncio.sleep(COMMAND_S * 2)
        async with asyncio.timeout(10):
            while True:  # the server hangs up in the middle of the answer
                received = await asyncio.get_running_loop().sock_recv(deaf, 1 << 20)
                if not received:
                    break
    assert await ask(tmp_path / "s", "echo") == {"words": []}


async def test_bytes_that_are_no_text_are_answered(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    async with operator(tmp_path / "s") as (reader, writer):
        writer.write(bytes(range(128, 256)) + b"\n")
        assert json.loads(await reader.readline())["error"].startswith("no command")


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot listen on .*nowhere/s: No such file"):
        await StatusSocket(COMMANDS).open(tmp_path / "nowhere" / "s")


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: "):
            await StatusSocket(COMMANDS).open_tcp("127.0.0.1", port)


async def test_an_answer_may_be_large(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    assert len(str((await ask(tmp_path / "s", "large"))["large"])) == 1_000_000
