"""The processes under attack: whatever ends is started again, as by a service manager, unless it is held."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from server.embedded.run import EmbeddedError, account, claim, die_with, hand_over, let_pass, spawn
from server.embedded.sockets import make_sockets
from server.embedded.stores import Store, postgres_program, valkey_program

POLL_S: Final = 0.02
END_WITHIN_S: Final = 20.0


class SupervisedProcess:
    """One process. Make and run it in the main thread: the kernel ends the process with the thread."""

    def __init__(self, end: signal.Signals, start: Callable[[], Awaitable[subprocess.Popen[bytes]]]) -> None:
        self._end = end
        self._start = start
        self._wanted = asyncio.Event()
        self._wanted.set()
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.troubles: list[str] = []  # why it could not be started

    async def run(self) -> None:
        """Keep it running; for ever, to be cancelled."""
        while True:
            await self._wanted.wait()
            try:
                self.process = await self._start()
            except EmbeddedError as error:  # as when children of the last one do not end; tried again
                self.troubles.append(str(error))
                continue
            self.starts += 1
            while self.process.poll() is None:  # noqa: ASYNC110  the end of a process sets no event
                await asyncio.sleep(POLL_S)

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def signal(self, number: signal.Signals) -> bool:
        """Hit it; False if it does not run."""
        if self.process is None or self.pid is None:
            return False
        self.process.send_signal(number)
        return True

    def release(self) -> None:
        """It may run again."""
        self._wanted.set()

    async def hold(self) -> None:
        """End it, cleanly if it manages that in time, and keep it down until `release`."""
        self._wanted.clear()
        self.signal(self._end)
        for _ in range(int(END_WITHIN_S / POLL_S)):
            if self.pid is None:
                return
            await asyncio.sleep(POLL_S)
        self.signal(signal.SIGKILL)


def prepare_stores(data: Path) -> Path:
    """Make a data folder fit for stores; the folder of their sockets."""
    who = account()
    data.mkdir(parents=True, exist_ok=True, mode=0o711 if who else 0o700)
    for folder in (data, postgres_program("postgres").parent, valkey_program().parent):
        let_pass(folder, who)
    return make_sockets(data, who)


def kept_store(store: Store, data: Path, sockets: Path) -> SupervisedProcess:
    """An embedded store by itself."""
    folder, log, who = data / store.name, data / f"{store.name}.log", account()

    def make_ready() -> None:
        if folder.exists():
            os.close(claim(folder))  # when it was killed, its children take a moment to notice
        store.prepare(folder, log, who)
        hand_over(folder, who)

    async def start() -> subprocess.Popen[bytes]:
        await asyncio.to_thread(make_ready)
        return spawn(store.arguments(folder, sockets), folder, log, who, store.end).process

    return SupervisedProcess(store.end, start)


def kept_server(data: Path, *words: str) -> SupervisedProcess:
    """A server; `words` go to `hongbao serve`."""
    command = [sys.executable, "-m", "server.cli", "serve", "--data", str(data), *words]

    async def start() -> subprocess.Popen[bytes]:
        with (data / "server.log").open("ab") as log:
            return subprocess.Popen(  # noqa: ASYNC220  to start it takes milliseconds; it must be this thread
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with(os.getpid(), signal.SIGTERM),
            )

    return SupervisedProcess(signal.SIGTERM, start)


async def answers(store: Store, sockets: Path, within_s: float) -> bool:
    """Wait until it is there and ready."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not await asyncio.to_thread(store.answers, sockets):  # noqa: ASYNC110  a process sets no event
                await asyncio.sleep(POLL_S)
            return True
    return False
