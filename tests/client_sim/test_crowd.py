"""Who a crowd is made of: the same people for the same seed, in groups that fit."""

from __future__ import annotations

import pytest

from client_sim.sim import scenarios
from client_sim.sim.characters import CHARACTERS
from client_sim.sim.crowd import Crowd
from client_sim.sim.sim_context import name_of, place_of, user_id_of
from client_sim.sim.user import ACTS
from protocol import messages, tokens


def mint(user_id: int) -> str:
    return str(tokens.mint(user_id, 2_000_000_000, "k1", bytes(32)))


def crowd_of(users: int, groups: int, seed: int = 1) -> Crowd:
    return scenarios.prepare("crowd", "tcp://127.0.0.1:1", mint, users=users, groups=groups, seconds=1, seed=seed)


def people(crowd: Crowd) -> list[tuple[int, list[str]]]:
    return [(user.user_id, [group.name for group in user.groups]) for user in crowd.users]


def test_the_same_seed_gives_the_same_people() -> None:
    assert people(crowd_of(60, 4)) == people(crowd_of(60, 4))
    assert people(crowd_of(60, 4)) != people(crowd_of(60, 4, seed=2))


@pytest.mark.parametrize(("users", "groups"), [(1, 1), (7, 7), (60, 4), (500, 1)])
def test_everybody_is_in_a_group_and_every_group_has_an_owner(users: int, groups: int) -> None:
    crowd = crowd_of(users, groups)
    assert all(user.groups for user in crowd.users)
    assert all(group.member_ids for group in crowd.groups)
    assert all(len(set(group.member_ids)) == len(group.member_ids) for group in crowd.groups)


@pytest.mark.parametrize(("users", "groups"), [(0, 1), (3, 0), (3, 4), (501, 1)])
def test_numbers_that_do_not_fit_are_refused(users: int, groups: int) -> None:
    with pytest.raises(ValueError, match="group"):
        crowd_of(users, groups)


@pytest.mark.parametrize("seed", [0, 7, 10**9 - 1, 2**64])
def test_every_seed_has_user_ids_of_its_own(seed: int) -> None:
    user_id = user_id_of(seed, 59)
    assert 0 < user_id <= messages.USER_ID_MAX
    assert place_of(user_id) == 59
    assert user_id_of(seed + 1, 0) != user_id_of(seed, 0)


def test_names_are_told_apart() -> None:
    assert len({name_of(user_id_of(7, place)) for place in range(500)}) == 500


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)
def test_every_habit_is_an_act(character: object) -> None:
    assert set(character.acts) <= set(ACTS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS.values(), ids=scenarios.SCENARIOS)
def test_every_scenario_is_made_of_known_characters(scenario: scenarios.Scenario) -> None:
    assert set(scenario.habits) <= set(CHARACTERS)
