"""The embedded stores: private, one owner, no process left and no data lost when the owner is killed.

The folders are made here and not by pytest, whose folders no other user may enter: the stores of root run as
another user.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis

from server import embedded
from server.embedded import EmbeddedError, StoreAddresses
from server.embedded.run import SystemUser, let_pass
from tests.clusters import copy_cluster

DEADLINE_S = 30.0
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only the stores of root run as another user")

OWNER = """
import json, signal, sys
from pathlib import Path
from server import embedded
stores = embedded.start(Path(sys.argv[1]))
print(json.dumps({"owner": stores.owner, "pids": stores.pids}), flush=True)
signal.pause()
"""


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hongbao-test-") as path:
        Path(path).chmod(0o711)
        yield Path(path).resolve()


@pytest.fixture
def new() -> Iterator[Path]:
    """An empty data folder."""
    with folder() as path:
        yield path


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """A data folder to start and stop. The tests share it."""
    with folder() as path:
        copy_cluster(cluster, path / "data")
        yield path / "data"


@pytest.fixture(scope="module")
def stores() -> Iterator[StoreAddresses]:
    """Running stores, for tests that leave them running; their folder is removed at the end."""
    with embedded.temporary("hongbao-test-") as running:
        home = home_of(running)
        yield running
    assert not home.exists()


def home_of(stores: StoreAddresses) -> Path:
    return Path(sql(stores, "show data_directory")).parent


def sql(stores: StoreAddresses, statement: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(stores.postgres_dsn)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def valkey(stores: StoreAddresses, *command: str) -> Any:
    with redis.Redis.from_url(stores.redis_url, decode_responses=True) as client:
        return client.execute_command(*command)


fresh = count(1)


def write(stores: StoreAddresses) -> tuple[int, str]:
    """Store a new number in both; returns the numbers that `read` must find."""
    number = next(fresh)
    sql(stores, "create table if not exists kept (n int)")
    sql(stores, f"insert into kept values ({number})")
    valkey(stores, "set", "kept", str(number))
    return number, str(number)


def read(stores: StoreAddresses) -> tuple[int, str]:
    return sql(stores, "select max(n) from kept"), valkey(stores, "get", "kept")


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.01)


@contextmanager
def other_process(data: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that starts the stores of this folder, prints one line, and stays."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(data)], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def parents() -> dict[int, int]:
    """Process id -> id of its parent, without zombies."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(entry.parent.name)] = int(parent)
    return found


def family(pids: dict[str, int]) -> set[int]:
    return {*pids.values(), *(child for child, parent in parents().items() if parent in pids.values())}


# --- settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    {
        "synchronous_commit": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "",
        "jit": "off",
        "timezone": "UTC",
    }.items(),
)
def test_postgres_setting_is_durable_and_off_the_network(stores: StoreAddresses, setting: str, value: str) -> None:
    assert sql(stores, f"show {setting}") == value


@pytest.mark.parametrize(
    ("setting", "value"),
    {
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "port": "0",
        "maxmemory-policy": "noeviction",
    }.items(),
)
def test_valkey_setting_is_durable_and_off_the_network(stores: StoreAddresses, setting: str, value: str) -> None:
    assert valkey(stores, "config", "get", setting) == {setting: value}


def test_postgres_sorts_by_bytes_and_knows_unicode_case(stores: StoreAddresses) -> None:
    assert sql(stores, "select 'Z' < 'a' and upper('é') = 'É'")


def test_files_of_the_stores_are_for_their_user_alone(stores: StoreAddresses) -> None:
    home = home_of(stores)
    for name in ("postgres", "valkey", "sockets"):
        info = (home / name).stat()
        assert stat.S_IMODE(info.st_mode) == 0o700
        assert info.st_uid != 0
    for name in ("postgres.log", "valkey.log", "lock"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600


def test_stores_have_their_own_session(stores: StoreAddresses) -> None:
    assert set(stores.pids) == {"postgres", "valkey"}
    for process_id in stores.pids.values():
        assert os.getsid(process_id) == process_id


# --- one owner -------------------------------------------------------------------------------------------------


def test_second_start_attaches_and_its_stop_leaves_the_stores_running(stores: StoreAddresses) -> None:
    home = home_of(stores)
    for attached in (embedded.start(home), embedded.running(home)):
        assert attached is not None
        assert not attached.owner
        assert attached.postgres_dsn == stores.postgres_dsn
        with attached:
            valkey(attached, "set", "from", "attached")
    assert sql(stores, "select 1") == 1
    assert valkey(stores, "get", "from") == "attached"


def test_start_in_parallel_has_one_owner(new: Path) -> None:
    with other_process(new) as one, other_process(new) as two:
        assert sorted(first_line(process)["owner"] for process in (one, two)) == [False, True]


def test_running_on_an_unused_folder_is_none(data: Path) -> None:
    assert embedded.running(data) is None
    assert embedded.running(data / "missing") is None


# --- stop, start, sudden ends ----------------------------------------------------------------------------------


def test_start_after_stop_finds_the_data(data: Path) -> None:
    with embedded.start(data) as first:
        assert first.owner
        written = write(first)
        pids = family(dict(first.pids))
    assert not pids & parents().keys()
    assert embedded.running(data) is None
    first.stop()
    with embedded.start(data) as second:
        assert read(second) == written


@pytest.mark.parametrize("first_dead", [(), ("postgres",), ("valkey",), ("valkey", "postgres")])
def test_kill_9_of_the_owner_leaves_no_process_and_loses_no_data(data: Path, first_dead: tuple[str, ...]) -> None:
    with other_process(data) as owner:
        pids = first_line(owner)["pids"]
        attached = embedded.start(data)
        assert not attached.owner
        written = write(attached)
        left = family(pids)
        assert len(left) > 2
        for name in first_dead:
            os.kill(pids[name], signal.SIGKILL)
        owner.kill()
        owner.wait()
        with embedded.start(data) as stores:  # at once, while the old stores may still be ending
            assert stores.owner
            assert read(stores) == written
        until(lambda: not left & parents().keys(), "the killed owner's stores have ended")


def test_start_after_kill_9_during_initdb_works(new: Path) -> None:
    with other_process(new) as owner:
        until((new / "postgres.new" / "PG_VERSION").exists, "initdb is at work")
        owner.kill()
        owner.wait()
        with embedded.start(new) as stores:
            assert sql(stores, "select current_database()") == "hongbao"
    assert not (new / "postgres.new").exists()


def test_start_with_a_stale_pid_file_works(data: Path) -> None:
    embedded.start(data).stop()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        for leftover in ("", f"{stranger.pid}\n"):
            (data / "postgres" / "postmaster.pid").write_text(leftover)
            embedded.start(data).stop()
        stranger.kill()


# --- folders ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["long " * 20, "a,b", "odd '\"\\ %20?&=:@#é"], ids=["long", "comma", "odd"])
def test_start_in_a_folder_with_any_name_works(data: Path, name: str) -> None:
    embedded.start(data).stop()
    home = data.rename(data.with_name(name))
    with embedded.start(home) as stores:
        sockets = (home / "sockets").resolve()
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert sql(stores, "select 1") == 1
        assert valkey(stores, "ping")
        again = embedded.running(home)
        assert again is not None
        assert again.redis_url == stores.redis_url
    assert not sockets.exists()
    assert not (home / "sockets").is_symlink()
    home.rename(data)


def test_running_ignores_sockets_in_a_folder_of_another_user(data: Path) -> None:
    with embedded.start(data), folder() as strange:
        for socket in (data / "sockets").iterdir():
            (strange / socket.name).symlink_to(data / "hidden" / socket.name)  # so that the stores answer there
        (data / "sockets").rename(data / "hidden")
        (data / "sockets").symlink_to(strange)
        assert embedded.running(data) is None
        (data / "sockets").unlink()
        (data / "hidden").rename(data / "sockets")
        assert embedded.running(data) is not None


# --- users -----------------------------------------------------------------------------------------------------


@as_root
def test_let_pass_adds_only_the_execute_bit_and_reports_it(new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed, inner = new / "closed", new / "closed" / "inner"
    inner.mkdir(parents=True)
    closed.chmod(0o700)
    inner.chmod(0o750)
    let_pass(inner, SystemUser("somebody", 12345, 12345))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (closed, inner)] == [0o701, 0o751]
    assert [line.split()[:4] for line in capsys.readouterr().err.splitlines()] == [
        ["hongbao:", "chmod", "o+x", str(inner)],
        ["hongbao:", "chmod", "o+x", str(closed)],
    ]


@as_root
@pytest.mark.parametrize("name", ["no-such-user", "root"])
def test_start_with_an_invalid_store_user_fails_and_names_it(
    new: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HONGBAO_STORE_USER", name)
    with pytest.raises(EmbeddedError, match=name):
        embedded.start(new)


# --- errors ----------------------------------------------------------------------------------------------------


def test_start_with_a_broken_store_fails_with_its_log_and_stops_the_other(data: Path) -> None:
    with embedded.start(data) as stores:
        valkey(stores, "set", "a", "b")
    manifest = data / "valkey" / "appendonlydir" / "appendonly.aof.manifest"
    whole = manifest.read_text()
    manifest.write_text("rubbish\n")
    before = set(parents())
    with pytest.raises(EmbeddedError, match=r"^valkey did not start: .*manifest.*$"):
        embedded.start(data)
    assert not {child for child in set(parents()) - before if parents().get(child) == os.getpid()}
    manifest.write_text(whole)
    with embedded.start(data) as stores:
        assert stores.owner
        assert valkey(stores, "get", "a") == "b"


def test_start_in_a_folder_that_cannot_be_made_fails_in_one_line(new: Path) -> None:
    (new / "file").write_text("")
    with pytest.raises(EmbeddedError, match=r"^cannot start the stores in .*/file/data: "):
        embedded.start(new / "file" / "data")


def test_start_outside_the_main_thread_is_refused(new: Path) -> None:
    refused: list[Exception] = []

    def try_it() -> None:
        try:
            embedded.start(new)
        except EmbeddedError as error:
            refused.append(error)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert "main thread" in str(refused[0])


# --- the environment -------------------------------------------------------------------------------------------

# Each would break a connection or the start if it were heeded.
ENVIRONMENT_OF_ANOTHER_SERVER = {
    "PGHOST": "elsewhere.invalid",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGUSER": "stranger",
    "PGDATABASE": "elsewhere",
    "PGPASSWORD": "wrong",
    "PGPASSFILE": "/",
    "PGSERVICE": "elsewhere",
    "PGSERVICEFILE": "/nowhere",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "TLSv9",
    "PGTARGETSESSIONATTRS": "standby",
    "PGGSSLIB": "none",
    "PGKRBSRVNAME": "elsewhere",
    "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGTZ": "Asia/Shanghai",
    "PGCLIENTENCODING": "LATIN1",
    "PGDATA": "/nowhere",
}


def test_variables_for_another_postgres_do_not_touch_private_stores(
    new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At all steps: initdb, the start, the question whether it is ready, and every client of this process."""
    for name, value in ENVIRONMENT_OF_ANOTHER_SERVER.items():
        monkeypatch.setenv(name, value)
    with embedded.start(new) as started:
        assert sql(started, "show default_transaction_read_only") == "off"
        assert embedded.running(new) is not None
        for name in ENVIRONMENT_OF_ANOTHER_SERVER:
            with monkeypatch.context() as alone:
                for other in ENVIRONMENT_OF_ANOTHER_SERVER.keys() - {name}:
                    alone.delenv(other)
                assert sql(started, "show timezone") == "UTC", name


# --- the keeper ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_store_that_is_killed_is_started_again_with_its_data(data: Path, name: str) -> None:
    with embedded.start(data) as stores:
        written = write(stores)
        keeper = parents()[stores.pids[name]]
        os.kill(stores.pids[name], signal.SIGKILL)

        def answers_again() -> bool:
            try:
                return read(stores) == written
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, redis.RedisError):
                return False

        until(answers_again, f"{name} answers again")
        assert stores.pids[name] not in parents()
        again = embedded.running(data)
        assert again is not None
        left = family({"keeper": keeper})
        assert len(left) > 2
    assert not left & parents().keys()


def test_kill_9_of_the_keeper_leaves_no_process(data: Path) -> None:
    with other_process(data) as owner:
        pids = first_line(owner)["pids"]
        left = family(pids)
        os.kill(parents()[pids["postgres"]], signal.SIGKILL)
        until(lambda: not left & parents().keys(), "the stores of the killed keeper have ended")
