"""The commands as a user calls them: output, exit codes, one line for each error, no process left."""

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest
import redis

from client_sim.sdk.errors import refusal_of
from client_sim.sim.scenarios import SCENARIOS
from protocol import messages
from server import embedded
from server.cli.sim import Scenario
from server.config import Config, load_keys
from server.instance import running
from server.ops.socket.status_socket import ask
from tests.server.conftest import left_behind
from tests.server.serving import Ended, here

ENGLISH = ("--lang", "en")
HONGBAO = (sys.executable, "-m", "server.cli")
PATIENCE_S = 60
PR_CAPBSET_DROP = 24  # from <linux/prctl.h>
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2  # from <linux/capability.h>


def process(*words: object, bound: bool = False, **environment: str) -> Ended:
    """Run a command to its end, as a process; `bound`: the modes of files apply even to root."""
    done = subprocess.run(
        [*HONGBAO, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "HONGBAO_OPS__HTTP": "", **environment},
        preexec_fn=_drop_capabilities if bound else None,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _drop_capabilities() -> None:
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


class Serving:
    """`hongbao serve` as a process."""

    def __init__(self, data: Path, *words: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [*HONGBAO, "serve", "--data", str(data), "--port", "0", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "HONGBAO_OPS__HTTP": ""},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.match(r"hongbao serves (tcp://127\.0\.0\.1:\d+) ", line)
        assert found, line
        self.url = found[1]

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        with self.process:
            return self.process.wait(PATIENCE_S)


def wait_until_no_process_is_left(folder: Path) -> None:
    """Wait for the stores of a killed server to end."""
    deadline = time.monotonic() + PATIENCE_S
    while left_behind(folder):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_topup_survives_kill_9_and_restart(data: Path) -> None:
    first = Serving(data)
    assert here("topup", 1001, 5000, "--key", "a", "--create", "--data", data).stdout == "5000\n"
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until_no_process_is_left(data)
    second = Serving(data)
    assert here("topup", 1001, 5000, "--key", "a", "--data", data).stdout == "5000\n"
    assert here("audit", "--data", data).code == 0  # while the server runs
    assert second.end(signal.SIGTERM) == 0
    audited = here("audit", "--data", data)  # and after it
    assert "put in 50.00 - taken out 0.00 yuan" in audited.stdout
    assert "audit: ok (28 checks, 0 packets, 0 claims, 1 transfers, 1 wallets)" in audited.stdout
    assert audited.code == 0


def test_status_socket_answers_in_json_and_a_second_server_on_the_folder_is_refused(data: Path) -> None:
    running = Serving(data)
    again = process("serve", "--data", data, "--port", 0)
    assert (again.code, again.stdout) == (1, "")
    assert again.stderr.startswith(f"hongbao: a server already runs on {data}: {running.url}")
    with socket.socket(socket.AF_UNIX) as ops:
        ops.connect(str(data / "status.sock"))
        ops.sendall(b"status\nnonsense\n")
        lines = ops.makefile()
        status, refused = json.loads(lines.readline()), json.loads(lines.readline())
        lines.close()
    assert status["stores"] == {"postgres": "up", "redis": "up"}
    assert "status" in refused["commands"]
    assert (data / "status.sock").stat().st_mode & 0o777 == 0o600
    assert running.end(signal.SIGINT) == 0


@pytest.mark.long
def test_serve_in_a_folder_with_a_long_path_works(data: Path) -> None:
    deep = data / "a folder with spaces" / ("d" * 150)
    serving = Serving(deep)
    found = running(deep)
    assert found is not None
    assert (found.url, found.pid) == (serving.url, serving.process.pid)
    assert asyncio.run(ask(deep / "status.sock", "status"))["durability"] == "postgres"
    assert (deep / "status.sock").stat().st_mode & 0o777 == 0o600
    again = process("serve", "--data", deep, "--port", 0)
    assert again.stderr.startswith(f"hongbao: a server already runs on {deep}: {serving.url}")
    assert serving.end(signal.SIGTERM) == 0
    assert running(deep) is None
    assert not (deep / "status.sock").exists()


def test_serve_on_a_used_port_fails_in_one_line_and_leaves_no_process(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = process("serve", "--data", data, "--port", port)
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith(
        f"hongbao: cannot listen on 127.0.0.1:{port}: address already in use; "
    )
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert left_behind(data) == []


def test_serve_in_a_read_only_folder_fails_and_names_it(data: Path) -> None:
    config = data / "hongbao.toml"
    config.write_text('[chat]\nself_service = true\n[auth]\nkeys = { k1 = "' + "ab" * 32 + '" }\n')
    folder = data / "read only"
    folder.mkdir(mode=0o555)
    away = ("--postgres", "postgresql://u@127.0.0.1:1/d", "--redis", "redis://127.0.0.1:1")
    for words in ((), ("--config", config), ("--config", config, *away)):
        refused = process("serve", "--data", folder, *words, bound=True)
        assert (refused.code, refused.stdout) == (1, "")
        assert refused.stderr == f"hongbao: cannot serve on {folder}: Permission denied\n"


def test_serve_durability_redis_without_appendonly_fails_in_one_line(data: Path) -> None:
    with embedded.start(data) as stores:
        with redis.Redis.from_url(stores.redis_url) as valkey:
            valkey.config_set("appendonly", "no")
        own = ("--postgres", stores.postgres_dsn, "--redis", stores.redis_url)
        refused = process("serve", "--data", data / "own", "--port", 0, "--durability", "redis", *own)
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1] == (
        "hongbao: Redis with appendonly no may lose claims; set: CONFIG SET appendonly yes (and in its config file)"
    )
    assert "Traceback" not in refused.stderr


def test_serve_without_redis_starts_and_reports_it(data: Path) -> None:
    with embedded.start(data) as stores:
        own = ("--postgres", stores.postgres_dsn, "--redis", "redis://127.0.0.1:1")
        serving = Serving(data / "own", *own)
        status = asyncio.run(ask(data / "own" / "status.sock", "status"))
        assert status["stores"]["postgres"] == "up"
        away, _, effect = status["stores"]["redis"].rpartition("; ")
        assert (away.partition(" connecting")[0], effect) == (
            "away: Redis: Error 111",
            "opens go on without the mirror",
        )
        assert serving.end(signal.SIGTERM) == 0


def test_serve_with_a_silent_postgres_fails_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, tempfile.TemporaryDirectory() as data:
        dsn = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"
        refused = process("serve", "--data", data, "--postgres", dsn, "--redis", "redis://127.0.0.1:1")
    assert refused.code == 1
    where = dsn.partition("@")[2].removesuffix("/d")
    assert refused.stderr.startswith(f"hongbao: PostgreSQL: no answer in time ({where}); ")


def test_demo_and_the_commands_that_it_names_pass_and_leave_no_process(data: Path) -> None:
    home = data / "new"  # nothing is there yet: the first start makes all of it
    shown = process(
        "demo", "--data", home, "--users", 20, "--groups", 2, "--seconds", 4, "--seed", 3, "--lang", "zh"
    )
    assert shown.code == 0, shown.stdout + shown.stderr
    for expected in (
        "次/秒",
        "personal 个人红包",
        "not_allowed",
        "手气最佳",
        "verify: ok",
        "audit: ok (28 checks",
        "both books agree on",
    ):
        assert expected in shown.stdout
    wait_until_no_process_is_left(data)
    assert here("audit", "--data", home).code == 0
    packet = re.search(r"hongbao verify (\d+)", shown.stdout)
    assert packet
    good = here("verify", packet[1], "--data", home)
    assert (good.code, good.stdout.splitlines()[-1].startswith("verify: ok")) == (0, True)
    missing = here("verify", 5, "--data", home)
    assert (missing.code, missing.stderr) == (1, "hongbao: there is no packet 5\n")


@contextmanager
def playing_demo(data: Path, stderr: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """A small demo of a minute, whose users open packets already."""
    words = ("--users", "10", "--groups", "1", "--seconds", "60", "--lang", "en")
    with subprocess.Popen(
        [*HONGBAO, "demo", "--data", str(data), *words], stdout=subprocess.PIPE, stderr=stderr, text=True
    ) as demo:
        assert demo.stdout is not None
        while "opens/s" not in (line := demo.stdout.readline()):
            assert line, "the demo ended by itself"
        yield demo


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_demo_ended_by_a_signal_leaves_no_process(data: Path, number: signal.Signals) -> None:
    with playing_demo(data) as demo:
        assert demo.stdout is not None
        demo.send_signal(number)
        rest = demo.stdout.read()
        assert demo.wait(PATIENCE_S) == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in rest
    wait_until_no_process_is_left(data)
    assert here("audit", "--data", data).code == 0


@pytest.mark.long
def test_demo_after_kill_9_of_its_server_fails_and_the_audit_passes(data: Path) -> None:
    with playing_demo(data, stderr=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        os.kill(json.loads((data / "server.json").read_text())["pid"], signal.SIGKILL)
        demo.stdout.read()
        errors = demo.stderr.read()
        assert demo.wait(PATIENCE_S) == 1
    assert errors.startswith("hongbao: the server ended by itself (signal 9)"), errors
    assert errors.count("\n") == 1
    wait_until_no_process_is_left(data)
    again = Serving(data)
    assert here("audit", "--data", data).code == 0
    assert again.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("audit",), 1, "there are no records under"),
        (("topup", "1", "5"), 1, "no server runs on"),
        (("ban", "1"), 1, "no server runs on"),
        (("unban", "anna"), 1, "no server runs on"),
        (("revoke", "0"), 2, "a user id is in 1…9007199254740991"),
        (("sim", "crowd"), 1, "no server runs on"),
        (("sim", "nothing"), 2, "nothing"),
        (("bench", "nothing"), 2, "nothing"),
        (("token",), 2, "give either a user id or --backend"),
        (("token", "0"), 2, "a user id is in 1…9007199254740991"),
        (("topup", "1", "many"), 2, "many"),
        (("verify",), 2, "packet"),
        (("nonsense",), 2, "nonsense"),
        (("serve", "--nonsense"), 2, "nonsense"),
        (("serve", "--redis", "redis://127.0.0.1:1"), 2, "give both --postgres and --redis, or neither"),
        (
            ("serve", "--postgres", "postgresql://u@127.0.0.1:1/d", "--redis", "redis://127.0.0.1:1"),
            1,
            "PostgreSQL",
        ),
        (("serve", "--durability", "hope"), 2, "durability"),
        (("config", "check", "missing.toml"), 1, "missing.toml"),
    ],
)
def test_command_error_is_one_line_with_its_exit_code(
    tmp_path: Path, words: tuple[str, ...], code: int, expected: str
) -> None:
    takes_data = words[0] not in ("config", "bench") and "nonsense" not in words
    run = process if words[0] == "serve" else here
    found = run(*words, *(("--data", tmp_path / "none") if takes_data else ()))
    assert (found.code, found.stdout) == (code, "")
    assert found.stderr.startswith("hongbao: ")
    assert expected in found.stderr
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
        "ban",
        "unban",
        "revoke",
        "audit",
        "verify",
        "config default",
        "config show",
        "config check",
    ],
)
def test_command_help_has_an_example(command: str) -> None:
    shown = here(*command.split(), "--help")
    assert shown.code == 0
    assert "Example: " in shown.stdout
    assert "hongbao " + command in shown.stdout


def test_sim_accepts_every_scenario() -> None:
    assert get_args(Scenario) == tuple(SCENARIOS)


def test_config_default_check_and_show_work_together(tmp_path: Path) -> None:
    file = tmp_path / "hongbao.toml"
    file.write_text(here("config", "default").stdout)
    assert here("config", "check", file).stdout == f"{file}: ok\n"
    file.write_text('[limits]\nshares_max = 7\n[auth]\nkeys = { k1 = "' + "ab" * 32 + '" }\n')
    shown = process("config", "show", "--config", file, HONGBAO_LIMITS__SHARE_FEN_MAX="300").stdout
    assert "shares_max = 7" in shown
    assert "share_fen_max = 300" in shown
    assert "abab" not in shown
    file.write_text("[limits]\nshare_max = 7\n")
    wrong = here("config", "check", file)
    assert wrong.code == 1
    assert "shares_max" in wrong.stderr


def test_token_has_the_documented_format(tmp_path: Path) -> None:
    load_keys(Config(), tmp_path)
    text = here("token", 1001, "--hours", 2, "--data", tmp_path).stdout.strip()
    user, issued, expiry, key_id, mac = text.split(".")
    key = bytes.fromhex(re.search(rf'{key_id}"? *= *"([0-9a-f]+)"', (tmp_path / "keys.toml").read_text())[1])  # type: ignore[index]
    assert mac == hmac.digest(key, f"{user}.{issued}.{expiry}.{key_id}".encode(), "sha256").hex()
    assert user == "1001"
    assert 0 <= time.time() - int(issued) < PATIENCE_S
    assert 7100 < int(expiry) - time.time() <= 7201
    assert (tmp_path / "keys.toml").stat().st_mode & 0o777 == 0o600


def test_refusal_without_a_detail_has_no_colon() -> None:
    refusals = [refusal_of(messages.Refused(1, 305, "key_reused", False, 0, detail)) for detail in ("", "too old")]
    assert [str(refusal) for refusal in refusals] == ["305 key_reused", "305 key_reused: too old"]
