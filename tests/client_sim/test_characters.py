"""Characters: habits as numbers, and plans that depend on the seed alone."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from random import Random

import pytest

from client_sim.sim import scenarios
from client_sim.sim.books import Order
from client_sim.sim.characters import CHARACTERS, Character, Reaction, Response, Step, plan, respond
from client_sim.sim.crowd import Crowd
from client_sim.sim.user import greeting_of
from protocol import tokens

RUN_S = 20.0
PlannedAct = tuple[str, Step, Order]


def mint(user_id: int) -> str:
    return str(tokens.mint(user_id, 2_000_000_000, "k1", bytes(32)))


def crowd_of(scenario: str, seed: int = 1) -> Crowd:
    return scenarios.prepare(scenario, "tcp://127.0.0.1:1", mint, seed=seed)


def planned_acts(crowd: Crowd) -> list[PlannedAct]:
    """What each user does and when, and the packet that they would send then."""
    return [(user.name, step, user.order(Random(step.seed))) for user in crowd.users for step in user.plan(RUN_S)]


def responses(character: Character, count: int = 1000) -> list[Response]:
    rng = Random(7)
    return [respond(character, rng) for _ in range(count)]


def fraction(chances: list[bool]) -> float:
    return sum(chances) / len(chances)


@pytest.mark.parametrize("scenario", [name for name in scenarios.SCENARIOS if name not in ("rush", "shake")])
def test_plans_and_orders_of_a_scenario_depend_on_the_seed_alone(scenario: str) -> None:
    planned = planned_acts(crowd_of(scenario))
    assert planned
    assert planned == planned_acts(crowd_of(scenario))
    assert planned != planned_acts(crowd_of(scenario, seed=2))


def test_plan_after_reactions_to_packets_is_unchanged() -> None:
    crowd = crowd_of("crowd")
    planned = planned_acts(crowd)
    for user in crowd.users:
        respond(user.character, user._rng)
    assert planned_acts(crowd) == planned


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)
def test_plan_of_every_character_is_in_order_and_within_the_run(character: Character) -> None:
    steps = list(plan(character, Random(7), RUN_S))
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    assert all(0 <= step.at_s < RUN_S for step in steps)
    assert {step.act for step in steps} <= {*character.acts, "send"}


def test_plan_of_a_very_long_run_is_drawn_step_by_step() -> None:
    steps = list(islice(plan(CHARACTERS["normal"], Random(7), 1e9, pace=2.0), 1000))
    assert 3000 < steps[-1].at_s < 5000  # each 2 to 6 s after the one before


def test_plan_of_a_celebrant_sends_once_at_half_time() -> None:
    for seed in range(200):
        sends = [step.at_s for step in plan(CHARACTERS["celebrant"], Random(seed), RUN_S) if step.act == "send"]
        assert len(sends) == 1
        assert 10.0 <= sends[0] <= 11.0


def test_reaction_times_have_the_given_median_and_spread() -> None:
    rng = Random(7)
    drawn_s = sorted(Reaction(0.6, 1.8).draw_s(rng) for _ in range(2000))
    assert 0.57 < drawn_s[1000] < 0.63
    assert 0.64 < sum(0.6 / 1.8 < one < 0.6 * 1.8 for one in drawn_s) / 2000 < 0.72
    assert drawn_s[-1] <= 3 * 0.6


def test_responses_and_acts_of_characters_follow_their_habits() -> None:
    fast, bot, sleeper, giver = (responses(CHARACTERS[name]) for name in ("fast", "bot", "sleeper", "giver"))
    assert max(one.after_s for one in bot) < 0.02 < min(one.after_s for one in fast)
    assert all(one.taps and one.opens for one in bot)
    assert Counter(one.opens for one in sleeper)[True] < 400
    assert 0.45 < fraction([one.taps for one in giver]) < 0.55
    acts = {name: Counter(step.act for step in plan(CHARACTERS[name], Random(7), 1000.0)) for name in CHARACTERS}
    assert not acts["bot"]
    assert set(acts["talker"]) == {"say"}
    assert set(acts["giver"]) == {"send"}
    assert CHARACTERS["chain"].continues_chain > 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_plans_of_a_scenario_send_the_expected_kinds(seed: int) -> None:
    kinds = {
        name: Counter(order.kind for _, step, order in planned_acts(crowd_of(name, seed)) if step.act == "send")
        for name in ("office", "campaign", "new_year")
    }
    assert kinds["office"]["equal"] > 2 * kinds["office"]["lucky"]
    assert set(kinds["campaign"]) == {"lucky"}
    assert kinds["new_year"].total() == 100


def test_group_owners_of_a_scenario_have_the_given_character() -> None:
    campaign, office = crowd_of("campaign"), crowd_of("office")
    assert [user.user_id for user in campaign.users if user.character_name == "sponsor"] == [
        campaign.groups[0].member_ids[0]
    ]
    assert {office.user(group.member_ids[0]).character_name for group in office.groups} == {"boss"}


def test_greeting_of_a_password_packet_is_never_empty() -> None:
    drawn = {kind: {greeting_of(kind, "zh", Random(seed)) for seed in range(50)} for kind in ("lucky", "password")}
    assert "" in drawn["lucky"]
    assert drawn["password"] == drawn["lucky"] - {""} | {"芝麻开门"}
