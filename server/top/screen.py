"""The live screen: queries the server every second, reads keys, draws. Also one snapshot for a file or a pipe."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from server.instance import NoAnswer
from server.top import queries
from server.top.draw import draw, snapshot
from server.top.keys import raw_keys
from server.top.state import QUIT_KEY, Event, KeyPress, Resized, TopState, Unreachable

EVERY_S: Final = 1.0
STDIN: Final = 0
QUIT: Final = KeyPress(QUIT_KEY)


async def show_once(path: Path, console: Console, no_server: str) -> None:
    """Print one snapshot. Raises NoAnswer, with the text `no_server` if no server listens."""
    state = TopState()
    result = await queries.query_all(path, state.sort, no_server)
    if isinstance(result, Unreachable):
        raise NoAnswer(result.why if result.why == no_server else f"no answer from {path}: {result.why}")
    console.print(snapshot(state.after(result), console.width))


async def watch(path: Path, console: Console, no_server: str) -> None:
    """Show the server on this terminal until q, Ctrl-C or TERM. The server may stop and start again meanwhile."""
    screen = Screen(path, console, no_server)
    with (
        _signals(screen.on_event),
        raw_keys(STDIN, lambda name: screen.on_event(KeyPress(name)), lambda: screen.on_event(QUIT)),
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        await screen.run(live)


class Screen:
    """Every input goes through one queue of events."""

    def __init__(self, path: Path, console: Console, no_server: str) -> None:
        self._path = path
        self._no_server = no_server
        self._console = console
        self._state = TopState()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._sort_changed = asyncio.Event()

    def on_event(self, event: Event) -> None:
        """Queue an event."""
        self._events.put_nowait(event)

    async def run(self, live: Live) -> None:
        """Run until q is pressed."""
        polling = asyncio.create_task(self._poll())
        polling.add_done_callback(lambda _: self.on_event(QUIT))  # else a defect there would freeze the screen
        try:
            event: Event = Resized()
            while event != QUIT:
                sort = self._state.sort
                self._state = self._state.after(event)
                if self._state.sort != sort:
                    self._sort_changed.set()
                live.update(draw(self._state, *self._console.size), refresh=True)
                event = await self._events.get()
        finally:
            if not polling.done():
                polling.cancel()
            await asyncio.wait({polling})
        if not polling.cancelled():
            polling.result()

    async def _poll(self) -> None:
        """Query everything each second; between two polls only the connections, if their order changes."""
        loop = asyncio.get_running_loop()
        while True:
            next_poll_s = loop.time() + EVERY_S
            self.on_event(await queries.query_all(self._path, self._state.sort, self._no_server))
            while await self._sort_changes_before(next_poll_s):
                self.on_event(await queries.query_connections(self._path, self._state.sort, self._no_server))

    async def _sort_changes_before(self, time_s: float) -> bool:
        try:
            async with asyncio.timeout_at(time_s):
                await self._sort_changed.wait()
        except TimeoutError:
            return False
        self._sort_changed.clear()
        return True


@contextmanager
def _signals(on_event: Callable[[Event], None]) -> Iterator[None]:
    """Inside `with` Ctrl-C and TERM quit like q, so that the terminal is restored."""
    events: dict[int, Event] = {signal.SIGINT: QUIT, signal.SIGTERM: QUIT, signal.SIGWINCH: Resized()}
    loop = asyncio.get_running_loop()
    for number, event in events.items():
        loop.add_signal_handler(number, on_event, event)
    try:
        yield
    finally:
        for number in events:
            loop.remove_signal_handler(number)
