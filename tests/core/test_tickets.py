"""Tickets that are not opened: when a user who waits takes one, and how long hoarders can keep users out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.decisions import NO_TICKET, Answer, Decision, Ticket
from server.core.limits import Limits
from server.core.packet import BUSY_RETRY_MS_MAX, WASTERS_MAX, Packet
from tests.core.test_packet import ANN, BEN, CAI, GRACE_MS, LIFETIME_MS, T0, grab, opened_by, terms, ticket_number


@pytest.mark.parametrize(
    ("after_ms", "retry_after_ms"), [(0, BUSY_RETRY_MS_MAX), (2_500, 500), (2_501, 499), (2_999, 1)]
)
def test_busy_has_a_retry_time_until_the_oldest_ticket_can_be_taken(after_ms: int, retry_after_ms: int) -> None:
    """But with a short maximum: the packet is often gone long before."""
    packet = Packet(terms(shares=1))
    grab(packet, ANN, T0, per_share=1)
    busy = Decision(Answer.BUSY, retry_after_ms=retry_after_ms)
    assert grab(packet, BEN, T0 + after_ms, per_share=1) == busy


def test_grab_after_the_retry_time_gets_a_ticket() -> None:
    packet = Packet(terms(shares=1))
    grab(packet, ANN, T0, per_share=1)
    busy = grab(packet, BEN, T0 + 2_900, per_share=1)
    assert grab(packet, BEN, T0 + 2_900 + busy.retry_after_ms, per_share=1).answer is Answer.TICKET
    assert packet.open(ANN, ticket_number(ANN, T0), T0 + 3_000) == NO_TICKET


def test_grab_takes_the_oldest_ticket_and_leaves_the_others() -> None:
    packet = Packet(terms(shares=1))
    for user in (ANN, BEN):
        grab(packet, user, T0 + user, per_share=2)
    assert grab(packet, CAI, T0 + GRACE_MS + BEN, per_share=2).answer is Answer.TICKET
    assert list(packet.tickets) == [BEN, CAI]
    assert grab(packet, ANN, T0 + GRACE_MS + BEN, per_share=2).answer is Answer.BUSY


def test_repeated_grab_makes_the_ticket_no_younger() -> None:
    packet = Packet(terms(shares=1))
    for after_ms in (0, 1_000, 2_999):
        grab(packet, ANN, T0 + after_ms, per_share=1)
    assert grab(packet, BEN, T0 + GRACE_MS, per_share=1).answer is Answer.TICKET


def test_ticket_is_not_taken_while_places_are_free() -> None:
    packet = Packet(terms(shares=1))
    grab(packet, ANN, T0, per_share=2)
    assert grab(packet, BEN, T0 + GRACE_MS, per_share=2).answer is Answer.TICKET
    assert packet.open(ANN, ticket_number(ANN, T0), T0 + LIFETIME_MS - 1).answer is Answer.WON


@pytest.mark.parametrize("wasted", [1, 2, 5])
def test_each_wasted_ticket_adds_a_grace_to_the_age_of_a_ticket_that_its_user_may_take(wasted: int) -> None:
    packet, now_ms = Packet(terms(shares=1)), T0
    grab(packet, ANN, now_ms, per_share=1)
    for number in range(wasted):
        now_ms += GRACE_MS * (number + 1)
        assert grab(packet, 100 + number, now_ms, per_share=1).answer is Answer.TICKET  # from Ann
        needed_ms = GRACE_MS * (number + 2)
        almost = grab(packet, ANN, now_ms + needed_ms - 1, per_share=1)
        assert almost == Decision(Answer.BUSY, retry_after_ms=1)
        now_ms += needed_ms
        assert grab(packet, ANN, now_ms, per_share=1).answer is Answer.TICKET
    assert packet.wasted[ANN] == wasted


def test_ticket_that_lapses_counts_as_wasted() -> None:
    packet = Packet(terms(shares=1))
    grab(packet, ANN, T0, per_share=1)
    assert grab(packet, BEN, T0 + LIFETIME_MS, per_share=1).answer is Answer.TICKET
    assert grab(packet, ANN, T0 + LIFETIME_MS + 2 * GRACE_MS - 1, per_share=1).answer is Answer.BUSY
    assert grab(packet, ANN, T0 + LIFETIME_MS + 2 * GRACE_MS, per_share=1).answer is Answer.TICKET


def test_ticket_that_was_used_does_not_count_as_wasted() -> None:
    packet = opened_by(Packet(terms()), ANN)
    grab(packet, BEN, T0 + 2 * LIFETIME_MS)
    assert not packet.wasted


def test_user_who_wasted_a_ticket_gets_a_lapsed_place_like_every_user() -> None:
    packet = Packet(terms(shares=1))
    for times in range(12):
        grabbed = grab(packet, ANN, T0 + times * LIFETIME_MS, per_share=1)
        assert grabbed.answer is Answer.TICKET
    busy = grab(packet, ANN + 1, T0 + 11 * LIFETIME_MS, per_share=1)
    assert busy == Decision(Answer.BUSY, retry_after_ms=BUSY_RETRY_MS_MAX)


def test_grace_is_at_most_half_of_the_lifetime() -> None:
    """Otherwise a user whose ticket lapses could have the free place before any user who waits."""
    short = Limits(tickets_per_share=1, ticket_lifetime_s=4.0)
    packet = Packet(terms(shares=1))
    assert packet.grab(ANN, T0, 1, short).answer is Answer.TICKET
    assert packet.grab(BEN, T0 + 1_999, 2, short) == Decision(Answer.BUSY, retry_after_ms=1)
    assert packet.grab(BEN, T0 + 2_000, 2, short).answer is Answer.TICKET


def test_clock_that_was_set_back_takes_no_ticket() -> None:
    packet = Packet(terms(shares=1))
    grab(packet, ANN, T0, per_share=1)
    assert grab(packet, BEN, T0 - 10_000, per_share=1) == Decision(Answer.BUSY, retry_after_ms=BUSY_RETRY_MS_MAX)


def test_packet_remembers_a_bounded_number_of_users_who_wasted_tickets() -> None:
    packet, now_ms = Packet(terms(shares=1)), T0
    for user in (ANN, *range(10, 11 + WASTERS_MAX)):
        grab(packet, user, now_ms, per_share=1)
        now_ms += GRACE_MS
    assert len(packet.wasted) == WASTERS_MAX
    assert ANN not in packet.wasted  # the oldest is forgotten first


def test_ages_and_wasted_tickets_survive_a_reload() -> None:
    before = Packet(terms(shares=1))
    grab(before, ANN, T0, per_share=1)
    assert grab(before, BEN, T0 + GRACE_MS, per_share=1).ticket
    after = Packet(terms(shares=1))
    after.keep_tickets(before)
    assert grab(after, CAI, T0 + 2 * GRACE_MS - 1, per_share=1) == Decision(Answer.BUSY, retry_after_ms=1)
    assert grab(after, ANN, T0 + 2 * GRACE_MS, per_share=1).answer is Answer.BUSY
    assert grab(after, CAI, T0 + 2 * GRACE_MS, per_share=1).answer is Answer.TICKET


# --- hoarding ---------------------------------------------------------------------------------------------------

HOARDERS = range(1_000, 1_200)
STEP_MS = 100  # hoarders grab at each step, and come before all others at the same moment


@dataclass
class Crowd:
    """Users who open (each waits as `busy` says, and opens at once), among hoarders who grab without end."""

    packet: Packet
    hoarders: Sequence[int]
    now_ms: int = T0

    def hoard(self) -> None:
        """Every hoarder grabs."""
        for hoarder in self.hoarders:
            grab(self.packet, hoarder, self.now_ms)

    def run(self, users: Iterable[int], until_ms: int) -> dict[int, int]:
        """Grab and open until a time or until all are in; when each of these users was in, after the beginning."""
        began_ms, times = self.now_ms, {}
        waiting = dict.fromkeys(users, self.now_ms)
        while self.now_ms < until_ms and waiting and not self.packet.finished:
            self.hoard()
            for user, grab_at_ms in list(waiting.items()):
                if grab_at_ms <= self.now_ms:
                    grabbed = grab(self.packet, user, self.now_ms)
                    if grabbed.ticket is None:
                        waiting[user] = self.now_ms + grabbed.retry_after_ms
                        continue
                    assert self.packet.open(user, grabbed.ticket.number, self.now_ms).answer is Answer.WON
                    times[user] = self.now_ms - began_ms
                    del waiting[user]
                    break  # the others of this moment come later than the hoarders' next grabs
            self.now_ms += STEP_MS
        return times


def test_eight_hoarders_keep_twenty_users_out_for_three_seconds() -> None:
    crowd = Crowd(Packet(terms(shares=2)), HOARDERS[:8])
    times = crowd.run(range(1, 21), T0 + 60_000)
    assert sorted(times.values()) == [GRACE_MS, GRACE_MS + STEP_MS]
    assert crowd.packet.finished


@pytest.mark.parametrize("quiet_s", [0, 1, 5, 29, 31, 100])
def test_each_user_who_comes_to_a_hoarded_packet_is_in_within_the_grace(quiet_s: int) -> None:
    """The next share as well, whenever the user comes, also when hoarders have held it for long."""
    crowd = Crowd(Packet(terms(shares=20, total_fen=2_000)), HOARDERS[:80])
    for user in range(1, 21):
        for _ in range(quiet_s):
            crowd.hoard()
            crowd.now_ms += 1_000
        assert crowd.run([user], crowd.now_ms + 60_000)[user] <= GRACE_MS + BUSY_RETRY_MS_MAX


@pytest.mark.parametrize("accounts", [9, 16, 40, 200])
def test_more_hoarders_than_tickets_keep_users_out_for_one_grace_for_each_filling(accounts: int) -> None:
    """Each account can hold a ticket against a waiter once. The time until the first user is in has this bound."""
    crowd = Crowd(Packet(terms(shares=2)), HOARDERS[:accounts])
    times = crowd.run(range(1, 21), T0 + 600_000)
    assert min(times.values()) <= math.ceil(accounts / 8) * GRACE_MS + BUSY_RETRY_MS_MAX
    assert crowd.packet.finished


def test_slow_user_who_lost_a_ticket_comes_before_those_who_wasted_more() -> None:
    """The phone needs four seconds for each open; hoarders that keep grabbing waste more and more tickets."""
    packet, now_ms, slow = Packet(terms(shares=2)), T0, 7
    first = grab(packet, slow, now_ms).ticket
    while not packet.claims and now_ms < T0 + 300_000:
        for hoarder in HOARDERS[:24]:
            grab(packet, hoarder, now_ms)
        ticket = grab(packet, slow, now_ms).ticket
        if ticket is not None and now_ms >= ticket.given_at_ms + 4_000:
            packet.open(slow, ticket.number, now_ms)
        now_ms += STEP_MS
    assert first is not None
    assert packet.wasted[slow] == 1
    assert list(packet.claims) == [slow]


# --- tickets in any order of events -----------------------------------------------------------------------------

Event = tuple[str, int, int]
EVENTS = st.lists(
    st.tuples(st.sampled_from(("grab", "grab", "open", "reload")), st.integers(1, 12), st.integers(0, 4_000)),
    max_size=80,
)


@given(events=EVENTS, shares=st.integers(1, 4), per_share=st.integers(1, 3))
def test_ticket_is_safe_during_its_grace_and_a_waiter_who_wasted_none_is_not_kept_longer(
    events: list[Event], shares: int, per_share: int
) -> None:
    packet, now_ms = Packet(terms(shares=shares)), T0
    given: dict[int, Ticket] = {}
    for what, user, pause_ms in events:
        now_ms += pause_ms
        if what == "reload":
            again = Packet(packet.terms, list(packet.claims.values()))
            again.keep_tickets(packet)
            packet = again
        elif what == "open" and user in given:
            ticket = given.pop(user)
            answer = packet.open(user, ticket.number, now_ms).answer
            if now_ms < ticket.given_at_ms + GRACE_MS:
                assert answer in (Answer.WON, Answer.CLAIMED, Answer.GONE)
        elif what == "grab":
            held, wasted = dict(packet.tickets), dict(packet.wasted)
            grabbed = grab(packet, user, now_ms, per_share)
            if grabbed.ticket is not None:
                given[user] = grabbed.ticket
            check_grab(packet, user, grabbed, held, wasted, now_ms, per_share)
        assert packet.counter.tickets == len(packet.tickets)


def check_grab(
    packet: Packet,
    user: int,
    grabbed: Decision,
    held: dict[int, Ticket],
    wasted: dict[int, int],
    now_ms: int,
    per_share: int,
) -> None:
    """The rules of a grab, from what was there before it."""
    limit = packet.left_shares * per_share
    valid = {one: ticket for one, ticket in held.items() if ticket.lapses_at_ms > now_ms}
    if user in valid:
        assert grabbed.ticket == valid[user]
    if grabbed.ticket is not None and user not in valid:
        assert len(packet.tickets) <= max(limit, len(valid))
        taken = valid.keys() - packet.tickets.keys()
        assert len(taken) == (len(valid) >= limit)
        assert all(now_ms - valid[one].given_at_ms >= GRACE_MS for one in taken)
        assert taken <= set(list(valid)[:1])  # the oldest
        assert all(packet.wasted[one] == wasted.get(one, 0) + 1 for one in taken)
    if grabbed.answer is Answer.BUSY:
        assert len(valid) >= limit
        oldest_ms = now_ms - next(iter(valid.values())).given_at_ms
        assert 0 < grabbed.retry_after_ms <= BUSY_RETRY_MS_MAX
        assert oldest_ms < GRACE_MS * (1 + packet.wasted.get(user, 0))
