"""Logs: one event a line with its fields, levels that hold, nothing per request, and no secrets in traces."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
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
from server.net.dispatch import Row
from server.process import LOG, ServerProcess
from tests.conftest import Connect, Server
from tests.server.log import hang_up, logged, signal_server, wait_for

FAR_AWAY_S = 4_000_000_000
SECRET = "a secret of the frame"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """What `configure` changes is the process's, which other tests share."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    logs.set_level("info")
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers = handlers


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


# --- the lines ---------------------------------------------------------------------------------------------------


def test_an_event_is_one_line_of_json_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
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
def test_levels_filter(capsys: pytest.CaptureFixture[str], level: str, seen: list[str]) -> None:
    log = structlog.get_logger()
    logs.configure("debug", "json")
    logs.set_level(level)
    for one in ("debug", "info", "warning", "error"):
        getattr(log, one)("event")
    assert [event["level"] for event in events(capsys)] == seen


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """And for files that people read: without colours where there is no terminal."""
    logs.configure("info", "text")
    structlog.get_logger().info("serving", url="tcp://127.0.0.1:7788")
    (line,) = capsys.readouterr().err.splitlines()
    assert "serving" in line
    assert "url=tcp://127.0.0.1:7788" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_trace_tells_no_locals(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Keys, tokens and addresses with passwords are among them."""
    logs.configure("info", form)

    def fail() -> None:
        secret = SECRET
        raise KeyError(len(secret))

    try:
        fail()
    except KeyError:
        structlog.get_logger().exception("request_failed")
    said = capsys.readouterr().err
    assert "KeyError" in said
    assert "in fail" in said or '"name": "fail"' in said
    assert SECRET not in said.replace("secret = SECRET", "")
    assert form == "text" or said.count("\n") == 1


def test_what_libraries_say_is_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logs.configure("info", "json")  # a reload does not make it say things twice
    logging.getLogger("asyncio").error("Task was destroyed\nbut it is pending", exc_info=ValueError("why"))
    logging.getLogger("asyncpg").info("nothing to know")
    logging.getLogger("odd").log(35, "between two levels")
    warnings.showwarning("an old function", DeprecationWarning, "file.py", 1)
    error, odd, warned = events(capsys)
    assert (error["level"], error["event"], error["library"]) == ("error", "library_says", "asyncio")
    assert error["says"] == "Task was destroyed\nbut it is pending"
    assert error["exception"][0]["exc_value"] == "why"
    assert (odd["level"], odd["says"]) == ("warning", "between two levels")
    assert "an old function" in warned["says"]


@pytest.mark.parametrize("target", ["full", "gone"])
def test_a_log_that_cannot_be_written_ends_nothing(target: str) -> None:
    """The disk is full, or nobody reads the pipe any more."""
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


async def an_evening(url: str, data: Path) -> int:
    """Logins good and bad, texts, packets, opens, refusals, lost connections; how many requests that were."""
    async with Client(url, mint(data, 0)) as backend, Client(url, mint(data, 7)) as one:
        await backend.top_up(7, 10_000)
        group = await one.create_group("g")
        async with Client(url, mint(data, 8)) as other:
            await other.join_group(group)
            for number in range(10):
                await one.say(group, f"text {number}")
                packet = (await one.send_packet("lucky", group, 100, 2)).packet_id
                for who in (one, other):
                    assert (await who.open(packet)).answer == "won"
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


async def test_nothing_is_logged_per_request(data: Path) -> None:
    with ServerProcess(data) as server:
        wait_for(lambda: "serving" in [event["event"] for event in logged(data)])
        before = len(logged(data))
        assert await an_evening(server.url, data) > 20
        assert logged(data)[before:] == []
        signal_server(data, signal.SIGTERM)
        wait_for(lambda: logged(data)[-1]["event"] == "stopped")
    all_of_them = logged(data)
    assert [event["event"] for event in all_of_them[-3:]] == ["serving", "stopping", "stopped"]
    for event in all_of_them:
        assert list(event)[:3] == ["timestamp", "level", "event"]
        assert " " not in event["event"]


async def test_a_defect_is_told_with_its_request(server: Server, connect: Connect) -> None:
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


async def test_at_debug_every_refusal_and_end_is_told_with_its_connection(data: Path) -> None:
    with ServerProcess(data, "--log-level", "debug") as server:
        async with Client(server.url, mint(data, 7)) as one:
            for refused in (one.say(5, "not there"), one.reveal(5)):
                with suppress(ClientError):
                    await refused
        with suppress(ClientError):
            await Client(server.url, mint(data, 9)[:-2] + "00").connect(patience_s=0)
        names = ("request_refused", "login_refused", "connection_closed")

        def told() -> list[Any]:
            fields = ("event", "connection", "user_id", "seq", "reason", "code")
            events = [event for event in logged(data) if event["event"] in names]
            return [{name: event[name] for name in fields if name in event} for event in events]

        wait_for(lambda: len(told()) == 5)
        assert sorted(told(), key=str) == [
            {"event": "connection_closed", "connection": 1, "user_id": 7, "code": "by the client"},
            {"event": "connection_closed", "connection": 2, "user_id": -1, "code": "login_refused"},
            {"event": "login_refused", "connection": 2, "user_id": 9, "reason": "refused"},
            {"event": "request_refused", "connection": 1, "user_id": 7, "seq": 1, "reason": "no_such_group"},
            {"event": "request_refused", "connection": 1, "user_id": 7, "seq": 2, "reason": "not_allowed"},
        ]


def test_level_and_format_change_at_hup(data: Path) -> None:
    file = data / "hongbao.toml"
    file.write_text("[log]\nlevel = 'error'\n")
    with ServerProcess(data, "--config", str(file)):
        assert logged(data) == []
        file.write_text("[log]\nlevel = 'info'\n")
        assert hang_up(data)["changed"] == ["log.level"]
        file.write_text("[log]\nlevel = 'debug'\nformat = 'text'\n")
        signal_server(data, signal.SIGHUP)
        wait_for(lambda: "changed=['log.level', 'log.format']" in (data / LOG).read_text())
