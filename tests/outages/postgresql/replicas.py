"""A primary and a streaming standby of PostgreSQL, and one address that an operator turns from one to the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import asyncpg

from server.embedded.run import Child, account, hand_over, polls, private_folder, spawn
from server.embedded.sockets import addresses
from server.embedded.stores import POSTGRES
from tests.clusters import copy_cluster, data_folder
from tests.outages.postgresql.roles import Sql
from tests.services.conftest import until

READY_S = 60.0
STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = $1"


class Replicas(NamedTuple):
    """`address` is a link to the folder of the sockets of one of them; `dsn` leads there."""

    address: Path
    primary: Path
    standby: Path
    dsn: str
    on_primary: Sql
    on_standby: Sql

    def turn_to(self, sockets: Path) -> None:
        """New connections go there; open ones stay where they are, as with a name or a virtual address."""
        new = self.address.with_name("new")
        new.symlink_to(sockets)
        new.replace(self.address)

    @property
    def both_hosts(self) -> str:
        """A DSN that names both servers, the primary first."""
        return self.dsn.replace(
            f"host={quote(str(self.address))}&", f"host={self.primary},{self.standby}&"
        ).replace("port=5432", "port=5432,5432")

    async def promote(self) -> None:
        """The standby becomes the primary of the next timeline."""
        # the standby itself may end the session that asks, for a row version that the primary has removed
        with suppress(asyncpg.SerializationError):
            assert await self.on_standby.fetchval("SELECT pg_promote()")

        async def is_promoted() -> bool:
            return not await self.on_standby.fetchval("SELECT pg_is_in_recovery()")

        await until(is_promoted)


@asynccontextmanager
async def replicas(cluster: Path, *, waits: bool = True) -> AsyncIterator[Replicas]:
    """Both run; `waits`: a commit on the primary waits for the standby."""
    with data_folder() as folder:
        primary, standby = folder / "1" / "sockets", folder / "2" / "sockets"
        with _running(cluster, primary), _running(cluster, standby, follows=primary):
            async with AsyncExitStack() as stack:
                on = [await _connected(stack, sockets) for sockets in (primary, standby)]
                if waits:
                    await on[0].execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                    await on[0].execute("SELECT pg_reload_conf()")

                async def streams() -> bool:
                    return bool(await on[0].fetchval(STREAMING, "sync" if waits else "async") == 1)

                await until(streams)
                address = folder / "now"
                address.symlink_to(primary)
                yield Replicas(address, primary, standby, addresses(address)[0], on[0], on[1])


async def _connected(stack: AsyncExitStack, sockets: Path) -> Sql:
    connection = await asyncpg.connect(addresses(sockets)[0])
    stack.callback(connection.terminate)
    return connection


@contextmanager
def _running(cluster: Path, sockets: Path, follows: Path | None = None) -> Iterator[Child]:
    """A server on a copy of the cluster: two copies are one cluster, as if by pg_basebackup."""
    home = sockets.parent
    home.mkdir(mode=0o711)
    copy_cluster(cluster, home)
    data, user = home / POSTGRES.name, account()
    if follows is not None:
        (data / "standby.signal").touch()
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'host={follows} port=5432 user=postgres'\n")
    private_folder(sockets, user)
    hand_over(data, user)
    words = [*POSTGRES.arguments(data, sockets), "-c", "max_connections=100"]  # as initdb, or no standby starts
    child = spawn(words, data, home / "log", user, POSTGRES.end)
    try:
        for _ in polls(READY_S):
            assert child.process.poll() is None, child.last_log_lines()
            if POSTGRES.answers(sockets):
                break
        yield child
    finally:
        child.process.send_signal(POSTGRES.end)
        child.process.wait(READY_S)
