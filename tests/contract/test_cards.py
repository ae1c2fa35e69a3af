"""Cards, codes and pay passwords."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage.postgres.cards.bind_attempts import CountedBinds
from storage.postgres.cards.cards import CardRow, CardTaken, TooManyCards
from storage.postgres.cards.challenges import ChallengeRow, Sends
from storage.postgres.cards.payers import CountedAttempt, Tries
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, LATER_MS, SENT_MS
from tests.contract.given_payments import OTHER_PASSWORD, PASSWORD, add_card, bind_attempt, card, challenge

DAY_MS = 86_400_000


class Refused(Exception):
    """A rule of the service refuses."""


def refuse(*arguments: object) -> None:
    """A rule that refuses everything."""
    raise Refused


# --- cards ----------------------------------------------------------------------------------------------------


async def test_card_that_is_added_is_the_users_until_it_is_unbound(both: Stores) -> None:
    first, second = card(1), card(2, card_ref="ref-2")
    assert [await add_card(both, one) for one in (second, first)] == [second, first]
    assert await both.cards.bound(ANNA) == [first, second]
    assert await both.cards.get(first.card_id) == first
    assert [await both.cards.has_any(one) for one in (ANNA, BEN)] == [True, False]
    await both.cards.unbind(BEN, first.card_id, LATER_MS, keeps_password=False)  # not Ben's
    await both.cards.unbind(ANNA, first.card_id, LATER_MS, keeps_password=False)
    await both.cards.unbind(ANNA, first.card_id, LATER_MS + 1, keeps_password=False)
    assert await both.cards.get(first.card_id) == first._replace(unbound_at_ms=LATER_MS)
    assert await both.cards.bound(ANNA) == [second]
    assert [await both.cards.get(card(9).card_id), await both.cards.bound(BEN)] == [None, []]


async def test_card_that_is_added_again_keeps_its_id_and_gets_the_new_seal(both: Stores) -> None:
    await add_card(both, card(1))
    again = card(2, sealed=b"again")._replace(bank="renamed", bound_at_ms=LATER_MS)
    kept = card(1, sealed=b"again")._replace(bank="renamed")
    assert await add_card(both, again) == kept
    assert await both.cards.bound(ANNA) == [kept]
    await both.cards.unbind(ANNA, kept.card_id, LATER_MS, keeps_password=False)
    assert await add_card(both, again) == again  # one that was unbound is another card


async def test_card_of_another_user_is_added_only_if_it_may_be_shared(both: Stores) -> None:
    await add_card(both, card(1))
    with pytest.raises(CardTaken):
        await add_card(both, card(2, BEN))
    judged: list[CardRow] = []

    def may_share(other: CardRow) -> bool:
        judged.append(other)
        return True

    shared = await both.cards.add(lambda same: card(3, BEN), 10, may_share, None)
    assert (shared, judged) == (card(3, BEN), [card(1)])
    assert await both.cards.of_others(BEN, "bank", "ref-1") == [card(1)]
    assert await both.cards.of_others(BEN, "bank", "ref-2") == []
    await both.cards.unbind(ANNA, card(1).card_id, LATER_MS, keeps_password=False)
    assert await both.cards.of_others(BEN, "bank", "ref-1") == []


async def test_card_beyond_the_most_is_refused_and_one_that_is_there_is_not(both: Stores) -> None:
    await add_card(both, card(1), most=1)
    with pytest.raises(TooManyCards):
        await add_card(both, card(2, card_ref="ref-2"), most=1)
    assert (await add_card(both, card(3), most=1)).card_id == card(1).card_id


async def test_first_card_sets_the_password_and_the_last_one_ends_it_unless_it_is_kept(both: Stores) -> None:
    await add_card(both, card(1), password=PASSWORD)
    await add_card(both, card(2, card_ref="ref-2"), password=OTHER_PASSWORD)
    assert await both.payers.password(ANNA) == PASSWORD
    await both.cards.unbind(ANNA, card(1).card_id, LATER_MS, keeps_password=False)
    assert await both.payers.password(ANNA) == PASSWORD
    await both.cards.unbind(ANNA, card(2).card_id, LATER_MS, keeps_password=True)
    assert await both.payers.password(ANNA) == PASSWORD
    await both.cards.unbind(ANNA, card(2).card_id, LATER_MS, keeps_password=False)
    assert await both.payers.password(ANNA) is None


# --- attempts to bind a card ----------------------------------------------------------------------------------


async def test_attempt_to_bind_is_judged_by_those_of_the_last_day_and_a_refusal_records_nothing(
    both: Stores,
) -> None:
    judged: list[CountedBinds] = []
    now_ms = SENT_MS + DAY_MS
    for row in (
        bind_attempt(1, at_ms=SENT_MS - 1),
        bind_attempt(2, at_ms=SENT_MS),
        bind_attempt(3, BEN, at_ms=SENT_MS + 5),
        bind_attempt(4, mac=b"mac-2", at_ms=now_ms),
        bind_attempt(5, at_ms=now_ms),
    ):
        await both.bind_attempts.begin(row, judged.append)
    # the second one is a day old, and just counts; a number counts for all users
    assert judged == [
        CountedBinds(0, 0, 0, 0),
        CountedBinds(1, 1, SENT_MS - 1, SENT_MS - 1),
        CountedBinds(0, 2, 0, SENT_MS - 1),
        CountedBinds(1, 0, SENT_MS, 0),
        CountedBinds(2, 2, SENT_MS, SENT_MS),
    ]
    with pytest.raises(Refused):
        await both.bind_attempts.begin(bind_attempt(6, at_ms=now_ms), refuse)
    await both.bind_attempts.end(bind_attempt(4).attempt_id)
    await both.bind_attempts.end(bind_attempt(4).attempt_id)
    await both.bind_attempts.begin(bind_attempt(7, at_ms=now_ms), judged.append)
    assert judged[-1] == CountedBinds(2, 3, SENT_MS, SENT_MS)


# --- codes ----------------------------------------------------------------------------------------------------


async def test_challenge_is_judged_by_the_codes_of_the_last_day_and_a_refusal_records_nothing(
    both: Stores,
) -> None:
    judged: list[Sends] = []
    now_ms = SENT_MS + DAY_MS
    for row in (
        challenge(1, at_ms=SENT_MS),
        challenge(2, at_ms=SENT_MS + 1, sends=3),
        challenge(3, BEN, at_ms=SENT_MS + 7),
        challenge(4, card_ref="ref-2", at_ms=SENT_MS + 9),
        challenge(5, at_ms=now_ms),
        challenge(6, BEN, card_ref="ref-3", at_ms=now_ms + 1),
    ):
        await both.challenges.add(row, judged.append)
    # the first one is a day old, and just counts; a card counts for all users
    assert judged == [
        Sends(0, 0, 0),
        Sends(1, 1, SENT_MS),
        Sends(0, 4, SENT_MS + 1),
        Sends(4, 0, 0),
        Sends(5, 5, SENT_MS + 7),
        Sends(1, 0, 0),
    ]
    with pytest.raises(Refused):
        await both.challenges.add(challenge(7, at_ms=now_ms + 2), refuse)
    await both.challenges.add(challenge(8, at_ms=now_ms + 2), judged.append)
    assert judged[-1] == Sends(2, 2, now_ms)


async def test_code_that_is_sent_again_is_judged_as_a_new_one_and_a_refusal_changes_nothing(both: Stores) -> None:
    judged: list[Sends] = []
    now_ms = SENT_MS + DAY_MS
    for row in (challenge(1, at_ms=now_ms), challenge(2, BEN, at_ms=now_ms + 5), challenge(3, card_ref="ref-2")):
        await both.challenges.add(row, lambda sends: None)

    def renewed(before: ChallengeRow) -> ChallengeRow:
        return before._replace(sends=before.sends + 1, sent_at_ms=now_ms + 9, code_mac=b"another")

    asked = challenge(1).challenge_id, ANNA, now_ms + 9
    after = challenge(1, at_ms=now_ms)._replace(sends=2, sent_at_ms=now_ms + 9, code_mac=b"another")
    assert await both.challenges.send_again(*asked, renewed, judged.append) == after
    assert await both.challenges.send_again(asked[0], BEN, now_ms + 9, renewed, judged.append) is None
    with pytest.raises(Refused):
        await both.challenges.send_again(*asked, renewed, refuse)
    refuses: Callable[[ChallengeRow], ChallengeRow] = refuse  # type: ignore[assignment]
    with pytest.raises(Refused):
        await both.challenges.send_again(*asked, refuses, judged.append)
    again = await both.challenges.send_again(*asked, renewed, judged.append)
    # those of a card count for all users; one of a day ago counts no more
    assert again == after._replace(sends=3)
    assert judged == [Sends(1, 2, now_ms + 5), Sends(2, 3, now_ms + 9)]


async def test_challenge_is_changed_for_its_user_alone_and_not_if_the_rule_refuses(both: Stores) -> None:
    row = challenge(1)
    await both.challenges.add(row, lambda sends: None)

    def tried(before: ChallengeRow) -> ChallengeRow:
        return before._replace(attempts=before.attempts + 1)

    assert await both.challenges.change(row.challenge_id, BEN, tried) is None
    assert await both.challenges.change(row.challenge_id + 1, ANNA, tried) is None
    assert await both.challenges.change(row.challenge_id, ANNA, tried) == row._replace(attempts=1)
    refuses: Callable[[ChallengeRow], ChallengeRow] = refuse  # type: ignore[assignment]
    with pytest.raises(Refused):
        await both.challenges.change(row.challenge_id, ANNA, refuses)
    assert await both.challenges.change(row.challenge_id, ANNA, tried) == row._replace(attempts=2)


async def test_code_is_used_once_until_it_is_released(both: Stores) -> None:
    row = challenge(1)
    await both.challenges.add(row, lambda sends: None)
    assert [await both.challenges.use(row.challenge_id, LATER_MS) for _ in range(2)] == [True, False]
    await both.challenges.release(row.challenge_id, LATER_MS + 1)  # another use
    assert not await both.challenges.use(row.challenge_id, LATER_MS)
    await both.challenges.release(row.challenge_id, LATER_MS)
    assert await both.challenges.use(row.challenge_id, LATER_MS)
    await both.challenges.remove(row.challenge_id)
    assert not await both.challenges.use(row.challenge_id, LATER_MS)
    assert await both.challenges.change(row.challenge_id, ANNA, lambda one: one) is None


# --- pay passwords --------------------------------------------------------------------------------------------


async def test_attempts_are_counted_before_the_comparison_and_begin_again_when_one_fits(both: Stores) -> None:
    def counted(tries: Tries) -> Tries:
        return Tries(tries.failures + 1, 7)

    assert await both.payers.attempt(ANNA, counted) is None  # there is no password
    assert await both.payers.put(ANNA, PASSWORD)
    assert await both.payers.attempt(ANNA, counted) == CountedAttempt(PASSWORD, Tries(1, 7))
    with pytest.raises(Refused):
        await both.payers.attempt(ANNA, refuse)  # type: ignore[arg-type]
    assert await both.payers.attempt(ANNA, counted) == CountedAttempt(PASSWORD, Tries(2, 7))
    assert not await both.payers.fitted(ANNA, OTHER_PASSWORD, None)
    assert await both.payers.attempt(ANNA, counted) == CountedAttempt(PASSWORD, Tries(3, 7))
    assert await both.payers.fitted(ANNA, PASSWORD, OTHER_PASSWORD)
    assert await both.payers.attempt(ANNA, counted) == CountedAttempt(OTHER_PASSWORD, Tries(1, 7))


async def test_password_is_put_and_a_first_one_only_where_there_is_none(both: Stores) -> None:
    assert await both.payers.password(ANNA) is None
    assert await both.payers.put(ANNA, PASSWORD, only_first=True)
    assert not await both.payers.put(ANNA, OTHER_PASSWORD, only_first=True)
    assert await both.payers.password(ANNA) == PASSWORD
    await both.payers.attempt(ANNA, lambda tries: Tries(5, LATER_MS))
    assert await both.payers.put(ANNA, OTHER_PASSWORD)
    attempt = await both.payers.attempt(ANNA, lambda tries: tries)
    assert attempt == CountedAttempt(OTHER_PASSWORD, Tries(0, 0))
