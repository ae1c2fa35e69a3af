"""An older version was killed with packets in flight; the current version continues, and no fen is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from redis import asyncio as aioredis

from client_sim.sdk import Verdict, fairness
from client_sim.sdk.client import Client
from client_sim.sdk.errors import NameTaken, NotAMember
from server.core.ids import BACKEND
from server.services.money.audit import audit
from storage.postgres import migrate
from storage.postgres.database import Database
from tests.conftest import SEED_KEYS, Connect, Server, StartServer, TurnedClock
from tests.services.conftest import until
from tests.upgrades.conftest import NewDatabase

HERE = Path(__file__).parent  # make_dump.py made the files in it
NEW_YEAR_MS = 1_767_196_800_000  # 2026 begins in Beijing
SOON_AFTER_MS = NEW_YEAR_MS + 7_210_000
DAY_MS = 86_400_000
PUT_IN_FEN, TAKEN_OUT_FEN = 800_000, 500
USERS = range(1, 9)
OLD_MESSAGES = range(1, 11)  # of the group in the older version


class Dump(NamedTuple):
    """The books of an older version: its newest migration, and the shares of each packet."""

    name: str
    shares_fen: dict[str, tuple[int, ...]]
    luckiest: int  # the user with the best luck of the packet that was finished and settled


DUMPS = {
    "0001": Dump(
        "0001",
        {
            "waiting": (304, 96, 200),
            "refunded": (365, 234, 263, 38),
            "half waiting": (270, 203, 193),
            "expires": (329, 6, 144, 321),
            "half": (492, 668, 160, 299, 381),
            "mirror": (21, 153, 362, 276, 688),
        },
        luckiest=2,
    ),
    "0004": Dump(
        "0004",
        {
            "waiting": (46, 403, 151),
            "refunded": (206, 460, 72, 162),
            "half waiting": (205, 454, 7),
            "expires": (217, 210, 239, 134),
            "half": (709, 617, 375, 136, 163),
            "mirror": (134, 101, 539, 37, 689),
        },
        luckiest=3,
    ),
}

# user, year: packets sent, fen sent, packets received, best lucks, once all packets are over
YEARS = {
    (1, 2025): (2, 1_300, 0, 0),
    (1, 2026): (4, 4_077, 0, 0),  # open, personal open, waiting, mirror
    (2, 2025): (1, 200, 3, None),
    (2, 2026): (0, 0, 4, None),
    (3, 2025): (1, 900, 3, None),
    (3, 2026): (0, 0, 4, None),
    (4, 2025): (1, 800, 1, 0),
    (4, 2026): (0, 0, 4, None),
    (5, 2025): (0, 0, 1, 0),
    (5, 2026): (1, 2_000, 5, None),
    (6, 2025): (0, 0, 1, 0),
    (6, 2026): (1, 150, 1, None),
    (7, 2026): (1, 666, 2, 0),
}


class World(NamedTuple):
    """The current server on the books of an older version."""

    dump: Dump
    server: Server
    users: dict[int, Client]
    packets: dict[str, int]  # by the name of their state in the dump
    sql: asyncpg.Connection[asyncpg.Record]
    database: Database
    clock: TurnedClock

    def share(self, name: str, index: int) -> int:
        """The amount of a share of a packet, in fen."""
        return self.dump.shares_fen[name][index]

    async def open(self, user_id: int, name: str) -> tuple[str, int, int]:
        """Answer, index and amount."""
        opened = await self.users[user_id].open(self.packets[name])
        return opened.answer, opened.index, opened.amount_fen


DURABILITIES = ("postgres", "postgres, Redis lost", "redis")


@pytest.fixture(params=[f"{dump} {durability}" for dump in DUMPS for durability in DURABILITIES])
async def world(
    request: pytest.FixtureRequest,
    new_database: NewDatabase,
    redis: aioredis.Redis,
    server_clock: TurnedClock,
    start_server: StartServer,
    connect: Connect,
) -> AsyncIterator[World]:
    """Each dump with each durability, and with a Redis that has lost its data."""
    name, _, how = request.param.partition(" ")
    durability, _, lost = how.partition(",")
    dsn = await new_database()
    sql = await asyncpg.connect(dsn)
    await sql.execute((HERE / f"{name}.sql").read_text("utf-8"))
    await sql.execute("SET search_path TO public")  # the dump clears it
    if name != "0001":  # which has no names
        await sql.execute("INSERT INTO users VALUES (2, 'Lin'), (3, 'LIN'), (99, 'never here')")
    if not lost:
        for key, log in json.loads((HERE / f"{name}.json").read_text("utf-8")).items():
            await redis.set(key, bytes.fromhex(log))
    server_clock.stopped_ms = SOON_AFTER_MS
    server = await start_server(stores__postgres=dsn, stores__durability=durability)
    users = {user_id: await connect(server, user_id) for user_id in USERS}
    packets = {row["greeting"]: row["packet_id"] for row in await sql.fetch("SELECT * FROM packets")}
    database = Database(dsn, pool_max=1, timeout_s=10)
    await database.open()
    yield World(DUMPS[name], server, users, packets, sql, database, server_clock)
    await database.close()
    await server.stop()
    await sql.close()


async def test_users_continue_after_the_upgrade(
    world: World, request: pytest.FixtureRequest, connect: Connect
) -> None:
    lost = "lost" in request.node.name
    assert await world.sql.fetchval("SELECT max(number) FROM migrations") == len(list(migrate.FOLDER.glob("*.sql")))
    await check_people(world)
    await check_earlier_answers(world)
    await check_packets_in_flight(world)
    await check_claims_of_the_mirror(world, lost)
    await check_all_packets_end(world)
    await check_books(world)
    await check_proofs_of_old_and_new_packets(world)
    await check_new_ids_and_entries(world)
    await check_old_group(world, await connect(world.server, BACKEND))


async def check_people(world: World) -> None:
    """Users of the older version are known and keep their names; a name that two of them have is that of one."""
    ann, ben = world.users[2], world.users[3]
    known = {row["user_id"] for row in await world.sql.fetch("SELECT user_id FROM users")}
    if world.dump.name == "0001":
        assert known == {*USERS}
        await ann.set_name("Lin")
    else:
        assert known == {*USERS, 99}
        assert (await ann.names([2, 3])).names == ["Lin", "LIN"]
    with pytest.raises(NameTaken):
        await ben.set_name("lin")
    await ann.set_name("lin")


async def check_earlier_answers(world: World) -> None:
    assert await world.open(2, "half") == ("claimed", 0, world.share("half", 0))
    assert await world.open(3, "expires") == ("claimed", 1, world.share("expires", 1))
    assert await world.open(7, "waiting") == ("claimed", 2, world.share("waiting", 2))
    assert await world.open(2, "refunded") == ("claimed", 0, world.share("refunded", 0))
    assert (await world.open(4, "waiting"))[0] == "gone"
    assert (await world.open(4, "refunded"))[0] == "expired"
    assert (await world.open(8, "open"))[0] == "not_allowed"
    # the same key is the same packet, also across versions
    group_id = await world.sql.fetchval("SELECT group_id FROM groups")
    sent = await world.users[1].send_packet("lucky", group_id, 1_200, 4, "open", key="key of open")
    assert sent.packet_id == world.packets["open"]


async def check_packets_in_flight(world: World) -> None:
    opened = await asyncio.gather(*(world.open(user_id, "open") for user_id in (2, 3, 4, 5)))
    assert sorted(index for _, index, _ in opened) == [0, 1, 2, 3]
    assert sum(fen for _, _, fen in opened) == 1_200
    assert (await world.open(6, "open"))[0] == "gone"
    assert (await world.open(4, "half"))[:2] == ("won", 2)
    assert await world.open(5, "equal half") == ("won", 1, 50)
    assert await world.open(7, "personal open") == ("won", 0, 777)
    assert await world.open(3, "half waiting") == ("won", 2, world.share("half waiting", 2))


async def check_claims_of_the_mirror(world: World, lost: bool) -> None:
    """Two claims were acknowledged with durability `redis` and not recorded. The mirror keeps them.

    Without it their shares are open again: other users may get them, with the same amounts.
    """
    assert await world.open(2, "mirror") == ("claimed", 0, world.share("mirror", 0))
    assert await world.open(3, "mirror") == ("won" if lost else "claimed", 1, world.share("mirror", 1))
    assert await world.open(4, "mirror") == ("won" if lost else "claimed", 2, world.share("mirror", 2))
    assert (await world.open(5, "mirror"))[:2] == ("won", 3)


async def check_all_packets_end(world: World) -> None:
    """A day later all remaining amounts are refunded, and all shares are credited."""
    world.clock.ahead_ms += DAY_MS
    waits = ("packets WHERE closed_at_ms IS NULL", "settlement_queue", "outbox")
    nothing = " AND ".join(f"NOT EXISTS (SELECT FROM {what})" for what in waits)
    await until(lambda: world.sql.fetchval(f"SELECT {nothing}"))
    refunded = {
        row["greeting"]: row["refunded_fen"]
        for row in await world.sql.fetch("SELECT greeting, refunded_fen FROM packets WHERE refunded_fen > 0")
    }
    assert refunded.keys() == {"refunded", "expires", "half", "equal half", "mirror"}
    assert (refunded["refunded"], refunded["expires"], refunded["equal half"]) == (
        900 - world.share("refunded", 0),
        sum(world.dump.shares_fen["expires"][2:]),
        50,
    )


async def check_new_ids_and_entries(world: World) -> None:
    """Ids, entries and posts begin where the older version stopped."""
    first_id = await world.sql.fetchval("SELECT value FROM facts WHERE name = 'first_id'")
    assert max(world.packets.values()) < first_id
    group_id = await world.sql.fetchval("SELECT group_id FROM groups")
    sent = await world.users[2].send_packet("lucky", group_id, 100, 2, "new")
    assert sent.packet_id >= first_id
    opening = await world.sql.fetch("SELECT user_id, version FROM entries WHERE kind = 0 ORDER BY user_id")
    assert [row["user_id"] for row in opening] == list(USERS)
    page = await world.users[2].entries()
    first = opening[1]["version"] + 1
    assert [one.version for one in page.entries] == list(range(first, first + len(page.entries)))


async def check_old_group(world: World, backend: Client) -> None:
    """A group of the older version keeps its members and their history, and gets an invite code and versions."""
    group_id, owner_id = await world.sql.fetchrow("SELECT group_id, owner_id FROM groups")
    recorded = await world.sql.fetch("SELECT user_id FROM memberships WHERE left_at_ms IS NULL ORDER BY user_id")
    members, stranger = [row["user_id"] for row in recorded], world.users[8]
    owner = world.users[owner_id]
    assert 8 not in members
    assert await owner.members(group_id) == members
    history = await owner.catch_up(group_id, 0)
    assert [post.message for post in history][: len(OLD_MESSAGES)] == [*OLD_MESSAGES]
    with pytest.raises(NotAMember):
        await stranger.members(group_id)
    await stranger.join_group(invite=await owner.invite(group_id))
    assert await stranger.catch_up(group_id, 0) == []  # what was written before their joining is not theirs
    synced = await backend.sync_members(group_id, 1, members)
    assert (synced.joined, synced.left, synced.members) == (0, 1, len(members))
    with pytest.raises(NotAMember):
        await stranger.members(group_id)


async def check_proofs_of_old_and_new_packets(world: World) -> None:
    """Packets of the older version keep their seed and its formula; new ones use seeds that were told before."""
    rows = await world.sql.fetch("SELECT packet_id, sender_id, seed FROM packets WHERE kind = 'lucky'")
    for row in rows:
        proof = await world.users[row["sender_id"]].reveal(row["packet_id"])
        assert (proof.seed_index, proof.seed, fairness.faults(proof)) == (-1, row["seed"], [])
    told = await world.users[3].seed_trees()
    group_id = await world.sql.fetchval("SELECT group_id FROM groups")
    sent = await world.users[3].send_packet("lucky", group_id, 100, 1, "committed")
    assert sent.seed_index == told.next_index
    await world.users[2].open(sent.packet_id)
    await until(lambda: world.sql.fetchval("SELECT NOT EXISTS (SELECT FROM packets WHERE closed_at_ms IS NULL)"))
    assert await world.users[3].verify(sent.packet_id) == Verdict([], [])


async def check_books(world: World) -> None:
    found = await audit(world.database, SEED_KEYS)
    assert [line for finding in found.findings for line in finding.discrepancies] == []
    assert (found.sums.put_in_fen, found.sums.taken_out_fen) == (PUT_IN_FEN, TAKEN_OUT_FEN)
    assert found.sums.wallets_fen == PUT_IN_FEN - TAKEN_OUT_FEN
    rows = await world.sql.fetch("SELECT * FROM years")
    found_years = {(row["user_id"], row["year"]): row for row in rows}
    assert found_years.keys() == YEARS.keys()
    for user_and_year, (sent, sent_fen, received, best_lucks) in YEARS.items():
        row = found_years[user_and_year]
        assert (row["sent_count"], row["sent_fen"], row["received_count"]) == (sent, sent_fen, received), (
            user_and_year
        )
        assert best_lucks in (None, row["best_lucks"]), user_and_year
    lucky_2025 = {row["user_id"]: row["best_lucks"] for row in rows if row["year"] == 2025 and row["best_lucks"]}
    assert lucky_2025 == {world.dump.luckiest: 1}
    # open, waiting, half waiting
    assert sum(row["best_lucks"] for row in rows if row["year"] == 2026) == 3
