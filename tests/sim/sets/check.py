"""What must hold of two sets: at each commit, of each push, and at the end. Money is counted claim by claim."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from storage.postgres.sets.opening import TRANSIT
from storage.postgres.sets.places import HOME
from tests.sim.sets.tables import ClaimKey

if TYPE_CHECKING:
    from tests.sim.sets.world import SetsWorld


def set_of_user(world: SetsWorld, user_id: int) -> int | None:
    """As set 0 has it; None: the user is not placed yet."""
    return world.tables[HOME].user_sets.get(user_id)


def set_of_packet(world: SetsWorld, key: ClaimKey) -> int:
    """By its id."""
    return key.packet_id % len(world.tables)


def is_credited(world: SetsWorld, key: ClaimKey) -> bool:
    """In the set of its user."""
    number = set_of_user(world, key.user_id)
    return number is not None and key in world.tables[number].credits


def queued(world: SetsWorld) -> set[ClaimKey]:
    """The claims that wait in any set."""
    return {ClaimKey(*row[1:3]) for one in world.tables for row in one.queue.values()}


def is_between_commits(world: SetsWorld) -> bool:
    """A claim is credited in one set, and still waits in the other."""
    return any(is_credited(world, key) for key in queued(world))


def push_is_true(world: SetsWorld, event: Any) -> None:
    """A balance that is pushed was in the wallet of the user, in the set of the user."""
    number = set_of_user(world, event.user_id)
    wallet = None if number is None else world.tables[number].wallets.get(event.user_id)
    fen, version = event.balance
    if wallet is None or version > wallet.version or (version == wallet.version and fen != wallet.fen):
        world.report(f"the push of {event} is not about the wallet, which is {wallet}")


def claims_are_in_one_place(world: SetsWorld) -> None:
    """A claim waits until it is credited, and the money that has left its set has arrived in the other."""
    waiting = queued(world)
    for key, fen in world.claims.items():
        if key not in waiting and not is_credited(world, key):
            world.report(f"{key} of {fen} fen is neither queued nor credited")
    for tables in world.tables:
        for key in tables.handed_over:
            if not is_credited(world, key):
                world.report(f"{key} was handed over, and is not credited")


def final_check(world: SetsWorld) -> None:
    """All rules that must hold when nothing is lost any more."""
    for rule in (queues_are_empty, claims_are_credited_once, money_is_conserved, credits_are_pushed_once):
        for what in rule(world):
            world.report(f"{rule.__name__}: {what}")


def queues_are_empty(world: SetsWorld) -> list[str]:
    """In the end each claim is credited, whichever set was away."""
    return [f"set {one.number} has {len(one.queue)} claims in its queue" for one in world.tables if one.queue]


def claims_are_credited_once(world: SetsWorld) -> list[str]:
    """With their amount, in the set of their user and in no other."""
    wrong = []
    for key, fen in world.claims.items():
        number = set_of_user(world, key.user_id)
        times = {one.number: one.credited[key] for one in world.tables if one.credited[key]}
        held = {one.number: one.credits[key][0] for one in world.tables if key in one.credits}
        if times != {number: 1} or held != {number: fen}:
            wrong.append(
                f"{key} of {fen} fen was credited {times} times with {held} by set, its user is in {number}"
            )
    return wrong


def money_is_conserved(world: SetsWorld) -> list[str]:
    """Wallets have what was claimed; between two sets the same has left one and arrived in the other."""
    wrong, due = [], Counter[int]()
    for key, fen in world.claims.items():
        due[key.user_id] += fen
        handed = {one.number: one.handed_over[key] for one in world.tables if key in one.handed_over}
        here, there = set_of_packet(world, key), set_of_user(world, key.user_id)
        expected = {} if there in (here, None) else {here: (TRANSIT - (there or 0), fen)}
        if handed != expected:
            wrong.append(f"{key} was handed over {handed}, due is {expected}")
    held = {user_id: row.fen for one in world.tables for user_id, row in one.wallets.items()}
    wrong += [f"the wallets have {held}, due are {dict(due)}"] * (held != dict(due))
    sizes = [len(one.wallets) for one in world.tables]
    return wrong + [f"users have wallets in two sets: {sizes}"] * (sum(sizes) != len(held))


def credits_are_pushed_once(world: SetsWorld) -> list[str]:
    """By the process that has made them, unless it crashed: then perhaps not at all."""
    made: Counter[tuple[int, int]] = Counter()
    for one in world.tables:
        for key, process in one.credited_by.items():
            made[process, key.user_id] += one.credits[key][0]
    running = {one.process for one in world.servers if one.is_running}
    return [
        f"process {place[0]} has told user {place[1]} of {world.pushes[place]} fen, credited were {made[place]}"
        for place in sorted(made | world.pushes)
        if world.pushes[place] > made[place] or (place[0] in running and world.pushes[place] != made[place])
    ]
