"""Opening sets: each database knows which set of which record it is, so that no address can be mixed up."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from storage import statements
from storage.errors import StoreRefused
from storage.postgres.sets.places import HOME, NUMBERS_OF_SET

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)
TRANSIT: Final = -100  # the account in transit of set n is -100 - n


async def begin(sets: Sets) -> list[int]:
    """Check that each database is the set that the config takes it for; the sets that were added now.

    Those that are late are checked when they are opened. The first start with several sets puts all known users
    into set 0. Raises StoreUnavailable, StoreRefused.
    """
    known = await _facts(sets.home)
    _check_home(known, len(sets.databases))
    sets.first_id = known["first_id"]
    if not sets.several:
        return []
    before = known.get("sets", 1)
    if len(sets.databases) > before:
        await _check_alone(sets.home)
    record = known.get("record") or secrets.randbits(62)
    if "record" not in known:
        await _begin_home(sets.home, record)
    added = [
        number
        for number, database in enumerate(sets.databases)
        if number != HOME
        and number not in sets.late
        and await _begin_other(database, number, record, sets.first_id)
    ]
    for number, database in [pair for pair in enumerate(sets.databases) if pair[0] not in sets.late]:
        async with database.transaction() as connection:
            await _number_on(connection, number)
            await connection.execute(SQL["accounts"], len(sets.databases), TRANSIT)
            await _put(connection, "sets", len(sets.databases))
    return added


async def is_known(home: Database, number: int) -> bool:
    """Whether the record has this set already, so that a server may start without it. Raises StoreUnavailable."""
    return number < (await _facts(home)).get("sets", 1)


async def check_late(home: Database, database: Database, number: int) -> None:
    """Check that a set which was away at the start is this one. Raises StoreUnavailable, StoreRefused."""
    known, record = await _facts(database), (await _facts(home))["record"]
    if (known.get("record"), known.get("set_number")) != (record, number):
        raise StoreRefused(f"the database in place of set {number} is not set {number} of this record")
    async with database.transaction() as connection:
        await _number_on(connection, number)


async def has_standby(database: Database) -> bool:
    """Whether commits wait for a standby, so that a lost server loses none. Raises StoreUnavailable."""
    async with database.reading() as connection:
        return bool(await connection.fetchval("SELECT current_setting('synchronous_standby_names') <> ''"))


async def _facts(database: Database) -> dict[str, int]:
    async with database.reading() as connection:
        return {row["name"]: row["value"] for row in await connection.fetch(SQL["facts"])}


def _check_home(known: dict[str, int], count: int) -> None:
    if known.get("set_number", HOME) != HOME:
        raise StoreRefused(f"stores.postgres is set {known['set_number']} of a record with several sets, not set 0")
    if count < known.get("sets", 1):
        raise StoreRefused(
            f"the record has {known['sets']} sets, and the config names {count}: "
            "name all of them in stores.postgres_sets, in their order"
        )


async def _check_alone(home: Database) -> None:
    """A server with fewer sets would go on to put new users into a set of its own choice."""
    async with home.reading() as connection:
        if await connection.fetchval(SQL["others_live"]):
            raise StoreRefused("a set is added while other servers run: stop them first")


async def _begin_home(home: Database, record: int) -> None:
    async with home.long_transaction() as connection:
        await connection.execute(SQL["place_all"])
        await connection.execute(SQL["tell_best_lucks"])
        await connection.execute(SQL["tell_turns"])
        await _put(connection, "record", record)
        await _put(connection, "set_number", HOME)


async def _begin_other(database: Database, number: int, record: int, first_id: int) -> bool:
    """Whether the database has become this set now. Raises StoreRefused if it is another one."""
    async with database.transaction() as connection:
        known = {row["name"]: row["value"] for row in await connection.fetch(SQL["facts"])}
        if "record" in known:
            if (known["record"], known["set_number"]) != (record, number):
                raise StoreRefused(f"set {number} in stores.postgres_sets is set {known['set_number']} of a record")
            return False
        if await connection.fetchval(SQL["has_books"]):
            raise StoreRefused(f"set {number} in stores.postgres_sets has books of its own: it must be empty")
        await _put(connection, "record", record)
        await _put(connection, "set_number", number)
        await _put(connection, "first_id", first_id)
        return True


async def _number_on(connection: Connection, number: int) -> None:
    """Breaks and corrections of a further set say by their number where they are."""
    if number != HOME:
        await connection.execute(SQL["number_on"], number * NUMBERS_OF_SET)


async def _put(connection: Connection, name: str, value: int) -> None:
    await connection.execute(SQL["put_fact"], name, value)
