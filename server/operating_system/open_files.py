"""Open files: the limit of the process, and how many connections it leaves room for at each address.

Every connection is an open file. Without a free one stores cannot be reached, so the server keeps some for them.
Each address has a share of its own: who fills the HTTP API shuts out no user.
"""

from __future__ import annotations

import resource
from typing import Final, NamedTuple

from server.core.webhooks.flow import ALL_MAX

# Beside the pool of PostgreSQL and webhooks in flight: connections of the writers, the change feed and probes,
# Redis, the log and other files, the listening sockets, clients of the status socket and of HTTP, an audit, links.
OTHERS: Final = 128
OF_A_SET: Final = 16  # writers and probes of a further set, beside its pool
HTTP_API_MAX: Final = 1_100  # a chat backend has a pool of them
HTTP_API_LEAST: Final = 32
HTTP_API_PART: Final = 4  # of what is left: a server with few files has users, too
OFFICE_MAX: Final = 80  # operators with a browser each


class Room(NamedTuple):
    """How many connections there may be, by where they come in."""

    clients: int = 1 << 20
    http_api: int = HTTP_API_MAX
    office: int = OFFICE_MAX


ROOM: Final = Room()  # if the limit of open files is not looked at


class OpenFiles(NamedTuple):
    """How many files this process may open, and how many of them are kept for other things than clients."""

    limit: int
    kept: int
    room: Room


class Needs(NamedTuple):
    """What a server has open beside its clients. `sets`: of PostgreSQL, each with a pool and writers of its own."""

    pool_max: int
    sets: int = 1
    http_api: bool = False
    office: bool = False
    handshakes: int = 0  # of servers on other machines


def raise_limit(needs: Needs) -> OpenFiles:
    """Raise the soft limit of open files to the hard one: the default of many shells is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return shared_out(hard, needs)


def shared_out(limit: int, needs: Needs) -> OpenFiles:
    """So many files, and what they are for."""
    kept = OTHERS + ALL_MAX + needs.sets * needs.pool_max + (needs.sets - 1) * OF_A_SET + needs.handshakes
    kept += OFFICE_MAX if needs.office else 0
    http_api = min(HTTP_API_MAX, max(HTTP_API_LEAST, (limit - kept) // HTTP_API_PART))
    kept += http_api if needs.http_api else 0
    return OpenFiles(limit, kept, Room(max(1, limit - kept), http_api))  # without any client nothing would work
