"""The start of a chat session while a store of the server is away for a moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, ClassVar

from client_sim.chat import lifecycle
from client_sim.chat.session import Event, Session, Start
from client_sim.sdk.client import Client
from client_sim.sdk.errors import StoreUnavailable
from protocol import codes, messages
from tests.conftest import PATIENCE_S, Server, token


class RefusedOnce(Client):
    """Each of the requests of a start is refused once, as if PostgreSQL were away."""

    refused: ClassVar[Counter[str]] = Counter()

    def _refuse_first(self, request: str) -> None:
        self.refused[request] += 1
        if self.refused[request] == 1:
            raise StoreUnavailable(
                messages.Refused(0, codes.Refusal.STORE_UNAVAILABLE, "store_unavailable", True, 1)
            )

    async def set_name(self, name: str) -> None:
        self._refuse_first("set_name")
        await super().set_name(name)

    async def catch_up(self, *words: Any) -> Any:
        self._refuse_first("catch_up")
        return await super().catch_up(*words)


async def test_session_begins_although_each_first_request_is_refused_for_a_moment(server: Server) -> None:
    events: list[Event] = []
    client = RefusedOnce(server.url, token(7))
    session = Session(client, events.append, Start("小梅"))
    running = asyncio.create_task(lifecycle.run(session))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await session.is_ready.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await client.close()
    assert (client.refused["set_name"], client.refused["catch_up"]) == (2, 2)
    assert {"welcome", "loaded"} <= {event.word for event in events}
