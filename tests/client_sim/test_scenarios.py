"""Scenarios on a real server, and the demo that a person joins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sim.sim import scenarios
from client_sim.sim.crowd import Crowd
from tests.clusters import data_folder
from tests.conftest import Server, token

HONGBAO = [sys.executable, "-m", "server.cli"]
PATIENCE_S = 90.0


@pytest.fixture
def data(cluster: Path) -> Iterator[Path]:
    """A folder for private stores, which need a short path that every user may pass."""
    with data_folder(cluster) as folder:
        yield folder


def crowd_of(server: Server, scenario: str, users: int, groups: int) -> Crowd:
    return scenarios.prepare(scenario, server.url, token, users=users, groups=groups, seconds=2.0, seed=5)


async def test_new_year_on_a_server_makes_every_user_send_and_contradicts_nothing(server: Server) -> None:
    crowd = crowd_of(server, "new_year", users=16, groups=2)
    summary = await scenarios.perform("new_year", crowd)
    assert (summary.contradictions, summary.failures) == ([], [])
    assert {book.order.sender_id for book in crowd.witness.packets.values() if book.order} == {
        user.user_id for user in crowd.users
    }
    assert [one.expected for one in summary.expectations] == [
        "≥ 80% of packets are sent within 2 s",
        "users receive more texts than packets",
    ]
    assert crowd.witness.pages > 0


@pytest.mark.long
async def test_campaign_on_a_server_is_as_expected_and_users_have_names(server: Server) -> None:
    crowd = crowd_of(server, "campaign", users=40, groups=1)
    assert sum(user.character_name == "bot" for user in crowd.users) > 0
    summary = await scenarios.perform("campaign", crowd)
    assert (summary.contradictions, summary.failures) == ([], [])
    assert [one for one in summary.expectations if not one.holds] == []
    names = await server_names(server, crowd)
    assert names == [user.name for user in crowd.users]


async def server_names(server: Server, crowd: Crowd) -> list[str]:
    client = crowd.context.client(crowd.users[0].user_id)
    async with client:
        return (await client.names([user.user_id for user in crowd.users])).names


@pytest.mark.long
def test_demo_with_a_person_in_a_pipe_ends_with_proof_and_audit(data: Path) -> None:
    words = [
        "demo",
        "--join",
        "--as",
        "小明",
        "--users",
        "10",
        "--groups",
        "1",
        "--data",
        str(data),
        "--lang",
        "en",
    ]
    typed = "/members\n/send 8.88 3 大家好\n/wait finished 20\n/quit\n"
    shown = subprocess.run(
        [*HONGBAO, *words], input=typed, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    lines = shown.stdout.splitlines()
    members = [line for line in lines if line.startswith("member ")]
    assert len(members) == 11
    assert any("name=小明" in line for line in members)
    assert any(line.startswith("welcome ") and "balance_fen=20000" in line for line in lines)
    for expected in (
        "finished packet=",
        "all users are leaving",
        "expected  a lucky packet is finished",
        "audit: ok",
    ):
        assert expected in shown.stdout
