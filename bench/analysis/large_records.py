"""Makes large records inside a database: packets that people sent and opened, a million shares in ten seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import asyncpg

from storage import statements

_SQL: Final = statements.load(__file__)
FIRST_ID: Final = (1 << 62) + 1
FIRST_MS: Final = 1_769_875_200_000  # 2026-02-01 in Beijing
DAYS: Final = 16  # to the end of New Year's Eve, 2026-02-16
LAST_MS: Final = FIRST_MS + DAYS * 86_400_000 + 3_600_000
SHARES_MEAN: Final = 9.9  # claims of a packet; some expire
PART: Final = 50_000  # packets in one statement
TIMEOUT_S: Final = 600.0


async def fill(dsn: str, claims: int, users: int, say: Callable[[str], None]) -> None:
    """Make about so many claims. Needs a migrated database and the rights of a superuser: triggers do not run."""
    packets = max(1, round(claims / SHARES_MEAN))
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        await connection.execute(_SQL["wallets"], users)
        await connection.execute(_SQL["packets"], FIRST_ID, packets, users, FIRST_MS, DAYS, timeout=TIMEOUT_S)
        for first in range(0, packets, PART):
            end = min(packets, first + PART)
            await connection.execute(_SQL["claims"], FIRST_ID, users, first, end, LAST_MS, timeout=TIMEOUT_S)
            await connection.execute(_SQL["sums"], FIRST_ID, first, end, timeout=TIMEOUT_S)
            say(f"{end:,} of {packets:,} packets")
        await connection.execute("VACUUM ANALYZE packets, claims", timeout=TIMEOUT_S)
    finally:
        await connection.close()
