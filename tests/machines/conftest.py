"""Two hosts with a server each, on the same stores."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.machines.network import Cable, Host, two_hosts
from tests.machines.running import Machine, copy_keys
from tests.server.log import wait_for

WORKERS = 2
UP = {"unix": WORKERS * (WORKERS - 1), "tcp": WORKERS * WORKERS}  # ends of links at one of two machines


class Site(NamedTuple):
    """Two machines and the cable between them."""

    machines: tuple[Machine, Machine]
    cable: Cable

    def wait_until_linked(self) -> None:
        """Each worker has a link to each other one."""
        wait_for(lambda: all(machine.links() == UP for machine in self.machines))

    def wait_until_apart(self) -> None:
        """No worker has a link to one of the other machine."""
        wait_for(lambda: all("tcp" not in machine.links() for machine in self.machines))


MakeSite = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def site(postgres_dsn: str, redis_url: str) -> MakeSite:
    """Makes two machines: `site(loss=0.01, HONGBAO_…="…")`; keywords are environment variables of both."""
    stores = {"HONGBAO_STORES__POSTGRES": postgres_dsn, "HONGBAO_STORES__REDIS": redis_url}

    @asynccontextmanager
    async def make(*, loss: float = 0.0, proxied: bool = False, **environment: str) -> AsyncIterator[Site]:
        with ExitStack() as stack:  # entered and left in threads: commands run loops of their own

            def enter() -> Site:
                made = stack.enter_context(_site(loss, {**stores, **environment}, proxied=proxied))
                made.wait_until_linked()
                return made

            try:
                yield await asyncio.to_thread(enter)
            finally:
                await asyncio.to_thread(stack.close)

    return make


@contextmanager
def _site(loss: float, settings: Mapping[str, str], *, proxied: bool) -> Iterator[Site]:
    with ExitStack() as stack:
        one, other = stack.enter_context(two_hosts())
        cable = stack.enter_context(Cable(one, other, loss))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hb-")))

        def start(host: Host, name: str, keys: Path | None = None) -> Machine:
            if keys is not None:
                copy_keys(keys, folder / name)
            proxy = {"HONGBAO_SERVER__PROXY_PROTOCOL": f'["{host.test_address}"]'} if proxied else {}
            return stack.enter_context(Machine(host, folder / name, WORKERS, **{**settings, **proxy}))

        first = start(one, "one")
        yield Site((first, start(other, "other", first.data)), cable)
