"""All small worlds: every interleaving of grabs, opens, passing time, expiry, close and reload, of any length.

Time counts to a few ticks and then stops, so a small world has finitely many states; every possible step from
each of them covers every interleaving. Each step is checked against a simple model, written from the rules alone,
and against the invariants I1 to I5 and I8. Some 520,000 steps in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from server.core.amounts import Caps, all_lucky_shares
from server.core.decisions import Answer, Decision
from server.core.kinds import Allocation, PacketKind
from server.core.limits import Limits
from server.core.packet import BUSY_RETRY_MS_MAX, Packet
from server.core.packet_request import Terms

GRACE = 1  # of a ticket, in ticks of one millisecond
SEED = bytes(range(32))
NO_NUMBER = 0
NOT_THERE = -1
FIRST = 1  # the user who opens a packet first that friends pass on


class World(NamedTuple):
    """The size of a world: users 1…n, shares, tickets per share, and the lives of ticket and packet in ticks."""

    kind: PacketKind
    users: int
    shares: int
    per_share: int
    lifetime: int = 3
    expiry: int = 5

    @property
    def limits(self) -> Limits:
        """The limits of its tickets."""
        return Limits(
            tickets_per_share=self.per_share,
            ticket_lifetime_s=self.lifetime / 1000,
            ticket_grace_s=GRACE / 1000,
        )

    @property
    def terms(self) -> Terms:
        """The terms of its packet."""
        total_fen, caps = 4 * self.shares, Caps(2, 7)
        return Terms(
            2**60,
            self.kind,
            99,
            FIRST if self.kind is PacketKind.FISSION else 2**59,
            total_fen,
            self.shares,
            caps,
            "",
            SEED,
            created_at_ms=0,
            expires_at_ms=self.expiry,
        )


# --- the model ------------------------------------------------------------------------------------------------


class Model(NamedTuple):
    """The simplest packet: lists of the valid tickets with their times, of wasted tickets and of winners."""

    now: int = 0
    closed: bool = False
    tickets: tuple[tuple[int, int, int], ...] = ()  # user, number, time of the grab
    wasted: tuple[int, ...] = ()  # the user of each, sorted
    winners: tuple[tuple[int, int], ...] = ()  # user, time

    def over(self, user: int, world: World) -> Answer | None:
        """The answers that do not depend on a ticket."""
        if any(winner == user for winner, _ in self.winners):
            return Answer.CLAIMED
        if len(self.winners) == world.shares:
            return Answer.GONE
        if self.closed or self.now >= world.expiry:
            return Answer.EXPIRED
        if world.kind is PacketKind.FISSION and not self.winners and user != FIRST:
            return Answer.NOT_ALLOWED
        return None

    def at(self, now: int, world: World) -> Model:
        """The model at a later time: tickets that have lapsed are wasted."""
        lapsed = [owner for owner, _, given_at in self.tickets if now >= given_at + world.lifetime]
        tickets = tuple(ticket for ticket in self.tickets if ticket[0] not in lapsed)
        return self._replace(now=now, tickets=tickets, wasted=tuple(sorted((*self.wasted, *lapsed))))

    def grab(self, user: int, world: World) -> tuple[Model, Answer, int]:
        """The next model, the answer, and the number of the ticket if there is one."""
        over = self.over(user, world)
        if over is not None:
            return self, over, NO_NUMBER
        for owner, number, _ in self.tickets:
            if owner == user:
                return self, Answer.TICKET, number
        tickets, wasted = self.tickets, self.wasted
        if len(tickets) >= (world.shares - len(self.winners)) * world.per_share:
            (owner, _, given_at), *others = tickets
            if self.now - given_at < GRACE * (1 + wasted.count(user)):
                return self, Answer.BUSY, NO_NUMBER
            tickets, wasted = tuple(others), tuple(sorted((*wasted, owner)))
        number = fresh_number(user, self.now)
        tickets = (*tickets, (user, number, self.now))
        return self._replace(tickets=tickets, wasted=wasted), Answer.TICKET, number

    def open(self, user: int, number: int, world: World) -> tuple[Model, Answer]:
        """The next model, and the answer."""
        over = self.over(user, world)
        if over is not None:
            return self, over
        if not any(ticket[:2] == (user, number) for ticket in self.tickets):
            return self, Answer.NO_TICKET
        tickets = tuple(ticket for ticket in self.tickets if ticket[0] != user)
        return self._replace(tickets=tickets, winners=(*self.winners, (user, self.now))), Answer.WON


def fresh_number(user: int, now: int) -> int:
    """A ticket number made of user and time: random numbers would multiply the states of a world."""
    return 100 * user + now + 1


# --- packet and model together ----------------------------------------------------------------------------------


class State(NamedTuple):
    """The packet, the model, and the ticket number that each user saw last."""

    packet: Packet
    model: Model
    seen: tuple[int, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """Everything that the future depends on. No rule looks at the number of a user, so it is left out, except
        that of the first opener if the kind has one."""
        packet, model = self.packet, self.model
        places = list(packet.tickets), [user for user, _, _ in model.tickets]

        def of(user: int) -> tuple[int, ...]:
            claim, ticket = packet.claims.get(user), packet.tickets.get(user)
            return (
                self.seen[user - 1] % 100,  # the time of the last grab, also of the tickets
                *((claim.index, claim.at_ms) if claim else (NOT_THERE, NOT_THERE)),
                ticket.lapses_at_ms if ticket else NOT_THERE,
                packet.wasted.get(user, 0),
                model.wasted.count(user),
                *(place.index(user) if user in place else NOT_THERE for place in places),
            )

        users = sorted(map(of, range(1, len(self.seen) + 1)))
        if packet.terms.kind is PacketKind.FISSION:
            users = [of(FIRST), *users]
        return packet.counter.word, packet.left_fen, model.now, model.closed, *users


Step = Callable[[State, World], State]


def copy_of(packet: Packet) -> Packet:
    """A copy of the packet, so that a step does not change the state before it."""
    copy = Packet(packet.terms)
    copy.claims = dict(packet.claims)
    copy.keep_tickets(packet)
    copy.wasted = packet.wasted.copy()
    copy.left_fen = packet.left_fen
    copy.counter.word = packet.counter.word
    return copy


def grab(user: int) -> Step:
    def step(state: State, world: World) -> State:
        now = state.model.now
        packet = copy_of(state.packet)
        decision = packet.grab(user, now, fresh_number(user, now), world.limits)
        model, answer, number = state.model.grab(user, world)
        assert decision.answer is answer
        check_admission(decision, number, model, world)
        seen = state.seen
        if number != NO_NUMBER:
            seen = (*seen[: user - 1], number, *seen[user:])
        return State(packet, model, seen)

    return step


def open_with_ticket_of(owner: int, user: int) -> Step:
    def step(state: State, world: World) -> State:
        number = state.seen[owner - 1]
        packet = copy_of(state.packet)
        decision = packet.open(user, number, state.model.now)
        model, answer = state.model.open(user, number, world)
        assert decision.answer is answer
        return State(packet, model, state.seen)

    return step


def pass_time(state: State, world: World) -> State:
    return state._replace(model=state.model.at(min(state.model.now + 1, world.expiry), world))


def expire(state: State, world: World) -> State:
    return state._replace(model=state.model.at(world.expiry, world))


def close(state: State, world: World) -> State:
    packet = copy_of(state.packet)
    packet.close()
    return State(packet, state.model._replace(closed=True), state.seen)


def reload(state: State, world: World) -> State:
    """As after a conflict: the packet is loaded again from the records and keeps its tickets."""
    before = copy_of(state.packet)
    packet = Packet(before.terms, list(before.claims.values()), before.counter.closed)
    packet.keep_tickets(before)
    return state._replace(packet=packet)


def restart(state: State, world: World) -> State:
    """The server starts again: the records are complete, the tickets and what was wasted are lost."""
    before = state.packet
    packet = Packet(before.terms, list(before.claims.values()), before.counter.closed)
    return state._replace(packet=packet, model=state.model._replace(tickets=(), wasted=()))


def steps_of(world: World) -> list[Step]:
    """Every possible step, including an open with the ticket of another user, or without one."""
    users = range(1, world.users + 1)
    return [
        *(grab(user) for user in users),
        *(open_with_ticket_of(owner, user) for owner in users for user in users),
        pass_time,
        expire,
        close,
        reload,
        restart,
    ]


def every_step(world: World) -> Iterator[tuple[State, State]]:
    """From every state that can be reached, every step: the state before and the state after."""
    steps = steps_of(world)
    start = State(Packet(world.terms), Model(), (NO_NUMBER,) * world.users)
    known = {start.key}
    waiting = [start]
    while waiting:
        before = waiting.pop()
        for step in steps:
            after = step(before, world)
            yield before, after
            if after.key not in known:
                known.add(after.key)
                waiting.append(after)


# --- invariants -------------------------------------------------------------------------------------------------


def check_admission(decision: Decision, number: int, model: Model, world: World) -> None:
    """The ticket has the number and lifetime of the model; the retry time is above 0 and not too long."""
    if decision.answer is Answer.TICKET:
        assert decision.ticket is not None
        assert decision.ticket.number == number
        assert model.now < decision.ticket.lapses_at_ms <= model.now + world.lifetime
    elif decision.answer is Answer.BUSY:
        assert 1 <= decision.retry_after_ms <= min(world.lifetime, BUSY_RETRY_MS_MAX)


def check_invariants(before: State, after: State, world: World, amounts_fen: list[int]) -> None:
    """I1 the sum, I2 the number, I3 one per user, I4 the caps, I5 no claim after close, I8 best luck."""
    packet, terms = after.packet, after.packet.terms
    claims = list(packet.claims.values())
    assert sum(claim.amount_fen for claim in claims) + packet.left_fen == terms.total_fen  # I1
    assert packet.version == len(claims) <= terms.shares  # I2
    assert [claim.user_id for claim in claims] == list(packet.claims)  # I3
    assert [claim.index for claim in claims] == list(range(len(claims)))
    assert all(terms.caps.min_fen <= claim.amount_fen <= terms.caps.max_fen for claim in claims)  # I4
    assert [claim.amount_fen for claim in claims] == amounts_fen[: len(claims)]
    assert claims[: before.packet.version] == list(before.packet.claims.values())  # made once, never changed
    if before.packet.counter.closed or before.model.now >= world.expiry:  # I5
        assert packet.version == before.packet.version
    check_best_luck(after, world, amounts_fen)  # I8
    check_tickets(before, after, world)


def check_tickets(before: State, after: State, world: World) -> None:
    """A grab raises the tickets out to the limit at most, and takes none that is in its grace."""
    packet, held = after.packet, before.packet.tickets
    assert packet.counter.tickets == len(packet.tickets)
    assert not packet.tickets.keys() & packet.claims.keys()
    if packet.tickets.keys() - held.keys():
        assert len(packet.tickets) <= max(len(held), packet.left_shares * world.per_share)
        ages = [after.model.now - held[user].given_at_ms for user in held.keys() - packet.tickets.keys()]
        assert all(age >= GRACE for age in ages)


def check_best_luck(state: State, world: World, amounts_fen: list[int]) -> None:
    best = state.packet.best_luck()
    if world.kind is not PacketKind.LUCKY or len(state.model.winners) < world.shares:
        assert best is None
    else:
        assert best is not None
        assert best.index == amounts_fen.index(max(amounts_fen))
        assert best.user_id == state.model.winners[best.index][0]


def check_against_the_model(state: State) -> None:
    """Same winners at the same times, same tickets, same waste.

    The packet may still hold tickets that have lapsed: it takes them back at the next grab.
    """
    packet, model = state.packet, state.model
    assert tuple((claim.user_id, claim.at_ms) for claim in packet.claims.values()) == model.winners
    assert packet.counter.closed == model.closed
    valid = [(user, ticket.number) for user, ticket in packet.tickets.items() if ticket.lapses_at_ms > model.now]
    assert valid == [(user, number) for user, number, _ in model.tickets]
    lapsed = [user for user, ticket in packet.tickets.items() if ticket.lapses_at_ms <= model.now]
    wasted = [user for user, times in packet.wasted.items() for _ in range(times)]
    assert tuple(sorted(wasted + lapsed)) == model.wasted


WORLDS = [
    *(World(PacketKind.LUCKY, users, shares, 1) for users, shares in ((2, 1), (2, 2))),
    World(PacketKind.LUCKY, 2, 3, per_share=1, lifetime=2, expiry=4),
    World(PacketKind.EQUAL, 2, 2, per_share=1, lifetime=2, expiry=4),
    World(PacketKind.PERSONAL, 2, 1, per_share=4, lifetime=2, expiry=4),
    World(PacketKind.FISSION, 2, 3, per_share=1, lifetime=2, expiry=4),
]
LARGE_WORLDS = [
    World(PacketKind.LUCKY, 3, 1, 1),
    World(PacketKind.LUCKY, 3, 1, per_share=2),
    World(PacketKind.LUCKY, 3, 2, 1),
    World(PacketKind.LUCKY, 3, 3, per_share=1, lifetime=2, expiry=4),
]


@pytest.mark.parametrize(
    "world", [*WORLDS, *(pytest.param(world, marks=pytest.mark.long) for world in LARGE_WORLDS)], ids=str
)
def test_packet_in_every_interleaving_equals_the_model(world: World) -> None:
    amounts_fen = [4] * world.shares
    if world.kind.row.allocation is Allocation.DRAWN:
        amounts_fen = list(all_lucky_shares(SEED, 4 * world.shares, world.shares, Caps(2, 7)))
    endings = set()
    for before, after in every_step(world):
        check_invariants(before, after, world, amounts_fen)
        check_against_the_model(after)
        endings.add((after.packet.version, after.packet.counter.closed))
    # the world was explored completely: every number of claims is reached, open and closed
    possible = range(min(world.users, world.shares) + 1)
    assert endings == {(version, closed) for version in possible for closed in (False, True)}
