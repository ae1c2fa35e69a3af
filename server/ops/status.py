"""The ops status socket: a unix socket, and TCP if asked, where one line in gives one line of JSON out.

Nothing that an operator does holds up the server or other operators: a command has a time, operators and what still
runs for them are counted, a line has a length. Who may change something is told by the peer's user id, which the
kernel vouches for; over TCP nobody may.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
import structlog

from storage.errors import StoreUnavailable

LOG = structlog.get_logger()
LINE_BYTES_MAX: Final = 1024
ANSWER_BYTES_MAX: Final = 1 << 24
OPERATORS_MAX: Final = 16
COMMAND_S: Final = 2.0
IDLE_S: Final = 600.0  # who says nothing for so long makes room for others
HUNG_MAX: Final = 64  # commands that were given up and have not ended yet
SOCKET_PATH_BYTES_MAX: Final = 103  # macOS' sun_path without the closing zero; Linux has 107
_CREDENTIALS: Final = struct.Struct("3i")

Role: TypeAlias = Literal["read", "change"]
Answer: TypeAlias = Mapping[str, object]


class Misused(Exception):
    """A command was given something that it does not take; the message says what it takes."""


class Command(NamedTuple):
    """One row of the table. `run` gets the words behind the name; it raises Misused."""

    role: Role
    arguments: str
    help: str
    run: Callable[[list[str]], Awaitable[Answer]]


class Peer(NamedTuple):
    """Who is at the other end; unknown over TCP."""

    uid: int | None = None
    pid: int | None = None


def peer_of(connected: socket.socket) -> Peer:
    """Whom the kernel names. Where it does not, a unix socket that only we may open speaks for us."""
    if connected.family != socket.AF_UNIX:
        return Peer()
    if not hasattr(socket, "SO_PEERCRED"):
        return Peer(os.getuid())
    pid, uid, _ = _CREDENTIALS.unpack(
        connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    return Peer(uid, pid)


@contextmanager
def address(path: Path) -> Iterator[str]:
    """An address for the socket at this path, however long it is; good inside `with`. Raises OSError."""
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"  # Linux' short name of a folder that is open
    finally:
        os.close(folder)


class StatusSocket:
    """Answers a table of commands. Changes are for root, for whom the server runs as, and for `change_uids`."""

    def __init__(
        self,
        commands: Mapping[str, Command],
        change_uids: Collection[int] = (),
        peer_of: Callable[[socket.socket], Peer] = peer_of,
        command_s: float = COMMAND_S,
    ) -> None:
        self._commands = commands
        self._change_uids = {0, os.getuid(), *change_uids}
        self._peer_of = peer_of
        self._command_s = command_s
        self._path: Path | None = None
        self._servers: list[asyncio.Server] = []
        self._operators = 0
        self._running: set[asyncio.Task[Answer]] = set()

    async def open(self, path: Path, mode: int = 0o600) -> None:
        """Listen on a unix socket. Raises OSError that names the path."""
        bound = _bound(path, mode)
        self._servers.append(await asyncio.start_unix_server(self._serve, sock=bound, limit=LINE_BYTES_MAX))
        self._path = path

    async def open_tcp(self, host: str, port: int) -> int:
        """Listen there for reads, too; the port. Raises OSError that names the address."""
        try:
            server = await asyncio.start_server(self._serve, host, port, limit=LINE_BYTES_MAX)
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()
        for command in self._running:
            command.cancel()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    # --- one operator -----------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._operators += 1
        try:
            await self._converse(reader, writer)
        except (OSError, TimeoutError):
            pass  # gone, or silent
        except asyncio.CancelledError:
            pass  # the server ends; asyncio would write a traceback about it
        finally:
            self._operators -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = self._peer_of(writer.get_extra_info("socket"))
        if self._operators > OPERATORS_MAX:
            await self._tell(writer, {"error": f"{OPERATORS_MAX} operators are here already"})
            return
        while line := await _line(reader):
            await self._tell(writer, await self._answer(line.decode(errors="replace").split(), peer))
        if line is None:
            await self._tell(writer, {"error": f"a line has at most {LINE_BYTES_MAX} bytes"})

    async def _tell(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        """Raises TimeoutError if it is not read."""
        writer.write(msgspec.json.encode(answer) + b"\n")
        async with asyncio.timeout(self._command_s):
            await writer.drain()

    # --- one command ------------------------------------------------------------------------------------------

    async def _answer(self, words: list[str], peer: Peer) -> Answer:
        name = words[0] if words else ""
        command = self._commands.get(name)
        if command is None:
            return {"error": f"no command {name[:40]!r}", "commands": sorted(self._commands)}
        if command.role == "change":
            may = peer.uid in self._change_uids
            tell = LOG.info if may else LOG.warning
            tell("operator_changes" if may else "operator_refused", command=words, uid=peer.uid, pid=peer.pid)
            if not may:
                return {
                    "error": f"{name} changes something: root may, whom the server runs as, and ops.change_uids"
                }
        try:
            return await self._in_time(command, words[1:])
        except Misused as misused:
            return {"error": str(misused), "usage": f"{name} {command.arguments}".strip()}
        except StoreUnavailable as error:
            return {"error": str(error)}
        except Exception:
            LOG.exception("operator_command_failed", command=words)
            return {"error": "a defect of the server; its log says more"}

    async def _in_time(self, command: Command, words: list[str]) -> Answer:
        """Its answer, if it comes in time. One that does not even end when it is told to is left behind."""
        if len(self._running) >= HUNG_MAX:
            return {"error": "too many commands hang"}
        task = asyncio.ensure_future(command.run(words))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=self._command_s)
        if done:
            return task.result()
        task.cancel()
        return {"error": f"no answer within {self._command_s:g} s"}


def _bound(path: Path, mode: int) -> socket.socket:
    """A socket at this path. Nobody can connect before it listens, so its mode holds from the first moment."""
    bound = socket.socket(socket.AF_UNIX)
    try:
        path.unlink(missing_ok=True)
        with address(path) as here:
            bound.bind(here)
        path.chmod(mode)
    except OSError as error:
        bound.close()
        raise OSError(f"cannot listen on {path}: {error.strerror or error}") from error
    return bound


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """The next line; empty at the end; None if it is too long. Raises TimeoutError."""
    try:
        async with asyncio.timeout(IDLE_S):
            return await reader.readline()
    except ValueError:
        return None


async def ask(path: Path, command: str, timeout_s: float = 3.0) -> dict[str, object]:
    """Ask a running server. Raises OSError when there is none."""
    async with asyncio.timeout(timeout_s):
        with address(path) as there:
            reader, writer = await asyncio.open_unix_connection(there, limit=ANSWER_BYTES_MAX)
        try:
            writer.write(command.encode() + b"\n")
            answer: dict[str, object] = json.loads(await reader.readline())
        finally:
            writer.close()
    return answer
