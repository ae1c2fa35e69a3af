"""Simulated users in groups with a relay (接龙): the best luck sends the packet that the server reminds of."""

from __future__ import annotations

from client_sim.sim import scenarios
from tests.conftest import Server, token


async def test_family_on_a_server_passes_packets_on_as_it_is_reminded(server: Server) -> None:
    crowd = scenarios.prepare("family", server.url, token, users=12, groups=2, seconds=8.0, seed=5)
    assert {group.relay_times for group in crowd.groups} == {2}
    summary = await scenarios.perform("family", crowd)
    assert (summary.contradictions, summary.failures) == ([], [])
    turns = [book.turn for book in crowd.witness.packets.values() if book.turn is not None]
    assert turns
    followed = [book for book in crowd.witness.packets.values() if book.follows is not None]
    assert followed
    for book in followed:
        assert book.order is not None
        assert book.follows is not None
        assert book.follows.turn is not None
        turn = book.follows.turn
        assert (book.order.sender_id, book.order.amount_fen, book.order.shares) == (
            *(turn.user_id, turn.amount_fen, turn.shares),
        )
