"""The live screen: asks the server every second, listens to keys, draws; or one moment for a file or a pipe."""

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
from server.top import asking
from server.top.draw import draw, snapshot
from server.top.keys import raw_keys
from server.top.view import QUIT_KEY, Event, KeyPress, Resized, Silence, TopState

EVERY_S: Final = 1.0
STDIN: Final = 0
QUIT: Final = KeyPress(QUIT_KEY)


async def show_once(path: Path, console: Console, if_nobody: str) -> None:
    """Print this moment. Raises NoAnswer; its text is `if_nobody` if no server is there."""
    view = TopState()
    told = await asking.answers(path, view.sort, if_nobody)
    if isinstance(told, Silence):
        raise NoAnswer(told.why if told.why == if_nobody else f"no answer from {path}: {told.why}")
    console.print(snapshot(view.after(told), console.width))


async def watch(path: Path, console: Console, if_nobody: str) -> None:
    """Show the server on this terminal until q, Ctrl-C or TERM. The server may come and go meanwhile."""
    screen = Screen(path, console, if_nobody)
    with (
        _signals(screen.tell),
        raw_keys(STDIN, lambda name: screen.tell(KeyPress(name)), lambda: screen.tell(QUIT)),
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        await screen.run(live)


class Screen:
    """Everything that happens goes through one queue of events."""

    def __init__(self, path: Path, console: Console, if_nobody: str) -> None:
        self._path = path
        self._if_nobody = if_nobody
        self._console = console
        self._view = TopState()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._sorted = asyncio.Event()

    def tell(self, event: Event) -> None:
        """This has happened."""
        self._events.put_nowait(event)

    async def run(self, live: Live) -> None:
        """Until q is pressed."""
        asks = asyncio.create_task(self._ask())
        asks.add_done_callback(lambda _: self.tell(QUIT))  # a defect there must not leave us with a still picture
        try:
            event: Event = Resized()
            while event != QUIT:
                sort = self._view.sort
                self._view = self._view.after(event)
                if self._view.sort != sort:
                    self._sorted.set()
                live.update(draw(self._view, *self._console.size), refresh=True)
                event = await self._events.get()
        finally:
            if not asks.done():
                asks.cancel()
            await asyncio.wait({asks})
        if not asks.cancelled():
            asks.result()

    async def _ask(self) -> None:
        """Everything each second; in between only the connections, if their order changes."""
        loop = asyncio.get_running_loop()
        while True:
            turn_s = loop.time() + EVERY_S
            self.tell(await asking.answers(self._path, self._view.sort, self._if_nobody))
            while await self._sorts_anew_before(turn_s):
                self.tell(await asking.connections(self._path, self._view.sort, self._if_nobody))

    async def _sorts_anew_before(self, turn_s: float) -> bool:
        try:
            async with asyncio.timeout_at(turn_s):
                await self._sorted.wait()
        except TimeoutError:
            return False
        self._sorted.clear()
        return True


@contextmanager
def _signals(tell: Callable[[Event], None]) -> Iterator[None]:
    """Inside `with` Ctrl-C and TERM quit as q does, so that the terminal is left as it was."""
    happens: dict[int, Event] = {signal.SIGINT: QUIT, signal.SIGTERM: QUIT, signal.SIGWINCH: Resized()}
    loop = asyncio.get_running_loop()
    for number, event in happens.items():
        loop.add_signal_handler(number, tell, event)
    try:
        yield
    finally:
        for number in happens:
            loop.remove_signal_handler(number)
