"""The witness: it finds every way in which the server could contradict itself, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from client_sim.sdk import fairness
from client_sim.sdk.errors import TimedOut, refusal_of
from client_sim.sdk.pushes import Reloaded
from client_sim.sim.books import Order
from client_sim.sim.witness import Witness
from protocol import codes, connection
from protocol.messages import (
    ClaimLine,
    Grabbed,
    Opened,
    PacketFinished,
    PacketPosted,
    PacketSent,
    RelayPosted,
    Revealed,
    TextPosted,
)

GROUP, PACKET, SEED = 2**60, 2**61, bytes(range(32))
LIN, WEI, MEI, STRANGER = 1, 2, 3, 9
TOTAL_FEN = 1000
LUCKY = fairness.lucky_shares(SEED, TOTAL_FEN, 3, 1, 20_000)
COMMITMENT = fairness.commitment(SEED, PACKET, TOTAL_FEN, 3)
BEST = max(range(3), key=LUCKY.__getitem__)

ORDER = Order(LIN, "lucky", GROUP, TOTAL_FEN, 3)
SENT = PacketSent(1, PACKET, TOTAL_FEN, COMMITMENT, 99)
POSTED = PacketPosted(0, GROUP, 1, LIN, 5, PACKET, "lucky", 3, "", COMMITMENT, 99)
FINISHED = PacketFinished(0, PACKET, GROUP, 3, 1500, (LIN, WEI, MEI)[BEST], LUCKY[BEST])
TURN = RelayPosted(0, GROUP, 2, 7, PACKET, FINISHED.best_user_id, 2, 2 * LUCKY[BEST], 3)
CLAIMS = [ClaimLine(index, (LIN, WEI, MEI)[index], LUCKY[index], 7) for index in range(3)]
REVEALED = Revealed(
    1, PACKET, "lucky", "finished", LIN, TOTAL_FEN, 3, 20_000, COMMITMENT, SEED, BEST, CLAIMS, share_fen_min=1
)


def won(index: int, amount_fen: int, answer: str = "won") -> Opened:
    return Opened(1, PACKET, answer, amount_fen, index)


@pytest.fixture
def witness() -> Witness:
    """A group of three; Lin's lucky packet was sent and posted to all."""
    witness = Witness()
    for user_id in (LIN, WEI, MEI):
        witness.streams.allow(user_id, GROUP)
        witness.record_push(user_id, POSTED)
    witness.record_send(ORDER, SENT)
    return witness


def tell_all(witness: Witness) -> None:
    """All three users open, without a contradiction."""
    for index, user_id in enumerate((LIN, WEI, MEI)):
        witness.record_open(user_id, won(index, LUCKY[index]), 1.0)


# --- nothing wrong --------------------------------------------------------------------------------------------


def test_honest_run_has_no_contradictions(witness: Witness) -> None:
    tell_all(witness)
    witness.record_open(WEI, won(1, LUCKY[1], "claimed"), 1.0)
    witness.record_push(LIN, FINISHED)
    for user_id in (LIN, WEI):
        witness.record_push(user_id, TURN)
    witness.record_reveal(REVEALED)
    witness.record_foreign_open(STRANGER, Opened(1, PACKET, "not_allowed"))
    assert witness.contradictions() == []
    assert witness.ok


def test_claimed_before_won_is_not_a_contradiction(witness: Witness) -> None:
    witness.record_open(WEI, won(0, LUCKY[0], "claimed"), 1.0)
    witness.record_open(WEI, won(0, LUCKY[0], "won"), 1.0)  # the reply to the first of two opens came second
    assert witness.contradictions() == []


def test_share_told_before_the_send_is_acknowledged_is_checked_later() -> None:
    witness = Witness()
    witness.streams.allow(WEI, GROUP)
    witness.record_push(WEI, POSTED)
    witness.record_open(WEI, won(0, TOTAL_FEN + 1), 1.0)
    assert witness.contradictions() == []
    witness.record_send(ORDER, SENT)
    assert len(witness.contradictions()) == 1


def test_stream_after_a_reload_continues_without_a_contradiction(witness: Witness) -> None:
    witness.record_push(WEI, Reloaded(GROUP, 5000))
    witness.record_push(WEI, TextPosted(0, GROUP, 5001, LIN, 5, "…"))
    assert witness.contradictions() == []


# --- contradictions -------------------------------------------------------------------------------------------

Telling = Callable[[Witness], None]


def opens(*answers: tuple[int, Opened]) -> Telling:
    def tell(witness: Witness) -> None:
        for user_id, opened in answers:
            witness.record_open(user_id, opened, 1.0)

    return tell


def reveals(**changes: object) -> Telling:
    def tell(witness: Witness) -> None:
        tell_all(witness)
        witness.record_reveal(msgspec.structs.replace(REVEALED, **changes))

    return tell


def on_event(push: TextPosted | PacketPosted | PacketFinished, user_id: int = WEI) -> Telling:
    return lambda witness: witness.record_push(user_id, push)


def finishes(**changes: object) -> Telling:
    def tell(witness: Witness) -> None:
        tell_all(witness)
        witness.record_push(LIN, msgspec.structs.replace(FINISHED, **changes))

    return tell


def turns(**changes: object) -> Telling:
    """Lin is told this turn, all others the right one."""

    def tell(witness: Witness) -> None:
        tell_all(witness)
        for user_id, push in ((LIN, FINISHED), (WEI, TURN), (LIN, msgspec.structs.replace(TURN, **changes))):
            witness.record_push(user_id, push)

    return tell


LIES: dict[str, tuple[Telling, str]] = {
    "won twice": (opens((WEI, won(0, 5)), (WEI, won(0, 5))), "won twice"),
    "claimed another amount": (opens((WEI, won(0, 5)), (WEI, won(0, 6, "claimed"))), "first and"),
    "one index for two": (opens((WEI, won(0, 5)), (MEI, won(0, 6))), "share 0 was given to 2 users"),
    "an index too high": (opens((WEI, won(3, 5))), "got the invalid Share(index=3"),
    "nothing won": (opens((WEI, won(0, 0))), "amount_fen=0"),
    "more than the total": (
        opens((WEI, won(0, 600)), (MEI, won(1, 401))),
        "1001 fen were claimed",
    ),
    "less than the total": (opens((LIN, won(0, 1)), (WEI, won(1, 1)), (MEI, won(2, 1))), "only 3 of 1000 fen"),
    "a stranger won": (opens((STRANGER, won(0, 5))), "but it was for"),
    "a stranger was answered gone": (
        lambda witness: witness.record_foreign_open(STRANGER, Opened(1, PACKET, "gone")),
        "for a packet of others",
    ),
    "another amount revealed": (
        reveals(claims=[*CLAIMS[:2], ClaimLine(2, MEI, LUCKY[2] + 1, 7)]),
        "revealed is Share(index=2",
    ),
    "a winner not revealed": (reveals(claims=CLAIMS[:2], state="refunded", best_index=-1), "revealed is None"),
    "two claims revealed": (reveals(claims=[*CLAIMS[:2], ClaimLine(2, WEI, LUCKY[2], 7)]), "with two claims"),
    "another sender revealed": (reveals(sender_id=WEI), "was revealed as"),
    "another seed revealed": (reveals(seed=bytes(32)), "the seed does not fit the commitment"),
    "best luck for another": (finishes(best_user_id=(LIN, WEI, MEI)[BEST - 1]), "best luck is Share"),
    "best luck too small": (finishes(best_user_id=STRANGER, best_amount_fen=1), "another user has"),
    "posted with other shares": (on_event(msgspec.structs.replace(POSTED, message=2, shares=4)), "was posted as"),
    "a post to a stranger": (on_event(POSTED, STRANGER), "not theirs"),
    "a post twice": (on_event(POSTED), "received 1 instead of 2"),
    "a post left out": (on_event(TextPosted(0, GROUP, 3, LIN, 5, "…")), "received 3 instead of 2"),
    "a turn of another user": (turns(user_id=STRANGER), f"the next turn is of user {STRANGER}"),
    "a turn of more than the rule": (turns(amount_fen=TURN.amount_fen + 1), "more than 2 times the best share"),
    "two turns after a packet": (turns(shares=2), "its turn was told as"),
    "one packet for two sends": (lambda witness: witness.record_send(ORDER, SENT), "two sends got the same packet"),
    "what a scenario expects": (lambda witness: witness.expect(False, "rain"), "not as expected: rain"),
}


@pytest.mark.parametrize(("tell", "finding"), LIES.values(), ids=LIES)
def test_every_lie_is_found(witness: Witness, tell: Telling, finding: str) -> None:
    tell(witness)
    found = witness.contradictions()
    assert any(finding in one for one in found), found
    assert not witness.ok


def test_more_winners_than_shares_is_a_contradiction(witness: Witness) -> None:
    tell_all(witness)
    witness.record_open(4, won(3, 1), 1.0)
    assert any("4 users have a share, the packet has 3" in one for one in witness.contradictions())


def test_gone_for_a_packet_that_is_not_finished_is_a_contradiction(witness: Witness) -> None:
    witness.record_open(WEI, Opened(1, PACKET, "gone"), 1.0)
    witness.record_reveal(msgspec.structs.replace(REVEALED, claims=[], state="refunded", best_index=-1))
    assert any("was answered gone, revealed is refunded" in one for one in witness.contradictions())


@pytest.mark.parametrize(("opener", "ok"), [(WEI, True), (LIN, False), (MEI, False)])
def test_personal_packet_opened_by_another_user_is_a_contradiction(opener: int, ok: bool) -> None:
    witness = Witness()
    witness.record_send(Order(LIN, "personal", WEI, 520, 1), PacketSent(1, PACKET, 520, COMMITMENT, 99))
    witness.record_open(opener, won(0, 520), 1.0)
    assert witness.ok is ok


@pytest.mark.parametrize(("amount_fen", "ok"), [(88, True), (87, False)])
def test_equal_packet_with_another_amount_is_a_contradiction(amount_fen: int, ok: bool) -> None:
    witness = Witness()
    witness.streams.allow(WEI, GROUP)
    witness.record_send(Order(LIN, "equal", GROUP, 88, 3), PacketSent(1, PACKET, 264, COMMITMENT, 99))
    witness.record_open(WEI, won(0, amount_fen), 1.0)
    assert witness.ok is ok


def test_send_with_another_total_is_a_contradiction(witness: Witness) -> None:
    other = msgspec.structs.replace(SENT, packet_id=PACKET + 1, total_fen=999)
    witness.record_send(ORDER, other)
    assert any("cost 999 fen instead of 1000" in one for one in witness.contradictions())


# --- counting -------------------------------------------------------------------------------------------------


def test_witness_counts_answers_refusals_and_pushes(witness: Witness) -> None:
    tell_all(witness)
    witness.record_grab(Grabbed(1, PACKET, "ticket", 5, 6))
    witness.record_refusal(refusal_of(connection.refused(1, codes.Refusal.NOT_ENOUGH_MONEY)))
    witness.record_refusal(TimedOut())
    assert witness.answers == {"won": 3, "ticket": 1}
    assert witness.refusals == {"not_enough_money": 1, "timed_out": 1}
    assert witness.pushes == {"PacketPosted": 3}
    assert witness.open_ms.count == 3
    lucky = witness.by_kind()[0]
    assert lucky == ("lucky", 1, 3, 3, TOTAL_FEN, TOTAL_FEN)
    assert witness.ok


def test_failure_makes_the_run_fail_and_is_described(witness: Witness) -> None:
    try:
        raise RuntimeError("unexpected")
    except RuntimeError as error:
        witness.record_failure("Lin", error)
    assert not witness.ok
    assert witness.failures[0].startswith("Lin: Traceback")
    assert witness.failures[0].endswith("RuntimeError: unexpected")


def test_many_failures_are_all_counted_and_some_described(witness: Witness) -> None:
    for _ in range(1000):
        witness.record_failure("Lin", RuntimeError())
    assert witness.failed == 1000
    assert len(witness.failures) < 100


@pytest.mark.parametrize(
    ("opens", "fault"),
    [
        ([(WEI, 0), (MEI, 1)], ""),
        ([(MEI, 0)], f"user {MEI} got Share(index=0, amount_fen=1), the first share is for user {WEI}"),
        ([(WEI, 1)], f"user {WEI} got Share(index=1, amount_fen=1), the first share is for user {WEI}"),
        ([(WEI, 0), (STRANGER, 1)], f"user {STRANGER} opened it, but it was for {WEI}"),
    ],
)
def test_packet_that_friends_pass_on_is_opened_by_its_receiver_first_and_by_users_with_a_link(
    opens: list[tuple[int, int]], fault: str
) -> None:
    witness = Witness()
    witness.record_send(Order(LIN, "fission", WEI, 520, 3), PacketSent(1, PACKET, 520, COMMITMENT, 99))
    witness.record_link(MEI, PACKET)
    for user_id, index in opens:
        witness.record_open(user_id, Opened(1, PACKET, "won", 1, index), 1.0)
    assert [line.partition(": ")[2] for line in witness.contradictions()] == [fault] * bool(fault)
