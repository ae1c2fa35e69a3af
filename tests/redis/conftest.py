"""A cluster of three masters that the tests of one worker share, and a mirror in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from storage.redis.mirror import Mirror
from tests.redis.nodes import OUR_TAGS, NodesOfCluster, cluster_of
from tests.services.conftest import books_balance, party, record

__all__ = ["books_balance", "party", "record"]


@pytest.fixture(autouse=True)
def patient_probes() -> None:
    """Here the limits are those of the program."""


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[NodesOfCluster]:
    """Without replicas. A test leaves it as it found it."""
    with cluster_of(3, has_replicas=False) as cluster:
        yield cluster


@pytest.fixture
def three_masters(shared_cluster: NodesOfCluster) -> NodesOfCluster:
    """The shared cluster without keys."""
    shared_cluster.flush()
    return shared_cluster


@pytest.fixture
async def mirror(three_masters: NodesOfCluster) -> AsyncIterator[Mirror]:
    """The mirror in the shared cluster."""
    opened = Mirror(three_masters.url, timeout_s=10.0, tags=OUR_TAGS)
    yield opened
    await opened.close()
