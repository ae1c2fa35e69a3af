"""The processes of a server with workers, found from outside: by their parent, and by the socket that each has."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import psutil

from server.core.placement.buckets import bucket_of, owners_of
from server.workers.process import MODULE

PEER_SUFFIX: Final = ".peer"  # a server listens for its peers at DATA/workers/ID.peer


class WorkersUnderChaos:
    """The workers of one supervisor. `hot` names the packets that users open now."""

    def __init__(self, supervisor: Callable[[], int | None], hot: Callable[[], Collection[int]]) -> None:
        """`supervisor`: its process, None while it does not run."""
        self._supervisor = supervisor
        self._hot = hot
        self._turn = 0

    async def all(self) -> list[int]:
        """The processes of all workers, by number; those that drain included."""
        pid = self._supervisor()
        return [] if pid is None else await asyncio.to_thread(worker_pids, pid)

    async def next(self) -> list[int]:
        """The process of one worker, each in its turn; empty: none runs."""
        pids = await self.all()
        self._turn += 1
        return pids[self._turn % len(pids) :][:1] if pids else []

    async def owner(self) -> list[int]:
        """The process that owns most of the hot packets; empty: none does."""
        pids, hot = await self.all(), self._hot()
        servers = await asyncio.to_thread(server_ids, pids)
        return owner_of(servers, hot)


def owner_of(servers: dict[int, int], packet_ids: Collection[int]) -> list[int]:
    """Of these servers (id -> process) the process that owns most of the packets; empty: there is none."""
    if not servers or not packet_ids:
        return []
    owners = owners_of(list(servers))
    counted = Counter(owners[bucket_of(packet_id)] for packet_id in packet_ids)
    return [servers[counted.most_common(1)[0][0]]]


def worker_pids(supervisor: int) -> list[int]:
    """The processes of the workers of a supervisor, by the number of the worker."""
    found: list[tuple[str, int]] = []
    try:
        children = psutil.Process(supervisor).children()
    except psutil.Error:  # it has just ended
        return []
    for child in children:
        try:
            words = child.cmdline()
        except psutil.Error:
            continue
        if MODULE in words:
            found.append((words[words.index(MODULE) + 1], child.pid))
    return [pid for _, pid in sorted(found)]


def server_ids(pids: Collection[int]) -> dict[int, int]:
    """The ids that workers have for each other, each with its process: by the sockets at which they listen."""
    found: dict[int, int] = {}
    for pid in pids:
        try:
            sockets = psutil.Process(pid).net_connections("unix")
        except psutil.Error:
            continue
        for one in sockets:
            path = Path(str(one.laddr))
            if path.suffix == PEER_SUFFIX:
                found[int(path.stem, 16)] = pid
    return found
