"""When the tags of a cluster can be used again, and what an outage of some of them says: in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from server.services.packets.mirror_health import Durability, MirrorHealth
from server.services.packets.refund import PacketClosing
from storage.errors import StoreRefused, StoreUnavailable
from storage.redis.engine import MirrorOutcome
from storage.redis.mirror import Log, Mirror, PartlyAway
from storage.redis.settings import DURABLE, NO_EVICTION, PARTLY, RedisSettings
from tests.sim.loop import SimLoop

WHOLE = RedisSettings({**NO_EVICTION, **DURABLE, **PARTLY}, is_cluster=True, place="a:1", tags=("1", "2", "3"))


class ScriptedMirror(Mirror):
    """A cluster with three tags, whose probe and settings answer what a test says. A packet's tag is its id."""

    def __init__(self) -> None:
        self.away: dict[str, str] = {}
        self.told = [WHOLE]

    @property
    def tags(self) -> int:
        return 3

    def tag_of(self, packet_id: int) -> str:
        return str(packet_id)

    async def probe(self) -> Mapping[str, str]:
        if len(self.away) == 3:
            raise StoreUnavailable(self.away["1"])
        return dict(self.away)

    async def settings(self) -> list[RedisSettings]:
        return self.told

    async def close_logs(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        logs = {packet_id: Log(1, [], closed=False) for packet_id in packet_ids if str(packet_id) not in self.away}
        if len(logs) < len(packet_ids):
            raise PartlyAway(MirrorOutcome([], self.away, frozenset()), logs=logs)
        return logs


def in_virtual_time(scenario: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(scenario)


def lost(tags: dict[str, str]) -> PartlyAway:
    """What a call says of these tags."""
    return PartlyAway(MirrorOutcome([], tags, frozenset()))


def test_tag_that_a_probe_found_away_is_used_again_after_three_good_probes() -> None:
    async def scenario() -> None:
        mirror = ScriptedMirror()
        health = MirrorHealth(mirror, "redis")
        mirror.away = {"2": "refused (b:1)"}
        await health.probe_once()
        assert [health.takes(packet_id) for packet_id in (1, 2, 3)] == [True, False, True]
        for good in (True, True, False, True, True):  # it fails in between
            mirror.away = {} if good else {"2": "refused (b:1)"}
            await health.probe_once()
            assert not health.takes(2)
        await health.probe_once()
        assert health.takes(2)
        assert health.partly_away == ""

    with capture_logs() as events:
        in_virtual_time(scenario())
    assert [event["event"] for event in events] == ["redis_node_is_away", "redis_nodes_are_back"]


def test_tag_that_only_a_call_found_away_is_used_again_after_one_good_probe() -> None:
    async def scenario() -> None:
        health = MirrorHealth(ScriptedMirror(), "postgres")
        health.lost(lost({"1": "closed (a:1)", "3": "closed (a:1)"}))
        assert (health.is_up, health.partly_away) == (True, "closed (a:1): 2 of 3 hash tags")
        await health.probe_once()
        assert all(health.takes(packet_id) for packet_id in (1, 2, 3))

    in_virtual_time(scenario())


def test_all_tags_away_are_an_outage_of_the_whole() -> None:
    async def scenario() -> None:
        mirror = ScriptedMirror()
        health = MirrorHealth(mirror, "redis")
        mirror.away = dict.fromkeys("123", "refused (a:1)")
        await health.probe_once()
        assert (health.is_up, health.why, health.partly_away) == (False, "refused (a:1)", "")
        assert not any(health.takes(packet_id) for packet_id in (1, 2, 3))
        with pytest.raises(StoreUnavailable, match="may hold acknowledged claims"):
            health.raise_if_claims_may_be_missing()
        mirror.away = {"1": "refused (a:1)"}
        for _ in range(3):
            await health.probe_once()
        assert [health.takes(packet_id) for packet_id in (1, 2, 3)] == [False, True, True]

    in_virtual_time(scenario())


def test_write_of_the_server_does_not_replace_the_probes_of_a_cluster() -> None:
    """It proves nothing about the other nodes."""

    async def scenario() -> None:
        mirror = ScriptedMirror()
        health = MirrorHealth(mirror, "redis")
        running = asyncio.ensure_future(health.run())
        await asyncio.sleep(0.1)
        mirror.away = {"2": "refused (b:1)"}
        for _ in range(40):
            health.wrote()
            await asyncio.sleep(0.01)
        assert not health.takes(2)
        running.cancel()

    in_virtual_time(scenario())


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ([WHOLE], ""),
        ([WHOLE._replace(told={**WHOLE.told, "appendfsync": "no"}, tags=("1",)), WHOLE], "appendfsync no"),
        ([WHOLE._replace(lacks_replica=True, tags=("1",)), WHOLE._replace(tags=("2", "3"))], ""),
        ([WHOLE._replace(lacks_replica=True)], "a:1 has no replica"),
    ],
    ids=["whole", "wrong setting of one node", "one master without replica", "no master with a replica"],
)
def test_start_is_refused_for_wrong_settings_and_without_any_replica(
    settings: list[RedisSettings], refused: str
) -> None:
    async def scenario() -> None:
        mirror = ScriptedMirror()
        mirror.told = settings
        health = MirrorHealth(mirror, "redis")
        if refused:
            with pytest.raises(StoreRefused, match=refused):
                await health.find_at_start()
        else:
            await health.find_at_start()
            assert health.is_up
            assert len(health.away) == sum(one.lacks_replica for one in settings)

    in_virtual_time(scenario())


@pytest.mark.parametrize(("durability", "closed"), [("redis", [1, 3]), ("postgres", [1, 2, 3])])
def test_log_that_does_not_answer_the_close_keeps_its_packet_open_if_it_decides(
    durability: Durability, closed: list[int]
) -> None:
    """Its node is lost at this moment. With durability postgres no log has claims that the record lacks."""

    async def nothing(*_: object) -> Any:
        return {}

    async def load(_: list[int]) -> tuple[dict[int, Any], dict[int, Any]]:
        return {}, {}

    async def scenario() -> None:
        mirror = ScriptedMirror()
        health = MirrorHealth(mirror, durability)
        mirror.away = {"2": "closed (b:1)"}
        packets = cast("Any", SimpleNamespace(close_quiet=list))
        closing = PacketClosing(cast("Any", SimpleNamespace(load=load)), mirror, health, packets, nothing)
        assert closing.closable([1, 2, 3]) == [1, 2, 3]
        assert await closing.close([1, 2, 3]) == closed
        assert closing.closable([1, 2, 3]) == closed  # now it is known
        assert await closing.close(closing.closable([1, 2, 3])) == closed

    in_virtual_time(scenario())
