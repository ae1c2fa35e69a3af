"""Send: one debit per key despite retries; a refused send records nothing."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from tests.cases import each
from tests.conftest import Connect, Server, StartServer
from tests.joining import join


@pytest.fixture
async def alice(server: Server, backend: Client, connect: Connect) -> Client:
    """A user with 100.00 yuan."""
    await backend.top_up(1, 10_000)
    return await connect(server, 1)


async def test_send_debits_the_wallet_and_pushes_the_packet(
    alice: Client, server: Server, connect: Connect
) -> None:
    bob = await connect(server, 2)
    group = await alice.create_group("family")
    await join(bob, group, alice)
    sent = await alice.send_packet("lucky", group, 888, 2, "happy new year")
    assert await alice.balance() == 10_000 - 888
    async for push in bob.pushes():
        assert (push.packet_id, push.message, push.greeting) == (sent.packet_id, 1, "happy new year")
        assert push.commitment == sent.commitment
        break


async def test_same_key_same_content_is_one_packet(alice: Client, server: Server, connect: Connect) -> None:
    group = await alice.create_group("family")
    first = await alice.send_packet("lucky", group, 500, 1, key="k1")
    again = await alice.send_packet("lucky", group, 500, 1, key="k1")
    assert again.packet_id == first.packet_id
    assert again.commitment == first.commitment
    assert await alice.balance() == 9_500


async def test_same_key_other_content_is_refused(alice: Client) -> None:
    group = await alice.create_group("family")
    await alice.send_packet("lucky", group, 500, 1, key="k1")
    for amount, greeting in ((501, ""), (500, "other words")):
        with pytest.raises(Refusal) as caught:
            await alice.send_packet("lucky", group, amount, 1, greeting, key="k1")
        assert caught.value.name == "key_reused"
    assert await alice.balance() == 9_500


async def test_empty_greeting_is_the_same_content_as_the_default_one(alice: Client) -> None:
    group = await alice.create_group("family")
    first = await alice.send_packet("lucky", group, 500, 1, key="k1")
    again = await alice.send_packet("lucky", group, 500, 1, "恭喜发财,大吉大利", key="k1")
    assert again.packet_id == first.packet_id
    assert await alice.balance() == 9_500


async def test_same_key_of_another_sender_is_another_packet(
    alice: Client, server: Server, backend: Client, connect: Connect
) -> None:
    await backend.top_up(2, 10_000)
    bob = await connect(server, 2)
    group = await alice.create_group("family")
    await join(bob, group, alice)
    one = await alice.send_packet("lucky", group, 500, 1, key="k1")
    other = await bob.send_packet("lucky", group, 500, 1, key="k1")
    assert one.packet_id != other.packet_id


async def test_keys_survive_a_restart(start_server: StartServer, connect: Connect) -> None:
    first = await start_server()
    await (await connect(first, 0)).top_up(1, 10_000, key="t1")
    alice = await connect(first, 1)
    group = await alice.create_group("family")
    sent = await alice.send_packet("lucky", group, 500, 1, key="k1")
    await first.kill()
    second = await start_server()
    assert await (await connect(second, 0)).top_up(1, 10_000, key="t1") == 9_500
    alice = await connect(second, 1)
    assert (await alice.send_packet("lucky", group, 500, 1, key="k1")).packet_id == sent.packet_id
    assert await alice.balance() == 9_500


async def test_send_without_enough_money_records_nothing(alice: Client, sql: asyncpg.Connection) -> None:
    group = await alice.create_group("family")
    with pytest.raises(Refusal) as caught:
        await alice.send_packet("lucky", group, 10_001, 1)
    assert (caught.value.name, caught.value.temporary) == ("not_enough_money", False)
    assert await alice.balance() == 10_000
    assert await sql.fetchval("SELECT count(*) FROM packets") == 0


async def test_concurrent_sends_never_overdraw(alice: Client, sql: asyncpg.Connection) -> None:
    group = await alice.create_group("family")
    results = await asyncio.gather(
        *(alice.send_packet("lucky", group, 3_000, 1) for _ in range(10)), return_exceptions=True
    )
    refused = [one for one in results if isinstance(one, Refusal)]
    assert len(refused) == 7
    assert {one.name for one in refused} == {"not_enough_money"}
    assert await alice.balance() == 1_000


@each(
    ("kind", "amount", "shares", "reason"),
    [
        ("lucky", 0, 1, "bad_amount"),
        ("lucky", -1, 1, "bad_amount"),
        ("lucky", 1, 2, "bad_shares"),  # two shares, one member
        ("lucky", 20_001, 1, "bad_amount"),
        ("lucky", 100, 0, "bad_shares"),
        ("lucky", 100, -1, "bad_shares"),
        ("equal", 20_001, 1, "bad_amount"),
        ("lucky", 2**63 - 1, 1, "bad_amount"),
        ("lucky", 100, 2**63 - 1, "bad_shares"),
        ("personal", 100, 1, "bad_target"),
        ("nothing", 100, 1, "bad_target"),
    ],
)
async def test_send_outside_the_limits_is_refused(
    alice: Client, kind: str, amount: int, shares: int, reason: str
) -> None:
    group = await alice.create_group("family")
    with pytest.raises(Refusal) as caught:
        await alice.send_packet(kind, group, amount, shares)
    assert caught.value.name == reason
    assert await alice.balance() == 10_000


async def test_personal_packet_goes_to_one_other_user(alice: Client, backend: Client) -> None:
    await backend.put_users({2: "bob"})
    for target, shares, reason in ((1, 1, "bad_target"), (2, 2, "bad_shares")):
        with pytest.raises(Refusal) as caught:
            await alice.send_packet("personal", target, 100, shares)
        assert caught.value.name == reason
    assert (await alice.send_packet("personal", 2, 100, 1)).total_fen == 100


async def test_strangers_cannot_send_to_a_group(
    alice: Client, server: Server, backend: Client, connect: Connect
) -> None:
    await backend.top_up(2, 10_000)
    group = await alice.create_group("family")
    bob = await connect(server, 2)
    for target in (group, group + 1):
        with pytest.raises(Refusal) as caught:
            await bob.send_packet("lucky", target, 100, 1)
        assert caught.value.name == "not_a_member"


async def test_concurrent_sends_with_one_key_are_one_packet(alice: Client, sql: asyncpg.Connection) -> None:
    group = await alice.create_group("family")
    both = await asyncio.gather(*(alice.send_packet("lucky", group, 500, 1, key="k1") for _ in range(2)))
    assert both[0].packet_id == both[1].packet_id
    assert await alice.balance() == 9_500
    assert await sql.fetchval("SELECT count(*) FROM messages") == 1
