"""One packet: admission, winners, the precedence of the answers, and the remaining amount."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.amounts import Caps, all_lucky_shares
from server.core.decisions import EXPIRED, GONE, NO_TICKET, Answer, Claim, Decision, Ticket
from server.core.kinds import PacketKind
from server.core.limits import Limits
from server.core.packet import Counter, Packet, best_luck
from server.core.packet_request import Terms, may_open

T0 = 1_800_000_000_000
LIFETIME_MS, GRACE_MS = 30_000, 3_000
DAY_MS = 86_400_000
SEED = bytes(range(32))
ANN, BEN, CAI, DEE = 1, 2, 3, 4


def terms(**changes: Any) -> Terms:
    """A lucky packet of 10.00 yuan in 3 shares, sent at T0."""
    usual = Terms(
        packet_id=2**60,
        kind=PacketKind.LUCKY,
        sender_id=ANN,
        target_id=2**59,
        total_fen=1_000,
        shares=3,
        caps=Caps(),
        greeting="恭喜发财,大吉大利",
        seed=SEED,
        created_at_ms=T0,
        expires_at_ms=T0 + DAY_MS,
    )
    return usual._replace(**changes)


def grab(packet: Packet, user: int, now_ms: int = T0, per_share: int = 4) -> Decision:
    """A grab; the number of the ticket is made of user and time."""
    return packet.grab(user, now_ms, ticket_number(user, now_ms), limits(per_share))


@lru_cache
def limits(per_share: int) -> Limits:
    """The usual limits, but for the tickets per share."""
    return Limits(tickets_per_share=per_share)


def ticket_number(user: int, now_ms: int) -> int:
    return user * 10**9 + now_ms - T0


def grab_and_open(packet: Packet, user: int, now_ms: int = T0) -> Decision:
    """Grab and open at the same moment."""
    ticket = grab(packet, user, now_ms).ticket
    assert ticket is not None
    return packet.open(user, ticket.number, now_ms)


def opened_by(packet: Packet, *users: int) -> Packet:
    for user in users:
        assert grab_and_open(packet, user).answer is Answer.WON
    return packet


# --- claims ---------------------------------------------------------------------------------------------------


def test_opens_get_indexes_in_order_of_arrival() -> None:
    packet = Packet(terms())
    won = [grab_and_open(packet, user, T0 + user) for user in (CAI, ANN, BEN)]
    drawn = list(all_lucky_shares(SEED, 1_000, 3, Caps()))
    assert [decision.claim for decision in won] == [
        Claim(0, CAI, drawn[0], T0 + CAI),
        Claim(1, ANN, drawn[1], T0 + ANN),
        Claim(2, BEN, drawn[2], T0 + BEN),
    ]


@given(users=st.permutations(range(1, 41)), shares=st.integers(1, 40), more=st.integers(0, 100_000))
def test_shares_of_any_packet_in_any_order_add_up_to_the_total(users: list[int], shares: int, more: int) -> None:
    total_fen = shares + more % (20_000 * shares - shares + 1)
    packet = Packet(terms(total_fen=total_fen, shares=shares))
    answers = [grab_and_open(packet, user).answer if not packet.finished else GONE.answer for user in users]
    assert answers == [Answer.WON] * shares + [Answer.GONE] * (40 - shares)
    assert list(packet.claims) == users[:shares]
    assert sum(claim.amount_fen for claim in packet.claims.values()) == total_fen
    assert all(1 <= claim.amount_fen <= 20_000 for claim in packet.claims.values())
    assert (packet.left_fen, packet.left_shares, packet.finished) == (0, 0, True)


def test_last_share_is_the_remaining_amount() -> None:
    packet = opened_by(Packet(terms()), ANN, BEN)
    left_fen = packet.left_fen
    claim = grab_and_open(packet, CAI).claim
    assert claim is not None
    assert claim.amount_fen == left_fen
    assert packet.left_fen == 0


def test_equal_packet_has_equal_shares() -> None:
    packet = opened_by(Packet(terms(kind=PacketKind.EQUAL, total_fen=264)), CAI, BEN, ANN)
    assert [claim.amount_fen for claim in packet.claims.values()] == [88, 88, 88]


def test_personal_packet_is_one_share_of_the_total() -> None:
    packet = opened_by(Packet(terms(kind=PacketKind.PERSONAL, target_id=BEN, shares=1)), BEN)
    assert packet.claims[BEN].amount_fen == 1_000


def test_amounts_do_not_depend_on_the_packet_id() -> None:
    """The id is public: a bot could compute the amounts and choose its moment."""
    packets = [opened_by(Packet(terms(packet_id=2**60 + i)), ANN, BEN, CAI) for i in range(5)]
    assert all(packet.claims == packets[0].claims for packet in packets)


def test_commitment_is_the_hash_of_seed_and_terms() -> None:
    numbers = bytes.fromhex("1000000000000000 00000000000003e8 00000003")
    assert terms().commitment == hashlib.sha256(SEED + numbers).digest()


# --- one claim per user, none after the end -------------------------------------------------------------------


def test_second_open_of_a_user_returns_the_first_claim() -> None:
    packet = Packet(terms())
    won = grab_and_open(packet, ANN)
    again = Decision(Answer.CLAIMED, claim=won.claim, left_shares=won.left_shares)
    assert packet.open(ANN, ticket_number(ANN, T0), T0 + 5) == again
    assert grab(packet, ANN, T0 + 5) == again
    assert packet.take(ANN, T0 + 5) == again
    assert packet.version == 1


def test_open_after_the_last_share_is_gone() -> None:
    packet = Packet(terms())
    grab(packet, DEE)
    opened_by(packet, ANN, BEN, CAI)
    assert packet.open(DEE, ticket_number(DEE, T0), T0) == GONE
    assert grab(packet, DEE) == GONE
    assert packet.take(DEE, T0) == GONE


def test_open_after_close_is_expired() -> None:
    packet = opened_by(Packet(terms()), ANN)
    grab(packet, BEN)
    packet.close()
    packet.close()
    left_fen = packet.left_fen
    assert packet.open(BEN, ticket_number(BEN, T0), T0) == EXPIRED
    assert grab(packet, CAI) == EXPIRED
    assert packet.take(CAI, T0) == EXPIRED
    assert (packet.version, packet.left_fen, packet.counter.closed) == (1, left_fen, True)


def test_open_at_the_moment_of_expiry_is_expired() -> None:
    packet = Packet(terms())
    grab(packet, ANN, T0 + DAY_MS - 2)
    grab(packet, BEN, T0 + DAY_MS - 1)
    number = ticket_number(ANN, T0 + DAY_MS - 2)
    assert packet.open(ANN, number, T0 + DAY_MS - 1).answer is Answer.WON
    assert packet.open(BEN, ticket_number(BEN, T0 + DAY_MS - 1), T0 + DAY_MS) == EXPIRED
    assert grab(packet, CAI, T0 + DAY_MS) == EXPIRED


def test_answer_claimed_precedes_gone_and_gone_precedes_expired() -> None:
    packet = opened_by(Packet(terms()), ANN, BEN, CAI)
    packet.close()
    late = T0 + 2 * DAY_MS
    assert grab(packet, ANN, late).answer is Answer.CLAIMED
    assert grab(packet, DEE, late) == GONE
    assert packet.open(DEE, 0, late) == GONE


def test_answer_expired_precedes_no_ticket() -> None:
    packet = Packet(terms())
    packet.close()
    assert packet.open(DEE, 12345, T0) == EXPIRED


# --- tickets --------------------------------------------------------------------------------------------------


def test_second_grab_of_a_user_returns_the_same_ticket() -> None:
    packet = Packet(terms())
    first = grab(packet, ANN, T0)
    assert first == Decision(Answer.TICKET, ticket=Ticket(ticket_number(ANN, T0), T0, T0 + LIFETIME_MS))
    assert grab(packet, ANN, T0 + LIFETIME_MS - 1) == first
    assert packet.counter.tickets == 1


def test_ticket_lapses_after_its_lifetime() -> None:
    packet = Packet(terms())
    grab(packet, ANN, T0)
    grab(packet, BEN, T0)
    assert packet.open(ANN, ticket_number(ANN, T0), T0 + LIFETIME_MS - 1).answer is Answer.WON
    assert packet.open(BEN, ticket_number(BEN, T0), T0 + LIFETIME_MS) == NO_TICKET
    again = grab(packet, BEN, T0 + LIFETIME_MS)
    lapsed_at_ms = T0 + LIFETIME_MS
    assert again.ticket == Ticket(ticket_number(BEN, lapsed_at_ms), lapsed_at_ms, lapsed_at_ms + LIFETIME_MS)
    assert packet.counter.tickets == 1


def test_ticket_of_another_user_opens_nothing() -> None:
    packet = Packet(terms())
    grab(packet, ANN)
    grab(packet, BEN)
    assert packet.open(CAI, ticket_number(ANN, T0), T0) == NO_TICKET
    assert packet.open(BEN, ticket_number(ANN, T0), T0) == NO_TICKET
    assert packet.open(CAI, 0, T0) == NO_TICKET
    assert packet.version == 0


def test_new_ticket_is_given_only_below_the_admission_limit() -> None:
    packet = Packet(terms(shares=2))
    assert [grab(packet, user, per_share=2).answer for user in (1, 2, 3, 4)] == [Answer.TICKET] * 4
    assert grab(packet, 5, per_share=2).answer is Answer.BUSY
    assert grab(packet, 1, per_share=2).answer is Answer.TICKET  # a valid ticket stays valid
    packet.open(1, ticket_number(1, T0), T0)
    assert packet.counter.tickets == 3  # above the limit for one open share: tickets are not taken back
    assert grab(packet, 5, per_share=2).answer is Answer.BUSY
    assert grab(packet, 5, T0 + GRACE_MS, per_share=2).answer is Answer.TICKET
    assert packet.counter.tickets == 3  # one was taken, and none was added
    assert grab(packet, 6, T0 + LIFETIME_MS, per_share=2).answer is Answer.TICKET
    assert packet.counter.tickets == 2  # the others have lapsed


def test_retried_open_wins_with_or_without_its_ticket() -> None:
    """After a conflict the packet is loaded again, and the admitted opens are retried in the same order."""
    packet = Packet(terms())
    grab(packet, BEN)
    assert packet.take(ANN, T0).answer is Answer.WON
    assert (packet.version, packet.counter.tickets) == (1, 1)
    assert packet.take(BEN, T0).answer is Answer.WON
    assert (packet.version, packet.counter.tickets) == (2, 0)


# --- a packet loaded from the records ---------------------------------------------------------------------------


@given(opened=st.integers(0, 3), closed=st.booleans())
def test_packet_loaded_from_its_records_continues_like_the_original(opened: int, closed: bool) -> None:
    users = (ANN, BEN, CAI)
    original = opened_by(Packet(terms()), *users[:opened])
    loaded = Packet(terms(), list(original.claims.values()), closed)
    if closed:
        original.close()
    for packet in (original, loaded):
        packet.take(DEE, T0 + 7)
    assert loaded.claims == original.claims
    assert list(loaded.claims) == list(original.claims)
    assert (loaded.counter.word, loaded.left_fen) == (original.counter.word, original.left_fen)


def test_records_that_contradict_the_terms_are_refused() -> None:
    claims = list(opened_by(Packet(terms()), ANN, BEN, CAI).claims.values())
    first, second, _ = claims
    more = Claim(0, ANN, first.amount_fen + 1, first.at_ms)
    twice = Claim(1, ANN, second.amount_fen, second.at_ms)
    fourth = Claim(3, DEE, 1, T0)
    for wrong in ([more], [second, first], [second], [first, first], [first, twice], [*claims, fourth]):
        with pytest.raises(ValueError, match=r"packet 1152921504606846976: "):
            Packet(terms(), wrong)
    with pytest.raises(ValueError, match="on top of all 3 shares"):
        Packet(terms(kind=PacketKind.EQUAL, total_fen=3), [Claim(i, i + 1, 1, T0) for i in range(4)])


def test_tickets_survive_a_reload_unless_their_user_has_claimed() -> None:
    before = Packet(terms())
    grab(before, ANN)
    grab(before, BEN)
    elsewhere = opened_by(Packet(terms()), BEN)
    after = Packet(terms(), list(elsewhere.claims.values()))
    after.keep_tickets(before)
    assert after.counter.tickets == 1
    assert after.open(ANN, ticket_number(ANN, T0), T0).answer is Answer.WON
    assert after.open(BEN, ticket_number(BEN, T0), T0).answer is Answer.CLAIMED


# --- the counter ----------------------------------------------------------------------------------------------


def test_counter_swaps_only_the_expected_value() -> None:
    counter = Counter(version=7)
    seen = counter.word
    assert counter.compare_and_swap(seen, seen + 1)
    assert not counter.compare_and_swap(seen, seen + 1)
    assert counter.version == 8


@given(version=st.integers(0, 500), tickets=st.integers(0, 2_000), closed=st.booleans())
def test_counter_holds_version_tickets_and_closed_independently(version: int, tickets: int, closed: bool) -> None:
    counter = Counter(version, closed)
    counter.word += tickets * Counter.TICKET
    assert (counter.version, counter.tickets, counter.closed) == (version, tickets, closed)


# --- best luck ------------------------------------------------------------------------------------------------


def claims_of(*amounts_fen: int) -> list[Claim]:
    return [Claim(index, 10 + index, amount_fen, T0) for index, amount_fen in enumerate(amounts_fen)]


def test_best_luck_is_the_largest_share_and_the_earliest_on_a_tie() -> None:
    three = terms(shares=3)
    assert best_luck(three, claims_of(1, 998, 1)) == Claim(1, 11, 998, T0)
    assert best_luck(three, claims_of(400, 200, 400)) == Claim(0, 10, 400, T0)
    assert best_luck(three, claims_of(200, 400, 400)) == Claim(1, 11, 400, T0)


def test_unfinished_equal_and_personal_packets_have_no_best_luck() -> None:
    packet = opened_by(Packet(terms()), ANN, BEN)
    assert packet.best_luck() is None
    packet.close()
    assert packet.best_luck() is None
    assert best_luck(terms(kind=PacketKind.EQUAL), claims_of(300, 300, 300)) is None
    assert best_luck(terms(kind=PacketKind.PERSONAL, shares=1), claims_of(900)) is None


def test_finished_packet_has_a_best_luck() -> None:
    packet = opened_by(Packet(terms()), ANN, BEN, CAI)
    assert packet.best_luck() == max(packet.claims.values(), key=lambda claim: claim.amount_fen)


# --- permission to open -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PacketKind.LUCKY, PacketKind.EQUAL])
def test_members_and_sender_may_open_a_group_packet(kind: PacketKind) -> None:
    assert may_open(terms(kind=kind), ANN, is_member=True)
    assert may_open(terms(kind=kind), DEE, is_member=True)
    assert not may_open(terms(kind=kind), DEE, is_member=False)
    assert not may_open(terms(kind=kind), ANN, is_member=False)  # no longer a member


@pytest.mark.parametrize("is_member", [True, False])
def test_only_the_receiver_may_open_a_personal_packet(is_member: bool) -> None:
    personal = terms(kind=PacketKind.PERSONAL, target_id=BEN, shares=1)
    assert may_open(personal, BEN, is_member)
    assert not may_open(personal, ANN, is_member)
    assert not may_open(personal, CAI, is_member)


@pytest.mark.parametrize(
    ("user_id", "is_member", "may"), [(BEN, True, True), (BEN, False, False), (CAI, True, False)]
)
def test_only_members_who_are_named_may_open_an_exclusive_packet(user_id: int, is_member: bool, may: bool) -> None:
    exclusive = terms(kind=PacketKind.EXCLUSIVE, total_fen=200, shares=1, only_for=frozenset((BEN,)))
    assert may_open(exclusive, user_id, is_member) is may
