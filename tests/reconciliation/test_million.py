"""A day with a million payments: every planted fault is found, in bounded memory."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.reconciliation.million import EACH, EXTRA, ROWS, make

MIB_MAX = 512


@pytest.mark.long
async def test_million_rows_are_matched_in_bounded_memory(postgres_dsn: str, tmp_path: Path) -> None:
    """The process that imports them is one of its own, so that nothing else counts. The time is printed."""
    await make(postgres_dsn, tmp_path)
    command = sys.executable, "-m", "tests.reconciliation.million", postgres_dsn, str(tmp_path)
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await child.communicate()
    found = json.loads(told.splitlines()[-1])
    print(found)
    assert (found["state"], found["why"]) == ("done", "")
    assert found["classes"] == {
        "matched": ROWS - 4 * ROWS // EACH,
        "bank_only": EXTRA,
        **dict.fromkeys(("amount", "duplicate", "other_account", "ours_only", "state"), ROWS // EACH),
    }
    assert found["peak_mib"] <= MIB_MAX
