"""The faults of a server with workers: one of them, the owner of hot packets, the supervisor, all."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from typing import Final

from bench.chaos.faults import FAULTS, Cluster, Fault, freeze, kill

# Beyond the 2 s after which a server that does not renew its lease is cut off, below the 20 s of a hung worker.
LONGER_S: Final = 2.0
WORKER: Final = "worker"
OWNER: Final = "owner of hot packets"
ALL: Final = "all workers"
SUPERVISOR: Final = "supervisor"


async def _pids(target: str, cluster: Cluster) -> list[int]:
    assert cluster.workers is not None
    if target == ALL:
        return await cluster.workers.all()
    return await (cluster.workers.owner() if target == OWNER else cluster.workers.next())


def _signal_all(pids: Collection[int], number: signal.Signals) -> int:
    """Send a signal to these processes; how many there were."""
    hit = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            hit += 1
    return hit


async def _kill_workers(target: str, cluster: Cluster, _: float) -> bool:
    return _signal_all(await _pids(target, cluster), signal.SIGKILL) > 0


async def _freeze_workers(target: str, cluster: Cluster, seconds: float) -> bool:
    pids = await _pids(target, cluster)
    try:
        hit = _signal_all(pids, signal.SIGSTOP)
        await asyncio.sleep(seconds if hit else 0)
    finally:
        _signal_all(pids, signal.SIGCONT)
    return hit > 0


async def _freeze_longer(target: str, cluster: Cluster, seconds: float) -> bool:
    return await _freeze_workers(target, cluster, LONGER_S + seconds)


OF_ONE_PROCESS: Final = ("SIGKILL server", "freeze server")
WITH_WORKERS: Final = (
    *(one for one in FAULTS if one.name not in OF_ONE_PROCESS),
    Fault("SIGKILL a worker", partial(_kill_workers, WORKER), WORKER, 3),
    Fault("SIGKILL the owner of hot packets", partial(_kill_workers, OWNER), OWNER, 3),
    Fault("SIGKILL all workers", partial(_kill_workers, ALL), ALL, 1),
    Fault("SIGKILL the supervisor", partial(kill, "server"), SUPERVISOR, 2),
    Fault("freeze a worker", partial(_freeze_workers, WORKER), weight=2),
    Fault("freeze the owner of hot packets", partial(_freeze_longer, OWNER), weight=2),
    Fault("freeze all workers", partial(_freeze_workers, ALL)),
    Fault("freeze the supervisor", partial(freeze, "server")),
)
