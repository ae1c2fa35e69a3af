"""The two implementations of the stores: PostgreSQL with Valkey, and the simulator's tables and logs in memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import pytest

from server.core.kinds import WITH_BEST_LUCK
from storage.redis.mirror import Mirror
from storage.stores import Stores
from tests.redis.conftest import shared_cluster, three_masters
from tests.redis.nodes import OUR_TAGS, NodesOfCluster
from tests.sim import stores as simulated
from tests.sim.faults import Line, Rates
from tests.sim.logs import Logs
from tests.sim.tables import Tables

__all__ = ["shared_cluster", "three_masters"]
NO_FAULTS = Rates(latency_s=0.0)


def simulated_stores() -> Stores:
    """The simulator's stores in the running loop, without faults and without latency."""
    now_s = asyncio.get_running_loop().time
    postgres, redis = (Line(name, random.Random(name), NO_FAULTS, _no_trace) for name in ("postgres", "redis"))
    place = SimpleNamespace(tables=Tables(), logs=Logs(now_s), postgres=postgres, feed=postgres, redis=redis)
    return simulated.stores(place)


def _no_trace(*words: object) -> None:
    """The contract records no trace."""


@pytest.fixture(params=["real", "simulated"])
def addresses(request: pytest.FixtureRequest) -> tuple[str, str] | None:
    """DSN and url of the real stores; None for the simulated ones, which then cost no database."""
    if request.param == "simulated":
        return None
    return request.getfixturevalue("postgres_dsn"), request.getfixturevalue("redis_url")


@pytest.fixture
async def both(addresses: tuple[str, str] | None) -> AsyncIterator[Stores]:
    """Empty stores of either implementation. (`stores` is the fixture of the running PostgreSQL and Valkey.)"""
    if addresses is None:
        yield simulated_stores()
        return
    dsn, url = addresses
    opened = Stores.at(dsn, Mirror(url, 10.0), pool_max=2, timeout_s=10.0, with_best_luck=WITH_BEST_LUCK)
    await opened.database.open()
    yield opened
    await opened.close()


@pytest.fixture(params=["real", "cluster", "simulated"])
def mirror_url(request: pytest.FixtureRequest) -> str | None:
    """The url of a real mirror, on one server or in a cluster; None for the simulated one."""
    if request.param == "cluster":
        return cast("NodesOfCluster", request.getfixturevalue("three_masters")).url
    return None if request.param == "simulated" else request.getfixturevalue("redis_url")


@pytest.fixture
async def mirror(mirror_url: str | None) -> AsyncIterator[Mirror]:
    """An empty mirror of each implementation, without a database beside it."""
    opened = Mirror(mirror_url, timeout_s=10.0, tags=OUR_TAGS) if mirror_url else simulated_stores().mirror
    yield opened
    await opened.close()
