"""Logs: one event per line with its fields, levels, nothing per request, no secrets in tracebacks."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError, Refusal
from protocol import messages, tokens
from server import logs
from server.config import Config, load_keys
from server.net.handlers.row import Row
from server.process import LOG, ServerProcess
from tests.conftest import Connect, Server
from tests.joining import join
from tests.server.log import hang_up, logged, signal_server, wait_for

FAR_AWAY_S = 4_000_000_000
SECRET = "a secret of the frame"


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


# --- the lines ---------------------------------------------------------------------------------------------------


def test_log_event_as_json_is_one_line_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    fields = {"why": "two\nlines and 红包", "odd": b"\xff", "deep": {"a": object}}
    structlog.get_logger().info("refunds_wait", **fields)
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert list(event)[:3] == ["timestamp", "level", "event"]
    assert event["timestamp"].endswith("Z")
    assert (event["level"], event["event"], event["why"]) == ("info", "refunds_wait", "two\nlines and 红包")
    assert "红包" in line


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_set_level_filters_lower_levels(capsys: pytest.CaptureFixture[str], level: str, seen: list[str]) -> None:
    log = structlog.get_logger()
    logs.configure("debug", "json")
    logs.set_level(level)
    for one in ("debug", "info", "warning", "error"):
        getattr(log, one)("event")
    assert [event["level"] for event in events(capsys)] == seen


def test_log_event_as_text_has_no_colours_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    structlog.get_logger().info("serving", url="tcp://127.0.0.1:7788")
    (line,) = capsys.readouterr().err.splitlines()
    assert "serving" in line
    assert "url=tcp://127.0.0.1:7788" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("form", ["json", "text"])
def test_log_event_is_written_at_once(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several workers write to one file: the end of a line must not come apart from it."""
    writes: list[str] = []
    monkeypatch.setattr(sys.stderr, "write", writes.append)
    logs.configure("info", form)
    structlog.get_logger().info("serving")
    assert [(text.count("serving"), text.count("\n"), text[-1]) for text in writes] == [(1, 1, "\n")]


@pytest.mark.parametrize("form", ["json", "text"])
def test_logged_traceback_has_no_local_variables(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Keys, tokens and URLs with passwords are among them."""
    logs.configure("info", form)

    def fail() -> None:
        secret = SECRET
        raise KeyError(len(secret))

    try:
        fail()
    except KeyError:
        structlog.get_logger().exception("request_failed")
    printed = capsys.readouterr().err
    assert "KeyError" in printed
    assert "in fail" in printed or '"name": "fail"' in printed
    assert SECRET not in printed.replace("secret = SECRET", "")
    assert form == "text" or printed.count("\n") == 1


def test_library_log_record_becomes_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logs.configure("info", "json")  # a second call does not duplicate events
    logging.getLogger("asyncio").error("Task was destroyed\nbut it is pending", exc_info=ValueError("why"))
    logging.getLogger("asyncpg").info("nothing to know")
    logging.getLogger("odd").log(35, "between two levels")
    warnings.showwarning("an old function", DeprecationWarning, "file.py", 1)
    error, odd, warned = events(capsys)
    assert (error["level"], error["event"], error["library"]) == ("error", "library_log", "asyncio")
    assert error["message"] == "Task was destroyed\nbut it is pending"
    assert error["exception"][0]["exc_value"] == "why"
    assert (odd["level"], odd["message"]) == ("warning", "between two levels")
    assert "an old function" in warned["message"]


@pytest.mark.parametrize("target", ["full", "gone"])
def test_log_on_a_broken_stderr_raises_nothing(target: str) -> None:
    """The disk is full, or the reader of the pipe has gone."""
    if target == "full":
        error = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, error = os.pipe()
        os.close(reader)
    program = """if True:
        import structlog
        from server import logs
        logs.configure("info", "json")
        for number in range(3000):
            structlog.get_logger().error("event", number=number)
        print("alive", flush=True)
    """
    with open(error, "wb") as stderr:
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=stderr, check=False)
    assert done.stdout == b"alive\n"


# --- a server ----------------------------------------------------------------------------------------------------


def mint(data: Path, user_id: int) -> str:
    return str(tokens.mint(user_id, FAR_AWAY_S, "k1", load_keys(Config(), data)["k1"]))


async def use_server(url: str, data: Path) -> int:
    """Valid and invalid logins, texts, packets, opens, refusals, lost connections; the number of requests."""
    async with Client(url, mint(data, 0)) as backend, Client(url, mint(data, 7)) as one:
        await backend.top_up(7, 10_000)
        group = await one.create_group("g")
        async with Client(url, mint(data, 8)) as other:
            await join(other, group, one)
            for number in range(10):
                await one.say(group, f"text {number}")
                packet = (await one.send_packet("lucky", group, 100, 2)).packet_id
                for client in (one, other):
                    assert (await client.open(packet)).answer == "won"
                await other.open(packet)
                for refused in (
                    other.send_packet("lucky", group, 10**7, 1),
                    other.say(5, "not there"),
                    other.reveal(5),
                ):
                    with suppress(ClientError):
                        await refused
            other.drop()
            await asyncio.sleep(0)
        with suppress(ClientError):
            await Client(url, mint(data, 9)[:-2] + "00").connect(patience_s=0)
        return one.requests + backend.requests


async def test_server_at_level_info_logs_nothing_per_request(data: Path) -> None:
    with ServerProcess(data) as server:
        wait_for(lambda: "serving" in [event["event"] for event in logged(data)])
        before = len(logged(data))
        assert await use_server(server.url, data) > 20
        assert logged(data)[before:] == []
        signal_server(data, signal.SIGTERM)
        wait_for(lambda: logged(data)[-1]["event"] == "stopped")
        all_of_them = logged(data)  # now: the end of the block sends another signal, which is logged too
    last = [event["event"] for event in all_of_them if event["event"] != "seed_key_made"][-3:]
    assert last == ["serving", "stopping", "stopped"]
    for event in all_of_them:
        assert list(event)[:3] == ["timestamp", "level", "event"]
        assert " " not in event["event"]


async def test_request_that_raises_is_logged_with_its_request(server: Server, connect: Connect) -> None:
    async def fail(*_: object) -> messages.Message:
        raise AssertionError("a defect of ours")

    server.app.dispatch.rows[messages.GetBalance] = Row("user", later=fail)
    await connect(server, 8)
    client = await connect(server, 7)
    with capture_logs() as events, pytest.raises(Refusal, match="internal"):
        await client.balance()
    (event,) = events
    assert (event["event"], event["connection"], event["user_id"], event["seq"], event["request"]) == (
        "request_failed",
        2,
        7,
        1,
        "GetBalance",
    )


async def test_server_at_level_debug_logs_refusals_and_closes_with_their_connection(data: Path) -> None:
    with ServerProcess(data, "--log-level", "debug") as server:
        async with Client(server.url, mint(data, 7)) as one:
            for refused in (one.say(5, "not there"), one.reveal(5)):
                with suppress(ClientError):
                    await refused
        with suppress(ClientError):
            await Client(server.url, mint(data, 9)[:-2] + "00").connect(patience_s=0)
        names = ("request_refused", "login_refused", "connection_closed")

        def closes_and_refusals() -> list[Any]:
            fields = ("event", "connection", "user_id", "seq", "reason", "code")
            events = [event for event in logged(data) if event["event"] in names]
            return [{name: event[name] for name in fields if name in event} for event in events]

        wait_for(lambda: len(closes_and_refusals()) == 5)
        assert sorted(closes_and_refusals(), key=str) == [
            {"event": "connection_closed", "connection": 1, "user_id": 7, "code": "by the client"},
            {"event": "connection_closed", "connection": 2, "user_id": -1, "code": "login_refused"},
            {"event": "login_refused", "connection": 2, "user_id": 9, "reason": "refused"},
            {"event": "request_refused", "connection": 1, "user_id": 7, "seq": 1, "reason": "not_a_member"},
            {"event": "request_refused", "connection": 1, "user_id": 7, "seq": 2, "reason": "not_allowed"},
        ]


def test_reload_changes_level_and_format(data: Path) -> None:
    file = data / "hongbao.toml"
    file.write_text("[log]\nlevel = 'error'\n")
    with ServerProcess(data, "--config", str(file)):
        assert logged(data) == []
        file.write_text("[log]\nlevel = 'info'\n")
        assert hang_up(data)["changed"] == ["log.level"]
        file.write_text("[log]\nlevel = 'debug'\nformat = 'text'\n")
        signal_server(data, signal.SIGHUP)
        wait_for(lambda: "changed=['log.level', 'log.format']" in (data / LOG).read_text())
