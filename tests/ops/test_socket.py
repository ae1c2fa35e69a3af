"""The status socket by itself: lines, roles, time, and operators who mean no good."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from server import logs
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
from server.ops.unix_socket import is_heard
from storage.errors import StoreUnavailable
from tests.conftest import PATIENCE_S

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


async def test_a_change_is_logged_whatever_the_level(open_socket: Open, tmp_path: Path) -> None:
    """One of them changes the level, and nobody should be able to hide behind it."""
    await open_socket()
    logs.set_level("error")
    try:
        with capture_logs() as events:
            await ask(tmp_path / "s", "change 5")
    finally:
        structlog.reset_defaults()
    assert [(event["event"], event["command"]) for event in events] == [("operator_changes", ["change", "5"])]


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


async def fill(here: AsyncExitStack, path: Path) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """As many operators as there may be; each has asked once."""
    operators = [await here.enter_async_context(operator(path)) for _ in range(OPERATORS_MAX)]
    for one in operators:
        await echoed(*one)
    return operators


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"echo\n")
    async with asyncio.timeout(PATIENCE_S):
        assert json.loads(await reader.readline()) == {"words": []}


async def test_a_new_operator_pushes_out_who_was_silent_longest(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    async with AsyncExitStack() as here:
        first, second, *rest = await fill(here, tmp_path / "s")
        await echoed(*first)
        for _ in range(2):
            await echoed(*await here.enter_async_context(operator(tmp_path / "s")))
        for reader, _ in (second, rest[0]):
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.read() == b""
        for one in (first, *rest[1:]):
            await echoed(*one)


async def test_who_comes_over_tcp_pushes_out_nobody_at_the_socket(open_socket: Open, tmp_path: Path) -> None:
    opened = await open_socket()
    port = await opened.open_tcp("127.0.0.1", 0)
    async with AsyncExitStack() as here:
        operators = await fill(here, tmp_path / "s")
        for _ in range(2 * OPERATORS_MAX):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            here.callback(writer.close)
            await echoed(reader, writer)
        for one in operators:
            await echoed(*one)


async def test_a_page_in_a_browser_asks_nothing(open_socket: Open) -> None:
    """It may post to any address of the machine that it is shown on, and choose the lines behind the head."""
    port = await (await open_socket()).open_tcp("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\necho a\n")
    async with asyncio.timeout(PATIENCE_S):
        with suppress(ConnectionResetError):  # what it did not read of ours
            assert await reader.read() == b""
    writer.close()


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
    """Though nothing of what waits for it ever leaves."""
    await open_socket()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.setblocking(False)
        deaf.connect(str(tmp_path / "s"))
        deaf.send(b"large\n" * 10)
        looks = select.poll()
        looks.register(deaf, 0)  # told whatever one asks for: the other end has hung up
        async with asyncio.timeout(PATIENCE_S):
            while not looks.poll(0):  # noqa: ASYNC110
                await asyncio.sleep(COMMAND_S)
    assert await ask(tmp_path / "s", "echo") == {"words": []}


async def test_bytes_that_are_no_text_are_answered(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    async with operator(tmp_path / "s") as (reader, writer):
        writer.write(bytes(range(128, 256)) + b"\n")
        assert json.loads(await reader.readline())["error"].startswith("no command")


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot listen on .*nowhere/s: No such file"):
        await StatusSocket(COMMANDS).open(tmp_path / "nowhere" / "s")


async def test_no_file_is_taken_away(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("books")
    with pytest.raises(OSError, match=r"cannot listen on .*precious: there is a file of another kind"):
        await StatusSocket(COMMANDS).open(precious)
    assert precious.read_text() == "books"


async def test_no_server_is_robbed_of_its_socket(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    other = StatusSocket(COMMANDS)
    with pytest.raises(OSError, match=r"cannot listen on .*/s: another server listens there"):
        await other.open(tmp_path / "s")
    await other.close()
    assert await ask(tmp_path / "s", "echo") == {"words": []}


async def test_a_socket_that_was_left_makes_room(open_socket: Open, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / "s"))
    await open_socket()
    assert await ask(tmp_path / "s", "echo") == {"words": []}


async def test_what_is_somebody_elses_by_now_stays(tmp_path: Path) -> None:
    first, second = StatusSocket(COMMANDS), StatusSocket(COMMANDS)
    await first.open(tmp_path / "s")
    (tmp_path / "s").unlink()
    await second.open(tmp_path / "s")
    await first.close()
    assert await ask(tmp_path / "s", "echo") == {"words": []}
    await second.close()
    assert not (tmp_path / "s").exists()


async def test_so_many_wait_at_a_socket_that_none_can_come(tmp_path: Path) -> None:
    """As before a server that was stopped: nobody waits for it for ever."""
    with socket.socket(socket.AF_UNIX) as stopped, ExitStack() as waiting:
        stopped.bind(str(tmp_path / "s"))
        stopped.listen(0)
        with suppress(BlockingIOError):
            while True:
                one = waiting.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                one.connect(str(tmp_path / "s"))
        assert is_heard(tmp_path / "s")
        with pytest.raises(TimeoutError):
            await ask(tmp_path / "s", "echo", 0.1)


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: "):
            await StatusSocket(COMMANDS).open_tcp("127.0.0.1", port)


async def test_an_answer_may_be_large(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    assert len(str((await ask(tmp_path / "s", "large"))["large"])) == 1_000_000
