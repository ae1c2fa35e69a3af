"""Worlds with bans: after the reply nothing is sent by the user, and no server that is current has connections."""

from __future__ import annotations

from typing import Any

import pytest

from server.services.runtime.change_feed import ChangeFeed
from tests.sim.ban_world import BanWorld
from tests.sim.defects import Defect


@pytest.mark.parametrize("chunk", range(4))
def test_world_with_bans_has_no_violation(chunk: int) -> None:
    for seed in range(chunk * 10, chunk * 10 + 10):
        found = BanWorld(seed).run()
        assert not found, f"seed {seed}: {found[0]}"


class SendsIgnoreBans(Defect):
    """The transaction of a send does not look for a ban."""

    def break_stores(self, world: Any) -> None:
        world.tables.is_banned = lambda user_id: False


class BansAreNotWaitedFor(Defect):
    """The backend gets its reply before the other server has followed."""

    def break_server(self, server: Any) -> None:
        async def nothing(kind: str, record: int, version: int) -> None:
            """Wait for no server."""

        server.services.changes.wait_until_told = nothing


class GapsAreNotCaughtUp(Defect):
    """A server that was cut off from the feed does not read what it missed."""

    def break_server(self, server: Any) -> None:
        feed: ChangeFeed = server.services.changes
        feed._catch_ups.clear()


@pytest.mark.parametrize("defect", [SendsIgnoreBans, BansAreNotWaitedFor, GapsAreNotCaughtUp])
def test_worlds_find_a_defect_in_bans(defect: type[Defect]) -> None:
    assert any(BanWorld(seed, defect()).run() for seed in range(60))
