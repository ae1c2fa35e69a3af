"""A PostgreSQL cluster that is initialised and migrated once, and copied into data folders: that takes seconds."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server import embedded
from server.embedded.run import account, let_pass
from server.embedded.stores import POSTGRES, postgres_program, stores_with
from storage.postgres.database import Database
from storage.postgres.migrate import migrate

UNMIGRATED = "unmigrated"
CONNECTIONS = 100  # the servers of a test, and the sessions that are kept for the next one


def make_cluster(shared: Path) -> Path:
    """The cluster in a folder that workers share: the first that asks makes it, as the program does.

    Its database is migrated: servers that are started on copies would each spend half a second of processor time.
    The folder UNMIGRATED beside it is as it was before.
    """
    cluster = shared / "cluster"
    with (shared / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not cluster.exists():
            with data_folder() as data:
                let_pass(postgres_program("postgres").parent, who := account())
                POSTGRES.prepare(data / POSTGRES.name, data / "initdb.log", who)
                shutil.copytree(data / POSTGRES.name, shared / UNMIGRATED)
                with embedded.start(data, (POSTGRES,)) as running:
                    asyncio.run(_migrate(running.postgres_dsn))
                shutil.move(data / POSTGRES.name, cluster)
    return cluster


async def _migrate(dsn: str) -> None:
    database = Database(dsn, pool_max=1, timeout_s=10)
    await database.open()
    await migrate(database)
    await database.close()


def copy_cluster(cluster: Path, data: Path) -> None:
    """Give a data folder the cluster as if it had been made there; the stores' user gets it when they start."""
    shutil.copytree(cluster, data / POSTGRES.name)


@contextmanager
def data_folder(cluster: Path | None = None) -> Iterator[Path]:
    """A data folder that stores may run in, also as another user; a copy of the cluster saves them initdb."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        if cluster is not None:
            copy_cluster(cluster, folder)
        yield folder


@contextmanager
def private_stores(shared: Path) -> Iterator[embedded.StoreAddresses]:
    """Stores in a new data folder with a copy of the shared cluster; all gone afterwards.

    Nothing is vacuumed by itself: a database of tests is used for seconds, and its plans depend on no moment.
    """
    with data_folder(make_cluster(shared)) as data:
        with (data / POSTGRES.name / "postgresql.conf").open("a") as settings:
            settings.write("autovacuum = off\n")
        with embedded.start(data, stores_with(CONNECTIONS)) as running:
            yield running
