"""The status socket: a unix socket, and TCP if configured, where one line of text gets one line of JSON.

No operator can hold up the server or another operator: a command has a timeout, a line has a maximum length, the
connections and the commands in progress are bounded, and a new connection replaces the one that was idle longest.
The right to change something depends on the peer's user id, which the kernel reports; over TCP it is never given.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
import structlog

from server.logs import ALWAYS
from server.ops.socket.unix_socket import BoundSocket, bind, connect
from server.services.runtime.store_errors import StoreUnavailable

LOG = structlog.get_logger()
LINE_BYTES_MAX: Final = 1024
ANSWER_BYTES_MAX: Final = 1 << 24
OPERATORS_MAX: Final = 16  # connections of one listener
COMMAND_S: Final = 2.0
IDLE_S: Final = 600.0  # a connection that sends nothing for this time is closed
HUNG_COMMANDS_MAX: Final = 64  # commands of one listener that timed out and have not ended yet
HTTP: Final = b" HTTP/1."
FORWARDED: Final = "from"  # from UID PID COMMAND …, at the status socket of a worker
FORWARDED_BYTES_MAX: Final = 40
_CREDENTIALS: Final = struct.Struct("3i")

Role: TypeAlias = Literal["read", "change"]
Answer: TypeAlias = Mapping[str, object]
Run: TypeAlias = Callable[[list[str]], Awaitable[Answer]]


class BadArguments(Exception):
    """A command does not accept its arguments; the message says what it accepts."""


class CommandText(NamedTuple):
    """What an operator is told of a command, and who may give it."""

    role: Role
    arguments: str
    help: str


class Command(NamedTuple):
    """One row of the command table. `run` gets the words after the name; raises BadArguments, StoreUnavailable."""

    role: Role
    arguments: str
    help: str
    run: Run


class Peer(NamedTuple):
    """The process at the other end; unknown over TCP."""

    uid: int | None = None
    pid: int | None = None


PEER: ContextVar[Peer] = ContextVar("PEER")  # while a command runs: the process that has given it


def forwarding(peer: Peer, line: str) -> str:
    """A command as a supervisor passes it on to a worker: in the name of the process that has given it."""
    uid, pid = ("-" if number is None else str(number) for number in peer)
    return f"{FORWARDED} {uid} {pid} {line}"


def forwarded(words: list[str]) -> tuple[Peer, list[str]]:
    """The inverse: the process that has given the command, and the words of it."""
    uid, pid = (None if word == "-" else int(word) for word in words[1:3])
    return Peer(uid, pid), words[3:]


def peer_name(peer: Peer) -> str:
    """The name of the system user at the other end, or its number if it has no name here."""
    if peer.uid is None:
        return "unknown"
    try:
        return pwd.getpwuid(peer.uid).pw_name
    except KeyError:
        return f"uid {peer.uid}"


def peer_of(connected: socket.socket) -> Peer:
    """The peer as the kernel reports it. Without that report (not Linux) the socket's file mode admits only us."""
    if connected.family != socket.AF_UNIX:
        return Peer()
    if not hasattr(socket, "SO_PEERCRED"):
        return Peer(os.getuid())
    pid, uid, _ = _CREDENTIALS.unpack(
        connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    return Peer(uid, pid)


class _Operators:
    """The connections of one listener, the one that was idle longest first, and their commands in progress."""

    def __init__(self) -> None:
        self._connections: dict[asyncio.StreamWriter, None] = {}
        self.running: set[asyncio.Task[Answer]] = set()

    def add(self, writer: asyncio.StreamWriter) -> None:
        while len(self._connections) >= OPERATORS_MAX:
            idle_longest = next(iter(self._connections))
            self.remove(idle_longest)
            idle_longest.transport.abort()
        self._connections[writer] = None

    def mark_active(self, writer: asyncio.StreamWriter) -> None:
        if writer in self._connections:
            self.remove(writer)
            self._connections[writer] = None

    def remove(self, writer: asyncio.StreamWriter) -> None:
        self._connections.pop(writer, None)


class StatusSocket:
    """Answers a table of commands. Changes are for root, for the server's own user, and for `change_uids`."""

    def __init__(
        self,
        commands: Mapping[str, Command],
        change_uids: Collection[int] = (),
        peer_of: Callable[[socket.socket], Peer] = peer_of,
        command_s: float = COMMAND_S,
        supervisor_pid: int | None = None,
    ) -> None:
        """`supervisor_pid`: of a worker's supervisor. It alone may ask in the name of another process."""
        self._commands = commands
        self._change_uids = {0, os.getuid(), *change_uids}
        self._peer_of = peer_of
        self._command_s = command_s
        self._supervisor_pid = supervisor_pid
        self._bound: BoundSocket | None = None
        self._servers: list[asyncio.Server] = []
        self._listeners: list[_Operators] = []  # apart, so that TCP cannot push out operators at the unix socket

    async def open(self, path: Path, mode: int = 0o600) -> None:
        """Listen on a unix socket. Raises OSError that names the path."""
        self._bound = bind(path, mode)
        serve = self._new_listener()
        limit = LINE_BYTES_MAX if self._supervisor_pid is None else LINE_BYTES_MAX + FORWARDED_BYTES_MAX
        self._servers.append(await asyncio.start_unix_server(serve, sock=self._bound.socket, limit=limit))

    async def open_tcp(self, host: str, port: int) -> int:
        """Listen on TCP too, for reads only; returns the port. Raises OSError that names the address."""
        try:
            server = await asyncio.start_server(self._new_listener(), host, port, limit=LINE_BYTES_MAX)
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()
        for operators in self._listeners:
            for command in operators.running:
                command.cancel()
        if self._bound is not None:
            self._bound.unlink()

    # --- one connection ---------------------------------------------------------------------------------------

    def _new_listener(self) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        self._listeners.append(_Operators())
        return partial(self._serve, self._listeners[-1])

    async def _serve(
        self, operators: _Operators, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        operators.add(writer)
        try:
            await self._answer_lines(operators, reader, writer)
        except TimeoutError:
            writer.transport.abort()  # idle or not reading: what is still buffered would never be read
        except OSError:
            pass  # the peer has closed
        except asyncio.CancelledError:
            pass  # the server stops; asyncio would log a traceback
        finally:
            operators.remove(writer)
            writer.close()

    async def _answer_lines(
        self, operators: _Operators, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        peer = self._peer_of(writer.get_extra_info("socket"))
        while line := await _read_line(reader):
            if HTTP in line:
                return  # a web page sent this through a browser, and it could choose the lines that follow
            operators.mark_active(writer)
            await self._send(writer, await self._answer(operators, line.decode(errors="replace").split(), peer))
        if line is None:
            await self._send(writer, {"error": f"a line may have at most {LINE_BYTES_MAX} bytes"})

    async def _send(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        """Raises TimeoutError if the peer does not read it."""
        writer.write(msgspec.json.encode(answer) + b"\n")
        async with asyncio.timeout(self._command_s):
            await writer.drain()

    # --- one command ------------------------------------------------------------------------------------------

    async def _answer(self, operators: _Operators, words: list[str], peer: Peer) -> Answer:
        is_forwarded = words[:1] == [FORWARDED] and peer.pid is not None and peer.pid == self._supervisor_pid
        if is_forwarded:
            peer, words = forwarded(words)
        name = words[0] if words else ""
        command = self._commands.get(name)
        if command is None:
            return {"error": f"unknown command {name[:40]!r}", "commands": sorted(self._commands)}
        if command.role == "change":
            is_allowed = peer.uid in self._change_uids
            log = LOG.warning if not is_allowed else LOG.debug if is_forwarded else ALWAYS.info
            log("operator_changes" if is_allowed else "operator_refused", command=words, uid=peer.uid, pid=peer.pid)
            if not is_allowed:
                return {"error": f"{name} is a change: for root, the server's own user, and ops.change_uids only"}
        PEER.set(peer)  # for the task in which the command runs
        try:
            return await self._run_with_timeout(operators, command, words[1:])
        except BadArguments as error:
            return {"error": str(error), "usage": f"{name} {command.arguments}".strip()}
        except StoreUnavailable as error:
            return {"error": str(error)}
        except Exception:
            LOG.exception("operator_command_failed", command=words)
            return {"error": "a defect in the server; see its log"}

    async def _run_with_timeout(self, operators: _Operators, command: Command, words: list[str]) -> Answer:
        """The command's answer. A command that ignores its cancellation is not waited for."""
        if len(operators.running) >= HUNG_COMMANDS_MAX:
            return {"error": "too many commands hang"}
        task = asyncio.ensure_future(command.run(words))
        operators.running.add(task)
        task.add_done_callback(operators.running.discard)
        done, _ = await asyncio.wait({task}, timeout=self._command_s)
        if done:
            return task.result()
        task.cancel()
        return {"error": f"no answer within {self._command_s:g} s"}


async def _read_line(reader: asyncio.StreamReader) -> bytes | None:
    """The next line; empty at the end; None if it is too long. Raises TimeoutError."""
    try:
        async with asyncio.timeout(IDLE_S):
            return await reader.readline()
    except ValueError:
        return None


async def ask(path: Path, command: str, timeout_s: float = 3.0) -> dict[str, object]:
    """Send a command to a running server. Raises TimeoutError, or OSError (none listens, the answer is cut off)."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_unix_connection(sock=connect(path), limit=ANSWER_BYTES_MAX)
        try:
            writer.write(command.encode() + b"\n")
            line = await reader.readline()
        finally:
            writer.close()
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the server closed the connection before its answer was complete")
    answer: dict[str, object] = json.loads(line)
    return answer
