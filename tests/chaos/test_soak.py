"""The verdict on a soak, and a short real one: strikes beside a crowd, and the server stays the same process."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

import pytest

from bench.chaos import soak as soak_module
from bench.chaos.soak import SoakSpec, plan, run
from bench.chaos.soak_verdict import Latency, Outcome, Request, Struck, broken, latency, outside
from bench.chaos.strikes import STRIKES, take_rights
from client_sim.sdk.backoff import patiently
from client_sim.sdk.client import Client
from protocol import tokens
from server.cli import main
from server.core.ids import BACKEND
from tests.conftest import FAR_AWAY_S, PATIENCE_S

CALM = {"login": Latency(100, 2.0, 10.0), "open": Latency(100, 2.0, 20.0)}
STRUCK = [Struck("freeze", 20.0, 24.0), Struck("kill", 50.0, 51.0)]
HOLDS = Outcome(CALM, CALM, STRUCK, 7, 7, [], [], [])


def test_verdict_on_a_good_soak_is_empty() -> None:
    at_the_limit = {"login": Latency(100, 2.0, 30.0), "open": Latency(100, 2.0, 60.0)}
    assert broken(HOLDS) == broken(HOLDS._replace(after=at_the_limit)) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"after": CALM | {"open": Latency(100, 2.0, 60.1)}},
            "open: p99 outside of strikes is 60.1 ms, more than 3",
        ),
        ({"after": CALM | {"login": Latency(0, 0.0, 0.0)}}, "login: .* no p99 to compare"),
        ({"calm": CALM | {"login": Latency(0, 0.0, 0.0)}}, "login: .* no p99 to compare"),
        ({"pid_after": 8}, "the server ended by itself: it was process 7, process 8 runs in its place"),
        ({"pid_after": 0}, "the server ended by itself: it was process 7, none runs in its place"),
        ({"audit": ["user 3 has 5 fen too many"]}, "hongbao audit: user 3 has 5 fen too many"),
        ({"lost": ["packet 9: user 3 was told share 1"]}, "packet 9: user 3 was told share 1"),
        ({"stuck": ["2 requests without an answer"]}, "2 requests without an answer"),
        ({"strikes": []}, "no strike was made"),
    ],
)
def test_verdict_names_what_does_not_hold(changed: dict[str, Any], says: str) -> None:
    (line,) = broken(HOLDS._replace(**changed))
    assert re.match(says, line)


def test_requests_of_a_strike_and_its_aftermath_are_not_judged() -> None:
    moments_s = [18.9, 19.1, 22.0, 33.9, 34.1, 48.9, 49.1, 61.0, 61.1]
    judged = outside([Request(one, 1.0) for one in moments_s], STRUCK, 10.0)
    assert [one.start_s for one in judged] == [18.9, 34.1, 48.9, 61.1]


def test_latency_without_requests_is_zero() -> None:
    assert latency([]) == Latency(0, 0.0, 0.0)
    assert latency([Request(0.0, float(ms)) for ms in range(1, 101)]).p99_ms == pytest.approx(99, rel=0.01)


def test_plan_of_a_seed_makes_every_strike_before_one_is_repeated() -> None:
    first, same, other = (plan(seed) for seed in (1, 1, 2))
    names = [first().name for _ in range(2 * len(STRIKES))]
    assert set(names[: len(STRIKES)]) == set(names[len(STRIKES) :]) == {one.name for one in STRIKES}
    assert names == [same().name for _ in names] != [other().name for _ in names]


@pytest.mark.long
async def test_soak_with_two_strikes_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its rule about latencies: other tests share the machine."""
    monkeypatch.setattr(soak_module, "LASTS_S", (1.0, 1.5))
    monkeypatch.setattr(soak_module, "LIMITS", {"packet_lifetime_s": 5.0})
    killed, revoked = STRIKES[0], next(one for one in STRIKES if one.name == "revoke a right")
    monkeypatch.setattr(soak_module, "STRIKES", (killed, revoked))
    lines: list[str] = []
    spec = SoakSpec(16.0, 11, "postgres", users=25, readers=5, aftermath_s=1.0, quiet_s=(0.5, 1.0))
    figures = await run(spec, lines.append)
    assert [one for one in figures["broken"] if "p99" not in one] == []
    assert len({one["name"] for one in figures["strikes"]}) == 2
    assert figures["server_pid"][0] == figures["server_pid"][1] > 0
    assert figures["acked_claims"] > 100
    assert figures["reads"]["caughtup"] > 0
    assert figures["unknown"] == 0
    assert lines


@pytest.mark.long
async def test_every_strike_ends_and_the_server_serves_afterwards() -> None:
    with soak_module.own_server("postgres", {}, print, soak_module.program(), ()) as target:
        victim = soak_module.victim_of(target)
        await take_rights(victim)
        for strike in STRIKES:
            async with strike.hold(victim):
                await asyncio.sleep(0.2 if strike.lasts else 0.0)
            token = str(tokens.mint(BACKEND, FAR_AWAY_S, target.key_id, target.key))
            async with Client(target.url, token) as backend:
                await patiently(partial(backend.top_up, 1, 100, key=strike.name), PATIENCE_S)
            target.check()


@pytest.mark.parametrize(
    "words", [["--soak", "30"], ["--soak", "m"], ["--soak", "0s"], ["--soak", "1m", "--seconds", "3"]]
)
def test_wrong_arguments_of_a_soak_are_one_line(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["chaos", *words])
    assert ended.value.code in {1, 2}
    assert capsys.readouterr().err.startswith("hongbao: ")
