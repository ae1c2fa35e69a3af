"""Characters: habits in numbers, and plans that follow from the seed alone."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from random import Random

import pytest

from client_sim.sim import scenarios
from client_sim.sim.books import Order
from client_sim.sim.characters import CHARACTERS, Character, Reaction, Response, Step, plan, respond
from client_sim.sim.crowd import Crowd
from protocol import tokens

EVENING_S = 20.0
Deed = tuple[str, Step, Order]


def mint(user_id: int) -> str:
    return str(tokens.mint(user_id, 2_000_000_000, "k1", bytes(32)))


def crowd_of(scenario: str, seed: int = 1) -> Crowd:
    return scenarios.prepare(scenario, "tcp://127.0.0.1:1", mint, seed=seed)


def deeds(crowd: Crowd) -> list[Deed]:
    """Who does what and when, and what they would send then."""
    return [
        (user.name, step, user.order(Random(step.dice))) for user in crowd.users for step in user.plan(EVENING_S)
    ]


def responses(character: Character, count: int = 1000) -> list[Response]:
    dice = Random(7)
    return [respond(character, dice) for _ in range(count)]


def part(chances: list[bool]) -> float:
    return sum(chances) / len(chances)


@pytest.mark.parametrize("scenario", [name for name in scenarios.SCENARIOS if name != "rush"])
def test_who_does_what_is_a_function_of_the_seed(scenario: str) -> None:
    planned = deeds(crowd_of(scenario))
    assert planned
    assert planned == deeds(crowd_of(scenario))
    assert planned != deeds(crowd_of(scenario, seed=2))


def test_what_comes_in_does_not_change_the_plan() -> None:
    crowd = crowd_of("crowd")
    planned = deeds(crowd)
    for user in crowd.users:
        respond(user.character, user._dice)
    assert deeds(crowd) == planned


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)
def test_a_plan_is_in_order_and_ends_with_the_evening(character: Character) -> None:
    steps = list(plan(character, Random(7), EVENING_S))
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    assert all(0 <= step.at_s < EVENING_S for step in steps)
    assert {step.act for step in steps} <= {*character.acts, "send"}


def test_an_evening_may_be_as_long_as_one_likes() -> None:
    steps = list(islice(plan(CHARACTERS["normal"], Random(7), 1e9, pace=2.0), 1000))
    assert 3000 < steps[-1].at_s < 5000  # each 2 to 6 s after the one before


def test_who_waits_for_the_stroke_sends_once_and_then() -> None:
    for seed in range(200):
        sends = [step.at_s for step in plan(CHARACTERS["celebrant"], Random(seed), EVENING_S) if step.act == "send"]
        assert len(sends) == 1
        assert 10.0 <= sends[0] <= 11.0


def test_reactions_have_their_median_and_their_spread() -> None:
    dice = Random(7)
    drawn_s = sorted(Reaction(0.6, 1.8).draw_s(dice) for _ in range(2000))
    assert 0.57 < drawn_s[1000] < 0.63
    assert 0.64 < sum(0.6 / 1.8 < one < 0.6 * 1.8 for one in drawn_s) / 2000 < 0.72
    assert drawn_s[-1] <= 3 * 0.6


def test_each_character_is_told_by_its_habits() -> None:
    fast, bot, sleeper, giver = (responses(CHARACTERS[name]) for name in ("fast", "bot", "sleeper", "giver"))
    assert max(one.after_s for one in bot) < 0.02 < min(one.after_s for one in fast)
    assert all(one.taps and one.opens for one in bot)
    assert Counter(one.opens for one in sleeper)[True] < 400
    assert 0.45 < part([one.taps for one in giver]) < 0.55
    acts = {name: Counter(step.act for step in plan(CHARACTERS[name], Random(7), 1000.0)) for name in CHARACTERS}
    assert not acts["bot"]
    assert set(acts["talker"]) == {"say"}
    assert set(acts["giver"]) == {"send"}
    assert CHARACTERS["chain"].passes_on > 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_plans_have_the_shapes_of_their_scenarios(seed: int) -> None:
    kinds = {
        name: Counter(order.kind for _, step, order in deeds(crowd_of(name, seed)) if step.act == "send")
        for name in ("office", "campaign", "new_year")
    }
    assert kinds["office"]["equal"] > 2 * kinds["office"]["lucky"]
    assert set(kinds["campaign"]) == {"lucky"}
    assert kinds["new_year"].total() == 100


def test_one_gives_in_a_campaign_and_a_boss_owns_each_office() -> None:
    campaign, office = crowd_of("campaign"), crowd_of("office")
    assert [user.user_id for user in campaign.users if user.character_name == "sponsor"] == [
        campaign.groups[0].member_ids[0]
    ]
    assert {office.user(group.member_ids[0]).character_name for group in office.groups} == {"boss"}
