"""The ops status socket: a unix socket (0600) where a line `status` in gives one line of JSON out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

LINE_BYTES_MAX = 1024
Command = Callable[[], Awaitable[Mapping[str, object]]]


class StatusSocket:
    """Answers a table of commands; an unknown one is answered with their names."""

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        self._path = path
        self._commands = commands
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen. Raises OSError."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_BYTES_MAX)
        self._path.chmod(0o600)

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
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(command.encode() + b"\n")
            answer: dict[str, object] = json.loads(await reader.readline())
        finally:
            writer.close()
    return answer
