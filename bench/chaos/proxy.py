"""A proxy between a server and one of its stores, on unix sockets, that can fail in the ways networks do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self

CHUNK_BYTES = 1 << 16


class Proxy:
    """Forwards bytes until it is told not to."""

    def __init__(self, listen: Path, target: Path) -> None:
        self._listen = listen
        self._target = target
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.lose_reply_to: bytes | None = (
            None  # after forwarding a request with these bytes: wait for the reply, cut
        )
        self.lost_replies = 0

    async def heal(self) -> Self:
        """Accept connections (again)."""
        if self._server is not None:
            return self
        self._listen.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._listen)
        return self

    async def cut(self) -> None:
        """Break every connection and accept no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._listen.unlink(missing_ok=True)
        self.break_connections()
        self.flow()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def break_connections(self) -> None:
        """Break every connection; new ones are welcome."""
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Keep every connection, and let no byte through in either direction until `flow`."""
        self._flows.clear()

    def flow(self) -> None:
        """What was held back goes on."""
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(str(self._target))
        except OSError:  # the store is away
            writer.transport.abort()
            return
        pair = {writer, there_writer}
        self._writers |= pair
        losing = asyncio.Event()
        pipes = {
            asyncio.create_task(self._requests(reader, there_writer, losing)),
            asyncio.create_task(self._replies(there_reader, writer, losing)),
        }
        self._pipes |= pipes
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for one in pair:
            one.transport.abort()
        for pipe in pipes:
            pipe.cancel()  # one that is stalled would not notice
        await asyncio.gather(*pipes, return_exceptions=True)
        self._pipes -= pipes
        self._writers -= pair

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                if self.lose_reply_to is not None and self.lose_reply_to in data:
                    self.lose_reply_to = None
                    losing.set()
                writer.write(data)

    async def _replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                if losing.is_set():
                    self.lost_replies += 1
                    return
                writer.write(data)
