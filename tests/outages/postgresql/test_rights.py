"""Roles with few rights and databases of other kinds: they work, or the start is refused in one line."""

from __future__ import annotations

import pytest

from server.core.ids import BACKEND
from server.embedded import StoreAddresses
from server.services.money.audit import audit
from storage.errors import StoreRefused
from storage.postgres import migrate as module
from storage.postgres.migrate import migrate
from tests.conftest import SEED_KEYS, Connect, StartServer
from tests.outages.postgresql.roles import OwnDatabase, opened, own_database

DATA_ONLY = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO"


async def migrate_as_admin(own: OwnDatabase) -> None:
    async with opened(own.admin_dsn) as database:
        await migrate(database)


async def test_role_without_create_on_public_is_refused_in_one_line(stores: StoreAddresses) -> None:
    """As in a database of a superuser since PostgreSQL 15."""
    async with own_database(stores.postgres_dsn) as own, opened(own.dsn) as database:
        with pytest.raises(
            StoreRefused, match=r"^the database needs \d+ migrations, .* lacks CREATE on the schema public"
        ):
            await migrate(database)
        await own.admin.execute(f"GRANT CREATE ON SCHEMA public TO {own.role}")
        assert await migrate(database)


async def test_role_with_a_schema_of_its_own_needs_no_right_on_public(stores: StoreAddresses) -> None:
    async with own_database(stores.postgres_dsn) as own:
        await own.admin.execute(f"CREATE SCHEMA {own.role} AUTHORIZATION {own.role}")
        async with opened(own.dsn) as database:
            assert await migrate(database)
            assert await own.admin.fetchval(f"SELECT count(*) FROM {own.role}.migrations") > 0


async def test_role_that_may_use_no_schema_is_refused_in_one_line(stores: StoreAddresses) -> None:
    async with own_database(stores.postgres_dsn) as own:
        await own.admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        with pytest.raises(StoreRefused, match="the role may use no schema of its search path; GRANT USAGE"):
            async with opened(own.dsn):
                pass


async def test_role_with_rights_on_data_alone_starts_on_a_migrated_database(stores: StoreAddresses) -> None:
    async with own_database(stores.postgres_dsn) as own:
        await migrate_as_admin(own)
        async with opened(own.dsn) as database:
            with pytest.raises(
                StoreRefused, match=r"the role of the server lacks SELECT on the table .*; GRANT SELECT, "
            ):
                await migrate(database)
            await own.admin.execute(f"{DATA_ONLY} {own.role}")
            assert await migrate(database) == []
            await own.admin.execute(f"REVOKE DELETE ON settlement_queue FROM {own.role}")
            with pytest.raises(StoreRefused, match="lacks DELETE on the table settlement_queue"):
                await migrate(database)


async def test_role_with_rights_on_data_alone_cannot_migrate_and_is_told_so(
    stores: StoreAddresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with own_database(stores.postgres_dsn) as own:
        await migrate_as_admin(own)
        await own.admin.execute(f"{DATA_ONLY} {own.role}")
        await own.admin.execute(f"GRANT CREATE ON SCHEMA public TO {own.role}")
        newer = [*module._migrations(), module.Migration(999, "0999_newer", "ALTER TABLE wallets ADD more int")]
        monkeypatch.setattr(module, "_migrations", lambda: newer)
        async with opened(own.dsn) as database:
            with pytest.raises(StoreRefused, match=r"needs 1 migrations.* lacks the owner's rights on the table"):
                await migrate(database)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_database_that_is_not_utf8_is_refused_in_one_line(stores: StoreAddresses, encoding: str) -> None:
    options = f"ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    async with own_database(stores.postgres_dsn, options, owner=True) as own:
        with pytest.raises(StoreRefused, match=f"has the encoding {encoding}, .* need UTF8; .* ENCODING 'UTF8'"):
            async with opened(own.dsn):
                pass


@pytest.mark.parametrize(
    "locale",
    ["LOCALE_PROVIDER libc LOCALE 'C.utf8'", "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST' LOCALE 'C'"],
)
async def test_server_works_on_a_database_with_another_collation(
    stores: StoreAddresses, start_server: StartServer, connect: Connect, locale: str
) -> None:
    """No statement sorts or compares texts but for equality."""
    options = f"ENCODING 'UTF8' {locale} TEMPLATE template0"
    async with own_database(stores.postgres_dsn, options, owner=True) as own:
        server = await start_server(stores__postgres=own.dsn)
        backend, user, other = [await connect(server, number) for number in (BACKEND, 1, 2)]
        for client, name in ((user, "Ärger 张三"), (other, "arger 李四")):
            await client.set_name(name)
        await backend.top_up(1, 1000, key="one")
        group = await user.create_group("红包")
        packet = await user.send_packet("equal", group, 100, 1, key="p")
        assert (await user.open(packet.packet_id)).answer == "won"
        await server.stop()
        async with opened(own.dsn) as database:
            assert (await audit(database, SEED_KEYS)).ok
