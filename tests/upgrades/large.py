"""The time that the newest migrations take, and hold locks, on a large database.

    python -m tests.upgrades.large --transfers 10000000

This is not a test. It fills the tables of version 0004 in a private PostgreSQL, then migrates while readers and a
writer execute a statement every few milliseconds, like the users of a server: the longest wait of each is the time
for which the migration held a lock against it.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import asyncpg
import uvloop

from server import embedded
from storage.postgres import migrate as migrations

USERS = 1_000_000
FIRST_PACKET = 1 << 56
OLD = 4  # the newest migration of the previous version
FILL = {
    "wallets": "INSERT INTO wallets (user_id, balance_fen) SELECT n, 100 FROM generate_series(1, {users}) AS n",
    "top-ups": "INSERT INTO transfers SELECT 0, n, 1, 'k' || n, 100, 0 FROM generate_series(1, {users}) AS n",
    "claims": "INSERT INTO transfers SELECT {first} + n / 10, 1 + n % {users}, 4, '', 7, 0 "
    "FROM generate_series(1, {rest}) AS n",
    "messages": "INSERT INTO messages SELECT 1 + n % 1000, 1 + n / 1000, 1, 0, 'hello', NULL "
    "FROM generate_series(0, {users} - 1) AS n",
}
READ = "SELECT count(*) FROM (SELECT FROM {table} LIMIT 1) AS one"
WRITE = "INSERT INTO transfers VALUES (0, 1, 1, 'probe ' || gen_random_uuid(), 1, 0)"


class LockProbe:
    """Executes one statement repeatedly and keeps the longest time."""

    def __init__(self, name: str, statement: str) -> None:
        self.name, self._statement = name, statement
        self.worst_s = 0.0

    async def run(self, dsn: str) -> None:
        """Execute until cancelled."""
        connection = await asyncpg.connect(dsn)
        try:
            while True:
                began_s = time.monotonic()
                await connection.execute(self._statement)
                self.worst_s = max(self.worst_s, time.monotonic() - began_s)
                await asyncio.sleep(0.005)
        finally:
            connection.terminate()


async def fill(dsn: str, transfers: int) -> None:
    """Fill a database of the previous version with this many rows."""
    connection = await asyncpg.connect(dsn)
    for file in sorted(migrations.FOLDER.glob("[0-9]*.sql"))[:OLD]:
        await connection.execute(file.read_text("utf-8"))
    users = min(USERS, transfers // 2)
    for name, statement in FILL.items():
        began_s = time.monotonic()
        rest = transfers - users
        await connection.execute(statement.format(users=users, first=FIRST_PACKET, rest=rest), timeout=3600)
        print(f"filled {name:<10} {time.monotonic() - began_s:7.1f} s", flush=True)
    await connection.close()


async def measure(dsn: str) -> None:
    """Run the later migrations, each a transaction, then the validation; print times and waits."""
    for file in sorted(migrations.FOLDER.glob("[0-9]*.sql"))[OLD:]:
        await run_under_load(dsn, f"{file.stem} (one transaction)", file.read_text("utf-8"))
    connection = await asyncpg.connect(dsn)
    statements = [row[0] for row in await connection.fetch(migrations.NOT_VALID)]
    await connection.close()
    for statement in statements:
        await run_under_load(dsn, statement, statement)


async def run_under_load(dsn: str, name: str, text: str) -> None:
    """Run this SQL while others read and write."""
    probes = [
        LockProbe("read transfers", READ.format(table="transfers")),
        LockProbe("read messages", READ.format(table="messages")),
        LockProbe("write transfers", WRITE),
    ]
    probing = [asyncio.create_task(probe.run(dsn)) for probe in probes]
    await asyncio.sleep(0.2)
    connection = await asyncpg.connect(dsn)
    began_s = time.monotonic()
    await connection.execute(text, timeout=3600)
    took_s = time.monotonic() - began_s
    await connection.close()
    await asyncio.sleep(0.2)
    for task in probing:
        task.cancel()
    await asyncio.gather(*probing, return_exceptions=True)
    waits = ", ".join(f"{probe.name} {probe.worst_s * 1000:.0f} ms" for probe in probes)
    print(f"{took_s:7.1f} s  {name}\n           longest waits: {waits}", flush=True)


async def main(transfers: int) -> None:
    """Fill, then measure."""
    with embedded.temporary() as stores:
        await fill(stores.postgres_dsn, transfers)
        await measure(stores.postgres_dsn)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--transfers", type=int, default=10_000_000)
    uvloop.run(main(parser.parse_args().transfers))
