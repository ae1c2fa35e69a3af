"""The ops status socket: a unix socket (0600) where a line `status` in gives one line of JSON out."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LINE_BYTES_MAX: Final = 1024
SOCKET_PATH_BYTES_MAX: Final = 103  # macOS' sun_path without the closing zero; Linux has 107
Command = Callable[[], Awaitable[Mapping[str, object]]]


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
    """Answers a table of commands; an unknown one is answered with their names."""

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        self._path = path
        self._commands = commands
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen. Raises OSError that names the path."""
        try:
            self._path.unlink(missing_ok=True)
            with address(self._path) as here:
                self._server = await asyncio.start_unix_server(self._serve, here, limit=LINE_BYTES_MAX)
            self._path.chmod(0o600)
        except OSError as error:
            raise OSError(f"cannot listen on {self._path}: {error.strerror or error}") from error

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = await self._answer(line.decode(errors="replace").strip())
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # gone, or a line without an end
        except asyncio.CancelledError:
            pass  # the server ends; asyncio would write a traceback about it
        finally:
            writer.close()

    async def _answer(self, line: str) -> Mapping[str, object]:
        command = self._commands.get(line)
        if command is None:
            return {"error": f"no command {line[:40]!r}", "commands": sorted(self._commands)}
        return await command()


async def ask(path: Path, command: str, timeout_s: float = 2.0) -> dict[str, object]:
    """Ask a running server. Raises OSError when there is none."""
    async with asyncio.timeout(timeout_s):
        with address(path) as there:
            reader, writer = await asyncio.open_unix_connection(there)
        try:
            writer.write(command.encode() + b"\n")
            answer: dict[str, object] = json.loads(await reader.readline())
        finally:
            writer.close()
    return answer
