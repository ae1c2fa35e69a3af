"""The scenarios, by name: how many users with which habits, the course of the run, and what is expected of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from client_sim.bank.desk import BankDesk
from client_sim.languages import Text
from client_sim.sim import expectations, steps
from client_sim.sim.characters import Reaction
from client_sim.sim.crowd import EVERYDAY, Crowd, Habits
from client_sim.sim.expectations import Check
from client_sim.sim.shakes import course
from client_sim.sim.shakes import expectations as shake_expectations
from client_sim.sim.summary import Summary

RUSH_FEN_PER_SHARE = 100
RUSH_MEMBERS_PER_SHARE = 4
RUSH_PAUSE_S = 1.0


async def _live(crowd: Crowd) -> None:
    """All users follow their habits."""
    await steps.live(crowd)
    await steps.wind_down(crowd)


async def _live_and_finish(crowd: Crowd) -> None:
    """All users follow their habits, and at the end there is a finished packet to show."""
    await _live(crowd)
    await steps.ensure_finished_packet(crowd)


async def _rush(crowd: Crowd) -> None:
    """One lucky packet after another to the largest group. All members open each one at the same moment.

    One member in four gets a share.
    """
    group = crowd.largest_group()
    shares = max(1, len(group.member_ids) // RUSH_MEMBERS_PER_SHARE)
    loop = asyncio.get_running_loop()
    crowd.begin("rushing")
    while True:
        await steps.send_and_open_together(crowd, group, shares * RUSH_FEN_PER_SHARE, shares)
        if loop.time() + RUSH_PAUSE_S > crowd.ends_at:
            break
        await asyncio.sleep(RUSH_PAUSE_S)
    await steps.wind_down(crowd)


class Scenario(NamedTuple):
    """What it is about, its usual size, the weights of its characters, what is expected, and its course."""

    about: Text
    users: int
    groups: int
    seconds: float
    habits: Habits
    checks: tuple[Check, ...]
    owners: str = ""  # the character of group owners; "" is any
    relay_times: int = 0  # the rule 接龙 of the groups; 0: none
    course: Callable[[Crowd], Awaitable[None]] = _live


SCENARIOS: dict[str, Scenario] = {
    "crowd": Scenario(
        Text("几个群，各种习惯的用户", "a few groups of users with mixed habits"),
        *(60, 4, 20),
        EVERYDAY,
        (expectations.lucky_packet_is_finished,),
        course=_live_and_finish,
    ),
    "rush": Scenario(
        Text("大群里一个红包，所有人同时拆", "one packet to a large group, all members open it at once"),
        *(400, 1, 10),
        {"onlooker": 1},
        (expectations.every_share_is_won,),
        course=_rush,
    ),
    "greedy": Scenario(
        Text("有人拆两次，有人想拆别人的红包", "users who open twice and try packets of others"),
        *(60, 4, 20),
        {"greedy": 8, "normal": 4},
        (expectations.lucky_packet_is_finished, expectations.foreign_open_is_denied),
        course=_live_and_finish,
    ),
    "offline": Scenario(
        Text("用户离线、回来、补收消息", "users who go offline, come back and catch up"),
        *(60, 4, 20),
        {"wanderer": 8, "normal": 3, "sleeper": 1},
        (expectations.lucky_packet_is_finished, expectations.users_return),
        course=_live_and_finish,
    ),
    "new_year": Scenario(
        Text("平时安静，零点所有人发红包", "it is quiet, and at midnight all users send"),
        *(100, 8, 20),
        {"celebrant": 1},
        (expectations.packets_come_at_midnight, expectations.more_texts_than_packets),
    ),
    "office": Scenario(
        Text("老板给所有人发普通红包，同事聊天", "bosses send equal packets to all, colleagues talk"),
        *(60, 4, 20),
        {"talker": 6, "colleague": 3, "fast": 1},
        (
            expectations.most_packets_are_equal,
            expectations.bosses_give_most,
            expectations.more_texts_than_packets,
        ),
        owners="boss",
    ),
    "family": Scenario(
        Text(
            "小群、个人红包，手气最佳发下一个",
            "small groups, personal packets, and the best luck sends the next packet",
        ),
        *(40, 8, 20),
        {"chain": 5, "elder": 3, "sleeper": 1},
        (expectations.packets_come_in_chains, expectations.some_packets_are_personal),
        relay_times=2,
    ),
    "campaign": Scenario(
        Text("一人发给很多人，其中有机器人", "one sender gives to many users, some of them bots"),
        *(120, 1, 20),
        {"bot": 1, "fast": 3, "talker": 4, "sleeper": 4},
        (expectations.one_sender_for_many, expectations.bots_come_first),
        owners="sponsor",
    ),
    "shake": Scenario(
        Text(
            "摇一摇：赞助商的红包，其中有机器人在狂摇",
            "all shake for a sponsor's money, bots as fast as they can",
        ),
        *(60, 1, 20),
        {"onlooker": 1},
        (
            shake_expectations.every_number_once,
            shake_expectations.every_proof_holds,
            shake_expectations.bands_at_their_odds,
            shake_expectations.counters_fall,
            shake_expectations.bots_gain_nothing,
        ),
        course=course.shake,
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
    notice: Reaction | None = None,
    language: str = "en",
    bank: str = "",
) -> Crowd:
    """The crowd of a scenario, with the scenario's size where none is given; nothing runs yet.

    `mint` makes the token of a user id; 0 is the chat backend. `bank`: the URL of a simulated bank; some users
    then have cards. Raises KeyError for an unknown name, ValueError for numbers that are not possible together.
    """
    scenario = SCENARIOS[name]
    crowd = Crowd(
        url,
        mint,
        users=scenario.users if users is None else users,
        groups=scenario.groups if groups is None else groups,
        seconds=scenario.seconds if seconds is None else seconds,
        seed=seed,
        habits=scenario.habits,
        owners=scenario.owners,
        pace=pace,
        notice=notice,
        language=language,
    )
    for group in crowd.groups:
        group.relay_times = scenario.relay_times
    crowd.context.bank = BankDesk(bank) if bank else None
    return crowd


async def perform(name: str, crowd: Crowd) -> Summary:
    """Run a scenario to its end. An error during the run ends it early and is in the summary.

    Raises ClientError if the crowd cannot connect or get money.
    """
    try:
        await steps.gather(crowd)
        await _run(name, crowd)
    finally:
        await steps.leave(crowd)
    return crowd.summary()


async def _run(name: str, crowd: Crowd) -> None:
    try:
        await SCENARIOS[name].course(crowd)
        await steps.check(crowd)
        crowd.expectations = [check(crowd) for check in SCENARIOS[name].checks]
    except Exception as error:
        crowd.witness.record_failure(name, error)
