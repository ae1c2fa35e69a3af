"""Further sets of PostgreSQL: private databases, each supervised, with a proxy before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bench.chaos.proxy import Proxy
from bench.chaos.supervisor import SupervisedProcess, supervised_stores
from server.embedded.sockets import addresses
from server.embedded.stores import POSTGRES, POSTGRES_SOCKET


class FurtherSet(NamedTuple):
    """One of them: its process, the proxy before it, and its address with and without the proxy."""

    process: SupervisedProcess
    proxy: Proxy
    dsn: str  # past the proxy
    proxied_dsn: str


class SetsUnderChaos:
    """The further sets of a run; strikes hit each in its turn."""

    def __init__(self, further: Sequence[FurtherSet]) -> None:
        self.further = tuple(further)
        self._turn = 0

    def next(self) -> FurtherSet:
        """The one whose turn it is."""
        self._turn += 1
        return self.further[self._turn % len(self.further)]

    def section(self) -> str:
        """The part of the server's config: users are spread over all sets, set 0 included."""
        names = ", ".join(f'"{one.proxied_dsn}"' for one in self.further)
        numbers = ", ".join(str(number) for number in range(len(self.further) + 1))
        return f"\n[stores]\npostgres_sets = [{names}]\npostgres_new_users = [{numbers}]\n"


@asynccontextmanager
async def further_sets(data: Path, count: int, connections: int) -> AsyncIterator[SetsUnderChaos]:
    """So many, ready, in folders of `data`; `connections` may be made to each. Raises EmbeddedError."""
    async with AsyncExitStack() as undo:
        further = []
        for number in range(1, count + 1):
            own = data / f"set{number}"
            stores = supervised_stores(own, None, connections, (POSTGRES.name,))
            running, sockets = await undo.enter_async_context(stores)
            proxies = data / f"proxies{number}"
            proxies.mkdir(mode=0o700)
            proxy = await Proxy(proxies / POSTGRES_SOCKET, sockets / POSTGRES_SOCKET).heal()
            undo.push_async_callback(proxy.cut)
            places = addresses(sockets)[0], addresses(proxies)[0]
            further.append(FurtherSet(running[POSTGRES.name], proxy, *places))
        yield SetsUnderChaos(further)
