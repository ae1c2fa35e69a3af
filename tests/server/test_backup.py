"""`hongbao backup` and `hongbao restore`: the books and the keys come back, and a restore replaces no books."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from server import embedded
from server.process import ServerProcess
from tests.clusters import UNMIGRATED, copy_cluster, data_folder
from tests.server.serving import Ended, here


class Kept:
    """The folders of a test: books with money, their backup, and the copies of their keys."""

    def __init__(self, data: Path, place: Path, made: Ended) -> None:
        self.data, self.made = data, made
        self.dump, self.keys = place / "books.dump", place / "keys"


@pytest.fixture(scope="module")
def kept(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A backup that was made while a server ran. The server has ended."""
    place = tmp_path_factory.mktemp("backup")
    with data_folder(cluster) as data:
        with ServerProcess(data):
            here("topup", 7, 500, "--key", "order", "--create", "--data", data)
            here("group", "put", "room", "name", "--data", data)
            made = here("backup", place / "books.dump", "--keys", place / "keys", "--data", data)
        yield Kept(data, place, made)


@pytest.fixture
def target(cluster: Path) -> Iterator[Path]:
    """A data folder with an empty database."""
    with data_folder() as folder:
        data = folder / "restored"
        data.mkdir(mode=0o711)
        copy_cluster(cluster.with_name(UNMIGRATED), data)
        yield data


def restore(kept: Kept, data: Path, *words: object) -> Ended:
    return here("restore", kept.dump, *words, "--data", data)


async def fetched(data: Path, query: str) -> list[asyncpg.Record]:
    with embedded.start(data) as stores:
        connection = await asyncpg.connect(stores.postgres_dsn)
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()


def read(data: Path, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in asyncio.run(fetched(data, query))]


def test_backup_has_the_books_and_apart_from_them_the_keys(kept: Kept) -> None:
    assert (kept.made.code, kept.made.stderr) == (0, "")
    assert kept.dump.read_bytes().startswith(b"PGDMP")
    files = [kept.dump, kept.keys / "keys.toml", kept.keys / "seed-keys.toml"]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600] * 3
    for path in files[1:]:
        assert path.read_text() == (kept.data / path.name).read_text()


def test_backup_replaces_no_file_and_leaves_none_behind_when_it_fails(kept: Kept, tmp_path: Path) -> None:
    before = kept.dump.read_bytes()
    refused = here("backup", kept.dump, "--data", kept.data)
    assert (refused.code, refused.stderr.count("\n")) == (1, 1)
    assert "exists already" in refused.stderr
    assert kept.dump.read_bytes() == before
    away = here("backup", tmp_path / "new.dump", "--postgres", "postgresql://u:geheim@127.0.0.1:1/d")
    assert (away.code, away.stdout, away.stderr.count("\n")) == (1, "", 1)
    assert "127.0.0.1" in away.stderr
    assert "geheim" not in away.stderr
    assert list(tmp_path.iterdir()) == []


def test_backup_with_the_keys_beside_the_dump_is_refused(kept: Kept, tmp_path: Path) -> None:
    refused = here("backup", tmp_path / "b.dump", "--keys", tmp_path, "--data", kept.data)
    assert (refused.code, "apart from the dump" in refused.stderr) == (2, True)


def test_backup_without_keys_says_where_they_are(kept: Kept, tmp_path: Path) -> None:
    made = here("backup", tmp_path / "b.dump", "--data", kept.data)
    assert made.code == 0
    assert f"keep copies of {kept.data / 'keys.toml'} and {kept.data / 'seed-keys.toml'}" in made.stderr


def test_restore_brings_books_and_keys_begins_fresh_seeds_and_audits(kept: Kept, target: Path) -> None:
    restored = restore(kept, target, "--keys", kept.keys)
    assert (restored.code, restored.stderr) == (0, "")
    assert re.search(r"^fresh seeds from \d+ on, sealed with key s\w+$", restored.stdout, re.MULTILINE)
    assert "audit: ok" in restored.stdout
    before = int(read(kept.data, "SELECT count(*) FROM seed_epochs")[0][0])  # type: ignore[call-overload]
    assert read(target, "SELECT count(*) FROM seed_epochs") == [(before + 1,)]
    assert read(target, "SELECT min(last_message) FROM streams") == [(1_000_000,)]
    assert read(target, "SELECT count(*) FROM streams WHERE stream_id = 7") == [(1,)]
    with ServerProcess(target):
        assert here("topup", 7, 500, "--key", "order", "--data", target).stdout == "500\n"
        assert here("topup", 7, 1, "--data", target).stdout == "501\n"
        assert here("audit", "--data", target).code == 0


def test_restore_replaces_no_books(kept: Kept) -> None:
    before = read(kept.data, "SELECT * FROM seed_epochs")
    refused = restore(kept, kept.data)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "a restore replaces no books" in refused.stderr
    assert read(kept.data, "SELECT * FROM seed_epochs") == before


def test_restore_without_the_seed_key_is_refused_unless_it_is_lost(kept: Kept, target: Path) -> None:
    refused = restore(kept, target)
    assert (refused.code, refused.stdout) == (1, "")
    assert f"there is no seed key at {target / 'seed-keys.toml'}" in refused.stderr
    assert "audit: ok" in restore(kept, target, "--lost-keys").stdout


def test_restore_of_a_damaged_file_leaves_the_database_empty(kept: Kept, target: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.dump"
    damaged.write_bytes(kept.dump.read_bytes()[: kept.dump.stat().st_size // 2])
    refused = here("restore", damaged, "--keys", kept.keys, "--data", target)
    assert (refused.code, refused.stderr.count("\n")) == (1, 1)
    assert "pg_restore failed" in refused.stderr
    assert read(target, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    assert restore(kept, target).code == 0  # the keys are there from the first attempt


def test_restore_beside_a_running_server_is_refused(kept: Kept) -> None:
    with ServerProcess(kept.data):
        refused = restore(kept, kept.data)
    assert (refused.code, "stop it first" in refused.stderr) == (1, True)
