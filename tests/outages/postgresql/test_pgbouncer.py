"""PostgreSQL behind pgbouncer: in session mode all works; the other modes are refused in one line at start."""

from __future__ import annotations

import pytest

from bench.chaos.strikes import read_only
from server.embedded import StoreAddresses
from server.services.money.audit import audit_at
from storage.errors import StoreRefused, StoreUnavailable
from storage.postgres.database import Database
from tests.conftest import SEED_KEYS, StartServer
from tests.outages.postgresql.pgbouncer import needs_pgbouncer, pgbouncer
from tests.outages.postgresql.roles import own_database
from tests.services.conftest import MakeParty, until

pytestmark = needs_pgbouncer


async def test_server_works_through_a_pooler_in_session_mode(
    postgres_dsn: str, start_server: StartServer, party: MakeParty
) -> None:
    """Without `ignore_startup_parameters`; notifications come through."""
    with pgbouncer(postgres_dsn, "pool_mode = session") as dsn:
        server = await start_server(stores__postgres=dsn)
        other = await start_server(stores__postgres=dsn)
        room = await party(server, 3)
        opened = await room.all_open(await room.lucky(100, 3))
        assert {one.answer for one in opened} == {"won"}

        async def both_follow() -> bool:
            return all(one.app.services.changes.is_current for one in (server, other))

        await until(both_follow)
        async with server.app.stores.database.reading() as connection:
            assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "5s"
        for one in (server, other):
            await one.stop()
        assert (await audit_at(dsn, 10, SEED_KEYS)).ok


@pytest.mark.parametrize("order", ["server_round_robin = 0", "server_round_robin = 1"])
@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_pooler_that_changes_sessions_is_refused_at_start(postgres_dsn: str, mode: str, order: str) -> None:
    with pgbouncer(postgres_dsn, f"pool_mode = {mode}\n{order}") as dsn:
        for _ in range(3):  # its pool is empty at first, then not
            database = Database(dsn, pool_max=2, timeout_s=5)
            with pytest.raises(StoreRefused, match="pool_mode = session"):
                await database.open()
            await database.close()


async def test_pooler_that_met_a_read_only_server_is_asked_again_later(stores: StoreAddresses) -> None:
    """pgbouncer tells each client what its first connection reported."""
    async with own_database(stores.postgres_dsn, owner=True) as own:
        with pgbouncer(own.admin_dsn, "pool_mode = session") as dsn:
            async with read_only(own.admin):
                with pytest.raises(StoreUnavailable, match="read only"):
                    await Database(dsn, pool_max=2, timeout_s=5).open()
            database = Database(dsn, pool_max=2, timeout_s=5)
            await database.open()
            async with database.reading() as connection:
                assert await connection.fetchval("SELECT 1") == 1
            async with read_only(own.admin):
                with pytest.raises(StoreUnavailable, match="read only"):
                    async with database.reading() as connection:
                        await connection.fetchval("SELECT 1")
            await database.close()
