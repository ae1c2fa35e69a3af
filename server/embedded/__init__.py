"""Private PostgreSQL and Valkey for one data folder.

    DATA/postgres  DATA/valkey            what is stored, readable by the stores' user alone
    DATA/postgres.log  DATA/valkey.log    what the stores say, over all runs
    DATA/sockets                          the folder of their sockets, or a link to it; there are no TCP ports
    DATA/lock                             held (flock) by the owner, with its process id

The owner is the process that started the stores; others that start the same folder attach to them. The stores
die with their owner, however it dies. They never run as root: root's run as `nobody` or $HONGBAO_STORE_USER.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from server.embedded.run import (
    Child,
    EmbeddedError,
    SystemUser,
    account,
    claim,
    hand_over,
    let_pass,
    lock,
    one_line,
    polls,
    spawn,
)
from server.embedded.sockets import addresses, make_sockets, remove_sockets, trusted
from server.embedded.stores import STORES, Store, postgres_program, valkey_program

__all__ = ["EmbeddedError", "Stores", "running", "start", "temporary"]

READY_TIMEOUT_S: Final = 300.0  # after a crash a store reads its log first, PostgreSQL up to max_wal_size of it
STOP_TIMEOUT_S: Final = 20.0


@dataclass
class StoreAddresses:
    """Stores that answer. As a context manager: stopped at the end, if they are ours."""

    postgres_dsn: str
    redis_url: str
    owner: bool = False  # are they ours to stop?
    pids: Mapping[str, int] = field(default_factory=dict)  # of "postgres" and "valkey", if we are the owner
    _end: Callable[[], None] | None = field(default=None, repr=False)

    def stop(self) -> None:
        """End the stores if they are ours, by force after STOP_TIMEOUT_S. Twice is harmless."""
        end, self._end = self._end, None
        if end is not None:
            end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(data: Path) -> StoreAddresses:
    """Start the stores of this data folder, or attach to them if they run; returns when both answer.

    Call it in the main thread: the kernel ends the stores with the thread that started them.
    Raises EmbeddedError.
    """
    if sys.platform != "linux":
        raise EmbeddedError("embedded stores need Linux; elsewhere name your own with --postgres and --redis")
    if threading.current_thread() is not threading.main_thread():
        raise EmbeddedError("start the stores in the main thread: they end with the thread that starts them")
    data = data.resolve()
    with one_line(f"cannot start the stores in {data}"):
        who = account()
        data.mkdir(parents=True, exist_ok=True, mode=0o711 if who else 0o700)
        for _ in polls(READY_TIMEOUT_S):
            if (held := _become_owner(data)) is not None:
                return _own(data, who, held)
            if stores := _attach(data):
                return stores
        holder = (data / "lock").read_text().strip()
    raise EmbeddedError(f"process {holder} owns the stores in {data}, but they do not answer")


def running(data: Path) -> StoreAddresses | None:
    """The stores of this data folder, if they have an owner and answer; starts nothing. Raises EmbeddedError."""
    data = data.resolve()
    with one_line(f"cannot look into {data}"):
        if not (data / "lock").exists():
            return None
        held = _become_owner(data)
        if held is None:
            return _attach(data)
        os.close(held)  # no owner: if anything still answers, it is on its way out
        return None


@contextmanager
def temporary(prefix: str = "hongbao-") -> Iterator[StoreAddresses]:
    """Stores in a new folder under the system's temporary one; all gone afterwards. Raises EmbeddedError."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        Path(folder).chmod(0o711)  # for the stores' user to pass, like any data folder of root's
        with start(Path(folder)) as stores:
            yield stores


def _own(data: Path, who: SystemUser | None, held: int) -> StoreAddresses:
    """Start both stores; the lock is ours until they have ended."""
    with ExitStack() as undo:
        undo.callback(os.close, held)
        os.ftruncate(held, 0)
        os.write(held, str(os.getpid()).encode())
        for folder in (data, postgres_program("postgres").parent, valkey_program().parent):
            let_pass(folder, who)
        undo.callback(remove_sockets, data)
        sockets = make_sockets(data, who)
        children: dict[Store, Child] = {}
        undo.callback(_end, data, children)
        for store in STORES:
            folder, log = data / store.name, data / f"{store.name}.log"
            store.prepare(folder, log, who)
            hand_over(folder, who)
            children[store] = spawn(store.arguments(folder, sockets), folder, log, who, store.end)
        _await_answers(children, sockets)
        pids = {store.name: child.process.pid for store, child in children.items()}
        return StoreAddresses(*addresses(sockets), owner=True, pids=pids, _end=undo.pop_all().close)


def _attach(data: Path) -> StoreAddresses | None:
    """Use the stores that another process owns, once both answer."""
    sockets = (data / "sockets").resolve()
    if trusted(sockets, data) and all(store.answers(sockets) for store in STORES):
        return StoreAddresses(*addresses(sockets))
    return None


def _become_owner(data: Path) -> int | None:
    """Become the owner: a descriptor that holds the lock while it is open, or None if there is an owner."""
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    if lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _await_answers(children: Mapping[Store, Child], sockets: Path) -> None:
    """Return when every store answers; at once an error when one of them has ended instead."""
    waiting = dict(children)
    for _ in polls(READY_TIMEOUT_S):
        for store, child in list(waiting.items()):
            if child.process.poll() is not None:
                raise EmbeddedError(f"{store.name} did not start: {child.last_words()}")
            if store.answers(sockets):
                del waiting[store]
        if not waiting:
            return
    words = "; ".join(f"{store.name}: {child.last_words()}" for store, child in waiting.items())
    raise EmbeddedError(f"the stores are not ready after {READY_TIMEOUT_S:.0f} s: {words}")


def _end(data: Path, children: Mapping[Store, Child]) -> None:
    """End all, side by side: cleanly if they manage it in time, else by force."""
    for store, child in children.items():
        child.process.send_signal(store.end)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for child in children.values():
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
    for store in children:
        os.close(claim(data / store.name))  # if it was killed, its own children take a moment to notice
