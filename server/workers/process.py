"""One process of a worker: how it is started, what it tells, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from server.embedded.run import die_with
from server.ops.samples.sample import Sample
from server.worker_place import HeldSockets, status_socket_of
from server.workers.messages import WorkerCounted, WorkerFailed, WorkerServes, message_in
from server.workers.orders import WorkerOrders

LOG = structlog.get_logger()
MODULE: Final = f"{__package__}.worker_program"  # not imported: a supervisor needs nothing that serves clients
PACKAGES: Final = Path(__file__).resolve().parents[__name__.count(".")]  # the folder that imports start in
OF_SYSTEMD: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")  # only the supervisor speaks to it
REAP_S: Final = 0.01
READ_BYTES: Final = 1 << 16


class WorkerProcess:
    """A process from its start to its end. Make it inside a running loop."""

    def __init__(
        self, orders: WorkerOrders, sockets: HeldSockets, changed: Callable[[WorkerProcess], None], now_s: float
    ) -> None:
        """Starts it. `changed` is called when it serves and when it has ended. Raises OSError."""
        self.number, self.began_s = orders.number, now_s
        self._changed = changed
        self._line = b""
        self._process = _start(orders, sockets)
        self.pid = self._process.pid
        self.status = status_socket_of(Path(orders.folder), orders.number, self.pid)
        self.serves: WorkerServes | None = None  # once it does
        self.failed: WorkerFailed | None = None  # why it ended, if it said so
        self.last: Sample | None = None  # its newest sample
        self.has_counted = False  # `last` is complete: it has ended in good order
        self.code: int | None = None  # once it has ended
        self.ended = asyncio.Event()
        self.news = asyncio.Event()  # it serves or has ended
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._output.fileno(), self._read)

    def drain(self) -> None:
        """Let it finish what was begun; a second time ends it at once."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it in the middle of whatever is under way."""
        self._signal(signal.SIGKILL)

    def forget(self) -> None:
        """Its end is not waited for any more."""
        self._loop.remove_reader(self._output.fileno())
        self._output.close()

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.is_set():
            self._process.send_signal(number)

    def _read(self) -> None:
        try:
            read = os.read(self._output.fileno(), READ_BYTES)
        except BlockingIOError:
            return
        if not read:  # only the process itself holds the other end, so it is ending
            self.forget()
            self._reap()
            return
        *whole, self._line = (self._line + read).split(b"\n")
        for line in whole:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            message = message_in(line)
        except msgspec.MsgspecError:
            LOG.warning("worker_message_unknown", worker=self.number, line=line[:200].decode(errors="replace"))
            return
        match message:
            case WorkerServes():
                self.serves = message
                self._tell()
            case WorkerFailed():
                self.failed = message
            case WorkerCounted(last=last):
                self.last, self.has_counted = last, True

    def _reap(self) -> None:
        self.code = self._process.poll()
        if self.code is None:
            self._loop.call_later(REAP_S, self._reap)
            return
        self.status.unlink(missing_ok=True)  # after a kill it is left
        self.ended.set()
        self._tell()

    def _tell(self) -> None:
        self.news.set()
        self._changed(self)


def _start(orders: WorkerOrders, sockets: HeldSockets) -> subprocess.Popen[bytes]:
    held = [one.fileno() for one in sockets if one is not None]
    told = os.memfd_create("orders")
    try:
        os.write(told, msgspec.json.encode(orders))
        os.lseek(told, 0, os.SEEK_SET)
        words = (str(orders.number), "of", str(orders.workers), "in", orders.data)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, *words],
            stdin=told,
            stdout=subprocess.PIPE,
            env=_environment(),
            pass_fds=held,
            start_new_session=True,  # Ctrl-C in the terminal is for the supervisor
            preexec_fn=die_with(os.getpid(), signal.SIGKILL),
        )
    finally:
        os.close(told)


def _environment() -> dict[str, str]:
    """Ours, without what is between systemd and the supervisor."""
    paths = os.pathsep.join(filter(None, (str(PACKAGES), os.environ.get("PYTHONPATH", ""))))
    ours = {name: value for name, value in os.environ.items() if name not in OF_SYSTEMD}
    return {**ours, "PYTHONPATH": paths}
