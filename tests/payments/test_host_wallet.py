"""A packet is paid from the host wallet, and what is opened or refunded goes back there."""

from __future__ import annotations

from tests.payments.conftest import HAVE_FEN, AgreeBooks, HostWallet, Room


async def test_packet_is_paid_from_the_host_and_shares_arrive_there(
    room: Room, host: HostWallet, books_agree: AgreeBooks
) -> None:
    packet_id = await room.send("k", 300, 3)
    assert host.fen(1) == HAVE_FEN - 300
    opened = [await client.open(packet_id) for client in (room.sender, room.ben, room.carl)]
    await room.until_quiet()
    assert [host.fen(user_id) for user_id in (2, 3)] == [HAVE_FEN + opened[one].amount_fen for one in (1, 2)]
    assert host.total_fen == 3 * HAVE_FEN
    await books_agree()
