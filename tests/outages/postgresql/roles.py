"""Databases and roles as operators make them, on the PostgreSQL of the tests."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias

import asyncpg

from storage.postgres.database import Database

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_numbers = itertools.count(1)


class OwnDatabase(NamedTuple):
    """A database with a role that is no superuser, and a superuser's connection to it."""

    dsn: str
    role: str
    admin_dsn: str
    admin: Sql


@asynccontextmanager
async def own_database(dsn: str, options: str = "", *, owner: bool = False) -> AsyncIterator[OwnDatabase]:
    """`options` of CREATE DATABASE; `owner`: the role owns the database."""
    name = f"test_own_{next(_numbers)}"
    cluster = await asyncpg.connect(dsn)
    await cluster.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await cluster.execute(f"DROP ROLE IF EXISTS {name}")
    await cluster.execute(f"CREATE ROLE {name} LOGIN")
    await cluster.execute(f"CREATE DATABASE {name} {f'OWNER {name}' if owner else ''} {options}")
    admin_dsn = dsn.replace("/hongbao?", f"/{name}?")
    admin = await asyncpg.connect(admin_dsn)
    try:
        yield OwnDatabase(admin_dsn.replace("postgres@", f"{name}@"), name, admin_dsn, admin)
    finally:
        await admin.close()
        await cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await cluster.execute(f"DROP ROLE {name}")
        await cluster.close()


@asynccontextmanager
async def opened(dsn: str, *, writes: bool = True) -> AsyncIterator[Database]:
    """The database as a server reaches it."""
    database = Database(dsn, pool_max=2, timeout_s=10, writes=writes)
    try:
        await database.open()
        yield database
    finally:
        await database.close()
