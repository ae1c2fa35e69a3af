"""The commands as a person calls them: output, exit codes, one line for each error, no process left behind."""

from __future__ import annotations

import asyncio
import ctypes
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import get_args

import pytest
import redis

from client_sim.errors import refusal_of
from client_sim.scenarios import SCENARIOS
from protocol import messages
from server import embedded
from server.cli import Scenario
from server.ops.status import ask
from server.running import running
from tests.server.conftest import left_behind

HONGBAO = (sys.executable, "-m", "server.cli")
PATIENCE_S = 60
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # from <linux/prctl.h>, <linux/capability.h>


def hongbao(*words: object, bound: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `bound` by the rights of files, even as root."""
    return subprocess.run(
        [*HONGBAO, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, **environment},
        preexec_fn=(lambda: ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)) if bound else None,
        check=False,
    )


class Serving:
    """`hongbao serve` as a process."""

    def __init__(self, data: Path, *words: str) -> None:
        self.data = data
        with tempfile.TemporaryFile("w+") as complaints:
            self.process = subprocess.Popen(
                [*HONGBAO, "serve", "--data", str(data), "--port", "0", *words],
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            found = re.match(r"hongbao serves (tcp://127\.0\.0\.1:\d+) ", line)
            complaints.seek(0)
            assert found, line + complaints.read()
        self.url = found[1]

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        with self.process:
            return self.process.wait(PATIENCE_S)


def until_nothing_is_left(folder: Path) -> None:
    """The stores end a moment after a server that was killed."""
    deadline = time.monotonic() + PATIENCE_S
    while left_behind(folder):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_money_survives_kill_9_and_restart(data: Path) -> None:
    first = Serving(data)
    assert hongbao("topup", 1001, 5000, "--key", "a", "--data", data).stdout == "5000\n"
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    until_nothing_is_left(data)
    second = Serving(data)
    assert hongbao("topup", 1001, 5000, "--key", "a", "--data", data).stdout == "5000\n"
    assert hongbao("audit", "--data", data).returncode == 0  # while it runs
    assert second.end(signal.SIGTERM) == 0
    audited = hongbao("audit", "--data", data)  # and while it does not
    assert "put in 50.00 - taken out 0.00 yuan" in audited.stdout
    assert "audit: ok (13 checks, 0 packets, 0 claims, 1 transfers, 1 wallets)" in audited.stdout
    assert audited.returncode == 0


def test_a_second_server_on_the_same_folder_is_refused(data: Path) -> None:
    first = Serving(data)
    again = hongbao("serve", "--data", data, "--port", 0)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith(f"hongbao: a server runs on {data} already: {first.url}")
    assert first.end(signal.SIGINT) == 0


def test_the_status_socket_answers_in_json(data: Path) -> None:
    running = Serving(data)
    with socket.socket(socket.AF_UNIX) as ops:
        ops.connect(str(data / "status.sock"))
        ops.sendall(b"status\nnonsense\n")
        lines = ops.makefile()
        status, refused = json.loads(lines.readline()), json.loads(lines.readline())
        lines.close()
    assert status["stores"] == {"postgres": "up", "redis": "up"}
    assert "status" in refused["commands"]
    assert (data / "status.sock").stat().st_mode & 0o777 == 0o600
    assert running.end(signal.SIGTERM) == 0


def test_a_data_folder_may_have_any_path(data: Path) -> None:
    deep = data / "a folder with spaces" / ("d" * 150)
    serving = Serving(deep)
    found = running(deep)
    assert found is not None
    assert (found.url, found.pid) == (serving.url, serving.process.pid)
    assert asyncio.run(ask(deep / "status.sock", "status"))["durability"] == "postgres"
    assert (deep / "status.sock").stat().st_mode & 0o777 == 0o600
    again = hongbao("serve", "--data", deep, "--port", 0)
    assert again.stderr.startswith(f"hongbao: a server runs on {deep} already: {serving.url}")
    assert serving.end(signal.SIGTERM) == 0
    assert running(deep) is None
    assert not (deep / "status.sock").exists()


def test_a_port_that_is_taken_is_one_line_and_leaves_nothing_behind(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = hongbao("serve", "--data", data, "--port", port)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1] == f"hongbao: cannot listen on 127.0.0.1:{port}: address already in use"
    assert "Traceback" not in refused.stderr
    assert left_behind(data) == []


def test_a_folder_that_cannot_be_written_is_named(data: Path) -> None:
    config = data / "hongbao.toml"
    config.write_text('[auth]\nkeys = { k1 = "' + "ab" * 32 + '" }\n')
    folder = data / "read only"
    folder.mkdir(mode=0o555)
    away = ("--postgres", "postgresql://u@127.0.0.1:1/d", "--redis", "redis://127.0.0.1:1")
    for words in ((), ("--config", config), ("--config", config, *away)):
        refused = hongbao("serve", "--data", folder, *words, bound=True)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == f"hongbao: cannot serve on {folder}: Permission denied\n"


def test_tier_redis_with_a_redis_that_forgets_is_one_line(data: Path) -> None:
    with embedded.start(data) as stores:
        with redis.Redis.from_url(stores.redis_url) as valkey:
            valkey.config_set("appendonly", "no")
        own = ("--postgres", stores.postgres_dsn, "--redis", stores.redis_url)
        refused = hongbao("serve", "--data", data / "own", "--port", 0, "--durability", "redis", *own)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1] == (
        "hongbao: durability redis needs a Redis with appendonly yes and appendfsync always"
    )
    assert "Traceback" not in refused.stderr


def test_a_redis_that_is_away_is_said_and_the_server_starts(data: Path) -> None:
    with embedded.start(data) as stores:
        own = ("--postgres", stores.postgres_dsn, "--redis", "redis://127.0.0.1:1")
        serving = Serving(data / "own", *own)
        status = asyncio.run(ask(data / "own" / "status.sock", "status"))
        assert status["stores"] == {"postgres": "up", "redis": "away: opens go on without the mirror"}
        assert serving.end(signal.SIGTERM) == 0


def test_what_is_no_postgres_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, tempfile.TemporaryDirectory() as data:
        dsn = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"
        refused = hongbao("serve", "--data", data, "--postgres", dsn, "--redis", "redis://127.0.0.1:1")
    assert (refused.returncode, refused.stderr) == (1, "hongbao: PostgreSQL: TimeoutError\n")


def test_demo_shows_proves_and_leaves_nothing_behind(data: Path) -> None:
    home = data / "new"  # nothing is there yet: the first start makes all of it
    shown = hongbao("demo", "--data", home, "--users", 20, "--groups", 2, "--seconds", 4, "--seed", 3)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for expected in (
        "opens/s",
        "personal 个人红包",
        "not_allowed",
        "手气最佳",
        "verify: ok",
        "audit: ok (13 checks",
    ):
        assert expected in shown.stdout
    until_nothing_is_left(data)
    assert hongbao("audit", "--data", home).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_demo_that_is_ended_leaves_nothing_behind(data: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [*HONGBAO, "demo", "--data", str(data), "--seconds", "60"], stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        while "opens/s" not in (line := demo.stdout.readline()):
            assert line, "the demo ended by itself"
        demo.send_signal(number)
        rest = demo.stdout.read()
        assert demo.wait(PATIENCE_S) == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in rest
    until_nothing_is_left(data)
    assert hongbao("audit", "--data", data).returncode == 0


def test_kill_9_of_the_server_during_a_demo_is_told_and_the_books_hold(data: Path) -> None:
    with subprocess.Popen(
        [*HONGBAO, "demo", "--data", str(data), "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        while "opens/s" not in (line := demo.stdout.readline()):
            assert line, "the demo ended by itself"
        os.kill(json.loads((data / "server.json").read_text())["pid"], signal.SIGKILL)
        demo.stdout.read()
        said = demo.stderr.read()
        assert demo.wait(PATIENCE_S) == 1
    assert said.startswith("hongbao: the server ended by itself (signal 9)"), said
    assert said.count("\n") == 1
    until_nothing_is_left(data)
    again = Serving(data)
    assert hongbao("audit", "--data", data).returncode == 0
    assert again.end(signal.SIGTERM) == 0


def test_verify(data: Path) -> None:
    shown = hongbao("demo", "--data", data, "--users", 10, "--groups", 1, "--seconds", 2)
    packet = re.search(r"hongbao verify (\d+)", shown.stdout)
    assert packet, shown.stdout + shown.stderr
    good = hongbao("verify", packet[1], "--data", data)
    assert (good.returncode, good.stdout.splitlines()[-1].startswith("verify: ok")) == (0, True)
    missing = hongbao("verify", 5, "--data", data)
    assert (missing.returncode, missing.stderr) == (1, "hongbao: there is no packet 5\n")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("audit",), 1, "nothing is recorded under"),
        (("topup", "1", "5"), 1, "no server runs on"),
        (("sim", "crowd"), 1, "no server runs on"),
        (("sim", "nothing"), 2, "nothing"),
        (("bench", "nothing"), 2, "nothing"),
        (("token",), 1, "say either a user id or --backend"),
        (("token", "0"), 1, "a user id is in 1…9007199254740991"),
        (("topup", "1", "many"), 2, "many"),
        (("verify",), 2, "packet"),
        (("nonsense",), 2, "nonsense"),
        (("serve", "--nonsense"), 2, "nonsense"),
        (("serve", "--redis", "redis://127.0.0.1:1"), 1, "give both --postgres and --redis, or neither"),
        (
            ("serve", "--postgres", "postgresql://u@127.0.0.1:1/d", "--redis", "redis://127.0.0.1:1"),
            1,
            "PostgreSQL",
        ),
        (("serve", "--durability", "hope"), 1, "durability"),
        (("config", "check", "missing.toml"), 1, "missing.toml"),
    ],
)
def test_errors_are_one_clear_line(tmp_path: Path, words: tuple[str, ...], code: int, says: str) -> None:
    takes_data = words[0] not in ("config", "bench") and "nonsense" not in words
    found = hongbao(*words, *(("--data", tmp_path / "none") if takes_data else ()))
    assert (found.returncode, found.stdout) == (code, "")
    assert found.stderr.startswith("hongbao: ")
    assert says in found.stderr
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "demo",
        "sim",
        "bench",
        "token",
        "topup",
        "audit",
        "verify",
        "config default",
        "config show",
        "config check",
    ],
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    shown = hongbao(*command.split(), "--help")
    assert shown.returncode == 0
    assert "Example: " in shown.stdout
    assert "hongbao " + command in shown.stdout


def test_every_scenario_can_be_asked_for() -> None:
    assert get_args(Scenario) == tuple(SCENARIOS)


def test_config_commands(tmp_path: Path) -> None:
    file = tmp_path / "hongbao.toml"
    file.write_text(hongbao("config", "default").stdout)
    assert hongbao("config", "check", file).stdout == f"{file}: good\n"
    file.write_text('[limits]\nshares_max = 7\n[auth]\nkeys = { k1 = "' + "ab" * 32 + '" }\n')
    shown = hongbao("config", "show", "--config", file, HONGBAO_LIMITS__SHARE_FEN_MAX="300").stdout
    assert "shares_max = 7" in shown
    assert "share_fen_max = 300" in shown
    assert "abab" not in shown
    file.write_text("[limits]\nshare_max = 7\n")
    wrong = hongbao("config", "check", file)
    assert wrong.returncode == 1
    assert "shares_max" in wrong.stderr


def test_tokens_are_what_the_readme_says(tmp_path: Path) -> None:
    text = hongbao("token", 1001, "--hours", 2, "--data", tmp_path).stdout.strip()
    user, expiry, key_id, mac = text.split(".")
    key = bytes.fromhex(re.search(rf'{key_id}"? *= *"([0-9a-f]+)"', (tmp_path / "keys.toml").read_text())[1])  # type: ignore[index]
    assert mac == hmac.digest(key, f"{user}.{expiry}.{key_id}".encode(), "sha256").hex()
    assert user == "1001"
    assert 7100 < int(expiry) - time.time() <= 7201
    assert (tmp_path / "keys.toml").stat().st_mode & 0o777 == 0o600


def test_a_refusal_without_a_detail_ends_without_a_colon() -> None:
    refusals = [refusal_of(messages.Refused(1, 305, "key_reused", False, 0, detail)) for detail in ("", "too old")]
    assert [str(refusal) for refusal in refusals] == ["305 key_reused", "305 key_reused: too old"]
