"""The cost of a run: CPU seconds of every process that takes part, and the server's memory."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import psutil

WORKER: Final = "worker_program"  # in the command line of a worker
PROCESS_CLOCK: Final = 2  # CPUCLOCK_SCHED: with the process id above it, a clock as of clock_getcpuclockid(3)


class Pids(NamedTuple):
    """The processes of a run besides the generators; 0: not on this machine, or not part of the run."""

    server: int = 0
    postgres: int = 0
    redis: int = 0


class CpuTimes(NamedTuple):
    """CPU seconds since each process began; 0 if not known."""

    server: float
    postgres: float
    redis: float

    def since(self, before: CpuTimes) -> CpuTimes:
        """The CPU seconds used after `before` was read."""
        return CpuTimes(*(now - then for now, then in zip(self, before, strict=True)))


def cpu_s(pids: Pids) -> CpuTimes:
    server = _cpu_s(pids.server, False) + sum(_cpu_s(worker, False) for worker in worker_pids(pids.server))
    return CpuTimes(server, _cpu_s(pids.postgres, True), _cpu_s(pids.redis, False))


def worker_pids(server: int) -> list[int]:
    """The workers of a server; none if it is one process."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(server).children() if server else []
        return [child.pid for child in children if any(WORKER in word for word in child.cmdline())]
    return []


def _cpu_s(pid: int, with_children: bool) -> float:
    """A process, and on request its children, both running and ended."""
    if not pid:
        return 0.0
    used = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        times = process.cpu_times()
        used = times.user + times.system
        if with_children:
            used += times.children_user + times.children_system
            used += sum(_cpu_s(child.pid, False) for child in process.children())
    return used


def exact_cpu_s(pid: int) -> float:
    """CPU seconds of a process with all its threads, to the nanosecond, where `cpu_s` has hundredths. Linux.

    Raises OSError if it has ended.
    """
    return time.clock_gettime(~pid << 3 | PROCESS_CLOCK)


def kernel_kib() -> float:
    """The memory that the kernel uses for itself and for TCP buffers, on the whole machine. Linux."""
    slab = re.search(r"^Slab: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    pages = re.search(r"^TCP: .* mem (\d+)$", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    assert slab is not None
    assert pages is not None
    return int(slab[1]) + int(pages[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def rss_mb(pid: int) -> float:
    """The resident memory of a process in MB; 0 if it is not known."""
    with suppress(psutil.NoSuchProcess):
        return float(psutil.Process(pid).memory_info().rss) / 1e6 if pid else 0.0
    return 0.0


def find_pids(data: Path, server: int) -> Pids:
    """The processes of the server and of the embedded stores of a data folder."""
    try:
        children = psutil.Process(int((data / "lock").read_text())).children()
        kept = [child for keeper in children for child in keeper.children()]  # none in a version without a keeper
        names = {child.name(): child.pid for child in (*kept, *children)}
    except (OSError, ValueError, psutil.NoSuchProcess):
        return Pids(server)
    return Pids(server, names.get("postgres", 0), names.get("valkey-server", 0))
