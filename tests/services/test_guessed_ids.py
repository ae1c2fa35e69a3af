"""A user taps an id before a packet with that id exists: members can open the packet when it is sent."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from server.services.packets.stored_state import StoredState
from tests.conftest import Server
from tests.services.conftest import MakeParty, until


class GuessedId:
    """Fixes the id of the next packet, and holds the result of every read until `go` is set."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        sends, recovery = server.app.services.sends, server.app.services.reload
        self.packet_id = sends._ids.next(int(time.time() * 1000))
        self._read = recovery._read
        self.was_read = asyncio.Event()
        self.go = asyncio.Event()
        monkeypatch.setattr(sends, "_ids", SimpleNamespace(next=lambda *_: self.packet_id))
        monkeypatch.setattr(recovery, "_read", self.read)

    async def read(self, ids: list[int]) -> dict[int, StoredState]:
        stored = await self._read(ids)
        self.was_read.set()
        await self.go.wait()
        return stored


async def test_packet_sent_while_its_id_is_looked_up_is_found(
    server: Server, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(server, 2)
    guessed = GuessedId(server, monkeypatch)
    early = asyncio.create_task(room.guests[0].grab(guessed.packet_id))
    await guessed.was_read.wait()  # and found no packet
    assert await room.lucky(100, 2) == guessed.packet_id
    member = asyncio.create_task(room.guests[1].grab(guessed.packet_id))  # after the push of the packet

    async def both_wait() -> bool:
        return len(server.app.services.live_packets._by_id[guessed.packet_id].waiting) == 2

    await until(both_wait)
    guessed.go.set()
    assert [(await grab).answer for grab in (early, member)] == ["ticket", "ticket"]


async def test_unknown_id_is_refused_and_not_kept_in_memory(server: Server, party: MakeParty) -> None:
    room = await party(server, 1)
    for _ in range(2):
        assert (await room.guests[0].grab(2**60)).answer == "not_allowed"
        assert server.app.services.live_packets.get(2**60) is None
