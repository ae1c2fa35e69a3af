"""The services in front of Redis: the load of `opens` wins every share once, and the proof sees what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from redis import asyncio as aioredis
from rich.console import Console

from bench.compare.rivals import redis_lua
from bench.compare.rivals.redis_service import SENT, prove
from bench.compare.rivals.result import InvalidRun
from bench.compare.rivals.service_connection import opened
from bench.load.run import run
from bench.load.run_spec import RunSpec
from bench.load.target import Target
from bench.load.target import redis_service as started
from bench.report.screen import Screen
from client_sim.sdk.client import Client
from protocol import messages, tokens
from tests.conftest import FAR_AWAY_S

Kind = Literal["usual", "lean"]
ALICE, BOB = 1_001, 1_002


@pytest.fixture(params=["usual", "lean"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Which service."""
    found: Kind = request.param
    return found


@pytest.fixture
def service(redis_url: str, kind: Kind) -> Iterator[Target]:
    """A service in front of an empty Redis."""
    with started(Target("", "redis", redis_url=redis_url), kind) as target:
        yield target


async def test_load_of_opens_wins_every_share_once(
    service: Target, redis_url: str, redis: aioredis.Redis, kind: Kind
) -> None:
    figures = await run(service, RunSpec("opens", 40, 4, 200, warmup_s=0.0), Screen(Console(quiet=True)))
    assert (figures["answers"], figures["errors"], figures["durability"]) == ({"won": 200}, {}, "redis")
    await prove(redis_url, kind, 200)
    assert await redis.keys() == [b"rival:last_packet"]


async def test_user_wins_one_share_of_a_packet_until_none_is_left(service: Target) -> None:
    async with connected(service, ALICE) as alice, connected(service, BOB) as bob:
        sent = await alice._ask(messages.SendPacket(0, "a key", "lucky", 1, 200, 1), messages.PacketSent)
        open_it = messages.Open(0, sent.packet_id, 1)
        answers = [await one._ask(open_it, messages.Opened) for one in (alice, alice, bob)]
    assert [(one.answer, one.amount_fen) for one in answers] == [("won", 200), ("claimed", 0), ("gone", 0)]


def connected(service: Target, user_id: int) -> Client:
    """A client of the service, which checks no token."""
    return Client(service.url, str(tokens.mint(user_id, FAR_AWAY_S, "none", b"none")))


async def test_proof_fails_for_a_claim_that_no_user_was_told(
    redis_url: str, redis: aioredis.Redis, kind: Kind
) -> None:
    packet, row = 7, redis_lua.SCRIPTS[kind]
    claims = row.keys[-1].format(packet)
    for place in range(20):
        if kind == "usual":
            await redis.rpush(claims, f"{ALICE + place}:100")
        else:
            await redis.hset(claims, str(ALICE + place), 100)
    await redis.sadd(SENT, packet)
    with pytest.raises(InvalidRun, match="told 19 claims, the store holds 20"):
        await prove(redis_url, kind, 19)
    assert await redis.keys() == []


async def test_proof_fails_for_a_packet_that_gave_out_too_little(redis_url: str, redis: aioredis.Redis) -> None:
    packet = 7
    for place in range(20):
        await redis.hset(redis_lua.SCRIPTS["lean"].keys[-1].format(packet), str(ALICE + place), 99)
    await redis.sadd(SENT, packet)
    with pytest.raises(InvalidRun, match="more or less than its total"):
        await prove(redis_url, "lean", 20)


def test_reply_says_what_the_script_returned() -> None:
    request = messages.Open(3, 7, 1)
    assert opened(request, 55) == messages.Opened(3, 7, "won", 55)
    assert opened(request, 0) == messages.Opened(3, 7, "gone")
