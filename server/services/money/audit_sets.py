"""The audit of several sets of PostgreSQL: each by itself, then what crosses from one to another.

There is no snapshot of one moment in all sets. So there are two rounds of snapshots, the second begun after the
first has ended, and each check asks the second round for what must stand there because of what stood in the first:
a claim that has left its queue is credited, a credit has its claim. What begins in between, the next audit sees.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

from server.core.ids import is_user, set_of
from server.core.kinds import TO_INVITED, TO_USER, PacketKind
from server.services.money.audit import FEN, Report, audit, joined, with_findings
from server.services.money.audit_payments_of_sets import (
    NamedByPayments,
    check_cards,
    check_citations,
    check_payers,
    named_by_payments,
)
from server.services.money.seed_audit import Finding
from storage.postgres import facts
from storage.postgres.database import Database
from storage.postgres.sets.audit import (
    ClaimInGroups,
    CreditedShare,
    HandedOver,
    LateOrder,
    LateRow,
    OrderBetween,
    SetSnapshot,
    ToldElsewhere,
)
from storage.postgres.sets.outbox import SetTopic
from storage.postgres.sets.places import HOME

CHECKS: Final = {
    "handed over": "every claim that left its queue for another set is credited there, with its amount",
    "credits": "every credit for a packet of another set has its claim there, and is the only one",
    "told": "what a set has to tell another one is told there once, or waits for less than a minute",
    "orders": "what transfers and corrections take to another set has left one and come to the other, once",
    "members": "only members, or users of a group without a list, opened packets of other sets",
    "places": "every wallet, and every payment, is in the set of its user",
    "cards": "every payment names a card of its user, at its gateway",
    "citations": "every correction moves what its break allows, in whichever set that is",
}


NAMES: Final = {
    SetTopic.SENT: "announcement",
    SetTopic.FINISH: "finish",
    SetTopic.BEST_LUCK: "best luck",
    SetTopic.WORDS: "text with its words",
    SetTopic.TURN: "turn",
}


class FirstRound(NamedTuple):
    """What stood in the sets in the first round, by their numbers."""

    handed_over: Mapping[int, list[HandedOver]]
    credits: Mapping[int, list[CreditedShare]]
    claims: Mapping[int, list[ClaimInGroups]]
    due: Mapping[int, set[ToldElsewhere]]
    late: Mapping[int, list[LateRow]]
    sent: Mapping[int, list[OrderBetween]]
    come: Mapping[int, list[OrderBetween]]
    late_orders: Mapping[int, list[LateOrder]]
    wallets: Mapping[int, list[int]]
    payments: Mapping[int, NamedByPayments]


async def audit_sets(databases: Sequence[Database], seed_keys: Mapping[str, bytes], smallest: str = FEN) -> Report:
    """Check everything. Raises StoreUnavailable. For one database it is `audit`."""
    if len(databases) == 1:
        return await audit(databases[HOME], seed_keys, smallest)
    first_id = await facts.first_id(databases[HOME])
    first = await _first_round(databases, first_id)
    report = joined([await audit(one, seed_keys, smallest, is_alone=False) for one in databases])
    async with _snapshots(databases) as second:
        found = {
            "handed over": await _check_handed_over(first, second),
            "credits": await _check_credits(first, second, first_id),
            "told": await _check_told(first, second),
            "orders": await _check_orders(first, second),
            "members": await _check_members(first, second[HOME]),
            "places": await _check_places(first, second[HOME]) + await check_payers(first.payments, second[HOME]),
            "cards": await check_cards(first.payments, second[HOME]),
            "citations": await check_citations(first.payments, second),
        }
    return with_findings(report, [Finding(name, CHECKS[name], lines) for name, lines in found.items()], smallest)


async def audit_sets_at(
    dsns: Sequence[str], timeout_s: float, seed_keys: Mapping[str, bytes], smallest: str = FEN
) -> Report:
    """Audit the sets at these addresses, also standbys. Raises StoreUnavailable, StoreRefused."""
    databases = [Database(dsn, pool_max=1, timeout_s=timeout_s, writes=False) for dsn in dsns]
    try:
        for database in databases:
            await database.open()
        return await audit_sets(databases, seed_keys, smallest)
    finally:
        for database in databases:
            await database.close()


@asynccontextmanager
async def _snapshots(databases: Sequence[Database]) -> AsyncIterator[list[SetSnapshot]]:
    async with AsyncExitStack() as stack:
        yield [
            SetSnapshot(number, await stack.enter_async_context(database.snapshot()))
            for number, database in enumerate(databases)
        ]


async def _first_round(databases: Sequence[Database], first_id: int) -> FirstRound:
    async with _snapshots(databases) as sets:
        return FirstRound(
            {one.number: await one.handed_over() for one in sets},
            {one.number: await one.credited_for_others(first_id) for one in sets},
            {
                one.number: await one.claims_in_groups((*TO_USER, *TO_INVITED, PacketKind.SHAKE))
                for one in sets
                if one.number != HOME
            },
            {one.number: await one.due_elsewhere() - await one.waiting() for one in sets},
            {one.number: await one.late() for one in sets},
            {one.number: await one.orders_sent() for one in sets},
            {one.number: await one.orders_come() for one in sets},
            {one.number: await one.late_orders() for one in sets},
            {one.number: await one.wallets() for one in sets},
            {one.number: await named_by_payments(one, first_id) for one in sets},
        )


async def _check_handed_over(first: FirstRound, second: Sequence[SetSnapshot]) -> list[str]:
    lines = []
    for number, rows in first.handed_over.items():
        for to_set in {row.to_set for row in rows}:
            asked = [row for row in rows if row.to_set == to_set]
            pairs = [(row.packet_id, row.user_id) for row in asked]
            credits = await second[to_set].credits_of(pairs) if to_set < len(second) else {}
            lines += [
                f"packet {row.packet_id} of set {number}, user {row.user_id}: {row.amount_fen} ¤ were handed over "
                f"to set {to_set}, credited there are {credits.get((row.packet_id, row.user_id), 0)}"
                for row in asked
                if credits.get((row.packet_id, row.user_id)) != row.amount_fen
            ]
    return lines


async def _check_credits(first: FirstRound, second: Sequence[SetSnapshot], first_id: int) -> list[str]:
    lines: list[str] = []
    credited_in: dict[tuple[int, int], int] = {}
    for number, rows in first.credits.items():
        for row in rows:
            before = credited_in.setdefault((row.packet_id, row.user_id), number)
            if before != number:
                lines.append(
                    f"packet {row.packet_id}, user {row.user_id}: credited in set {before} and in set {number}"
                )
        for home in {set_of(row.packet_id, first_id) for row in rows}:
            asked = [row for row in rows if set_of(row.packet_id, first_id) == home]
            lines += await _without_claim(number, asked, second[home] if home < len(second) else None)
    return lines


async def _without_claim(number: int, rows: Sequence[CreditedShare], packets: SetSnapshot | None) -> list[str]:
    """Credits of a set for packets of another one that has no such claim, or has credited it, too."""
    pairs = [(row.packet_id, row.user_id) for row in rows]
    claims = await packets.claims_of(pairs) if packets is not None else {}
    twice = await packets.credits_of(pairs) if packets is not None else {}
    lines = [
        f"packet {row.packet_id}, user {row.user_id}: {row.amount_fen} ¤ are credited in set {number}, "
        f"claimed are {claims.get((row.packet_id, row.user_id), 0)}"
        for row in rows
        if claims.get((row.packet_id, row.user_id)) != row.amount_fen
    ]
    return lines + [
        f"packet {packet_id}, user {user_id}: credited in the set of the packet and in set {number}"
        for packet_id, user_id in twice
    ]


async def _check_told(first: FirstRound, second: Sequence[SetSnapshot]) -> list[str]:
    home = second[HOME]
    users = {one.stream_id for due in first.due.values() for one in due if _is_to_user(one)}
    places = await home.sets_of_users(users)
    lines = []
    for number, everything in first.due.items():
        here = {one for one in everything if _is_post_of_user(one) and places.get(one.stream_id, HOME) == number}
        due = everything - here  # a post in a stream of the same set is no message between sets
        to_users = {one for one in due if _is_to_user(one)}
        told = await home.told(due - to_users)
        for place in second:
            told |= await place.told({one for one in to_users if places.get(one.stream_id, HOME) == place.number})
        lines += [
            f"packet {one.packet_id} of set {number}: its {_name(one.topic)} was not told in {one.stream_id}"
            for one in sorted(due - told)
        ]
    return lines + [
        f"packet {row.packet_id} of set {number}: its {_name(row.topic)} waits for {row.age_s} s to be told in "
        f"{row.stream_id}"
        for number, rows in first.late.items()
        for row in rows
    ]


def _is_post_of_user(one: ToldElsewhere) -> bool:
    return one.topic == SetTopic.SENT and is_user(one.stream_id)


def _is_to_user(one: ToldElsewhere) -> bool:
    """It is told in the set of the user that it names; all else in set 0."""
    return one.topic == SetTopic.BEST_LUCK or _is_post_of_user(one)


async def _check_orders(first: FirstRound, second: Sequence[SetSnapshot]) -> list[str]:
    lines = [
        f"{_named(row.key)} in set {number} waits for {row.age_s} s to be brought on"
        for number, rows in first.late_orders.items()
        for row in rows
    ]
    for rows_of, question, there in (
        (first.sent, "come_of", "was sent to set {}, there it"),
        (first.come, "sent_of", "came from set {}, there it"),
    ):
        for number, rows in rows_of.items():
            for other in {row.other_set for row in rows}:
                asked = [row for row in rows if row.other_set == other]
                keys = [row.key for row in asked]
                found = await second[other].orders_of(question, number, keys) if other < len(second) else {}
                lines += [
                    f"{_named(row.key)} in set {number}: {row.amount_fen} ¤ for user {row.receiver_id} "
                    f"{there.format(other)} is {_amount_and_user(found.get(row.key))}"
                    for row in asked
                    if found.get(row.key) != (row.receiver_id, row.amount_fen)
                ]
    return lines


def _named(key: str) -> str:
    """The key of a correction says what it is; that of a transfer is its sender and the key of the order."""
    return key if key.startswith("break ") else f"transfer {key}"


def _amount_and_user(found: tuple[int, int] | None) -> str:
    return "not recorded" if found is None else f"{found[1]} ¤ for user {found[0]}"


async def _check_members(first: FirstRound, home: SetSnapshot) -> list[str]:
    lines = []
    for number, claims in first.claims.items():
        pairs = {(claim.user_id, group_id) for claim in claims for group_id in claim.group_ids}
        allowed = await home.were_members(pairs)
        lines += [
            f"packet {claim.packet_id} of set {number}: user {claim.user_id} opened it, it was for the members of "
            f"group {claim.group_ids[0]}"
            for claim in claims
            if not any((claim.user_id, group_id) in allowed for group_id in claim.group_ids)
        ]
    return lines


async def _check_places(first: FirstRound, home: SetSnapshot) -> list[str]:
    lines = []
    for number, users in first.wallets.items():
        places = await home.sets_of_users(users)
        lines += [
            f"the wallet of user {user_id} is in set {number}, the user is in {_in_words(places.get(user_id))}"
            for user_id in users
            if places.get(user_id) != number
        ]
    return lines


def _name(topic: int) -> str:
    return NAMES[SetTopic(topic)]


def _in_words(number: int | None) -> str:
    return "no set" if number is None else f"set {number}"
