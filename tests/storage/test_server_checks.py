"""Checks of PostgreSQL at the start, beside those that need another PostgreSQL or a pooler (tests/outages)."""

from __future__ import annotations

import asyncpg
import pytest

from storage.postgres.server_checks import check_pooler
from tests.conftest import PATIENCE_S


async def test_pooler_is_looked_for_once_at_an_address_that_leads_to_postgresql(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await check_pooler(postgres_dsn, PATIENCE_S)

    async def refused(*_: object, **__: object) -> None:
        raise AssertionError("another session was made")

    with monkeypatch.context() as patched:
        patched.setattr(asyncpg, "connect", refused)
        await check_pooler(postgres_dsn, PATIENCE_S)
        with pytest.raises(AssertionError, match="another session"):
            await check_pooler(postgres_dsn + "&application_name=other", PATIENCE_S)
