"""Open files: the limit of the process, and how many connections of clients it leaves room for.

Every connection is an open file. Without a free one stores cannot be reached, so the server keeps some for them.
"""

from __future__ import annotations

import resource
from typing import Final, NamedTuple

from server.core.webhooks.flow import ALL_MAX

# Beside the pool of PostgreSQL and webhooks in flight: connections of the writers, the change feed and probes,
# Redis, the log and other files, the listening sockets, clients of the status socket and of HTTP, an audit.
OTHERS: Final = 128
OF_A_SET: Final = 16  # writers and probes of a further set, beside its pool


class OpenFiles(NamedTuple):
    """How many files this process may open, and how many of them are kept for other things than clients."""

    limit: int
    kept: int

    @property
    def connections_most(self) -> int:
        """So many connections of clients have room; at least one, or nothing would work."""
        return max(1, self.limit - self.kept)


def raise_limit(pool_max: int, sets: int = 1) -> OpenFiles:
    """Raise the soft limit of open files to the hard one: the default of many shells is 1,024.

    `sets`: of PostgreSQL, each with a pool and writers of its own.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return OpenFiles(hard, OTHERS + pool_max + ALL_MAX + (sets - 1) * (pool_max + OF_A_SET))
