"""Packets over HTTP: sent and opened on behalf of users, seen by clients on the wire."""

from __future__ import annotations

from protocol.messages import PacketPosted
from tests.conftest import Connect, Server
from tests.http_api.client import Api
from tests.services.test_membership import first_push

SEND = "/v1/packets"


async def family(api: Api, *user_ids: int) -> None:
    """A group under the backend's id `family`, whose members have 100.00 yuan each."""
    await api.ok("PUT", "/v1/groups/family", {"name": "Family"})
    await api.ok("PUT", "/v1/groups/family/members", {"version": 1, "user_ids": [str(one) for one in user_ids]})
    for user_id in user_ids:
        await api.ok("POST", f"/v1/wallets/{user_id}/top-up", {"amount_fen": 10_000}, key="first")


def lucky(sender_id: int, amount_fen: int = 1_000, shares: int = 2) -> dict[str, object]:
    return {
        "sender_id": str(sender_id),
        "kind": "lucky",
        "group": "family",
        "amount_fen": amount_fen,
        "shares": shares,
        "greeting": "恭喜发财",
    }


async def test_packet_sent_over_http_appears_to_a_client_on_the_wire_and_is_opened_by_both(
    api: Api, server: Server, connect: Connect
) -> None:
    await family(api, 1, 2, 3)
    guest = await connect(server, 2)
    sent = await api.ok("POST", SEND, lucky(1), key="order 1")
    posted = await first_push(guest, PacketPosted)
    assert (str(posted.packet_id), posted.sender_id, posted.greeting) == (sent["packet_id"], 1, "恭喜发财")

    by_wire = await guest.open(posted.packet_id)
    by_http = await api.ok("POST", f"{SEND}/{sent['packet_id']}/open", {"user_id": "3"})
    assert (by_wire.answer, by_http["answer"]) == ("won", "won")
    assert by_wire.amount_fen + by_http["amount_fen"] == 1_000
