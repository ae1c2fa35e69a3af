"""The rival with books: one transaction per claim on PostgreSQL that locks the row of the envelope.

BEGIN; lock the envelope and see what is left; note the claim, unless the user has one; take the share out of the
envelope; put it into the wallet; write an order; COMMIT. That is the shape of the most complete open-source
red-packet module that was found (Go and PostgreSQL), with its defects mended: a key stops a user from opening
twice, what is drawn leaves one fen for everybody else, and whoever comes second waits for the lock instead of being
told to try again. It is as fast as that shape can be made: statements are prepared once per connection, the insert
itself sees whether the user has claimed already, a pooled connection is not reset between two users, and no index
is there that nothing needs. PostgreSQL must run with fsync and synchronous_commit on, as for our tier `postgres`.

By its nature it
* waits for the disk once per claim, and on one hot envelope once after the other: the lock is held during four
  round trips and the commit;
* answers a retry with "claimed already" and not with what was won;
* draws amounts that nobody can verify afterwards.
This one knows no refunds, no groups and no right to open, and there is no HTTP in front of it: it is the database's
share of the work alone, which a whole application cannot exceed.

Two loads. `many` is that of our scenario `opens`: users in groups of 20, envelopes of 20 shares, each user opens
each envelope of their group, but each in an order of their own, so that no group queues up at one lock. `hot` is
one envelope of 500 shares that 500 users open at once, again and again. All wait for a connection of a pool, as the
requests of a web application do; latency counts from the moment they ask for one.

POOLS has the sizes that suit it. On two cores, in claims per second over 4, 8, 16 and 32 connections (medians of
three short runs): many 3,157, 3,649, 3,300, 3,624, hot 1,338, 1,282, 1,186, 1,068. So `many` is flat from 8 on (16
was ahead when the machine had other work); `hot` loses with every connection more that waits for the lock, and two
connections gained too little (1,443) to be called what a team would choose.

`python -m bench.compare.rivals.sql_lock --dsn postgresql:///app [--hot]` prints the result as one line of JSON.
"""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg
import cyclopts

from bench.compare.rivals import result
from bench.compare.rivals.result import FIRST_USER, GROUP, SHARE_FEN, Clock, Result, Void

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]

POOLS: Final = {"many": 16, "hot": 4}  # on a hot envelope each connection more is one more that waits for the lock
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


async def open_share(connection: Connection, envelope_id: int, user_id: int) -> int | str:
    """One claim: the amount in fen, or why there is none."""
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
    """Up to twice the mean; whoever comes after gets one fen at least."""
    if left_shares == 1:
        return left_fen
    return random.randint(1, max(2 * left_fen // left_shares - 1, 1))


class Crowd:
    """The users who call, what they were told, and how long each call took."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.told: dict[tuple[int, int], int] = {}
        self.answers: Counter[str] = Counter()
        self.latencies_s = array("d")

    async def open_all(self, user_id: int, envelope_ids: list[int]) -> None:
        """One user opens these, one after the other."""
        for envelope_id in envelope_ids:
            asked_s = time.perf_counter()
            async with self._pool.acquire() as connection:
                answer = await open_share(connection, envelope_id, user_id)
            self.latencies_s.append(time.perf_counter() - asked_s)
            if isinstance(answer, int):
                self.told[envelope_id, user_id] = answer
                answer = "won"
            self.answers[answer] += 1


async def run(dsn: str, hot: bool, callers: int, claims: int, pool: int | None = None) -> Result:
    """So many claims by so many callers, rounded up to whole envelopes, over that of POOLS or so many connections.

    `hot` takes 500 callers. Raises Void, OSError.
    """
    load = "hot" if hot else "many"
    size = pool or POOLS[load]
    shares = HOT_SHARES if hot else GROUP
    groups = 1 if hot else -(-callers // GROUP)
    envelopes = range(1, groups * max(-(-claims // (groups * shares)), 1) + 1)
    users = [FIRST_USER + number for number in range(groups * shares)]
    try:
        async with asyncpg.create_pool(dsn, min_size=size, max_size=size, reset=_keep) as connections:
            await _refuse_unlike_ours(connections)
            await _make(connections, users, envelopes, shares)
            try:
                crowd = Crowd(connections)
                with Clock() as clock:
                    await (_hot if hot else _many)(crowd, users, envelopes)
                await _prove(connections, crowd, len(envelopes), shares)
            finally:
                await connections.execute("DROP SCHEMA rival CASCADE")
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Void(f"PostgreSQL: {error}") from error
    how: dict[str, int | str] = {"load": load, "pool": size, "synchronous_commit": "on"}
    return result.result("sql-lock", len(users), 1, clock, crowd.latencies_s, crowd.answers, how)


async def _many(crowd: Crowd, users: list[int], envelopes: range) -> None:
    """Everybody at their own pace. Neighbours in the queue for a connection are not of one group."""
    shuffle = random.Random(1)
    groups = len(users) // GROUP
    todo = [(user_id, list(envelopes[number // GROUP :: groups])) for number, user_id in enumerate(users)]
    for _, theirs in todo:
        shuffle.shuffle(theirs)
    shuffle.shuffle(todo)
    await asyncio.gather(*(crowd.open_all(user_id, theirs) for user_id, theirs in todo))


async def _hot(crowd: Crowd, users: list[int], envelopes: range) -> None:
    """All at the same envelope; the next one when it is empty."""
    for envelope_id in envelopes:
        await asyncio.gather(*(crowd.open_all(user_id, [envelope_id]) for user_id in users))


async def _keep(connection: object) -> None:
    """Nothing to reset: no statement leaves anything behind in a session."""


async def _refuse_unlike_ours(pool: Pool) -> None:
    for setting in ("fsync", "synchronous_commit"):
        if await pool.fetchval(f"SHOW {setting}") != "on":
            raise Void(f"PostgreSQL runs without {setting} = on: its answers would promise less")


async def _make(pool: Pool, users: list[int], envelopes: range, shares: int) -> None:
    """Fresh tables with a wallet for every user and all envelopes, known to the planner."""
    await pool.execute(TABLES.read_text())
    await pool.execute("INSERT INTO rival.wallets SELECT unnest($1::bigint[]), 0", users)
    await pool.execute(
        """
        INSERT INTO rival.envelopes (envelope_id, sender_id, total_fen, shares, left_fen, left_shares)
        SELECT unnest($1::bigint[]), $2, $3, $4, $3, $4
        """,
        list(envelopes),
        SENDER,
        shares * SHARE_FEN,
        shares,
    )
    await pool.execute("ANALYZE rival.envelopes, rival.wallets")


async def _prove(pool: Pool, crowd: Crowd, envelopes: int, shares: int) -> None:
    """The claims are what the users were told, and the other tables say the same. Raises Void."""
    rows = await pool.fetch("SELECT envelope_id, user_id, amount_fen FROM rival.claims")
    result.prove(crowd.told, {(row[0], row[1]): row[2] for row in rows}, envelopes, shares)
    left = await pool.fetchval("SELECT sum(left_fen + left_shares) FROM rival.envelopes")
    differ = await pool.fetchval(
        """
        SELECT count(*)
        FROM (SELECT user_id, sum(amount_fen) FROM rival.claims GROUP BY 1) AS claimed (user_id, fen)
        FULL JOIN (SELECT user_id, sum(amount_fen) FROM rival.orders GROUP BY 1) AS ordered (user_id, fen)
            USING (user_id)
        FULL JOIN rival.wallets USING (user_id)
        WHERE claimed.fen IS DISTINCT FROM balance_fen OR ordered.fen IS DISTINCT FROM balance_fen
        """
    )
    if left or differ:
        raise Void(f"{left} fen and shares are left in envelopes, the books of {differ} users do not agree")


def main(*, dsn: str, hot: bool = False, callers: int = 200, claims: int = 10_000, pool: int | None = None) -> None:
    """Measure, and print the result as one line of JSON.

    Parameters
    ----------
    dsn
        a PostgreSQL; the schema `rival` in it is made anew and dropped at the end
    hot
        one envelope of 500 shares for 500 users, again and again
    callers
        users who call at once; each has one claim under way
    claims
        how many in all; rounded up to whole envelopes
    pool
        connections that the callers share (default: what suits the load best)
    """
    result.tell(run(dsn, hot, callers, claims, pool))


if __name__ == "__main__":
    cyclopts.run(main)
