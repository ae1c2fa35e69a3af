"""A relay between servers, at an address of its own on loopback: it can hold bytes back, and cut."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Self

CHUNK_BYTES: Final = 1 << 16


class Relay:
    """Inside `async with` it passes on bytes. A server that advertises its host is reached through it."""

    def __init__(self, host: str, target: tuple[str, int]) -> None:
        """It listens on the port of the target, which the target tells with its address."""
        self._host = host
        self._target = target
        self._listening: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.passed_on = 0  # bytes

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._serve, self._host, self._target[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._flows.set()
        if self._listening is not None:
            self._listening.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def stall(self) -> None:
        """Keep all connections and pass nothing on, as a cable that was pulled out."""
        self._flows.clear()

    def flow(self) -> None:
        """Pass on again, first what was held back."""
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pipes = [asyncio.ensure_future(self._pipe(reader, back)), asyncio.ensure_future(self._pipe(there, writer))]
        try:
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pipe in pipes:
                pipe.cancel()
            for one in (writer, back):
                one.transport.abort()
            self._pipes.discard(task)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                self.passed_on += len(data)
                writer.write(data)
