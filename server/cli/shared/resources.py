"""The resources that commands work on: the stores, the records in them, a running server, login tokens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from protocol import tokens
from server import embedded
from server.config import Config, load_keys
from server.embedded import StoreAddresses
from server.embedded.stores import POSTGRES, POSTGRES_CONNECTIONS, stores_with
from server.instance import how_to_start, running
from server.loop import run

if TYPE_CHECKING:
    from storage.postgres.database import Database

ATTACH_TIMEOUT_S: Final = 15.0  # for stores of another process, which may still be starting
TIMEOUT_S: Final = 2.0  # of a statement, as in a server
POOL_MAX: Final = 2


class CommandFailed(Exception):
    """A command cannot do what it was asked to; the message is one line for the user."""


class WrongOptions(CommandFailed):
    """Options or arguments that do not fit together; the message is one line for the user."""


def existing(data: Path) -> Path:
    """The data folder of a server that has started. A mistyped one is not made. Raises CommandFailed."""
    if not data.is_dir():
        raise CommandFailed(
            f"there is no folder {data.absolute()}; name the folder of the server with --data "
            f"(hongbao serve --data {data} makes it)"
        )
    return data


def stores_of(settings: Config, data: Path, connections: int = POSTGRES_CONNECTIONS) -> StoreAddresses:
    """The stores of the config; if it names none, embedded ones under the data folder. A context manager.

    `connections`: so many an embedded PostgreSQL allows, if it is started here. Raises EmbeddedError.
    """
    stores = settings.stores
    if stores.postgres:
        return StoreAddresses(stores.postgres, stores.redis)
    return embedded.start(data, stores_with(connections))


def check_records(settings: Config, data: Path, otherwise: str = ", or --postgres DSN") -> None:
    """Raises CommandFailed if the config names no database and there is no private one.

    `otherwise`: what a user may do besides, if the command has that option.
    """
    if not settings.stores.postgres and not (data / "postgres").exists():
        raise CommandFailed(f"there are no records under {data}; name another folder with --data{otherwise}")


def with_records(settings: Config, data: Path, work: Callable[[Database], Coroutine[Any, Any, int]]) -> int:
    """Run `work` on the records, whether a server runs on them or not. Raises CommandFailed, EmbeddedError."""
    check_records(settings, data)

    async def on(dsn: str) -> int:
        async with opened(dsn) as database:
            return await work(database)

    if settings.stores.postgres:
        return run(on(settings.stores.postgres))
    with embedded.start(data, (POSTGRES,), ATTACH_TIMEOUT_S) as stores:
        return run(on(stores.postgres_dsn))


@asynccontextmanager
async def all_sets(database: Database, settings: Config) -> AsyncIterator[list[Database]]:
    """Set 0, which is open, and the further sets of the config."""
    async with AsyncExitStack() as stack:
        yield [database, *[await stack.enter_async_context(opened(dsn)) for dsn in settings.stores.postgres_sets]]


@asynccontextmanager
async def opened(dsn: str, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Database]:
    """A database for the length of a command; a standby will do for one that only reads."""
    from storage.postgres.database import Database  # most commands speak to a server, and start sooner without it

    database = Database(dsn, POOL_MAX, timeout_s, writes=False)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def url_of(data: Path) -> str:
    """The URL of the server that runs on a data folder. Raises CommandFailed."""
    found = running(data)
    if found is None:
        raise CommandFailed(f"no server runs on {data}; {how_to_start(data)}")
    return found.url


def mint(settings: Config, data: Path, user_id: int, hours: float | None = None) -> str:
    """A login token as text, signed with the last key. Raises ConfigError, also if there is no key: one that was
    made for it would be a key that no server has.
    """
    key_id, key = list(load_keys(settings, data, may_make=False).items())[-1]
    lifetime_s = settings.auth.token_lifetime_s if hours is None else hours * 3600
    now_s = int(time.time())
    return str(tokens.mint(user_id, int(now_s + lifetime_s), key_id, key, now_s))
