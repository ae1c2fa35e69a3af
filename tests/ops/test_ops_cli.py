"""`hongbao status` and the other operator commands, on a server in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from client_sim.sdk.client import Client
from protocol import tokens
from protocol.money_unit import YUAN
from server.cli import operators
from server.cli.shared.answers import print_answer
from server.config import Config, load_keys
from server.instance import running
from server.ops.humanize import humanize, title
from server.ops.socket.old_names import RENAMED_KEYS
from server.process import ServerProcess
from tests.clusters import data_folder
from tests.points import POINTS, yuan_in
from tests.server.log import logged, wait_for
from tests.server.serving import here

FAR_AWAY_S = 4_000_000_000


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables have room for their columns."""
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """The data folder of a running server."""
    with data_folder(cluster) as folder:
        (folder / "hongbao.toml").write_text('[ops]\nhttp = "127.0.0.1:0"\n')
        with ServerProcess(folder, "--config", str(folder / "hongbao.toml")):
            yield folder


def client(data: Path, user_id: int) -> Client:
    found = running(data)
    assert found is not None
    key_id, key = list(load_keys(Config(), data).items())[-1]
    return Client(found.url, str(tokens.mint(user_id, FAR_AWAY_S, key_id, key)))


def ask_json(data: Path, *words: object) -> dict[str, Any]:
    done = here(*words, "--data", data, "--json")
    assert (done.code, done.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def ask_text(data: Path, *words: object) -> str:
    done = here(*words, "--data", data)
    assert (done.code, done.stderr) == (0, "")
    return done.stdout


async def test_every_command_shows_its_answer(data: Path) -> None:
    async with client(data, 0) as backend, client(data, 7) as alice:
        await backend.top_up(7, 123_456)
        group = await alice.create_group("red [b]bold[/b]")
        await alice.say(group, "hello")
        packet = (await alice.send_packet("lucky", group, 456, 1)).packet_id
        await alice.open(packet)
        await asyncio.to_thread(check_answers, data, group, packet)  # else the clients could not answer pings


def check_answers(data: Path, group: int, packet: int) -> None:
    """Run every command that reads, and `kick`."""
    assert ask_json(data, "status")["connections"] == 2
    at_a_glance = ask_text(data, "status")
    assert "in flight" in at_a_glance
    assert not any(title(key.old) in at_a_glance for key in RENAMED_KEYS)  # old keys are for programs
    listed = ask_json(data, "connections", "--sort", "requests", "--most", 1)
    assert (listed["connections"][0]["user_id"], listed["total"]) == (7, 2)
    assert "127.0.0.1:" in ask_text(data, "connections")
    assert ask_json(data, "packet", packet)["state"] == "finished"
    assert "4.56 yuan" in ask_text(data, "packet", packet)
    assert ask_json(data, "user", 7)["user_id"] == 7
    assert "1,23" in ask_text(data, "user", 7)
    assert ask_json(data, "group", group)["members"] == 1
    named = ask_text(data, "group", group)
    assert "red [b]bold[/b]" in named  # markup is not interpreted
    assert ask_json(data, "stores")["postgres"]["up"] is True
    assert "answered in" in ask_text(data, "stores")
    assert ask_json(data, "settlement")["waiting"].keys() == {"claims", "amount_fen", "oldest_at_ms", "age_s"}
    assert "waiting" in ask_text(data, "settlement")
    assert ask_json(data, "refunds")["due_packets"] == 0
    assert "refunded" in ask_text(data, "refunds")
    assert ask_json(data, "disconnect", 7) == {"closed": 1}


def test_commands_of_the_backend_ban_a_user_and_revoke_tokens(data: Path) -> None:
    def said(*words: object) -> str:
        done = here(*words, "--data", data)
        assert (done.code, done.stderr) == (0, "")
        return done.stdout

    def access() -> list[object]:
        answer = ask_json(data, "user", 31)
        return [answer["known"], answer["banned"], answer["tokens_from_at_ms"]]

    assert access() == [False, False, None]
    assert said("ban", 31, "--create") == "user 31 is banned\n"
    assert said("ban", 31) == "user 31 is banned\n"
    assert access() == [True, True, None]
    assert said("unban", 31) == "user 31 is not banned\n"
    revoked = said("revoke", 31)
    assert revoked.startswith("tokens of user 31 that were issued before 20")
    known, banned, tokens_from_at_ms = access()
    assert (known, banned) == (True, False)
    assert isinstance(tokens_from_at_ms, int)
    assert datetime.fromtimestamp(tokens_from_at_ms / 1000, UTC).isoformat().replace("+00:00", "Z") in revoked


def test_changes_take_effect_and_are_logged(data: Path) -> None:
    before = len(logged(data))
    assert "debug" in ask_text(data, "log-level", "debug")
    assert ask_json(data, "reload") == {"changed": [], "needs_restart": []}
    events = [event for event in logged(data)[before:] if event["event"] in ("operator_changes", "config_reloaded")]
    assert [event.get("command") for event in events] == [["log-level", "debug"], ["reload"], None]
    assert {event["uid"] for event in events if "uid" in event} == {os.getuid()}
    config = data / "hongbao.toml"
    good = config.read_text()
    config.write_text("[nonsense]\n")
    failed = here("reload", "--data", data)
    assert (failed.code, failed.stdout) == (1, "")
    assert failed.stderr == f"hongbao: {config}: unknown key nonsense\n"
    config.write_text(good)


def test_status_healthy_of_a_server_that_is_not_ready_exits_1_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"ready": False, "reasons": ["postgres is away: no answer", "the server is draining"]}
    monkeypatch.setattr(operators, "ask_server", lambda *_: answer)
    ill = here("status", "--healthy")
    assert (ill.code, ill.stdout) == (1, "")
    assert ill.stderr == "hongbao: postgres is away: no answer; the server is draining\n"


def test_status_healthy_exits_0_without_output(data: Path) -> None:
    healthy = here("status", "--healthy", "--data", data)
    assert (healthy.code, healthy.stdout, healthy.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("packet", 5), "there is no packet 5"),
        (("group", 5), "there is no group 5"),
        (("connections", "--most", 1001), "expected a whole number from 1 to 1000, got '1001'"),
    ],
)
def test_error_of_the_server_is_one_line(data: Path, words: tuple[object, ...], error: str) -> None:
    refused = here(*words, "--data", data)
    assert (refused.code, refused.stdout, refused.stderr) == (1, "", f"hongbao: {error}\n")


@pytest.mark.parametrize(
    "words",
    [("log-level", "loud"), ("connections", "--sort", "beauty"), ("packet", "one"), ("connections", "--most", 1.5)],
)
def test_bad_arguments_are_refused_without_a_server(words: tuple[object, ...], tmp_path: Path) -> None:
    refused = here(*words, "--data", tmp_path)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("words", [("status",), ("status", "--healthy"), ("status", "--json"), ("drain",)])
def test_missing_server_is_one_line(words: tuple[object, ...], tmp_path: Path) -> None:
    refused = here(*words, "--data", tmp_path)
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"hongbao: no server answers at {tmp_path}/status.sock; start one with: hongbao serve --data {tmp_path}\n"
    )


def test_drain_stops_the_server_process(cluster: Path) -> None:
    with data_folder(cluster) as folder:
        with ServerProcess(folder) as server:
            assert here("drain", "--data", folder).code == 0
            child = server._child
            assert child is not None
            wait_for(lambda: child.poll() is not None)
            assert child.returncode == 0
        assert logged(folder)[-1]["event"] == "stopped"


@pytest.mark.parametrize(
    ("name", "value", "text"),
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
def test_humanize_formats_by_unit(name: str, value: object, text: str) -> None:
    assert humanize(name, value, YUAN) == text


def test_humanize_shows_times_in_the_local_zone() -> None:
    assert humanize("created_at_ms", 1_700_000_000_000).startswith("2023-11-1")
    assert humanize("oldest_ms", None) == "-"


def test_print_answer_shows_names_values_and_tables() -> None:
    console = Console(file=StringIO(), width=100)
    print_answer(
        console,
        {
            "state": "serving",
            "nothing": {},
            "money_fen": {"sent": 1_00, "claimed_fen": 50, "waited_s": 5, "in_packets": None},
            "rows": [{"user_id": 1, "pending_bytes": 2}, {"user_id": None, "pending_bytes": 3}],
            "total": 2,
        },
        YUAN,
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
        "total 2",
    ]
    assert "rows" in lines
    assert {"user id pending", "1 2 B", "- 3 B"} <= set(lines)


def test_print_answer_in_points_has_no_yuan() -> None:
    console = Console(file=StringIO(), width=100)
    print_answer(console, {"money_fen": {"sent": 1_234}, "rows": [{"balance_fen": 50}]}, POINTS)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1,234 points" in text
    assert "50 points" in text
    assert yuan_in(text) == []
