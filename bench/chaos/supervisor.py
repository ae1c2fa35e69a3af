"""Supervised processes: a process that ends is started again, as by a service manager, unless it is held down."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from server.embedded.run import EmbeddedError, account, claim, die_with, hand_over, let_pass, spawn
from server.embedded.sockets import make_sockets, remove_sockets
from server.embedded.stores import (
    POSTGRES_CONNECTIONS,
    STORES,
    Store,
    postgres_program,
    stores_with,
    valkey_program,
)
from server.process import OURS

POLL_S: Final = 0.02
END_TIMEOUT_S: Final = 20.0
READY_TIMEOUT_S: Final = 60.0
PORTS: Final = range(20_000, 30_000)  # Linux gives connections those from 32,768 on
NO_LINK: Final = os.O_NOFOLLOW | os.O_CLOEXEC


class SupervisedProcess:
    """One process. Make and run it in the main thread: the kernel ends the process with the thread."""

    def __init__(self, end: signal.Signals, start: Callable[[], Awaitable[subprocess.Popen[bytes]]]) -> None:
        self._end = end
        self._start = start
        self._wanted = asyncio.Event()
        self._wanted.set()
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.failed_starts: list[str] = []  # the reason of each

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Keep it running inside; end it afterwards."""
        task = asyncio.create_task(self._supervise())
        try:
            yield
        finally:
            await self.hold()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _supervise(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                self.process = await self._start()
            except (
                EmbeddedError
            ) as error:  # for example, children of the last process have not ended yet: try again
                self.failed_starts.append(str(error))
                continue
            self.starts += 1
            while self.process.poll() is None:  # noqa: ASYNC110  the end of a process sets no event
                await asyncio.sleep(POLL_S)

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; False if it does not run."""
        if self.process is None or self.pid is None:
            return False
        self.process.send_signal(number)
        return True

    def release(self) -> None:
        """Start it again."""
        self._wanted.set()

    async def hold(self) -> None:
        """End it, cleanly if that is possible in time, and keep it down until `release`."""
        self._wanted.clear()
        self.signal(self._end)
        for _ in range(int(END_TIMEOUT_S / POLL_S)):
            if self.pid is None:
                return
            await asyncio.sleep(POLL_S)
        self.signal(signal.SIGKILL)


@asynccontextmanager
async def supervised_stores(
    data: Path,
    folders: Mapping[str, Path] | None = None,
    connections: int = POSTGRES_CONNECTIONS,
    names: Collection[str] = tuple(one.name for one in STORES),
) -> AsyncIterator[tuple[dict[str, SupervisedProcess], Path]]:
    """PostgreSQL and Valkey, ready, by their names; and the folder of their sockets. Raises EmbeddedError.

    `folders`: the parent folder of a store's data, by its name, if it is not `data`. `connections`: so many may
    be made to PostgreSQL. `names`: only these stores.
    """
    user = account()
    os.makedirs(data, 0o711 if user else 0o700, exist_ok=True)
    for folder in (data, postgres_program("postgres").parent, valkey_program().parent):
        let_pass(folder, user)
    async with AsyncExitStack() as undo:
        undo.callback(remove_sockets, data)
        sockets = make_sockets(data, user)
        parents = folders or {}
        wanted = [one for one in stores_with(connections) if one.name in names]
        stores = {one.name: _store(one, parents.get(one.name, data), sockets) for one in wanted}
        for store in stores.values():
            await undo.enter_async_context(store.supervised())
        for one in wanted:
            await wait_until_ready(one, sockets)
        yield stores, sockets


async def wait_until_ready(store: Store, sockets: Path) -> None:
    """Return when a store answers. Raises EmbeddedError."""
    for _ in range(int(READY_TIMEOUT_S / POLL_S)):
        if await asyncio.to_thread(store.answers, sockets):
            return
        await asyncio.sleep(POLL_S)
    raise EmbeddedError(f"{store.name} does not answer")


def _store(store: Store, data: Path, sockets: Path) -> SupervisedProcess:
    folder, log, user = data / store.name, data / f"{store.name}.log", account()

    def prepare() -> None:
        if folder.exists():
            os.close(claim(folder))  # after a kill, the children of the process end a moment later
        store.prepare(folder, log, user)
        hand_over(folder, user)

    async def start() -> subprocess.Popen[bytes]:
        await asyncio.to_thread(prepare)
        return spawn(store.arguments(folder, sockets), folder, log, user, store.end).process

    return SupervisedProcess(store.end, start)


def supervised_server(data: Path, *words: str) -> SupervisedProcess:
    """A server; `words` go to `hongbao serve`."""
    return supervised_command(data / "server.log", "serve", "--data", str(data), *words)


def supervised_command(log_file: Path, *words: str) -> SupervisedProcess:
    """A command of hongbao that runs until it is ended."""
    command = [OURS.python, "-m", OURS.module, *words]

    async def start() -> subprocess.Popen[bytes]:
        with log_file.open("ab") as log:
            return subprocess.Popen(  # noqa: ASYNC220  a start takes milliseconds, and must be in this thread
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with(os.getpid(), signal.SIGTERM),
            )

    return SupervisedProcess(signal.SIGTERM, start)


def free_port() -> int:
    """A TCP port on loopback that a process can keep over restarts.

    The kernel gives it to no connection, and this function to no other caller of this user, until all were given.
    """
    path = Path(tempfile.gettempdir(), f"hongbao-ports-{os.getuid()}")
    file = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600)
    with open(file, "r+") as last:
        fcntl.flock(last, fcntl.LOCK_EX)
        begin = int(last.read() or 0)
        for step in range(1, len(PORTS) + 1):
            port = PORTS[(begin + step) % len(PORTS)]
            if _is_free(port):
                last.seek(0)
                last.truncate()
                last.write(str(begin + step))
                return port
    raise EmbeddedError(f"no port from {PORTS[0]} to {PORTS[-1]} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
