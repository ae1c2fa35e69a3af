"""Simulated users in groups with a relay (接龙): the best luck sends the packet that the server reminds of."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from client_sim.sim import scenarios, steps
from client_sim.sim.books import PacketBook
from client_sim.sim.characters import CHARACTERS
from tests.conftest import PATIENCE_S, Server, token


async def test_best_luck_of_a_family_sends_the_packet_that_the_server_reminds_of(server: Server) -> None:
    crowd = scenarios.prepare("family", server.url, token, users=3, groups=1, seconds=1.0, seed=5)
    assert [group.relay_times for group in crowd.groups] == [2]
    for user in crowd.users:
        user.character = replace(CHARACTERS["chain"], continues_chain=1.0, taps=1.0)
    await steps.gather(crowd)
    first = await steps.send_and_open_together(crowd, crowd.groups[0], 900, 3)

    def following() -> list[PacketBook]:
        return [book for book in crowd.witness.packets.values() if book.follows is not None]

    async with asyncio.timeout(PATIENCE_S):
        while not following():  # noqa: ASYNC110  nothing sets an event for it
            await asyncio.sleep(0.05)
    second = min(following(), key=lambda book: book.packet_id)
    assert second.follows is first
    turn, order = first.turn, second.order
    assert turn is not None
    assert order is not None
    assert (order.sender_id, order.kind) == (turn.user_id, "lucky")
    assert (order.amount_fen, order.shares) == (turn.amount_fen, turn.shares)
    assert turn.amount_fen == 2 * max(share.amount_fen for share in first.shares.values())
    await steps.wind_down(crowd)
    await steps.leave(crowd)
    assert (crowd.witness.contradictions(), crowd.witness.failures) == ([], [])
