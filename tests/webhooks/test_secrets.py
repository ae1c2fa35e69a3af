"""Secrets of webhooks in the database: sealed, also those of older servers; only the key can sign."""

from __future__ import annotations

from server.core.webhooks.signing import text_of
from server.services.seeds.seals import Seals
from server.services.webhooks.secrets import WebhookSecrets
from tests.conftest import Server, StartServer
from tests.services.conftest import until as in_store
from tests.webhooks.conftest import KEY, LOOPBACK, SECRET, Receiver, Sql, signatures, signed, subscribe

OTHER_KEY = bytes(range(50, 82))
OLDER = """
INSERT INTO webhook_endpoints
    (name, url, types, secret, previous_secret, previous_until_ms, created_at_ms, changed_at_ms)
VALUES ('old', $1, '{}', $2, $3, 9e15, 1, 1)
"""


async def recorded(sql: Sql) -> bytes:
    """All that the table of endpoints holds."""
    row = await sql.fetchrow("SELECT * FROM webhook_endpoints")
    assert row is not None
    return b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row.values())


async def test_secret_in_the_database_is_sealed_and_the_server_signs_with_it(
    server: Server, receiver: Receiver, sql: Sql
) -> None:
    await subscribe(server, receiver)
    assert KEY not in await recorded(sql)
    await server.app.services.webhooks.test("shop")
    (one,) = await receiver.wait_for(1)
    assert signatures(one) == {signed(one, KEY)}


async def test_secrets_of_an_older_server_are_sealed_at_the_start_and_go_on_signing(
    start_server: StartServer, receiver: Receiver, sql: Sql
) -> None:
    await (await start_server()).stop()  # the tables
    await sql.execute(OLDER, receiver.url, KEY, OTHER_KEY)
    server = await start_server(webhooks__allow_private=LOOPBACK)
    found = await recorded(sql)
    assert KEY not in found
    assert OTHER_KEY not in found
    await server.app.services.webhooks.test("old")
    (one,) = await receiver.wait_for(1)
    assert signatures(one) == {signed(one, KEY), signed(one, OTHER_KEY)}


async def test_same_secret_again_is_no_rotation_and_another_one_is(
    server: Server, receiver: Receiver, sql: Sql
) -> None:
    await subscribe(server, receiver)
    before = await recorded(sql)
    again = await server.app.services.webhooks.put("shop", receiver.url, [], SECRET)
    assert again.secrets == 1
    assert (await sql.fetchval("SELECT secret FROM webhook_endpoints")) in before
    other = await server.app.services.webhooks.put("shop", receiver.url, [], text_of(OTHER_KEY))
    assert other.secrets == 2
    assert (await sql.fetchval("SELECT secret FROM webhook_endpoints")) not in before
    assert (await sql.fetchval("SELECT previous_secret FROM webhook_endpoints")) in before


async def test_secret_that_cannot_be_unsealed_fails_its_deliveries_until_another_one_is_given(
    server: Server, receiver: Receiver, sql: Sql
) -> None:
    await subscribe(server, receiver)
    lost = Seals({"lost": bytes(32)}).seal_at(KEY, b"webhook shop", bytes(12))
    await sql.execute("UPDATE webhook_endpoints SET secret = $1, key_id = 'lost'", lost)
    webhooks = server.app.services.webhooks
    event_id = await webhooks.test("shop")
    assert event_id is not None

    async def has_failed() -> bool:
        item = await webhooks.delivery("shop", event_id)
        return item is not None and "key lost, which is not in the key file" in item.last_error

    await in_store(has_failed)
    assert receiver.received == []
    await webhooks.put("shop", receiver.url, [], SECRET)
    await webhooks.test("shop")
    one = (await receiver.wait_for(1))[0]
    assert signatures(one) == {signed(one, KEY)}


async def test_seal_holds_for_one_endpoint_and_changes_with_the_key(
    server: Server, receiver: Receiver, sql: Sql
) -> None:
    await subscribe(server, receiver)
    store = server.app.stores.webhook_endpoints
    (endpoint,) = await store.all()
    keys = server.app.services.seeds.keys
    changed = WebhookSecrets(store, {**keys, "newer": bytes(range(32))}, lambda count: bytes(count))
    assert await changed.seal_all() == 1
    assert await changed.seal_all() == 0
    (again,) = await store.all()
    assert again.secrets.current.key_id == "newer"
    assert changed.unseal(again.secrets.current, "shop") == KEY
    assert not await store.seal_again(again.endpoint_id, endpoint.secrets.current, endpoint.secrets.current)
