"""`hongbao status` and its like, on a server that runs as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from client_sim.client import Client
from protocol import tokens
from server.config import Config, load_keys
from server.ops_cli import in_words, print_answer
from server.process import ServerProcess
from server.running import running
from tests.clusters import data_folder
from tests.server.log import logged, wait_for

FAR_AWAY_S = 4_000_000_000


def hongbao(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.cli", *map(str, words)]
    environment = os.environ | {"COLUMNS": "120"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """The data folder of a server with a group of one."""
    with data_folder(cluster) as folder:
        (folder / "hongbao.toml").touch()
        with ServerProcess(folder, "--config", str(folder / "hongbao.toml")):
            yield folder


def client(data: Path, user_id: int) -> Client:
    found = running(data)
    assert found is not None
    key_id, key = list(load_keys(Config(), data).items())[-1]
    return Client(found.url, str(tokens.mint(user_id, FAR_AWAY_S, key_id, key)))


def answer_of(data: Path, *words: object) -> dict[str, Any]:
    done = hongbao(*words, "--data", data, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def output_of(data: Path, *words: object) -> str:
    done = hongbao(*words, "--data", data)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


async def test_every_command(data: Path) -> None:
    async def asked(*words: object) -> dict[str, Any]:
        return await asyncio.to_thread(answer_of, data, *words)  # the clients answer pings meanwhile

    async def shown(*words: object) -> str:
        return await asyncio.to_thread(output_of, data, *words)

    async with client(data, 0) as backend, client(data, 7) as alice:
        await backend.top_up(7, 123_456)
        group = await alice.create_group("\x1b[31mred\x1b[0m [b]bold[/b]")
        await alice.say(group, "hello")
        packet = (await alice.send_packet("lucky", group, 456, 1)).packet_id
        await alice.open(packet)

        assert (await asked("status"))["connections"] == 2
        assert "in packets" in await shown("status")
        listed = await asked("connections", "--sort", "requests", "--most", 1)
        assert (listed["connections"][0]["user_id"], listed["in_all"]) == (7, 2)
        assert "127.0.0.1:" in await shown("connections")
        assert (await asked("packet", packet))["state"] == "finished"
        assert "4.56 yuan" in await shown("packet", packet)
        assert (await asked("user", 7))["user_id"] == 7
        assert "1,23" in await shown("user", 7)
        assert (await asked("group", group))["members"] == 1
        named = await shown("group", group)
        assert "?[31mred?[0m [b]bold[/b]" in named  # as it is, and harmless
        assert "\x1b" not in named
        assert (await asked("stores"))["postgres"]["up"] is True
        assert "answered in" in await shown("stores")
        assert (await asked("settlement"))["waiting"].keys() == {"claims", "amount_fen", "oldest_at_ms", "age_s"}
        assert "waiting" in await shown("settlement")
        assert (await asked("refunds"))["due_packets"] == 0
        assert "refunded" in await shown("refunds")
        assert (await asked("kick", 7)) == {"closed": 1}


def test_changes_take_effect_and_are_logged(data: Path) -> None:
    before = len(logged(data))
    assert "debug" in output_of(data, "log-level", "debug")
    assert answer_of(data, "reload") == {"changed": [], "needs_restart": []}
    events = [event for event in logged(data)[before:] if event["event"] in ("operator_changes", "config_reloaded")]
    assert [event.get("command") for event in events] == [["log-level", "debug"], ["reload"], None]
    assert {event["uid"] for event in events if "uid" in event} == {os.getuid()}
    config = data / "hongbao.toml"
    good = config.read_text()
    config.write_text("[nonsense]\n")
    failed = hongbao("reload", "--data", data)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"hongbao: {config}: unknown key nonsense\n"
    config.write_text(good)


def test_health_is_an_exit_code(data: Path) -> None:
    healthy = hongbao("status", "--healthy", "--data", data)
    assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("packet", 5), "there is no packet 5"),
        (("group", 5), "there is no group 5"),
        (("connections", "--most", 1001), "a whole number from 1 to 1000, not '1001'"),
    ],
)
def test_what_the_server_refuses_is_one_line(data: Path, words: tuple[object, ...], says: str) -> None:
    refused = hongbao(*words, "--data", data)
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", f"hongbao: {says}\n")


@pytest.mark.parametrize(
    "words",
    [("log-level", "loud"), ("connections", "--sort", "beauty"), ("packet", "one"), ("connections", "--most", 1.5)],
)
def test_what_no_server_would_understand_is_not_sent(words: tuple[object, ...], tmp_path: Path) -> None:
    refused = hongbao(*words, "--data", tmp_path)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("words", [("status",), ("status", "--healthy"), ("status", "--json"), ("drain",)])
def test_without_a_server_it_is_one_line(words: tuple[object, ...], tmp_path: Path) -> None:
    refused = hongbao(*words, "--data", tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"hongbao: no server answers at {tmp_path}/status.sock; start one with: hongbao serve --data {tmp_path}\n"
    )


def test_drain_ends_the_server(cluster: Path) -> None:
    with data_folder(cluster) as folder:
        with ServerProcess(folder) as server:
            assert hongbao("drain", "--data", folder).returncode == 0
            child = server._child
            assert child is not None
            wait_for(lambda: child.poll() is not None)
            assert child.returncode == 0
        assert logged(folder)[-1]["event"] == "stopped"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("balance_fen", 123_456, "1,234.56 yuan"),
        ("rss_bytes", 1_000, "1,000 B"),
        ("rss_bytes", 5 << 20, "5 MiB"),
        ("pending_bytes", 3 << 30, "3.0 GiB"),
        ("idle_s", 3_725.4, "1:02:05"),
        ("loop_lag_ms", 1.5, "1.5 ms"),
        ("answered_in_ms", 0.25, "0.25 ms"),
        ("user_id", 1_234_567, "1234567"),
        ("members", 1_234_567, "1,234,567"),
        ("ready", True, "yes"),
        ("memory", None, "-"),
        ("reasons", [], "none"),
        ("reasons", ["a", "b"], "a, b"),
        ("name", "a\nb\x1b[0m\u202e", "a?b?[0m?"),
    ],
)
def test_values_in_words(name: str, value: object, words: str) -> None:
    assert in_words(name, value) == words


def test_moments_are_local_time() -> None:
    assert in_words("created_at_ms", 1_700_000_000_000).startswith("2023-11-1")
    assert in_words("oldest_ms", None) == "-"


def test_an_answer_for_people() -> None:
    console = Console(file=StringIO(), width=100)
    print_answer(
        console,
        {
            "state": "serving",
            "nothing": {},
            "money_fen": {"sent": 1_00, "claimed_fen": 50, "waited_s": 5, "in_packets": None},
            "rows": [{"user_id": 1, "pending_bytes": 2}, {"user_id": None, "pending_bytes": 3}],
            "in_all": 2,
        },
    )
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[:8] == [
        "state serving",
        "nothing none",
        "money",
        "sent 1.00 yuan",
        "claimed 0.50 yuan",
        "waited 0:00:05",
        "in packets -",
        "in all 2",
    ]
    assert "rows" in lines
    assert {"user id pending", "1 2 B", "- 3 B"} <= set(lines)
