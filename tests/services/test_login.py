"""Tokens at login: version 2 has the time of its issue, version 1 is accepted until a configured date."""

from __future__ import annotations

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ConnectionRefusedForGood
from protocol import tokens
from tests.cases import each
from tests.conftest import DAY_MS, FAR_AWAY_S, KEYS, Server, StartServer, Turn, TurnedClock

USER = 7
ISSUED_S = 1_700_000_000
V1 = tokens.mint(USER, FAR_AWAY_S, "test", KEYS["test"])
V2 = tokens.mint(USER, FAR_AWAY_S, "test", KEYS["test"], ISSUED_S)


async def refusal_of_login(server: Server, token: tokens.Token) -> str:
    """The name of the code with which the connection is closed; "" if the login is accepted."""
    try:
        async with Client(server.url, str(token)):
            return ""
    except ConnectionRefusedForGood as refused:
        return refused.name


async def test_both_versions_of_a_token_are_accepted_by_default(server: Server) -> None:
    assert [await refusal_of_login(server, token) for token in (V1, V2)] == ["", ""]


async def test_token_of_version_1_is_refused_from_the_configured_date_on(
    start_server: StartServer, turn_clock: Turn
) -> None:
    server = await start_server(auth__v1_tokens_until="2050-01-01")
    assert await refusal_of_login(server, V1) == ""
    turn_clock(10_000 * DAY_MS)  # after the date, and before the end of the tokens
    assert [await refusal_of_login(server, token) for token in (V1, V2)] == ["token_expired", ""]


async def test_token_issued_more_than_a_minute_ahead_is_refused(server: Server, server_clock: TurnedClock) -> None:
    """It would outlive a revocation."""
    server_clock.stopped_ms = ISSUED_S * 1000
    ahead = [tokens.mint(USER, FAR_AWAY_S, "test", KEYS["test"], ISSUED_S + s) for s in (60, 61, 10**9, 2**62)]
    assert [await refusal_of_login(server, token) for token in ahead] == ["", *["login_refused"] * 3]


@each("issued_at_s", [0, ISSUED_S - 1, ISSUED_S + 1])
async def test_token_with_another_time_of_issue_is_refused(server: Server, issued_at_s: int) -> None:
    assert await refusal_of_login(server, V2._replace(issued_at_s=issued_at_s)) == "login_refused"
