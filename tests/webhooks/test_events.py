"""Events from the request that causes them to the receiver: each once, numbered, signed."""

from __future__ import annotations

from client_sim.sdk.client import Client
from tests.conftest import Server
from tests.webhooks.conftest import KEY, Receiver, signatures, signed, subscribe


async def test_top_up_is_received_with_its_entry_and_a_right_signature(
    server: Server, backend: Client, receiver: Receiver
) -> None:
    await subscribe(server, receiver)
    await backend.top_up(7, 500, key="t1")
    (received,) = await receiver.wait_for(1)
    assert received.type == "wallet.changed"
    assert received.data == {
        "user_id": "7",
        "reason": "top_up",
        "change_fen": 500,
        "balance_fen": 500,
        "key": "t1",
        "number": 1,
        "previous": 0,
    }
    assert signatures(received) == {signed(received, KEY)}
    assert received.headers["content-type"] == "application/json"
