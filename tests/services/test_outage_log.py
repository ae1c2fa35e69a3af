"""The log of an outage of a store: one line that work waits, and one line that it goes on."""

from __future__ import annotations

from collections import Counter

import pytest
from structlog.testing import capture_logs

from bench.chaos.proxy import Proxy
from client_sim.sdk.errors import Refusal
from server.services.packets import sweep
from storage.errors import StoreUnavailable
from tests.conftest import StartServer
from tests.services.conftest import MakeParty, until


async def test_outage_is_logged_once_and_its_end_once(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    redis_proxy: tuple[Proxy, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often the loops retry, and however often a user taps a packet that must be loaded."""
    (postgres, dsn), (redis, url) = postgres_proxy, redis_proxy
    monkeypatch.setattr(sweep, "INTERVAL_S", 0.02)
    with capture_logs() as events:
        room = await party(await start_server(stores__postgres=dsn, stores__redis=url, settlement__idle_s=0.02), 1)
        packet_id = await room.lucky(100, 1)
        await postgres.cut()
        await redis.cut()
        app = room.server.app
        app.services.mirror_health.lost(StoreUnavailable("cut"))
        for _ in range(5):
            app.services.live_packets._by_id.clear()
            with pytest.raises(Refusal):
                await room.guests[0].open(packet_id, patience_s=0)

        def times_logged(name: str) -> int:
            return Counter(event["event"] for event in events)[name]

        names = ("settlement_waits", "sweep_waits", "recovery_waits")

        async def all_began() -> bool:
            return all(times_logged(name) for name in names)

        await until(all_began)
        await postgres.heal()
        await redis.heal()
        assert (await room.guests[0].open(packet_id)).answer == "won"

        async def all_ended() -> bool:
            return all(times_logged(f"{name}_no_longer") for name in names)

        await until(all_ended)
    assert [times_logged(name) for name in names] == [1, 1, 1]
    assert [times_logged(f"{name}_no_longer") for name in names] == [1, 1, 1]
