"""The chat in a pipe: one command per line in, one event per line out; for scripts and logs.

A line is a word and `name=value` pairs in a fixed order. A value that is empty or has a space, a quote or a `=` is
in double quotes, as in JSON. Commands are carried out one after another. The chat ends at the end of the input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import threading
from collections import deque
from concurrent.futures import CancelledError
from typing import TextIO

from client_sim.chat import actions, lifecycle
from client_sim.chat.commands import BadCommand, Command, parse
from client_sim.chat.refusals import detail_of
from client_sim.chat.session import Event, Session, Start
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError

REMEMBERED = 1000  # events that no /wait has checked yet
_BARE = re.compile(r'[^\s"=\\]+')


def written(event: Event) -> str:
    """The line of an event."""
    return " ".join([event.word, *(f"{name}={_value(value)}" for name, value in event.fields.items())])


def _value(value: str | int | bool) -> str:
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return text if _BARE.fullmatch(text) and text.isprintable() else json.dumps(text, ensure_ascii=False)


class Plain:
    """A session that reads commands from a queue and writes events to a stream."""

    def __init__(self, client: Client, out: TextIO, start: Start | None = None) -> None:
        self.session = Session(client, self._on_event, start)
        self._out = out
        self._words: deque[str] = deque(maxlen=REMEMBERED)
        self._more = asyncio.Event()
        self._timed_out = False

    def _on_event(self, event: Event) -> None:
        print(written(event), file=self._out, flush=True)
        self._words.append(event.word)
        self._more.set()

    async def run(self, lines: asyncio.Queue[str | None]) -> int:
        """Until the queue gives None; 1 if a /wait timed out. Raises what lifecycle.run raises."""
        running = asyncio.create_task(lifecycle.run(self.session))
        commands = asyncio.create_task(self._read_commands(lines))
        try:
            await asyncio.wait([running, commands], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            await commands
        finally:
            for task in (running, commands):
                task.cancel()
            await asyncio.wait([running, commands])
        return 1 if self._timed_out else 0

    async def _read_commands(self, lines: asyncio.Queue[str | None]) -> None:
        await self.session.is_ready.wait()
        while (line := await lines.get()) is not None:
            try:
                command = parse(line, self.session.money)
                if command is None:
                    continue
                if command.verb == "quit":
                    return
                await self._do(command)
            except BadCommand as bad:
                self.session.emit("bad", why=bad.key, verb=bad.verb, text=bad.text)
            except ClientError as error:
                self.session.emit("refused", name=error.name, temporary=error.temporary, detail=detail_of(error))

    async def _do(self, command: Command) -> None:
        if command.verb == "wait":
            await self._wait(**command.values)
        else:
            await actions.run(self.session, command)

    async def _wait(self, what: str, seconds: float) -> None:
        """Wait this many seconds, or for an event: one that came since the last /wait counts."""
        with contextlib.suppress(ValueError):
            await asyncio.sleep(float(what))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._until(what)
        except TimeoutError:
            self._timed_out = True
            self.session.emit("timeout", event=what)

    async def _until(self, word: str) -> None:
        while True:
            while self._words:
                if self._words.popleft() == word:
                    return
            self._more.clear()
            await self._more.wait()


def read_lines(source: TextIO) -> asyncio.Queue[str | None]:
    """The lines of a stream as they come, then None. A thread reads at most one line ahead of the consumer."""
    lines: asyncio.Queue[str | None] = asyncio.Queue(1)
    loop = asyncio.get_running_loop()

    def read() -> None:
        with contextlib.suppress(
            RuntimeError, ValueError, CancelledError
        ):  # the loop or the stream is closed: there is no consumer
            for line in source:
                asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(lines.put(None), loop).result()

    threading.Thread(target=read, daemon=True).start()
    return lines


async def chat(client: Client, start: Start) -> int:
    """Chat on stdin and stdout; the exit code."""
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    return await Plain(client, sys.stdout, start).run(read_lines(sys.stdin))
