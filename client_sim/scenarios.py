"""The evenings that a crowd can have, by name. Each says what must come out of it, and looks whether it did."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from client_sim.crowd import EVERYDAY, Crowd, Habits, Summary

RUSH_FEN_PER_SHARE = 100
RUSH_PEOPLE_PER_SHARE = 4
RUSH_PAUSE_S = 1.0


async def an_evening(crowd: Crowd) -> None:
    """Everybody follows their habits. Nothing contradicts itself, and at least one lucky packet is finished."""
    await crowd.live()
    await crowd.wind_down()
    crowd.witness.expect(crowd.best_packet() is not None, "a lucky packet is finished")


async def a_rush(crowd: Crowd) -> None:
    """One lucky packet after the other in the largest group, opened by all members in the same moment.

    There is a share for every fourth. Exactly so many win, together they have the total, and everybody else is told
    that they came too late.
    """
    group = crowd.largest_group()
    shares = max(1, len(group.member_ids) // RUSH_PEOPLE_PER_SHARE)
    loop = asyncio.get_running_loop()
    crowd.begin("rushing")
    while True:
        book = await crowd.rain(group, shares * RUSH_FEN_PER_SHARE, shares)
        told = f"packet {book.packet_id}: {len(book.shares)} shares, {book.claimed_fen} fen"
        crowd.witness.expect(
            len(book.shares) == shares and book.claimed_fen == shares * RUSH_FEN_PER_SHARE,
            f"{shares} shares of together {shares * RUSH_FEN_PER_SHARE} fen, not {told}",
        )
        if loop.time() + RUSH_PAUSE_S > crowd.ends_at:
            break
        await asyncio.sleep(RUSH_PAUSE_S)
    await crowd.wind_down()


async def a_siege(crowd: Crowd) -> None:
    """Nearly everybody opens twice and tries what is not theirs. They are denied, and it changes nothing."""
    await an_evening(crowd)
    crowd.witness.expect(crowd.witness.answers["not_allowed"] > 0, "somebody was denied a packet not theirs")


async def a_journey(crowd: Crowd) -> None:
    """People drop out and come back all the time. In the end everybody has heard everything, once and in order."""
    await an_evening(crowd)
    crowd.witness.expect(crowd.returns() > 0, "somebody was away and came back")


class Scenario(NamedTuple):
    """What a scenario is about, its usual size, the people it needs, and its course."""

    about: str
    users: int
    groups: int
    seconds: float
    habits: Habits
    course: Callable[[Crowd], Awaitable[None]]


SCENARIOS: dict[str, Scenario] = {
    "crowd": Scenario("an evening in a few groups, all sorts of people", 60, 4, 20, EVERYDAY, an_evening),
    "rush": Scenario("one packet to a big group, everybody opens at once", 400, 1, 10, {"onlooker": 1}, a_rush),
    "greedy": Scenario(
        "people who open twice and try what is not theirs", 60, 4, 20, {"greedy": 8, "normal": 4}, a_siege
    ),
    "offline": Scenario(
        "people who come and go, and catch up", 60, 4, 20, {"wanderer": 8, "normal": 3, "sleepy": 1}, a_journey
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
    except Exception as error:
        crowd.witness.has_failed(name, error)
