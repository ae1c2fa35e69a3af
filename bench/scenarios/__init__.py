"""The scenarios as a table. To add one: a small file here and a row below.

A scenario is a class with a few facts (see `scenario.Scenario`: `about`, `rate_of`, `standard`, `limits`,
which `server` it needs, which options it `refuses`), of which every generator makes one and calls, in this order:

    prepare()   logs users in and sets the stage (bench.load.setup does most of it); nothing is on the clock yet
    measure()   begins when the parent says go; CPU is taken before and after it
    outcome()   reckons: rate, latencies, answers, errors, and every claim and send that a user was told

What consists of requests and replies derives from `Requests` instead, which measures in an open and in a closed
loop. It says only with which requests the turns begin (`first_requests`), what a user asks next in a turn (`hear`)
and which answers the rate counts (`counted`). What has turns but a loop of its own derives from `Turns` and logs
them. Others fill an `Outcome` themselves, most simply with `reckon`.
"""

from __future__ import annotations

from typing import Final

from bench.scenarios import day, echo, grab, hot, idle, login, open, opens, overload, push, send
from bench.scenarios.scenario import Scenario

SCENARIOS: Final[dict[str, type[Scenario]]] = {
    "echo": echo.Echo,
    "login": login.Login,
    "idle": idle.Idle,
    "grab": grab.Grab,
    "open": open.OpenPackets,
    "opens": opens.Opens,
    "overload": overload.Overload,
    "hot": hot.Hot,
    "send": send.Send,
    "push": push.Push,
    "day": day.Day,
}
