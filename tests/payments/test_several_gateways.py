"""Several gateways: each payment is asked about where it was recorded, and one gateway holds up no other one."""

from __future__ import annotations

import pytest
import structlog

from client_sim.sdk.errors import BankUnknown
from server import config
from server.core.payments import Order, PaymentKind
from server.credentials import Credentials
from server.reload import Reading
from tests.conftest import API_KEYS, KEYS, SEED_KEYS
from tests.payments.conftest import HostWallet, Room, error_after_commit, service_of
from tests.services.conftest import until


async def test_payment_of_a_gateway_that_is_not_configured_waits_and_is_told(room: Room, host: HostWallet) -> None:
    host.faults["charge"], host.faults["query"] = [error_after_commit], [error_after_commit] * 50
    with pytest.raises(BankUnknown):
        await room.send("k")
    await room.sql.execute("UPDATE payments SET gateway = 'other', next_try_ms = 0, created_at_ms = 1")
    host.faults["query"].clear()
    calls, service = len(host.calls), service_of(room.server)
    payment = await service.store.get((await room.payment())["number"])
    assert await service.attempt(payment) == payment
    with structlog.testing.capture_logs() as logs:

        async def is_told() -> bool:
            service._figures_at_s = 0.0
            return any(one["event"] == "payments_wait_for_gateway" for one in logs)

        await until(is_told)
        await room.send("other")  # the host is not held up
        await room.sql.execute("UPDATE payments SET gateway = 'host' WHERE gateway = 'other'")
        assert (await room.until_ended())["state"] == "succeeded"

        async def is_over() -> bool:
            service._figures_at_s = 0.0
            return any(one["event"] == "payments_wait_for_gateway_no_longer" for one in logs)

        await until(is_over)
    told = [one for one in logs if one["event"] == "payments_wait_for_gateway"]
    assert [one["payments"] for one in told] == [{"other": 1}]
    assert [verb for verb, _ in host.calls[calls:]] == ["charge", "query"]


async def test_payments_that_people_conclude_have_no_age_in_the_figures(room: Room, host: HostWallet) -> None:
    host.faults["charge"], host.faults["query"] = [error_after_commit], [error_after_commit] * 50
    with pytest.raises(BankUnknown):
        await room.send("k")
    store = service_of(room.server).store
    (asked,) = [one for one in await store.figures([]) if one.kind]
    (not_asked,) = [one for one in await store.figures(["host"]) if one.kind]
    assert asked.oldest_ms is not None
    assert not_asked == asked._replace(oldest_ms=None)


async def test_due_payments_of_another_gateway_leave_room(room: Room, host: HostWallet) -> None:
    host.faults["charge"], host.faults["query"] = [error_after_commit], [error_after_commit] * 50
    with pytest.raises(BankUnknown):
        await room.send("k")
    await room.sql.execute("UPDATE payments SET gateway = 'other', next_try_ms = 0")
    store = service_of(room.server).store
    assert await store.due("host", 1, [], 64) == []
    assert len(await store.due("other", 1, [], 64)) == 1


async def test_reload_without_the_section_leaves_the_keys_until_the_restart(room: Room) -> None:
    empty = config.load(None, {"server.port": 0, "ops.http": ""}, environment={})
    room.server.app.apply(Reading(empty, Credentials(KEYS, SEED_KEYS, None, {}, API_KEYS)))
    await room.send("k")


async def test_cancel_at_a_host_wallet_proves_nothing(room: Room) -> None:
    gateway = service_of(room.server).gateways["host"]
    evidence = await gateway.cancel(Order(1 << 60, PaymentKind.CHARGE, 1, 300))
    assert (evidence.source, evidence.verdict) == ("close", "unknown")


def test_order_is_shown_without_its_token() -> None:
    order = Order(1 << 60, PaymentKind.PAYOUT, 7, 300, "tok_secret")
    assert "tok_secret" not in f"{order} {order!r}"
    assert "payout" in repr(order)
