"""A relay between two servers, on the unix sockets at which they reach each other, that loses frames."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self

from server.peers.frames import LENGTH_BYTES, NUMBER_BYTES

HEAD_BYTES = LENGTH_BYTES + NUMBER_BYTES


class LossyRelay:
    """Stands in the place of a server's socket, and loses one frame of so many on each connection and direction."""

    def __init__(self, address: Path, loses_one_of: int) -> None:
        """`address`: where the server listens; it is reached there through the relay from now on."""
        self._address = address
        self._behind = address.with_suffix(".behind")
        self._loses_one_of = loses_one_of
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self.lost = self.passed = 0

    async def __aenter__(self) -> Self:
        self._address.rename(self._behind)
        self._server = await asyncio.start_unix_server(self._serve, self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        """The server is reached without it again."""
        assert self._server is not None
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        self._behind.rename(self._address)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._behind)
        both = [self._pipe(reader, far_writer), self._pipe(far_reader, writer)]
        pipes = [asyncio.create_task(one) for one in both]
        self._pipes.update(pipes)
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for one in (writer, far_writer):
            one.transport.abort()
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)
        self._pipes.difference_update(pipes)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readexactly(HEAD_BYTES)
                body = await reader.readexactly(int.from_bytes(head[:LENGTH_BYTES], "big"))
                self.passed += 1
                if self.passed % self._loses_one_of:
                    writer.write(head + body)
                else:
                    self.lost += 1
