"""`hongbao webhooks`: an operator makes endpoints, tests them, rotates secrets, replays; a server delivers."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.cli import webhooks
from server.core.webhooks.signing import secret_of
from server.process import LOG, ServerProcess
from server.services.webhooks import names
from tests.clusters import data_folder
from tests.server.log import wait_for
from tests.server.serving import here


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """The data folder of a running server, whose webhooks may go to this machine."""
    with data_folder(cluster) as folder:
        (folder / "hongbao.toml").write_text('[webhooks]\nallow_private = ["127.0.0.1"]\n')
        with ServerProcess(folder, "--config", str(folder / "hongbao.toml")):
            yield folder


class Handler(http.server.BaseHTTPRequestHandler):
    status = 204
    ids: list[str] = []  # noqa: RUF012  one receiver a test

    def do_POST(self) -> None:
        self.ids.append(self.headers["webhook-id"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[Handler]]]:
    """The URL of a receiver, and what it does."""
    kind = type("Handler", (Handler,), {"ids": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as serving:
        serving.timeout, stopped = 0.1, threading.Event()

        def serve() -> None:
            while not stopped.is_set():
                serving.handle_request()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}/hooks", kind
        stopped.set()
        thread.join()


def run(data: Path, *words: object) -> Any:
    return here("webhooks", *words, "--data", data, "--config", data / "hongbao.toml")


def done(data: Path, *words: object) -> str:
    ended = run(data, *words)
    assert (ended.code, ended.stderr) == (0, "")
    return str(ended.stdout)


def test_endpoint_is_added_listed_without_its_secret_tested_and_removed(
    data: Path, receiver: tuple[str, type[Handler]]
) -> None:
    url, kind = receiver
    secret = done(data, "add", "shop", url, "--type", "packet.sent").strip()
    assert len(secret_of(secret)) == 32
    listed = done(data, "list", "--json")
    (endpoint,) = json.loads(listed)["endpoints"]
    assert endpoint == {
        "name": "shop",
        "state": "enabled",
        "url": url,
        "types": "packet.sent",
        "secrets": 1,
        "waiting": 0,
        "last_at_ms": 0,
        "last_status": 0,
        "last_error": "",
        "failures": 0,
        "next_at_ms": 0,
    }
    assert secret not in listed + done(data, "list")
    assert done(data, "test", "shop") == "shop answered 204\n"
    assert "status 204" in done(data, "list")
    (delivery,) = json.loads(done(data, "deliveries", "--json"))["deliveries"]
    assert [delivery[key] for key in ("endpoint", "type", "state", "attempts", "last_status", "next_at_ms")] == [
        *("shop", "webhook.test", "delivered", 1, 204, 0)
    ]
    renewed = done(data, "rotate", "shop").strip()
    assert renewed != secret
    assert json.loads(done(data, "list", "--json"))["endpoints"][0]["secrets"] == 2
    assert done(data, "add", "shop", url) == "shop is enabled for packet.sent\n"  # it keeps its types
    assert done(data, "add", "shop", url, "--type", "all") == "shop is enabled for all types\n"
    two = ("--type", "packet.sent", "--type", "packet.finished")
    assert done(data, "add", "shop", url, *two) == "shop is enabled for packet.finished, packet.sent\n"
    assert done(data, "remove", "shop") == "shop is removed\n"
    assert "no endpoint" in done(data, "list")
    assert kind.ids


def test_test_of_an_endpoint_that_fails_tells_its_status(data: Path, receiver: tuple[str, type[Handler]]) -> None:
    url, kind = receiver
    kind.status = 500
    done(data, "add", "broken", url)
    ended = run(data, "test", "broken")
    assert (ended.code, ended.stderr) == (1, "hongbao: broken did not accept it: status 500\n")
    done(data, "remove", "broken")


def test_test_of_a_paused_endpoint_tells_its_last_status_and_the_next_try(
    data: Path, receiver: tuple[str, type[Handler]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(webhooks, "TEST_S", 1.5)
    url, kind = receiver
    kind.status = 401
    done(data, "add", "locked", f"{url}?token=abc")
    told = ""
    while "did not accept it" in (told := run(data, "test", "locked").stderr) or not told:
        assert told == "hongbao: locked did not accept it: status 401\n"
    assert re.fullmatch(
        r"hongbao: locked is paused after failures \(last: status 401; next try (in \d+ s|now)\); "
        r"the test is sent then\n",
        told,
    )
    (row,) = (line for line in done(data, "list").splitlines() if "locked" in line)
    assert re.search(r"locked +enabled +status 401 +(in \d+ s|now) +\d ", row), row
    shown = done(data, "deliveries", "locked", "--state", "waiting", "--most", 1)
    assert re.search(r"locked +webhook.test .* waiting +\d +(none yet|status 401) ", shown)
    assert len(json.loads(done(data, "deliveries", "locked", "--json"))["deliveries"]) > 1
    assert done(data, "deliveries", "locked", "--state", "failed") == "there is no delivery\n"
    log = (data / LOG).read_text()
    (line,) = (one for one in log.splitlines() if "webhook_endpoint_fails" in one and "locked" in one)
    assert "status 401" in line
    assert "token=abc" not in log
    done(data, "remove", "locked")


def test_test_of_an_endpoint_that_is_disabled_says_so_at_once(
    data: Path, receiver: tuple[str, type[Handler]]
) -> None:
    url, kind = receiver
    kind.status = 410
    done(data, "add", "left", url)
    run(data, "test", "left")
    wait_for(lambda: "gone" in done(data, "list"))
    ended = run(data, "test", "left")
    assert ended.code == 1
    assert ended.stderr == f"hongbao: left is gone: it answered 410; enable it: hongbao webhooks add left {url}\n"
    done(data, "remove", "left")


def test_endpoint_whose_name_has_no_address_is_added_with_a_warning(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "look_up", lambda host: [])
    added = run(data, "add", "early", "https://shop.example/hooks")
    assert (added.code, added.stdout[:6]) == (0, "whsec_")
    assert added.stderr == "hongbao: shop.example has no address now; events are tried again until it has one\n"
    monkeypatch.setattr(names, "look_up", lambda host: ["10.0.0.1", "192.168.0.1"])
    refused = run(data, "add", "early", "https://shop.example/hooks")
    assert (refused.code, refused.stderr) == (
        1,
        "hongbao: url: shop.example leads to 10.0.0.1, and 10.0.0.1 is not a public address, "
        "and [webhooks] allow_private does not list it\n",
    )
    done(data, "remove", "early")


def test_replay_sends_the_events_of_the_last_hours_again(data: Path, receiver: tuple[str, type[Handler]]) -> None:
    url, kind = receiver
    done(data, "add", "again", url)
    assert here("topup", 7, 500, "--create", "--data", data).code == 0
    done(data, "test", "again")
    assert done(data, "replay", "again", "--hours", 1) == "1 deliveries to again will be made again\n"
    done(data, "test", "again")
    assert len(kind.ids) - len(set(kind.ids)) == 1
    done(data, "remove", "again")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("test", "absent"), "there is no endpoint absent"),
        (("remove", "absent"), "there is no endpoint absent"),
        (("rotate", "absent"), "there is no endpoint absent"),
        (("replay", "absent", "--hours", 1), "there is no endpoint absent"),
        (("deliveries", "absent"), "there is no endpoint absent"),
        (("replay", "absent"), "give either --event or --hours"),
        (("add", "shop", "https://10.0.0.1/"), "url: 10.0.0.1 is not a public address"),
        (("add", "a b", "https://shop.example/"), "name: 1 to 64 letters"),
    ],
)
def test_wrong_request_is_one_line(data: Path, words: tuple[object, ...], why: str) -> None:
    ended = run(data, *words)
    assert ended.code == 1
    assert ended.stderr.startswith(f"hongbao: {why}")
