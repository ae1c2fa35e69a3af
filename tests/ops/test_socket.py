"""The status socket by itself: lines, roles, timeouts, and hostile operators."""

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
from server.ops.socket.status_socket import (
    LINE_BYTES_MAX,
    OPERATORS_MAX,
    PEER,
    Answer,
    BadArguments,
    Command,
    Peer,
    StatusSocket,
    ask,
    forwarding,
    peer_of,
)
from server.ops.socket.unix_socket import is_listening
from storage.errors import StoreUnavailable
from tests.conftest import PATIENCE_S

OTHER_UID = 65_534
COMMAND_S = 0.05


async def echo(words: list[str]) -> Answer:
    return {"words": words}


async def hang(_: list[str]) -> Answer:
    await asyncio.sleep(3600)
    raise AssertionError


async def ignore_cancel(_: list[str]) -> Answer:
    """A command that ignores its cancellation until the test is over."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if TEST_IS_OVER.is_set():
                raise


TEST_IS_OVER = asyncio.Event()


async def reject(_: list[str]) -> Answer:
    raise BadArguments("expected one number")


async def away(_: list[str]) -> Answer:
    raise StoreUnavailable("PostgreSQL: connection refused")


async def defect(_: list[str]) -> Answer:
    return {"never": 1 // 0}


async def large(_: list[str]) -> Answer:
    return {"large": "x" * 1_000_000}


COMMANDS = {
    "echo": Command("read", "[WORD…]", "returns its arguments", echo),
    "change": Command("change", "", "a change", echo),
    "hang": Command("read", "", "never answers", hang),
    "ignore-cancel": Command("read", "", "never ends", ignore_cancel),
    "reject": Command("read", "N", "rejects its arguments", reject),
    "away": Command("read", "", "the store is away", away),
    "defect": Command("read", "", "a defect", defect),
    "large": Command("read", "", "a large answer", large),
}

Open = Callable[..., Awaitable[StatusSocket]]


@pytest.fixture
async def open_socket(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the socket at tmp_path/s; `uid` replaces the user id that the kernel reports."""
    opened: list[StatusSocket] = []

    async def one(uid: int | None = None, command_s: float = COMMAND_S, **options: Any) -> StatusSocket:
        if uid is not None:
            options["peer_of"] = lambda _: Peer(uid, 4711)
        opened.append(StatusSocket(COMMANDS, command_s=command_s, **options))
        await opened[-1].open(tmp_path / "s")
        return opened[-1]

    yield one
    TEST_IS_OVER.set()
    for one_socket in opened:
        await one_socket.close()
    await asyncio.sleep(0)
    TEST_IS_OVER.clear()


@asynccontextmanager
async def operator(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the socket."""
    reader, writer = await asyncio.open_unix_connection(path)
    yield reader, writer
    writer.close()


async def test_each_line_gets_one_line_of_json(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    async with operator(tmp_path / "s") as (reader, writer):
        writer.write(b"echo a  b\necho\nnonsense\n\nreject\naway\n")
        lines = [json.loads(await reader.readline()) for _ in range(6)]
    names = sorted(COMMANDS)
    assert lines == [
        {"words": ["a", "b"]},
        {"words": []},
        {"error": "unknown command 'nonsense'", "commands": names},
        {"error": "unknown command ''", "commands": names},
        {"error": "expected one number", "usage": "reject N"},
        {"error": "PostgreSQL: connection refused"},
    ]


async def test_defect_in_a_command_is_logged_and_the_socket_still_answers(
    open_socket: Open, tmp_path: Path
) -> None:
    await open_socket()
    with capture_logs() as events:
        assert await ask(tmp_path / "s", "defect now") == {"error": "a defect in the server; see its log"}
    assert [(event["event"], event["command"]) for event in events] == [
        ("operator_command_failed", ["defect", "now"])
    ]
    assert await ask(tmp_path / "s", "echo a") == {"words": ["a"]}


async def test_socket_file_is_for_the_servers_user_only(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


async def test_peer_of_reports_the_user_id_of_a_unix_socket(tmp_path: Path) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_of(one) == Peer(os.getuid(), os.getpid())
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert peer_of(server) == Peer(None, None)


@pytest.mark.parametrize(
    ("uid", "change_uids", "is_allowed"),
    [(0, (), True), (OTHER_UID, (), False), (OTHER_UID, (OTHER_UID,), True), (OTHER_UID + 1, (OTHER_UID,), False)],
)
async def test_change_is_allowed_by_user_id_and_logged(
    open_socket: Open, tmp_path: Path, uid: int, change_uids: tuple[int, ...], is_allowed: bool
) -> None:
    await open_socket(uid, change_uids=change_uids)
    with capture_logs() as events:
        assert await ask(tmp_path / "s", "echo free") == {"words": ["free"]}
        answer = await ask(tmp_path / "s", "change 5")
    assert (answer == {"words": ["5"]}) is is_allowed
    assert ("error" in answer) is not is_allowed
    assert events == [
        {
            "event": "operator_changes" if is_allowed else "operator_refused",
            "log_level": "info" if is_allowed else "warning",
            "command": ["change", "5"],
            "uid": uid,
            "pid": 4711,
        }
    ]


async def test_change_is_logged_at_every_log_level(open_socket: Open, tmp_path: Path) -> None:
    """One command changes the log level; it must not hide the commands after it."""
    await open_socket()
    logs.set_level("error")
    try:
        with capture_logs() as events:
            await ask(tmp_path / "s", "change 5")
    finally:
        structlog.reset_defaults()
    assert [(event["event"], event["command"]) for event in events] == [("operator_changes", ["change", "5"])]


async def test_change_is_allowed_for_the_servers_own_user(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    assert await ask(tmp_path / "s", "change 5") == {"words": ["5"]}


async def test_change_over_tcp_is_refused(open_socket: Open) -> None:
    port = await (await open_socket()).open_tcp("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"echo a\nchange 5\n")
    assert json.loads(await reader.readline()) == {"words": ["a"]}
    assert "error" in json.loads(await reader.readline())
    writer.close()


@pytest.mark.parametrize("command", ["hang", "ignore-cancel"])
async def test_hung_command_delays_no_other_operator(open_socket: Open, tmp_path: Path, command: str) -> None:
    await open_socket()
    hung = asyncio.create_task(ask(tmp_path / "s", command))
    await asyncio.sleep(0)
    assert await ask(tmp_path / "s", "echo a") == {"words": ["a"]}
    assert not hung.done()
    assert await hung == {"error": "no answer within 0.05 s"}


async def test_number_of_hung_commands_is_bounded(
    open_socket: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ops.socket.status_socket.HUNG_COMMANDS_MAX", 2)
    await open_socket()
    for _ in range(2):
        assert await ask(tmp_path / "s", "ignore-cancel") == {"error": "no answer within 0.05 s"}
    assert await ask(tmp_path / "s", "echo") == {"error": "too many commands hang"}


async def fill(here: AsyncExitStack, path: Path) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """The maximum number of operators; each has sent one command."""
    operators = [await here.enter_async_context(operator(path)) for _ in range(OPERATORS_MAX)]
    for one in operators:
        await echoed(*one)
    return operators


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"echo\n")
    async with asyncio.timeout(PATIENCE_S):
        assert json.loads(await reader.readline()) == {"words": []}


async def test_new_operator_replaces_the_one_idle_longest(open_socket: Open, tmp_path: Path) -> None:
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


async def test_operators_over_tcp_replace_none_at_the_unix_socket(open_socket: Open, tmp_path: Path) -> None:
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


async def test_http_request_from_a_web_page_runs_no_command(open_socket: Open) -> None:
    """A web page can post to any address of its reader's machine, and choose the lines of the body."""
    port = await (await open_socket()).open_tcp("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\necho a\n")
    async with asyncio.timeout(PATIENCE_S):
        with suppress(ConnectionResetError):  # the socket closed before it read all our bytes
            assert await reader.read() == b""
    writer.close()


async def test_idle_operator_is_disconnected(
    open_socket: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ops.socket.status_socket.IDLE_S", 0.01)
    await open_socket()
    async with operator(tmp_path / "s") as (reader, _):
        assert await reader.read() == b""


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_too_long_line_gets_an_error_and_closes_the_connection(
    open_socket: Open, tmp_path: Path, end: bytes
) -> None:
    await open_socket()
    async with operator(tmp_path / "s") as (reader, writer):
        writer.write(b"x" * 10 * LINE_BYTES_MAX + end)
        assert json.loads(await reader.readline()) == {"error": f"a line may have at most {LINE_BYTES_MAX} bytes"}
        with suppress(ConnectionResetError):  # the socket closed before it read all our bytes
            assert await reader.read() == b""


async def test_operator_that_does_not_read_is_disconnected(open_socket: Open, tmp_path: Path) -> None:
    """Although its unread bytes can never be sent."""
    await open_socket()
    with socket.socket(socket.AF_UNIX) as stalled:
        stalled.setblocking(False)
        stalled.connect(str(tmp_path / "s"))
        stalled.send(b"large\n" * 10)
        poll = select.poll()
        poll.register(stalled, 0)  # reports a hang-up even without any event mask
        async with asyncio.timeout(PATIENCE_S):
            while not poll.poll(0):  # noqa: ASYNC110
                await asyncio.sleep(COMMAND_S)
    assert await ask(tmp_path / "s", "echo") == {"words": []}


async def test_bytes_that_are_not_text_get_an_error(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    async with operator(tmp_path / "s") as (reader, writer):
        writer.write(bytes(range(128, 256)) + b"\n")
        assert json.loads(await reader.readline())["error"].startswith("unknown command")


async def test_open_in_a_missing_folder_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot listen on .*nowhere/s: No such file"):
        await StatusSocket(COMMANDS).open(tmp_path / "nowhere" / "s")


async def test_open_does_not_replace_a_file_that_is_not_a_socket(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("books")
    with pytest.raises(OSError, match=r"cannot listen on .*precious: the file there is not a socket"):
        await StatusSocket(COMMANDS).open(precious)
    assert precious.read_text() == "books"


async def test_open_does_not_replace_the_socket_of_another_server(open_socket: Open, tmp_path: Path) -> None:
    await open_socket()
    other = StatusSocket(COMMANDS)
    with pytest.raises(OSError, match=r"cannot listen on .*/s: another server listens there"):
        await other.open(tmp_path / "s")
    await other.close()
    assert await ask(tmp_path / "s", "echo") == {"words": []}


async def test_open_replaces_a_socket_without_a_server(open_socket: Open, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / "s"))
    await open_socket()
    assert await ask(tmp_path / "s", "echo") == {"words": []}


async def test_close_does_not_remove_the_socket_of_a_later_server(tmp_path: Path) -> None:
    first, second = StatusSocket(COMMANDS), StatusSocket(COMMANDS)
    await first.open(tmp_path / "s")
    (tmp_path / "s").unlink()
    await second.open(tmp_path / "s")
    await first.close()
    assert await ask(tmp_path / "s", "echo") == {"words": []}
    await second.close()
    assert not (tmp_path / "s").exists()


async def test_ask_times_out_when_the_accept_queue_is_full(tmp_path: Path) -> None:
    """As with a server that was suspended."""
    with socket.socket(socket.AF_UNIX) as suspended, ExitStack() as waiting:
        suspended.bind(str(tmp_path / "s"))
        suspended.listen(0)
        with suppress(BlockingIOError):
            while True:
                one = waiting.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                one.connect(str(tmp_path / "s"))
        assert is_listening(tmp_path / "s")
        with pytest.raises(TimeoutError):
            await ask(tmp_path / "s", "echo", 0.1)


async def test_open_tcp_on_a_port_in_use_names_the_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: "):
            await StatusSocket(COMMANDS).open_tcp("127.0.0.1", port)


async def test_answer_that_is_cut_off_is_an_error_of_the_connection(tmp_path: Path) -> None:
    async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"connections": 1')
        writer.close()

    async with await asyncio.start_unix_server(cut_off, tmp_path / "s"):
        with pytest.raises(ConnectionResetError, match="before its answer was complete"):
            await ask(tmp_path / "s", "status")


async def test_answer_may_have_a_megabyte(open_socket: Open, tmp_path: Path) -> None:
    await open_socket(command_s=PATIENCE_S)
    assert len(str((await ask(tmp_path / "s", "large"))["large"])) == 1_000_000


async def who(_: list[str]) -> Answer:
    return {"uid": PEER.get().uid, "pid": PEER.get().pid}


async def test_supervisor_asks_in_the_name_of_another_process(tmp_path: Path) -> None:
    """And its rights are those of that process, not those of the supervisor."""
    table = {"who": Command("read", "", "", who), "change": Command("change", "", "", who)}
    status = StatusSocket(table, supervisor_pid=os.getpid())
    await status.open(tmp_path / "s")
    other = Peer(OTHER_UID, 4711)
    assert await ask(tmp_path / "s", forwarding(other, "who")) == {"uid": OTHER_UID, "pid": 4711}
    assert "for root" in str((await ask(tmp_path / "s", forwarding(other, "change")))["error"])
    assert await ask(tmp_path / "s", forwarding(Peer(os.getuid(), 5), "change")) == {"uid": os.getuid(), "pid": 5}
    assert "for root" in str((await ask(tmp_path / "s", forwarding(Peer(), "change")))["error"])
    assert await ask(tmp_path / "s", "who") == {"uid": os.getuid(), "pid": os.getpid()}
    await status.close()


@pytest.mark.parametrize("supervisor_pid", [None, 1])
async def test_process_that_is_not_the_supervisor_asks_in_its_own_name(
    tmp_path: Path, supervisor_pid: int | None
) -> None:
    status = StatusSocket({"who": Command("read", "", "", who)}, supervisor_pid=supervisor_pid)
    await status.open(tmp_path / "s")
    port = await status.open_tcp("127.0.0.1", 0)
    assert (await ask(tmp_path / "s", forwarding(Peer(0, 1), "who")))["error"] == "unknown command 'from'"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(forwarding(Peer(0, 1), "who").encode() + b"\n")
    assert json.loads(await reader.readline())["error"] == "unknown command 'from'"
    writer.close()
    await status.close()
