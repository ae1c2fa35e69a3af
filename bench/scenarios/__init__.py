"""The scenarios as a table. To add one: a class in a file here and a row below.

A scenario is a class with a few facts (see `scenario.Scenario`: `about`, `rate_of`, `standard`, `limits`, the
`server` that it needs, the options that it `refuses`). Every generator makes one and calls, in this order:

    prepare()   logs users in and prepares everything (mostly with bench.load.setup); the clock does not run yet
    measure()   begins with the parent's `go`; CPU is read before and after it
    outcome()   computes rate, latencies, answers, errors, and every claim and send that a user was told

A scenario of requests and replies derives from `Requests`, which measures in an open and in a closed loop. It only
defines the requests that begin operations (`first_requests`), the next request within an operation (`next_request`)
and the answers that the rate counts (`counted`). A scenario that has operations and a loop of its own derives from
`Operations` and logs them. Others fill an `Outcome` themselves, most simply with `summarize`.
"""

from __future__ import annotations

from typing import Final

from bench.scenarios import basic, day, flood, hot, http, idle, login, overload, push, shakes, webhooks
from bench.scenarios.scenario import Scenario

SCENARIOS: Final[dict[str, type[Scenario]]] = {
    "echo": basic.Echo,
    "login": login.Login,
    "idle": idle.Idle,
    "idle-websocket": idle.IdleWebSocket,
    "grab": basic.Grab,
    "grab-websocket": basic.GrabWebSocket,
    "open": basic.OpenPackets,
    "opens": basic.Opens,
    "overload": overload.Overload,
    "hot": hot.Hot,
    "send": basic.Send,
    "push": push.Push,
    "day": day.Day,
    "flood": flood.Flood,
    "shakes": shakes.Shakes,
    "wins": shakes.Wins,
    "webhooks": webhooks.Webhooks,
    "http": http.Http,
    "http-send": http.HttpSend,
    "http-open": http.HttpOpen,
}
