"""The evenings that a crowd can have, by name, each with the shapes that it should have (see shapes)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from client_sim.sim import expectations
from client_sim.sim.crowd import EVERYDAY, Crowd, Habits
from client_sim.sim.expectations import Look
from client_sim.sim.summary import Summary

RUSH_FEN_PER_SHARE = 100
RUSH_PEOPLE_PER_SHARE = 4
RUSH_PAUSE_S = 1.0


async def as_they_are(crowd: Crowd) -> None:
    """Everybody follows their habits."""
    await crowd.live()
    await crowd.wind_down()


async def an_evening(crowd: Crowd) -> None:
    """Everybody follows their habits, and there is a packet to look at in the end."""
    await as_they_are(crowd)
    await crowd.farewell()


async def a_rush(crowd: Crowd) -> None:
    """One lucky packet after the other in the largest group, opened by all members in the same moment.

    There is a share for every fourth.
    """
    group = crowd.largest_group()
    shares = max(1, len(group.member_ids) // RUSH_PEOPLE_PER_SHARE)
    loop = asyncio.get_running_loop()
    crowd.begin("rushing")
    while True:
        await crowd.rain(group, shares * RUSH_FEN_PER_SHARE, shares)
        if loop.time() + RUSH_PAUSE_S > crowd.ends_at:
            break
        await asyncio.sleep(RUSH_PAUSE_S)
    await crowd.wind_down()


class Scenario(NamedTuple):
    """What a scenario is about, its usual size, the people it needs, the shapes it should have, and its course."""

    about: str
    users: int
    groups: int
    seconds: float
    habits: Habits
    shapes: tuple[Look, ...]
    owners: str = ""  # the character of who owns a group; "" is anybody
    course: Callable[[Crowd], Awaitable[None]] = as_they_are


SCENARIOS: dict[str, Scenario] = {
    "crowd": Scenario(
        "an evening in a few groups, all sorts of people",
        *(60, 4, 20),
        EVERYDAY,
        (expectations.a_lucky_packet_is_finished,),
        course=an_evening,
    ),
    "rush": Scenario(
        "one packet to a big group, everybody opens at once",
        *(400, 1, 10),
        {"onlooker": 1},
        (expectations.every_share_is_won,),
        course=a_rush,
    ),
    "greedy": Scenario(
        "people who open twice and try what is not theirs",
        *(60, 4, 20),
        {"greedy": 8, "normal": 4},
        (expectations.a_lucky_packet_is_finished, expectations.somebody_is_denied),
        course=an_evening,
    ),
    "offline": Scenario(
        "people who come and go, and catch up",
        *(60, 4, 20),
        {"wanderer": 8, "normal": 3, "sleeper": 1},
        (expectations.a_lucky_packet_is_finished, expectations.somebody_returns),
        course=an_evening,
    ),
    "new_year": Scenario(
        "it is quiet, and at midnight everybody sends",
        *(100, 8, 20),
        {"celebrant": 1},
        (expectations.packets_come_at_the_stroke, expectations.people_talk_more_than_they_give),
    ),
    "office": Scenario(
        "bosses give the same to everybody, everybody talks",
        *(60, 4, 20),
        {"talker": 6, "colleague": 3, "fast": 1},
        (
            expectations.most_packets_are_equal,
            expectations.bosses_give_most,
            expectations.people_talk_more_than_they_give,
        ),
        owners="boss",
    ),
    "family": Scenario(
        "small groups, personal packets, and who has the best luck sends the next",
        *(40, 8, 20),
        {"chain": 5, "elder": 3, "sleeper": 1},
        (expectations.packets_come_in_chains, expectations.some_packets_are_personal),
    ),
    "campaign": Scenario(
        "one gives to many, and bots are among them",
        *(120, 1, 20),
        {"bot": 1, "fast": 3, "talker": 4, "sleeper": 4},
        (expectations.one_gives_to_many, expectations.bots_come_first),
        owners="sponsor",
    ),
}


def prepare(
    name: str,
    url: str,
    mint: Callable[[int], str],
    *,
    users: int | None = None,
    groups: int | None = None,
    seconds: float | None = None,
    seed: int,
    pace: float = 1.0,
) -> Crowd:
    """The crowd of a scenario, of its usual size where no other is given; nothing runs yet.

    `mint` makes the token of a user id; 0 is the chat backend. Raises KeyError for an unknown name, ValueError for
    numbers that do not fit together.
    """
    scenario = SCENARIOS[name]
    return Crowd(
        url,
        mint,
        users=scenario.users if users is None else users,
        groups=scenario.groups if groups is None else groups,
        seconds=scenario.seconds if seconds is None else seconds,
        seed=seed,
        habits=scenario.habits,
        owners=scenario.owners,
        pace=pace,
    )


async def perform(name: str, crowd: Crowd) -> Summary:
    """Run a scenario to its end. A failure on the way ends it early, and is in the summary.

    Raises ClientError if the crowd cannot even gather: no server there, or one that takes no money from us.
    """
    try:
        await crowd.gather()
        await _run(name, crowd)
    finally:
        await crowd.leave()
    return crowd.summary()


async def _run(name: str, crowd: Crowd) -> None:
    try:
        await SCENARIOS[name].course(crowd)
        await crowd.check()
        crowd.shapes = [look(crowd) for look in SCENARIOS[name].shapes]
    except Exception as error:
        crowd.witness.has_failed(name, error)
