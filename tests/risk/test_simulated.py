"""Simulated programs and people: how many of each the default rules hit, judged from a real database.

People are modelled, not measured: each has a pace (the fast ones: 220 to 600 ms) that varies by a lognormal factor
(sigma 0.3 to 0.6), is never faster than 150 ms, and looks away now and then. Half of them never send.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final, TypeAlias

import asyncpg

from server.core.risk.rules import RuleBook
from server.services.risk.rule_files import rule_book
from storage.postgres.chat.grab_stats import GrabStatRow, GrabStatStore
from storage.postgres.database import Database
from storage.postgres.risk.risk import RiskStore

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SEED: Final = int(os.environ.get("HONGBAO_RISK_SEED", "20261129"))
PACKETS: Final = 30  # that each user has met
PEOPLE: Final = 4_000
PROGRAMS: Final = 100  # of each sort
GROUP: Final = 2**59
NOW_MS: Final = 1_800_000_000_000
FIRST_PACKET: Final = 2**60
PACKET: Final = """
INSERT INTO packets (packet_id, sender_id, key, kind, target_id, total_fen, shares, share_fen_min, share_fen_max,
                     greeting, seed, created_at_ms, expires_at_ms, version, claimed_fen, closed_at_ms)
VALUES ($1::bigint, $2, $1::text, 'lucky', $3, $4::bigint, $5::integer, 1, 100000,
        '', decode(repeat('00', 32), 'hex'), $6::bigint, $6 + 86400000, $5, $4, $6 + 86400000)
"""


def person(chance: random.Random) -> list[int]:
    """The reactions of a fast person, in ms."""
    pace, sigma = chance.uniform(220, 600), chance.uniform(0.3, 0.6)
    looks_away = [chance.uniform(2, 10) if chance.random() < 0.1 else 1 for _ in range(PACKETS)]
    return [max(150, round(pace * chance.lognormvariate(0, sigma) * away)) for away in looks_away]


def fast_program(chance: random.Random) -> list[int]:
    """As fast as it can, over a network that jitters."""
    delay, jitter = chance.uniform(15, 200), chance.uniform(3, 30)
    return [max(1, round(chance.gauss(delay, jitter))) for _ in range(PACKETS)]


def delayed_program(chance: random.Random) -> list[int]:
    """It waits as long as people do, up to a tenth more or less."""
    delay = chance.uniform(400, 3_000)
    return [round(delay * chance.uniform(0.9, 1.1) + chance.uniform(10, 40)) for _ in range(PACKETS)]


def hit_by(book: RuleBook, facts: dict[str, int]) -> str:
    """The first rule that hits; "" if none does."""
    return next(iter(book.decide(facts).hits), "")


async def judged(database: Database, users: list[int]) -> dict[int, dict[str, int]]:
    """The facts of users, read as the rounds read them."""
    store, found = RiskStore(database), dict[int, dict[str, int]]()
    for first in range(0, len(users), 500):
        found |= await store.facts(users[first : first + 500], NOW_MS)
    return found


async def meet(database: Database, sql: Sql, reactions: dict[int, list[int]], senders: set[int]) -> None:
    """Put users into a group, with their reactions; some have sent a packet once."""
    await sql.execute("INSERT INTO groups (group_id, name, owner_id, created_at_ms) VALUES ($1, 'g', 1, 1)", GROUP)
    users = list(reactions)
    await sql.execute("INSERT INTO users (user_id, known_at_ms) SELECT unnest($1::bigint[]), 1", users)
    await sql.execute(
        "INSERT INTO memberships (group_id, user_id, joined_at_ms) SELECT $1, unnest($2::bigint[]), 1", GROUP, users
    )
    rows = [GrabStatRow(GROUP, user, PACKETS, 3, int(user in senders), times) for user, times in reactions.items()]
    for first in range(0, len(rows), 1_000):
        await GrabStatStore(database).add(rows[first : first + 1_000], 31)
    await sql.execute(
        "INSERT INTO years (user_id, year, sent_count, sent_fen) SELECT unnest($1::bigint[]), 2026, 1, 100",
        list(senders),
    )


async def test_programs_are_found_within_30_packets_and_fast_people_are_left_alone(
    database: Database, sql: Sql
) -> None:
    print(f"\nseed {SEED} (HONGBAO_RISK_SEED)")
    chance = random.Random(SEED)
    people = {1_000 + place: person(chance) for place in range(PEOPLE)}
    fast = {100_000 + place: fast_program(chance) for place in range(PROGRAMS)}
    delayed = {200_000 + place: delayed_program(chance) for place in range(PROGRAMS)}
    await meet(database, sql, {**people, **fast, **delayed}, {user for user in people if user % 2})
    book = rule_book("")
    began_s = time.perf_counter()
    facts = await judged(database, [*people, *fast, *delayed])
    read_s, each_ns = time.perf_counter() - began_s, []
    for known in facts.values():
        began_ns = time.thread_time_ns()
        book.decide(known)
        each_ns.append(time.thread_time_ns() - began_ns)
    p50_us, p99_us = (sorted(each_ns)[len(each_ns) * part // 100] / 1_000 for part in (50, 99))
    print(f"a user: facts {1e6 * read_s / len(facts):.0f} us, decision p50 {p50_us:.0f} us, p99 {p99_us:.0f} us")
    for name, users in (("people", people), ("fast", fast), ("delayed", delayed)):
        hits = Counter(hit_by(book, facts[user]) for user in users)
        found = len(users) - hits[""]
        print(f"{name}: {found} of {len(users)} hit {dict(hits)}")
        assert found <= 0.001 * len(users) if users is people else found >= 0.95 * len(users)


def shares(chance: random.Random, total_fen: int, count: int) -> Iterator[int]:
    """Amounts of a lucky packet: each up to twice the average of what is left."""
    for left in range(count, 1, -1):
        amount_fen = chance.randint(1, max(1, 2 * total_fen // left - 1))
        yield amount_fen
        total_fen -= amount_fen
    yield total_fen


async def send(sql: Sql, packet_id: int, sender_id: int, openers: list[int], amounts: list[int]) -> None:
    """A packet of today that was opened and credited."""
    await sql.execute(PACKET, packet_id, sender_id, GROUP, sum(amounts), len(amounts), NOW_MS - 7_200_000)
    for place, (user_id, amount_fen) in enumerate(zip(openers, amounts, strict=True)):
        await sql.execute(
            "INSERT INTO claims (packet_id, index, user_id, amount_fen, at_ms) VALUES ($1, $2, $3, $4, $5)",
            packet_id,
            place,
            user_id,
            amount_fen,
            NOW_MS - 7_100_000,
        )
        await sql.execute(
            "INSERT INTO received (user_id, at_ms, packet_id) VALUES ($1, $2, $3)",
            user_id,
            NOW_MS - 7_100_000,
            packet_id,
        )


async def test_rings_and_users_of_one_card_are_found_and_a_group_of_friends_is_not(
    database: Database, sql: Sql
) -> None:
    print(f"\nseed {SEED} (HONGBAO_RISK_SEED)")
    chance, packet_id, user_id = random.Random(SEED), FIRST_PACKET, 1
    rings: list[int] = []
    for size in (2, 3, 4, 5) * 5:
        ring = list(range(user_id, user_id + size))
        user_id, rings = user_id + size, rings + ring
        for sender_id in ring * (PACKETS // size):
            packet_id += 1
            others = [one for one in ring if one != sender_id]
            await send(sql, packet_id, sender_id, others, list(shares(chance, 6_000, len(others))))
    friends = list(range(user_id, user_id + 60))  # one group: a few send, some others are faster each time
    for sender_id in chance.choices(friends[:20], k=PACKETS):
        packet_id += 1
        openers = chance.sample([one for one in friends if one != sender_id], 8)
        await send(sql, packet_id, sender_id, openers, list(shares(chance, 6_000, 8)))
    farms = list(range(user_id + 100, user_id + 140))
    for place, one in enumerate(farms):  # four users a card
        await sql.execute(
            "INSERT INTO cards (card_id, user_id, gateway, card_ref, bank, last4, key_id, bound_at_ms) "
            "VALUES ($1, $2, 'bank', $3, 'b', '1234', 'k', 1)",
            FIRST_PACKET + place,
            one,
            f"card {place // 4}",
        )
    everybody = [*rings, *friends, *farms]
    await sql.execute("INSERT INTO users (user_id, known_at_ms) SELECT unnest($1::bigint[]), 1", everybody)
    book, facts = rule_book(""), await judged(database, everybody)
    for name, users, rule in (("rings", rings, "ring"), ("farms", farms, "shared-card"), ("friends", friends, "")):
        hits = Counter(hit_by(book, facts[user]) for user in users)
        print(f"{name}: {dict(hits)} of {len(users)}")
        assert hits[rule] >= 0.95 * len(users)
    assert Counter(hit_by(book, facts[user]) for user in friends) == {"": len(friends)}


async def test_circles_and_users_of_one_device_are_found_and_friends_and_families_are_not(
    database: Database, sql: Sql
) -> None:
    print(f"\nseed {SEED} (HONGBAO_RISK_SEED)")
    chance, packet_id, user_id = random.Random(SEED), FIRST_PACKET, 1
    circles: list[int] = []
    for size in (3, 4, 5, 6) * 5:  # each sends to the next one alone
        circle = list(range(user_id, user_id + size))
        user_id, circles = user_id + size, circles + circle
        for turn in range(PACKETS):
            packet_id += 1
            sender = turn % size
            await send(
                sql, packet_id, circle[sender], [circle[(sender + 1) % size]], [chance.randint(2_000, 3_000)]
            )
    friends = list(range(user_id, user_id + 60))  # one group: all send now and then, some are faster each time
    for sender_id in chance.choices(friends, k=10 * PACKETS):
        packet_id += 1
        openers = chance.sample([one for one in friends if one != sender_id], 8)
        await send(sql, packet_id, sender_id, openers, list(shares(chance, 6_000, 8)))
    farms = list(range(user_id + 100, user_id + 140))  # four users a device
    families = list(range(user_id + 200, user_id + 240))  # two users of one phone, all behind one address
    marks = [(1, f"farm {place // 4}", one) for place, one in enumerate(farms)]
    marks += [(1, f"phone {place // 2}", one) for place, one in enumerate(families)]
    marks += [(2, "a street", one) for one in (*friends, *families)]
    await sql.executemany(f"INSERT INTO risk_marks VALUES ($1, $2, $3, {NOW_MS - 1})", marks)
    everybody = [*circles, *friends, *farms, *families]
    await sql.execute("INSERT INTO users (user_id, known_at_ms) SELECT unnest($1::bigint[]), 1", everybody)
    began_s = time.perf_counter()
    facts = await judged(database, everybody)
    print(f"a user: facts {1e6 * (time.perf_counter() - began_s) / len(facts):.0f} us")
    book = rule_book("")
    for name, users, rule in (("circles", circles, "circle"), ("farms", farms, "shared-device")):
        hits = Counter(name for user in users for name in book.decide(facts[user]).hits)
        print(f"{name}: {dict(hits)} of {len(users)}")
        assert hits[rule] >= 0.95 * len(users)
    assert Counter(hit_by(book, facts[user]) for user in (*friends, *families)) == {"": 100}


async def test_rings_and_circles_by_transfers_are_found_and_friends_who_share_bills_are_not(
    database: Database, sql: Sql
) -> None:
    print(f"\nseed {SEED} (HONGBAO_RISK_SEED)")
    chance, user_id, orders = random.Random(SEED), 1, []
    rings: list[int] = []
    circles: list[int] = []
    for place, size in enumerate((2, 3, 4, 5, 3, 4, 5, 6) * 5):
        users = list(range(user_id, user_id + size))
        user_id += size
        (rings if place % 8 < 4 else circles).extend(users)
        for turn in range(PACKETS * (size - 1)):
            giver = turn % size
            step = 1 if place % 8 >= 4 else 1 + turn // size % (size - 1)  # a circle has one direction
            orders.append((users[giver], users[(giver + step) % size], chance.randint(2_000, 3_000)))
    friends = list(range(user_id, user_id + 200))
    for _ in range(100):  # one has paid for some, who pay their parts back
        payer, *others = chance.sample(friends, chance.randint(3, 9))
        orders += [(other, payer, chance.randint(2_000, 8_000)) for other in others]
    rows = [(giver, f"{place}", receiver, fen) for place, (giver, receiver, fen) in enumerate(orders)]
    await sql.executemany(f"INSERT INTO wallet_orders VALUES ($1, 13, $2, $3, $4, '', {NOW_MS - 7_200_000})", rows)
    everybody = [*rings, *circles, *friends]
    await sql.execute("INSERT INTO users (user_id, known_at_ms) SELECT unnest($1::bigint[]), 1", everybody)
    book, facts = rule_book(""), await judged(database, everybody)
    for name, users, rule in (("rings", rings, "ring"), ("circles", circles, "circle")):
        hits = Counter(name for user in users for name in book.decide(facts[user]).hits)
        print(f"{name}: {dict(hits)} of {len(users)}")
        assert hits[rule] >= 0.95 * len(users)
    assert Counter(hit_by(book, facts[user]) for user in friends) == {"": len(friends)}
