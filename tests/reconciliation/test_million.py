"""A day with a million payments: every planted fault is found, in bounded memory."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.reconciliation.million import EACH, EXTRA, ROWS, make

MIB_MAX = 512
AUDIT_MIB_MAX = 192
CLASSES = {
    "matched": ROWS - 4 * ROWS // EACH,
    "bank_only": EXTRA,
    **dict.fromkeys(("amount", "duplicate", "other_account", "ours_only", "state"), ROWS // EACH),
}


async def run(what: str, dsn: str, folder: Path) -> dict[str, Any]:
    """What a process of its own tells, so that nothing else counts."""
    command = sys.executable, "-m", "tests.reconciliation.million", dsn, str(folder), what
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await child.communicate()
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    print(found)
    return found


@pytest.mark.long
async def test_million_rows_are_matched_and_audited_in_bounded_memory(postgres_dsn: str, tmp_path: Path) -> None:
    """The times are printed."""
    await make(postgres_dsn, tmp_path)
    imported = await run("import", postgres_dsn, tmp_path)
    assert (imported["state"], imported["why"]) == ("done", "")
    assert imported["classes"] == CLASSES
    assert imported["peak_mib"] <= MIB_MAX
    audited = await run("audit", postgres_dsn, tmp_path)
    assert audited["classes"] == CLASSES
    assert audited["last_line"] == f"and {sum(CLASSES.values()) - CLASSES['matched'] - 1_000} differences more"
    assert audited["lines"] == 1_001
    assert audited["peak_mib"] <= AUDIT_MIB_MAX
