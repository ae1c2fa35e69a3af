"""A chat session while a store of the server is away for a moment: its start, and what it reads."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, ClassVar

from client_sim.chat import group_requests, lifecycle, packet_requests
from client_sim.chat.session import Event, Session, Start
from client_sim.sdk.client import Client
from client_sim.sdk.errors import StoreUnavailable
from protocol import codes, messages
from tests.conftest import PATIENCE_S, Connect, Server, token
from tests.joining import join


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

    async def names(self, *words: Any) -> Any:
        self._refuse_first("names")
        return await super().names(*words)

    async def members(self, *words: Any) -> Any:
        self._refuse_first("members")
        return await super().members(*words)

    async def grab_stats(self, *words: Any) -> Any:
        self._refuse_first("grab_stats")
        return await super().grab_stats(*words)

    async def records(self, *words: Any, **more: Any) -> Any:
        self._refuse_first("records")
        return await super().records(*words, **more)

    async def entries(self, *words: Any) -> Any:
        self._refuse_first("entries")
        return await super().entries(*words)

    async def result_page(self, *words: Any) -> Any:
        self._refuse_first("result_page")
        return await super().result_page(*words)


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


async def test_each_kind_of_read_is_asked_again_after_a_temporary_refusal(
    server: Server, backend: Client, connect: Connect
) -> None:
    await backend.put_users({7: "小梅", 8: "阿强"})
    await backend.top_up(7, 1_000)
    async with RefusedOnce(server.url, token(7)) as client:
        group_id = await client.create_group("一家人")
        other = await connect(server, 8)
        await join(other, group_id, client)
        packet_id = (await client.send_packet("equal", group_id, 100, 2)).packet_id
        await other.open(packet_id)
        session = Session(client, lambda event: None)
        session.take_login()
        session.add_conversation(messages.StreamPosition(group_id, "一家人", 7, 0))
        session.model.go(group_id)
        client.refused.clear()

        assert await session.name_of(8) == "阿强"
        assert await group_requests.members(session) == [7, 8]
        assert len(await group_requests.grab_stats(session)) == 2
        assert (await packet_requests.records(session, "sent")).count == 1
        assert (await packet_requests.result(session, packet_id)).opened == 1
        session.wallet_version = 0
        await packet_requests.learn_claims(session, 2)
    assert set(client.refused) == {"names", "members", "grab_stats", "records", "result_page", "entries"}
    assert min(client.refused.values()) == 2, client.refused
