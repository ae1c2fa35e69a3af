"""The users and groups of a crowd: the same for the same seed, in groups that fit."""

from __future__ import annotations

import pytest

from client_sim.sim import scenarios
from client_sim.sim.acts import ACTS
from client_sim.sim.characters import CHARACTERS
from client_sim.sim.crowd import Crowd
from client_sim.sim.sim_context import index_of, name_of, user_id_at
from protocol import messages, tokens


def mint(user_id: int) -> str:
    return str(tokens.mint(user_id, 2_000_000_000, "k1", bytes(32)))


def crowd_of(users: int, groups: int, seed: int = 1) -> Crowd:
    return scenarios.prepare("crowd", "tcp://127.0.0.1:1", mint, users=users, groups=groups, seconds=1, seed=seed)


def people(crowd: Crowd) -> list[tuple[int, list[str]]]:
    return [(user.user_id, [group.name for group in user.groups]) for user in crowd.users]


def test_crowd_of_the_same_seed_has_the_same_users_and_groups() -> None:
    assert people(crowd_of(60, 4)) == people(crowd_of(60, 4))
    assert people(crowd_of(60, 4)) != people(crowd_of(60, 4, seed=2))


@pytest.mark.parametrize(("users", "groups"), [(1, 1), (7, 7), (60, 4), (500, 1)])
def test_crowd_of_any_size_gives_every_user_a_group_and_every_group_members(users: int, groups: int) -> None:
    crowd = crowd_of(users, groups)
    assert all(user.groups for user in crowd.users)
    assert all(group.member_ids for group in crowd.groups)
    assert all(len(set(group.member_ids)) == len(group.member_ids) for group in crowd.groups)


@pytest.mark.parametrize(("users", "groups"), [(0, 1), (3, 0), (3, 4), (501, 1)])
def test_crowd_with_impossible_numbers_is_refused(users: int, groups: int) -> None:
    with pytest.raises(ValueError, match="group"):
        crowd_of(users, groups)


@pytest.mark.parametrize("seed", [0, 7, 10**9 - 1, 2**64])
def test_user_ids_of_two_seeds_are_different(seed: int) -> None:
    user_id = user_id_at(seed, 59)
    assert 0 < user_id <= messages.USER_ID_MAX
    assert index_of(user_id) == 59
    assert user_id_at(seed + 1, 0) != user_id_at(seed, 0)


def test_names_of_500_users_are_different() -> None:
    assert len({name_of(user_id_at(7, index)) for index in range(500)}) == 500


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)
def test_acts_of_every_character_are_in_the_table(character: object) -> None:
    assert set(character.acts) <= set(ACTS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS.values(), ids=scenarios.SCENARIOS)
def test_characters_of_every_scenario_are_in_the_table(scenario: scenarios.Scenario) -> None:
    assert set(scenario.habits) <= set(CHARACTERS)
