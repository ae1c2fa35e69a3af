"""A PostgreSQL cluster that is initialised once and copied into data folders: initdb takes seconds."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server import embedded
from server.embedded.run import account, let_pass
from server.embedded.stores import POSTGRES, postgres_program


def make_cluster(shared: Path) -> Path:
    """The cluster in a folder that workers share: the first that asks makes it, as the program does."""
    cluster = shared / "cluster"
    with (shared / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not cluster.exists():
            with data_folder() as data:
                let_pass(postgres_program("postgres").parent, who := account())
                POSTGRES.prepare(data / POSTGRES.name, data / "initdb.log", who)
                shutil.move(data / POSTGRES.name, cluster)
    return cluster


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
    """Stores in a new data folder with a copy of the shared cluster; all gone afterwards."""
    with data_folder(make_cluster(shared)) as data, embedded.start(data) as running:
        yield running
