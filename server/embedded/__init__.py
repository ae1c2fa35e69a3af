"""Embedded stores: a private PostgreSQL and Valkey for one data folder.

    DATA/postgres  DATA/valkey            the data, readable by the user of the stores alone
    DATA/postgres.log  DATA/valkey.log    the logs of the stores, of all runs
    DATA/sockets                          the folder of their sockets, or a link to it; there are no TCP ports
    DATA/lock                             held (flock) by the owner, with its process id

The owner is the process that started the stores; other processes that start the same folder attach to them. The
keeper is a child process of the owner: it restarts a store that has ended. The stores end when the owner ends, also
after SIGKILL.

User of the stores: the user of the owner, but never root. If the owner is root, the environment variable
HONGBAO_STORE_USER has the name of the user (default: "nobody").
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from server.embedded.kept_stores import KeptStores, program_of
from server.embedded.run import (
    EmbeddedError,
    SystemUser,
    account,
    claim,
    hand_over,
    let_pass,
    lock,
    one_line,
    polls,
)
from server.embedded.sockets import addresses, make_sockets, remove_sockets, trusted
from server.embedded.stores import STORES, Store, postgres_program, valkey_program

__all__ = ["EmbeddedError", "Stores", "running", "start", "temporary"]

READY_TIMEOUT_S: Final = 300.0  # after a crash a store replays its log first, PostgreSQL up to max_wal_size


@dataclass
class StoreAddresses:
    """Stores that answer. As a context manager it stops them at the end if this process owns them."""

    postgres_dsn: str
    redis_url: str
    owner: bool = False  # this process started them and stops them
    pids: Mapping[str, int] = field(default_factory=dict)  # of "postgres" and "valkey", for the owner
    _end: Callable[[], None] | None = field(default=None, repr=False)

    def stop(self) -> None:
        """Stop the stores if this process owns them, by force if they do not end. A second call does nothing."""
        end, self._end = self._end, None
        if end is not None:
            end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(data: Path, needs: Sequence[Store] = STORES, attach_timeout_s: float = READY_TIMEOUT_S) -> StoreAddresses:
    """Start the stores of a data folder, or attach to them if they run; returns when all of `needs` answer.

    Call it in the main thread: the kernel ends the stores with the thread that started them.
    Raises EmbeddedError, also if those of another process do not answer within `attach_timeout_s`.
    """
    if sys.platform != "linux":
        raise EmbeddedError(
            "embedded stores need Linux; on other systems name your own with --postgres and --redis"
        )
    if threading.current_thread() is not threading.main_thread():
        raise EmbeddedError("start the stores in the main thread: they end with the thread that started them")
    data = data.resolve()
    with one_line(f"cannot start the stores in {data}"):
        user = account()
        data.mkdir(parents=True, exist_ok=True, mode=0o711 if user else 0o700)
        for _ in polls(attach_timeout_s):
            if (held := _become_owner(data)) is not None:
                return _own(data, user, held, needs)
            if stores := _attach(data, needs):
                return stores
        holder = (data / "lock").read_text().strip()
    raise EmbeddedError(f"process {holder} owns the stores in {data}, but they do not answer")


def running(data: Path) -> StoreAddresses | None:
    """The stores of a data folder if they have an owner and answer, else None; starts nothing.

    Raises EmbeddedError.
    """
    data = data.resolve()
    with one_line(f"cannot read {data}"):
        if not (data / "lock").exists():
            return None
        held = _become_owner(data)
        if held is None:
            return _attach(data, STORES)
        os.close(held)  # without an owner: a store that still answers is about to end
        return None


@contextmanager
def temporary(prefix: str = "hongbao-") -> Iterator[StoreAddresses]:
    """Stores in a temporary folder, removed at the end. Raises EmbeddedError."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        Path(folder).chmod(0o711)  # so that the user of the stores can enter it
        with start(Path(folder)) as stores:
            yield stores


def _own(data: Path, user: SystemUser | None, held: int, needs: Sequence[Store]) -> StoreAddresses:
    """Start stores as their owner; the lock is held until they have ended."""
    with ExitStack() as undo:
        undo.callback(os.close, held)
        os.ftruncate(held, 0)
        os.write(held, str(os.getpid()).encode())
        for folder in (data, postgres_program("postgres").parent, valkey_program().parent):
            let_pass(folder, user)
        undo.callback(remove_sockets, data)
        sockets = make_sockets(data, user)
        for store in needs:
            folder = data / store.name
            store.prepare(folder, data / f"{store.name}.log", user)
            hand_over(folder, user)
        kept = KeptStores([program_of(store, data, sockets, user) for store in needs])
        undo.callback(_end, data, needs, kept)
        _await_answers(needs, kept, sockets)
        return StoreAddresses(*addresses(sockets), owner=True, pids=kept.pids, _end=undo.pop_all().close)


def _attach(data: Path, needs: Sequence[Store]) -> StoreAddresses | None:
    """The stores that another process owns, if all of `needs` answer."""
    sockets = (data / "sockets").resolve()
    if trusted(sockets, data) and all(store.answers(sockets) for store in needs):
        return StoreAddresses(*addresses(sockets))
    return None


def _become_owner(data: Path) -> int | None:
    """Try to become the owner: a descriptor that holds the lock while it is open; None if there is an owner."""
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    if lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _await_answers(needs: Sequence[Store], kept: KeptStores, sockets: Path) -> None:
    """Return when every store answers. Raises EmbeddedError at once if one of them has ended."""
    waiting = list(needs)
    for _ in polls(READY_TIMEOUT_S):
        kept.check()
        waiting = [store for store in waiting if store.name not in kept.pids or not store.answers(sockets)]
        if not waiting:
            return
    logs = "; ".join(f"{store.name}: {kept.last_log_lines(store.name)}" for store in waiting)
    raise EmbeddedError(f"the stores are not ready after {READY_TIMEOUT_S:.0f} s: {logs}")


def _end(data: Path, needs: Sequence[Store], kept: KeptStores) -> None:
    kept.stop()
    for store in needs:
        os.close(claim(data / store.name))  # after a kill its own children take a moment to end
