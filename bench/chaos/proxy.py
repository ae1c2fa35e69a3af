"""A proxy between a server and one of its stores, on unix sockets, that can fail as networks do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

CHUNK_BYTES = 1 << 16


class Proxy:
    """Forwards bytes until a method stops it."""

    def __init__(self, listen: Path, target: Path) -> None:
        self._listen = listen
        self._target = target
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        # After a request with these bytes was forwarded, its reply is lost: the proxy waits for it, then cuts.
        self.lose_reply_to: bytes | None = None
        # The same for the COMMIT of the PostgreSQL transaction in which a request has these bytes.
        self.lose_commit_of: bytes | None = None
        self.lost_replies = 0

    async def heal(self) -> Self:
        """Accept connections (again)."""
        if self._server is None:
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
        """Break every connection; new ones are accepted."""
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Keep every connection, and forward no byte in either direction until `flow`."""
        self._flows.clear()

    def flow(self) -> None:
        """Forward again, beginning with the bytes that were held back."""
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            store_reader, store_writer = await asyncio.open_unix_connection(str(self._target))
        except OSError:  # the store is away
            writer.transport.abort()
            return
        writers = {writer, store_writer}
        self._writers |= writers
        losing, is_marked = asyncio.Event(), False

        def forward_request(data: bytes) -> bool:
            nonlocal is_marked
            is_marked = is_marked or (self.lose_commit_of is not None and self.lose_commit_of in data)
            if is_marked and b"COMMIT" in data:
                is_marked, self.lose_commit_of = False, None
                losing.set()
            if self.lose_reply_to is not None and self.lose_reply_to in data:
                self.lose_reply_to = None
                losing.set()
            return True

        def forward_reply(_: bytes) -> bool:
            self.lost_replies += losing.is_set()
            return not losing.is_set()

        pipes = {
            asyncio.create_task(self._pipe(reader, store_writer, forward_request)),
            asyncio.create_task(self._pipe(store_reader, writer, forward_reply)),
        }
        self._pipes |= pipes
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for one in writers:
            one.transport.abort()
        for pipe in pipes:
            pipe.cancel()  # a stalled one would not notice
        await asyncio.gather(*pipes, return_exceptions=True)
        self._pipes -= pipes
        self._writers -= writers

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, forwards: Callable[[bytes], bool]
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                if not forwards(data):
                    return
                writer.write(data)
