"""How long a commit with an unknown outcome is looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from server.services.runtime import in_doubt
from server.services.runtime.in_doubt import InDoubt
from tests.conftest import PATIENCE_S


async def test_commit_that_waits_for_a_standby_is_looked_for_until_it_has_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.0)
    monkeypatch.setattr(in_doubt, "LATE_S", -1.0)  # without a standby that is away one look is enough
    looks, told, forgotten = list[Sequence[str]](), asyncio.Event(), asyncio.Event()

    async def find(asked: Sequence[str]) -> list[str | None]:
        looks.append(list(asked))
        if asked == ["lost"]:
            forgotten.set()
        return [one if one == "waits" and len(looks) == 4 else None for one in asked]

    one: InDoubt[str, str] = InDoubt(find, lambda found: told.set())
    one.commits_wait = lambda: len(looks) < 3  # then the standby is back; the next look finds what it had lacked
    looking = asyncio.create_task(one.run())
    async with asyncio.timeout(PATIENCE_S):
        one.add(["waits"])
        await told.wait()
        one.add(["lost"])
        await forgotten.wait()
    looking.cancel()
    assert looks == [["waits"], ["waits"], ["waits"], ["waits"], ["lost"]]
