"""The alternative with books: one transaction per claim on PostgreSQL that locks the row of the envelope.

BEGIN; lock the envelope and read its remainder; record the claim, unless the user has one; take the share out of
the envelope; put it into the wallet; write an order; COMMIT. That is the shape of the most complete open-source
red-packet module that was found (Go and PostgreSQL), with its defects fixed: a key stops a user from opening twice,
a draw leaves one fen for every other user, and a second user waits for the lock instead of receiving an error. It
is as fast as that shape can be: statements are prepared once per connection, the insert itself detects a second
claim, a pooled connection is not reset between two users, and there is no unnecessary index. PostgreSQL must run
with fsync and synchronous_commit on, as for our durability `postgres`.

By design it
* waits for the disk once per claim, on one hot envelope one claim after the other: the lock is held during four
  round trips and the commit;
* answers a retry with "claimed already" instead of the amount won;
* draws amounts that cannot be verified afterwards.
It has no refunds, no groups and no right to open, and there is no HTTP in front of it: it is the database's part of
the work, which a whole application cannot exceed.

Two loads. `many` is that of our scenario `opens`: users in groups of 20, envelopes of 20 shares, each user opens
each envelope of their group, but each in a different order, so that a group does not queue at one lock. `hot` is
one envelope of 500 shares that 500 users open at once, again and again. All users wait for a connection of a pool,
like the requests of a web application; latency counts from the moment at which they ask for one.

POOLS has the best sizes. On two cores, in claims per second over 4, 8, 16 and 32 connections (medians of three
short runs): many 3,157, 3,649, 3,300, 3,624, hot 1,338, 1,282, 1,186, 1,068. So `many` is flat from 8 on (16 was
fastest when the machine had other work); `hot` loses with every connection more that waits for the lock, and two
connections gained too little (1,443) to be a realistic choice.

`python -m bench.compare.rivals.sql_lock --dsn postgresql:///app [--hot]` prints the result as one line of JSON.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg
import cyclopts

from bench.compare.rivals import result
from bench.compare.rivals.result import FIRST_USER, GROUP, SHARE_FEN, InvalidRun, Measurement, Result

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]

POOLS: Final = {"many": 16, "hot": 4}  # on a hot envelope each further connection only waits for the lock
HOT_SHARES: Final = 500
SENDER: Final = 1
TABLES: Final = Path(__file__).with_name("sql_lock.sql")

LOCK: Final = "SELECT left_fen, left_shares FROM rival.envelopes WHERE envelope_id = $1 FOR UPDATE"
CLAIM: Final = """
    INSERT INTO rival.claims (envelope_id, user_id, amount_fen) VALUES ($1, $2, $3)
    ON CONFLICT (envelope_id, user_id) DO NOTHING RETURNING true
"""
TAKE: Final = """
    UPDATE rival.envelopes SET left_fen = left_fen - $2, left_shares = left_shares - 1 WHERE envelope_id = $1
"""
PAY: Final = "UPDATE rival.wallets SET balance_fen = balance_fen + $2 WHERE user_id = $1"
ORDER: Final = "INSERT INTO rival.orders (user_id, envelope_id, amount_fen) VALUES ($1, $2, $3)"
SEND: Final = """
    INSERT INTO rival.envelopes (envelope_id, sender_id, total_fen, shares, left_fen, left_shares)
    SELECT unnest($1::bigint[]), $2, $3, $4, $3, $4
"""
DIFFERENT_USERS: Final = """
    SELECT count(*)
    FROM (SELECT user_id, sum(amount_fen) FROM rival.claims GROUP BY 1) AS claimed (user_id, fen)
    FULL JOIN (SELECT user_id, sum(amount_fen) FROM rival.orders GROUP BY 1) AS ordered (user_id, fen)
        USING (user_id)
    FULL JOIN rival.wallets USING (user_id)
    WHERE claimed.fen IS DISTINCT FROM balance_fen OR ordered.fen IS DISTINCT FROM balance_fen
"""


async def open_share(connection: Connection, envelope_id: int, user_id: int) -> int | str:
    """One claim: the amount in fen, or the reason why there is none."""
    async with connection.transaction():
        row = await connection.fetchrow(LOCK, envelope_id)
        if row is None or not row["left_shares"]:
            return "gone"
        amount_fen = draw(row["left_fen"], row["left_shares"])
        if not await connection.fetchval(CLAIM, envelope_id, user_id, amount_fen):
            return "claimed"
        await connection.execute(TAKE, envelope_id, amount_fen)
        await connection.execute(PAY, user_id, amount_fen)
        await connection.execute(ORDER, user_id, envelope_id, amount_fen)
    return amount_fen


def draw(left_fen: int, left_shares: int) -> int:
    """Up to twice the mean; leaves at least one fen for each later user."""
    if left_shares == 1:
        return left_fen
    return random.randint(1, max(2 * left_fen // left_shares - 1, 1))


async def open_all(pool: Pool, measurement: Measurement, user_id: int, envelope_ids: Iterable[int]) -> None:
    """One user opens these, one after the other."""
    for envelope_id in envelope_ids:
        asked_s = time.perf_counter()
        async with pool.acquire() as connection:
            answer = await open_share(connection, envelope_id, user_id)
        measurement.latencies_s.append(time.perf_counter() - asked_s)
        measurement.add(envelope_id, user_id, answer)


async def run(dsn: str, hot: bool, callers: int, claims: int, pool: int | None = None) -> Result:
    """So many claims by so many users, rounded up to whole envelopes; `pool` None is the size in POOLS.

    `hot` has always 500 users. Raises InvalidRun, OSError.
    """
    load = "hot" if hot else "many"
    size = pool or POOLS[load]
    shares = HOT_SHARES if hot else GROUP
    groups = 1 if hot else -(-callers // GROUP)
    envelopes = range(1, groups * max(-(-claims // (groups * shares)), 1) + 1)
    users = [FIRST_USER + number for number in range(groups * shares)]
    try:
        async with asyncpg.create_pool(dsn, min_size=size, max_size=size, reset=_keep) as connections:
            await _check_settings(connections)
            await _prepare(connections, users, envelopes, shares)
            try:
                with Measurement() as measurement:
                    await (_hot if hot else _many)(connections, measurement, users, envelopes)
                await _prove(connections, measurement, len(envelopes), shares)
            finally:
                await connections.execute("DROP SCHEMA rival CASCADE")
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise InvalidRun(f"PostgreSQL: {error}") from error
    return measurement.result("sql-lock", len(users), 1, load=load, pool=size, synchronous_commit="on")


async def _many(pool: Pool, measurement: Measurement, users: list[int], envelopes: range) -> None:
    """Every user at their own pace. Neighbours in the queue for a connection are of different groups."""
    shuffle = random.Random(1)
    groups = len(users) // GROUP
    todo = [(user_id, list(envelopes[number // GROUP :: groups])) for number, user_id in enumerate(users)]
    for _, theirs in todo:
        shuffle.shuffle(theirs)
    shuffle.shuffle(todo)
    await asyncio.gather(*(open_all(pool, measurement, user_id, theirs) for user_id, theirs in todo))


async def _hot(pool: Pool, measurement: Measurement, users: list[int], envelopes: range) -> None:
    """All users at the same envelope; then the next one."""
    for envelope_id in envelopes:
        await asyncio.gather(*(open_all(pool, measurement, user_id, [envelope_id]) for user_id in users))


async def _keep(connection: object) -> None:
    """Nothing to reset: no statement changes the session."""


async def _check_settings(pool: Pool) -> None:
    for setting in ("fsync", "synchronous_commit"):
        if await pool.fetchval(f"SHOW {setting}") != "on":
            raise InvalidRun(f"PostgreSQL runs without {setting} = on: its answers would promise less")


async def _prepare(pool: Pool, users: list[int], envelopes: range, shares: int) -> None:
    """Fresh tables with a wallet for every user and all envelopes, analyzed for the planner."""
    await pool.execute(TABLES.read_text())
    await pool.execute("INSERT INTO rival.wallets SELECT unnest($1::bigint[]), 0", users)
    await pool.execute(SEND, list(envelopes), SENDER, shares * SHARE_FEN, shares)
    await pool.execute("ANALYZE rival.envelopes, rival.wallets")


async def _prove(pool: Pool, measurement: Measurement, envelopes: int, shares: int) -> None:
    """The claims are those that the users were told, and the other tables agree. Raises InvalidRun."""
    rows = await pool.fetch("SELECT envelope_id, user_id, amount_fen FROM rival.claims")
    result.prove(measurement.told, {(row[0], row[1]): row[2] for row in rows}, envelopes, shares)
    left = await pool.fetchval("SELECT sum(left_fen + left_shares) FROM rival.envelopes")
    different = await pool.fetchval(DIFFERENT_USERS)
    if left or different:
        raise InvalidRun(
            f"{left} fen and shares are left in envelopes, the books of {different} users do not agree"
        )


def main(*, dsn: str, hot: bool = False, callers: int = 200, claims: int = 10_000, pool: int | None = None) -> None:
    """Measure, and print the result as one line of JSON.

    So many claims by so many users, each with one claim in flight, rounded up to whole envelopes; `--hot`: one
    envelope of 500 shares for 500 users, again and again. The users share a pool of connections (default: the best
    size for the load). The schema `rival` of this PostgreSQL is created, and dropped at the end.
    """
    result.write(run(dsn, hot, callers, claims, pool))


if __name__ == "__main__":
    cyclopts.run(main)
