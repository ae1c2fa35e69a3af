"""`hongbao backup` and `hongbao restore`: the books as one file, and the keys apart from it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from server.cli.shared.audit_report import print_audit
from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.postgres_programs import run_program
from server.cli.shared.resources import (
    TIMEOUT_S,
    CommandFailed,
    WrongOptions,
    all_sets,
    check_records,
    opened,
    stores_of,
)
from server.cli.shared.streams import console
from server.cli.shared.words import FilePath
from server.config import (
    API_KEYS_FILE,
    KEYS_FILE,
    Config,
    found_seed_keys,
    key_file,
    load,
    load_seed_keys,
    seed_key_path,
)
from server.core.placement.hash_tags import TAGS, tag_of
from server.embedded import StoreAddresses
from server.instance import running, unit_of
from server.loop import run
from server.services.money.audit_sets import audit_sets
from server.services.seeds.upkeep import renew_now
from storage.postgres.sets.restoring import bring_again, queue_again
from storage.redis.engine import Tags
from storage.redis.mirror import Mirror

Flag = Annotated[bool, Parameter(negative=())]
SEED_KEYS_COPY: Final = "seed-keys.toml"

# Numbers of messages behind those that any client has seen, so that all clients reload their chats.
MAKE_CLIENTS_RELOAD: Final = (
    "RESET search_path",  # the script of a dump empties it
    "INSERT INTO streams SELECT user_id, 0 FROM wallets ON CONFLICT DO NOTHING",
    "UPDATE streams SET last_message = last_message + 1000000",
)
HAS_TABLES: Final = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema())"


def backup(
    dump: FilePath,
    *,
    keys: FilePath | None = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Write the books to a file, and with --keys the keys to another folder; also while a server runs.

    Keep both encrypted and apart from each other: the file holds balances, the keys open what is sealed in it.

    Example: hongbao backup /backup/2027-01-31.dump --keys /safe/hongbao-keys

    Parameters
    ----------
    dump
        the file to write (custom format of pg_dump); it must not exist yet
    keys
        folder for copies of the keys of tokens, seeds and the HTTP API
    """
    settings = load(config, {"stores.postgres": postgres})
    for path, _ in _files(dump, "", settings):
        if path.exists():
            raise CommandFailed(f"{path} exists already: a backup replaces no file")
    if keys is not None and keys.absolute() == dump.absolute().parent:
        raise WrongOptions("keep the keys apart from the dump: name another folder with --keys")
    check_records(settings, data)
    with stores_of(settings, data) as stores:
        for path, dsn in _files(dump, stores.postgres_dsn, settings):
            _dump(path, dsn)
            print(f"{path}: the books, {path.stat().st_size:,} bytes")
    _copy_keys(settings, data, keys)
    return 0


def restore(
    dump: FilePath,
    *,
    keys: FilePath | None = None,
    lost_keys: Flag = False,
    keep_mirror: Flag = False,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Restore the books from a file of `hongbao backup` into an empty database, begin fresh seeds, and audit.

    The server must be stopped. Exit 1 if the audit names a discrepancy. It needs room for the books twice.

    Example: hongbao restore /backup/2027-01-31.dump --keys /safe/hongbao-keys --data /var/lib/hongbao

    Parameters
    ----------
    dump
        the file of `hongbao backup` or `pg_dump --format=custom`
    keys
        folder with copies of the keys (default: they are in --data or the config already)
    lost_keys
        the seed key is lost: make another one; lucky packets that are open can then no longer be opened
    keep_mirror
        the mirror in Redis is that of these very books: keep it
    """
    settings = load(config, {"stores.postgres": postgres})
    for path, _ in _files(dump, "", settings):
        _check_place(path, data)
    _check_keys(settings, data, keys, lost=lost_keys)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with stores_of(settings, data) as stores:
        run(_check_empty(stores, settings, keep_mirror=keep_mirror))
        if keys is not None:
            _bring_keys(settings, data, keys)
        for path, dsn in _files(dump, stores.postgres_dsn, settings):
            _load(path, dsn, data)
            print(f"{path}: the books are restored; all clients will reload their chats")
        return run(_finish(stores.postgres_dsn, settings, data))


def _files(dump: Path, dsn: str, settings: Config) -> list[tuple[Path, str]]:
    """The file of each set of PostgreSQL beside its database; that of set 0 has the name that was given."""
    further = enumerate(settings.stores.postgres_sets, 1)
    return [(dump, dsn), *((dump.with_name(f"{dump.name}.set{number}"), other) for number, other in further)]


def _dump(path: Path, dsn: str) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        run_program("pg_dump", "--format=custom", f"--file={unfinished}", dsn=dsn)
        _keep(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _load(path: Path, dsn: str, data: Path) -> None:
    with tempfile.TemporaryDirectory(dir=data, prefix="restore-") as folder:
        script = Path(folder) / "books.sql"
        run_program("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(path))
        after = [f"--command={statement}" for statement in MAKE_CLIENTS_RELOAD]
        options = ("--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", f"--file={script}")
        run_program("psql", *options, *after, dsn=dsn)


def _check_place(dump: Path, data: Path) -> None:
    """Raises CommandFailed if there is no dump, or if a server runs."""
    if not dump.is_file():
        raise CommandFailed(f"there is no file {dump}")
    if (found := running(data)) is not None:
        raise CommandFailed(f"a server runs on {data} (process {found.pid}): stop it first")


async def _finish(dsn: str, settings: Config, data: Path) -> int:
    """Fresh seeds, because which ones were used since the dump is not known; then the audit."""
    async with opened(dsn) as database, all_sets(database, settings) as sets:
        for one in sets:
            begun = await renew_now(one, load_seed_keys(settings, data))
            print(f"fresh seeds from {begun.first_index} on, sealed with key {begun.key_id}")
        if len(sets) > 1:
            print(f"{await queue_again(sets):,} claims wait again whose credits in another set are lost")
            print(f"{await bring_again(sets):,} transfers are brought again that are lost in another set")
        money = unit_of(data, settings)
        report = await audit_sets(sets, found_seed_keys(settings, data), money.smallest)
    print_audit(console(), report, money)
    return 0 if report.ok else 1


async def _check_empty(stores: StoreAddresses, settings: Config, *, keep_mirror: bool) -> None:
    """Raises CommandFailed if a database has tables, or the mirror is that of other books."""
    for dsn in (stores.postgres_dsn, *settings.stores.postgres_sets):
        async with opened(dsn) as database, database.reading() as connection:
            if await connection.fetchval(HAS_TABLES):
                raise CommandFailed(
                    "the database has tables already, and a restore replaces no books: name a new folder with "
                    "--data, move this one away (mv DATA DATA.lost), or make an empty database for --postgres"
                )
    if stores.redis_url and not keep_mirror:
        mirror = Mirror(stores.redis_url, TIMEOUT_S, Tags(TAGS, tag_of))
        try:
            if await mirror.size():
                raise CommandFailed(
                    "Redis holds the mirror of other books: empty it (valkey-cli FLUSHDB, in a cluster on each "
                    "master), or if it is the mirror of these very books, add --keep-mirror"
                )
        finally:
            await mirror.close()


# --- keys -------------------------------------------------------------------------------------------------------


def _copy_keys(settings: Config, data: Path, keys: Path | None) -> None:
    """Copy the files of keys, or say that they are not in the dump."""
    kept = [
        path for path in (data / KEYS_FILE, data / API_KEYS_FILE, seed_key_path(settings, data)) if path.exists()
    ]
    if keys is None:
        files = " and ".join(map(str, kept)) or "those of your config"
        print(f"the keys are not in it: keep copies of {files} in another place (--keys FOLDER)", file=sys.stderr)
        return
    for path in kept:
        copy = keys / (path.name if path.name in (KEYS_FILE, API_KEYS_FILE) else SEED_KEYS_COPY)
        _write_key_file(path, copy)
        print(f"{copy}: a copy of {path}")
    if settings.auth.keys:
        print("the keys of tokens are in your config (auth.keys): keep a copy of it", file=sys.stderr)


def _check_keys(settings: Config, data: Path, keys: Path | None, *, lost: bool) -> None:
    """Raises CommandFailed if the seed key would be missing after the restore."""
    copy = keys and keys / SEED_KEYS_COPY
    if lost or seed_key_path(settings, data).exists() or (copy is not None and copy.exists()):
        return
    raise CommandFailed(
        f"there is no seed key at {copy or seed_key_path(settings, data)}: name the folder with the copies of the "
        "keys with --keys; only if the key is lost for good, add --lost-keys"
    )


def _bring_keys(settings: Config, data: Path, keys: Path) -> None:
    for name, path in (
        (KEYS_FILE, data / KEYS_FILE),
        (API_KEYS_FILE, data / API_KEYS_FILE),
        (SEED_KEYS_COPY, seed_key_path(settings, data)),
    ):
        if (keys / name).exists():
            _write_key_file(keys / name, path)
            print(f"{path}: a copy of {keys / name}")


def _write_key_file(path: Path, copy: Path) -> None:
    """Copy a file of keys. Raises CommandFailed if there are other keys at the place of the copy."""
    text = path.read_text("utf-8")
    key_file.make(copy, text)
    if copy.read_text("utf-8") != text:
        raise CommandFailed(f"{copy} exists already and has other keys than {path}: move it away")


def _keep(unfinished: Path, dump: Path) -> None:
    """Give a complete file its name, on the disk."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    os.link(unfinished, dump)  # unlike a rename it replaces nothing
