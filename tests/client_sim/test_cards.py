"""Simulated users with cards: who has one, and that a crowd without a bank acts as always."""

from __future__ import annotations

from client_sim.bank.faults import Fault, card_number, fault_of_card
from client_sim.sim import scenarios
from client_sim.sim.cards import CARD_ACTS
from client_sim.sim.crowd import Crowd
from tests.client_sim.test_crowd import mint


def crowd_of(bank: str, seed: int = 1, scenario: str = "crowd") -> Crowd:
    size = {"users": 60, "groups": 6, "seconds": 60.0, "seed": seed}
    return scenarios.prepare(scenario, "tcp://127.0.0.1:1", mint, bank=bank, **size)  # type: ignore[arg-type]


def holders(crowd: Crowd) -> set[int]:
    return {user.user_id for user in crowd.users if user.cards.has_bank}


def test_crowd_without_a_bank_has_no_cards_and_no_acts_with_cards() -> None:
    crowd = crowd_of("")
    assert holders(crowd) == set()
    assert not any(step.act in CARD_ACTS for user in crowd.users for step in user.plan(60.0))


def test_crowd_with_a_bank_has_the_same_card_holders_for_the_same_seed() -> None:
    with_bank = crowd_of("http://127.0.0.1:1")
    assert holders(with_bank) == holders(crowd_of("http://127.0.0.1:1"))
    assert 10 < len(holders(with_bank)) < 50
    assert holders(with_bank) != {one + 100_000 for one in holders(crowd_of("http://127.0.0.1:1", seed=0))}


def test_users_without_a_card_act_the_same_with_and_without_a_bank() -> None:
    crowd, with_bank = crowd_of(""), crowd_of("http://127.0.0.1:1")
    for user, other in zip(crowd.users, with_bank.users, strict=True):
        if not other.cards.has_bank:
            assert list(user.plan(60.0)) == list(other.plan(60.0))


def test_card_holders_top_up_and_withdraw() -> None:
    acts = {step.act for user in crowd_of("http://127.0.0.1:1").users for step in user.plan(60.0)}
    assert set(CARD_ACTS) <= acts


def test_cards_of_users_are_test_cards_without_a_fault() -> None:
    assert fault_of_card(card_number(Fault.NONE, 200_017 % 10_000_000)) is Fault.NONE


def test_characters_that_do_not_send_have_no_card() -> None:
    assert holders(crowd_of("http://127.0.0.1:1", scenario="rush")) == set()
