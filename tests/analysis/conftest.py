"""A second database, for reports of two sets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from server.services.analysis.report import make_report
from storage.postgres.database import Database
from tests.databases import Databases


@pytest.fixture(scope="session", autouse=True)
def usual_priority_of_reports() -> Iterator[None]:
    """At the lowest priority a report would wait for all other processes of a busy machine."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(make_report.__globals__, "NICER", 0)
        yield


@pytest.fixture
def other_dsn(databases: Databases) -> Iterator[str]:
    """An empty, migrated database beside that of the test."""
    name = databases.take()
    yield databases.dsn_of(name)
    databases.give_back(name)


@pytest.fixture
async def other(other_dsn: str) -> AsyncIterator[Database]:
    """That database, open."""
    opened = Database(other_dsn, pool_max=2, timeout_s=10)
    await opened.open()
    yield opened
    await opened.close()
