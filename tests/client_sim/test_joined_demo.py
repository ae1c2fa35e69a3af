"""A person among the users of `hongbao demo --join`: how often a slow reaction still gets a share."""

from __future__ import annotations

import heapq
from random import Random

from client_sim.sim import scenarios
from client_sim.sim.crowd import Crowd
from server.cli.demo import SCENARIO, joined_size
from tests.client_sim.test_crowd import mint

REACTION_S = 1.0  # of the person
SECONDS = 600.0
SEEDS = range(1, 21)
DEMO = {"users": 60, "groups": 6}  # the defaults of `hongbao demo`


def shares_of_packets(crowd: Crowd) -> list[int]:
    """How many shares each packet to the largest group has, in the order in which they are sent."""
    group = crowd.largest_group()
    members = [crowd.user(user_id) for user_id in group.member_ids]
    plans = (((step.at_s, user.user_id, step) for step in user.plan(SECONDS)) for user in members)
    steps = [(crowd.user(user_id), step) for _, user_id, step in heapq.merge(*plans) if step.act == "send"]
    orders = [user.order(Random(step.seed)) for user, step in steps]
    return [order.shares for order in orders if order.target_id == group.group_id]


def wins(crowd: Crowd, shares: int) -> bool:
    """Whether fewer users than there are shares open the packet before the person."""
    members = map(crowd.user, crowd.largest_group().member_ids)
    responses = [user.respond() for user in members]
    return sum(one.taps and one.opens and one.after_s < REACTION_S for one in responses) < shares


def test_person_with_a_reaction_of_one_second_gets_a_third_of_the_packets() -> None:
    found = []
    for seed in SEEDS:
        crowd = scenarios.prepare(SCENARIO, "tcp://127.0.0.1:1", mint, **joined_size(seed=seed, **DEMO)._asdict())
        for number, group in enumerate(crowd.groups, 1):
            group.group_id = number
        won = [wins(crowd, shares) for shares in shares_of_packets(crowd)]
        print(f"seed {seed}: {sum(won)} of {len(won)} packets")
        found.append((sum(won), len(won)))
    assert min(packets for _, packets in found) >= 20
    assert sum(one for one, _ in found) >= sum(packets for _, packets in found) / 3
    assert min(one / packets for one, packets in found) >= 1 / 3  # for every one of the seeds
