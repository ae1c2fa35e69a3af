"""What commands print: in every locale, whole in a pipe; errors that say where and what to do, and the code."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from client_sim.sdk.client import Client
from server import embedded
from server.cli.shared.answers import print_answer
from server.cli.shared.streams import Unpadded, in_utf8
from server.config import Config, load_keys
from server.instance import running
from server.process import ServerProcess
from tests.clusters import data_folder
from tests.server.serving import Serve, ended, here
from tests.server.test_cli import process

BARE_NUMBER = re.compile(r"errno|\(\'", re.IGNORECASE)


@pytest.fixture(scope="module")
def served(cluster: Path) -> Iterator[Path]:
    """The data folder of a running server with a group."""
    with data_folder(cluster) as folder, ServerProcess(folder):
        here("topup", 1001, 500, "--create", "--data", folder)
        here("group", "put", "room-1", "一家人", "--data", folder)
        yield folder


# --- where, why, and what to do ---------------------------------------------------------------------------------


@pytest.fixture
def clients_try_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command gives up a server that is not there without the usual patience of ten seconds."""
    monkeypatch.setattr(Client.connect, "__defaults__", (0.0,))


@pytest.mark.usefixtures("clients_try_once")
@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("topup", "1", "5", "--url", "tcp://127.0.0.1:1"), ("127.0.0.1:1", "connection refused", "--url")),
        (("topup", "1", "5", "--url", "tcp://[::1]:1"), ("[::1]:1", "--url")),
        (("audit", "--postgres", "postgresql://u:pw@127.0.0.1:1/d"), ("(127.0.0.1:1)", "connection refused")),
        (
            ("audit", "--postgres", "postgresql://u:pw@no.such.host.invalid/d"),
            ("no.such.host.invalid", "--postgres"),
        ),
        (("config", "check", "/nowhere/hongbao.toml"), ("/nowhere/hongbao.toml", "no such file")),
        (("group", "sync", "1", "/nowhere/list"), ("/nowhere/list", "no such file")),
        (("restore", "/nowhere/dump"), ("/nowhere/dump",)),
    ],
    ids=lambda value: " ".join(value),
)
def test_error_says_where_and_what_to_do_without_a_bare_number(
    tmp_path: Path, words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    load_keys(Config(), tmp_path)
    place = () if words[0] == "config" else ("--data", tmp_path)
    failed = here(*words, *place)
    assert (failed.code, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert all(part in failed.stderr for part in parts), failed.stderr
    assert not BARE_NUMBER.search(failed.stderr), failed.stderr
    assert "pw" not in failed.stderr


def test_taken_port_is_found_before_a_database_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = process("serve", "--data", tmp_path / "new", "--port", port)
    assert refused.code == 1
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in refused.stderr
    assert not (tmp_path / "new" / "postgres").exists()
    assert not (tmp_path / "new" / "keys.toml").exists()


@pytest.mark.parametrize(
    "key", ["websocket.listen", "http_api.address", "office.listen", "ops.tcp", "peers.listen"]
)
def test_taken_port_of_another_address_is_found_before_a_database_is_made(tmp_path: Path, key: str) -> None:
    with two_ports() as port:
        at = {f"HONGBAO_{key.upper().replace('.', '__')}": f"127.0.0.1:{port}"}
        on = {"HONGBAO_OFFICE__ENABLED": str(key.startswith("office")).lower()}
        refused = process("serve", "--data", tmp_path / "new", "--port", 0, **at, **on)
    assert refused.code == 1
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in refused.stderr
    assert f"Choose another port with {key}" in refused.stderr
    assert not (tmp_path / "new" / "postgres").exists()
    assert not (tmp_path / "new" / "keys.toml").exists()


@contextmanager
def two_ports() -> Iterator[int]:
    """A taken port; the one after it is taken, too: links to other servers would take that."""
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port: int = first.getsockname()[1]
        with suppress(OSError):  # another program has it
            stack.enter_context(socket.create_server(("127.0.0.1", port + 1)))
        yield port


def test_command_without_permission_says_so_instead_of_advising_a_start(tmp_path: Path) -> None:
    load_keys(Config(), tmp_path)
    (tmp_path / "server.json").write_text("{}")
    (tmp_path / "server.json").chmod(0)
    (tmp_path / "keys.toml").chmod(0o200)
    for words in (("status",), ("topup", "1", "5"), ("key", "show")):
        refused = process(*words, "--data", tmp_path, bound=True)
        assert (refused.code, refused.stderr.count("\n")) == (1, 1)
        assert "permission denied" in refused.stderr, refused.stderr
        assert "start one" not in refused.stderr
        assert not BARE_NUMBER.search(refused.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--durability", "hope"),
        ("serve", "--log-level", "loud"),
        ("serve", "--postgres", "mysql://db"),
        ("serve", "--redis", "redis://127.0.0.1:1"),
        ("serve", "--port", "65536"),
        ("serve", "--host", "a b"),
        ("audit", "--postgres", "db"),
        ("topup", "1", "5", "--url", "http://127.0.0.1:1"),
        ("topup", "1", "5", "--url", "tcp://127.0.0.1:65536"),
        ("chat", "--as", "me", "--url", "127.0.0.1"),
        ("sim", "crowd", "--url", "tcp://"),
        ("user", "0"),
        ("group", "add", "1", "0"),
        ("demo", "--as", "9007199254740992"),
        ("connections", "--sort", "size"),
    ],
    ids=" ".join,
)
def test_wrong_option_exits_with_2_and_one_line(words: tuple[str, ...]) -> None:
    refused = here(*words)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1), refused.stderr


# --- addresses ----------------------------------------------------------------------------------------------------


async def test_server_on_an_ipv6_address_gives_a_url_that_commands_read(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path, HONGBAO_SERVER__HOST="::1")
    assert server.stdout is not None
    assert re.match(r"hongbao serves tcp://\[::1\]:\d+ ", server.stdout.readline())
    found = running(tmp_path)
    assert found is not None
    assert re.fullmatch(r"tcp://\[::1\]:\d+", found.url)
    paid = process("topup", 7, 5, "--create", "--data", tmp_path)
    assert (paid.code, paid.stdout) == (0, "5\n")
    assert process("topup", 7, 5, "--url", found.url, "--data", tmp_path).stdout == "10\n"
    server.terminate()
    assert ended(server).code == 0


def test_commands_with_a_relative_data_folder_find_the_server(
    cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with data_folder(cluster) as folder:
        monkeypatch.chdir(folder.parent)
        with ServerProcess(Path(folder.name)):
            assert here("topup", 7, 5, "--create", "--data", folder.name).stdout == "5\n"
            assert here("audit", "--data", folder.name).code == 0
            assert here("status", "--healthy", "--data", folder.name).code == 0
            assert embedded.running(Path(folder.name)) is not None
            monkeypatch.chdir("/")  # a command in another working directory
            assert here("topup", 7, 5, "--data", folder).stdout == "10\n"


# --- in every locale ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        pytest.param(
            {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "✓", marks=pytest.mark.long
        ),
        pytest.param(
            {"LC_ALL": "", "LANG": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "✓", marks=pytest.mark.long
        ),
        ({"PYTHONIOENCODING": "gbk"}, "ok"),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_command_in_any_locale_prints_and_ends_as_in_utf8(served: Path, locale: dict[str, str], shown: str) -> None:
    program = [sys.executable, "-m", "server.cli"]
    for words, code in (("group list", 0), ("user 小梅", 0), ("verify 5", 1)):
        ended_with, _, errors = _bytes([*program, *words.split(), "--data", str(served)], locale)
        assert (ended_with, b"Traceback" in errors) == (code, False)
    audited = _bytes([*program, "audit", "--data", str(served)], locale)[1]
    encoding = locale.get("PYTHONIOENCODING", "utf-8")
    assert audited.decode(encoding).startswith(shown)


def _bytes(command: list[str], environment: dict[str, str]) -> tuple[int, bytes, bytes]:
    done = subprocess.run(command, capture_output=True, env={**os.environ, **environment}, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_word_of_an_ascii_locale_is_read_as_utf8() -> None:
    assert in_utf8("小梅".encode().decode("ascii", "surrogateescape")) == "小梅"
    assert in_utf8("\udcff") == "\udcff"


# --- whole, and without padding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [("status",), ("group", "list"), ("user", "1001"), ("stores",), ("audit",)], ids=" ".join
)
def test_output_in_a_pipe_has_no_spaces_at_the_ends_of_lines(served: Path, words: tuple[str, ...]) -> None:
    shown = here(*words, "--data", served)
    assert shown.code == 0
    assert [line for line in shown.stdout.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("is_terminal", [False, True])
def test_ids_in_a_narrow_table_are_never_cut(*, is_terminal: bool) -> None:
    ids = [9_007_199_254_740_991 - number for number in range(3)]
    rows = [{f"n{column}_id": one for column in range(9)} for one in ids]
    file = StringIO()
    console = Console(file=Unpadded(file), width=40, force_terminal=is_terminal, color_system=None)  # type: ignore[arg-type]
    print_answer(console, {"user_id": ids[0], "external_id": "x" * 64, "connections": rows})
    assert all(file.getvalue().count(str(one)) >= 9 for one in ids)
    assert "x" * 64 in file.getvalue()
    assert "…" not in file.getvalue()


# --- open doors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "http", "warnings"),
    [
        ("127.0.0.1", "127.0.0.1:0", set()),
        ("localhost", "[::1]:0", set()),
        ("0.0.0.0", "", {"listens_without_tls"}),
        ("127.0.0.1", "0.0.0.0:0", {"http_is_open"}),
        ("::", "[::]:0", {"listens_without_tls", "http_is_open"}),
    ],
)
def test_serve_warns_of_what_others_in_the_network_can_reach(
    tmp_path: Path, host: str, http: str, warnings: set[str]
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as other:  # it ends at once: its port is taken
        place = {"HONGBAO_SERVER__HOST": host, "HONGBAO_OPS__HTTP": http}
        ended_at = process("serve", "--data", tmp_path, "--port", other.getsockname()[1], **place)
    found = {name for name in ("listens_without_tls", "http_is_open") if name in ended_at.stderr}
    assert (ended_at.code, found) == (1, warnings), ended_at.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:7791", "192.168.1.5:7791"])
def test_serve_with_websocket_on_an_open_address_without_tls_or_a_named_proxy_is_refused(
    data: Path, address: str
) -> None:
    ended_at = process("serve", "--data", data, HONGBAO_WEBSOCKET__LISTEN=address)
    assert (ended_at.code, ended_at.stdout, ended_at.stderr.count("\n")) == (1, "", 1)
    assert ended_at.stderr == (
        f"hongbao: websocket.listen = '{address}' is not an address of this machine alone: set "
        "server.tls_certificate, or end TLS in a proxy and name it in websocket.trusted_proxies\n"
    )


def test_serve_with_a_used_address_for_websocket_names_its_key(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended_at = process("serve", "--data", data, HONGBAO_WEBSOCKET__LISTEN=address)
    assert (ended_at.code, ended_at.stdout) == (1, "")
    assert f"cannot listen on {address}" in ended_at.stderr
    assert "choose another port with websocket.listen" in ended_at.stderr.lower()
