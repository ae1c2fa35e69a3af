"""The ops status socket: a unix socket, and TCP if asked, where one line in gives one line of JSON out.

Nothing that an operator does holds up the server or other operators: a command has a time, a line has a length,
operators and what still runs for them are counted, and a new one pushes out who was silent longest. Who may change
something is told by the peer's user id, which the kernel vouches for; over TCP nobody may.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
import structlog

from server.logs import ALWAYS
from server.ops.socket.unix_socket import Bound, bind, connect
from storage.errors import StoreUnavailable

LOG = structlog.get_logger()
LINE_BYTES_MAX: Final = 1024
ANSWER_BYTES_MAX: Final = 1 << 24
OPERATORS_MAX: Final = 16  # by one way in
COMMAND_S: Final = 2.0
IDLE_S: Final = 600.0  # who says nothing for so long makes room for others
HUNG_MAX: Final = 64  # commands that were given up and have not ended yet, by one way in
HTTP: Final = b" HTTP/1."
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


class _Room:
    """Who is here by one way in, the longest silent first, whom a new one pushes out; and what runs for them."""

    def __init__(self) -> None:
        self._here: dict[asyncio.StreamWriter, None] = {}
        self.running: set[asyncio.Task[Answer]] = set()

    def enter(self, writer: asyncio.StreamWriter) -> None:
        while len(self._here) >= OPERATORS_MAX:
            silent = next(iter(self._here))
            self.leave(silent)
            silent.transport.abort()
        self._here[writer] = None

    def heard(self, writer: asyncio.StreamWriter) -> None:
        if writer in self._here:
            self.leave(writer)
            self._here[writer] = None

    def leave(self, writer: asyncio.StreamWriter) -> None:
        self._here.pop(writer, None)


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
        self._bound: Bound | None = None
        self._servers: list[asyncio.Server] = []
        self._rooms: list[_Room] = []  # one for each way in: who comes over TCP is in nobody's way at the other

    async def open(self, path: Path, mode: int = 0o600) -> None:
        """Listen on a unix socket. Raises OSError that names the path."""
        self._bound = bind(path, mode)
        serve = self._in_a_room()
        self._servers.append(await asyncio.start_unix_server(serve, sock=self._bound.socket, limit=LINE_BYTES_MAX))

    async def open_tcp(self, host: str, port: int) -> int:
        """Listen there for reads, too; the port. Raises OSError that names the address."""
        try:
            server = await asyncio.start_server(self._in_a_room(), host, port, limit=LINE_BYTES_MAX)
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()
        for room in self._rooms:
            for command in room.running:
                command.cancel()
        if self._bound is not None:
            self._bound.unlink()

    # --- one operator -----------------------------------------------------------------------------------------

    def _in_a_room(self) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        self._rooms.append(_Room())
        return partial(self._serve, self._rooms[-1])

    async def _serve(self, room: _Room, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        room.enter(writer)
        try:
            await self._converse(room, reader, writer)
        except TimeoutError:
            writer.transport.abort()  # silent, or deaf: what waits in it would never be read
        except OSError:
            pass  # gone
        except asyncio.CancelledError:
            pass  # the server ends; asyncio would write a traceback about it
        finally:
            room.leave(writer)
            writer.close()

    async def _converse(self, room: _Room, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = self._peer_of(writer.get_extra_info("socket"))
        while line := await _line(reader):
            if HTTP in line:
                return  # a page in somebody's browser asks, and what would follow is its own choice
            room.heard(writer)
            await self._tell(writer, await self._answer(room, line.decode(errors="replace").split(), peer))
        if line is None:
            await self._tell(writer, {"error": f"a line has at most {LINE_BYTES_MAX} bytes"})

    async def _tell(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        """Raises TimeoutError if it is not read."""
        writer.write(msgspec.json.encode(answer) + b"\n")
        async with asyncio.timeout(self._command_s):
            await writer.drain()

    # --- one command ------------------------------------------------------------------------------------------

    async def _answer(self, room: _Room, words: list[str], peer: Peer) -> Answer:
        name = words[0] if words else ""
        command = self._commands.get(name)
        if command is None:
            return {"error": f"no command {name[:40]!r}", "commands": sorted(self._commands)}
        if command.role == "change":
            may = peer.uid in self._change_uids
            tell = ALWAYS.info if may else LOG.warning
            tell("operator_changes" if may else "operator_refused", command=words, uid=peer.uid, pid=peer.pid)
            if not may:
                return {
                    "error": f"{name} changes something: root may, whom the server runs as, and ops.change_uids"
                }
        try:
            return await self._in_time(room, command, words[1:])
        except Misused as misused:
            return {"error": str(misused), "usage": f"{name} {command.arguments}".strip()}
        except StoreUnavailable as error:
            return {"error": str(error)}
        except Exception:
            LOG.exception("operator_command_failed", command=words)
            return {"error": "a defect of the server; its log says more"}

    async def _in_time(self, room: _Room, command: Command, words: list[str]) -> Answer:
        """Its answer, if it comes in time. One that does not even end when it is told to is left behind."""
        if len(room.running) >= HUNG_MAX:
            return {"error": "too many commands hang"}
        task = asyncio.ensure_future(command.run(words))
        room.running.add(task)
        task.add_done_callback(room.running.discard)
        done, _ = await asyncio.wait({task}, timeout=self._command_s)
        if done:
            return task.result()
        task.cancel()
        return {"error": f"no answer within {self._command_s:g} s"}


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """The next line; empty at the end; None if it is too long. Raises TimeoutError."""
    try:
        async with asyncio.timeout(IDLE_S):
            return await reader.readline()
    except ValueError:
        return None


async def ask(path: Path, command: str, timeout_s: float = 3.0) -> dict[str, object]:
    """Ask a running server. Raises OSError when there is none, TimeoutError when it does not answer."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_unix_connection(sock=connect(path), limit=ANSWER_BYTES_MAX)
        try:
            writer.write(command.encode() + b"\n")
            answer: dict[str, object] = json.loads(await reader.readline())
        finally:
            writer.close()
    return answer
