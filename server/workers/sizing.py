"""How many workers a server has, and what follows from their number."""

from __future__ import annotations

import os
import sys
from typing import Final

from server.config import Config, ConfigError

OF_A_WORKER: Final = 13  # connections to PostgreSQL beside its pool, see docs/operations.md
OF_OTHERS: Final = 29  # programs beside the server: audits, backups, psql


def workers_of(config: Config) -> int:
    """The number of workers; 1: the server is one process. Raises ConfigError."""
    wanted = config.server.workers
    workers = _cores() if wanted == "auto" else wanted
    if workers > 1 and sys.platform != "linux":
        raise ConfigError(f"server.workers = {wanted} needs Linux; on other systems a server is one process")
    return workers


def owners_among(config: Config, workers: int) -> int:
    """How many of the workers decide packets; the others have connections only, and send on what owners decide.

    Each owner commits batches of its own, which cost the less for a claim the larger they are. So there are no more
    owners than cores can serve at the same time; private stores need about half of the cores.
    """
    wanted = config.server.owners
    if wanted == "auto":
        wanted = _cores() if config.stores.postgres else _cores() // 2
    return max(1, min(wanted, workers))


def postgres_connections(config: Config, workers: int) -> int:
    """How many connections a private PostgreSQL allows: for all workers, and a successor beside them."""
    processes = workers if workers == 1 else workers + 1
    return OF_OTHERS + processes * (OF_A_WORKER + config.stores.postgres_pool_max)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
