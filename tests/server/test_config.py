"""The config: precedence of the sources, errors and their texts, what is written down, and the file of keys."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from protocol.money_unit import YUAN, MoneyUnit
from server.cli.main import main
from server.cli.shared.options import leaves_self_service_open, load_to_serve
from server.config import TYPES, Config, ConfigError, flat, load, load_keys, resolve, variable
from server.config.money import money_unit
from server.config.table import KEYS, ORDER
from server.config.text import default_toml, show

HEX = "0f" * 16


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hongbao.toml"


def refusal(
    file: Path, text: str = "", line: dict[str, Any] | None = None, env: dict[str, str] | None = None
) -> str:
    """The error of load for this file, command line and environment; the path of the file reads FILE."""
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file, line or {}, env or {})
    message = str(error.value).replace(str(file), "FILE")
    assert "\n" not in message
    return message


# --- precedence ------------------------------------------------------------------------------------------------


def test_load_without_settings_returns_the_defaults() -> None:
    assert load(None, {}, {}) == Config()


def test_load_command_line_overrides_environment_overrides_file(file: Path) -> None:
    file.write_text("[server]\nhost = 'file'\nport = 1\nnode = 1")
    environment = {
        "HONGBAO_SERVER__PORT": "2",
        "HONGBAO_SERVER__NODE": "2",
        "HONGBAO_STORE_USER": "no key",
        "HOME": "/",
    }
    server = load(file, {"server.node": 3, "server.host": None}, environment).server
    assert (server.host, server.port, server.node) == ("file", 2, 3)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("server.port", "80", 80),
        ("limits.ping_interval_s", "30", 30.0),
        ("limits.requests_per_s", "1e1", 10.0),
        ("log.level", "debug", "debug"),
        ("stores.redis", "unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("auth.keys", f'{{old = "{HEX}", new = "{HEX}"}}', {"old": HEX, "new": HEX}),
    ],
)
def test_load_text_from_environment_or_command_line_is_converted_to_the_type_of_the_key(
    key: str, text: str, value: object
) -> None:
    section, _, name = key.partition(".")
    for config in (load(None, {}, {f"HONGBAO_{section}__{name}".upper(): text}), load(None, {key: text}, {})):
        assert getattr(getattr(config, section), name) == value


# --- errors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[limits]\nshare_max = 5", "FILE: unknown key limits.share_max, did you mean limits.shares_max?"),
        ("[limit]\nshares_max = 5", "FILE: unknown key limit, did you mean [limits]?"),
        ("port = 5", "FILE: unknown key port, did you mean server.port?"),
        ("[server]\nqqqqqq = 5", "FILE: unknown key server.qqqqqq"),
        ('[status]\nhttp = ""', "FILE: unknown key status, did you mean [ops]?"),
        ("[log]\nport = 5", "FILE: unknown key log.port, did you mean server.port?"),
        ("batch_max = 5", "FILE: unknown key batch_max, did you mean settlement.batch_max or refunds.batch_max?"),
        ("server = 5", "FILE: server is a section: write [server] and its keys below"),
        ("[[server]]\nport = 5", "FILE: server is a section: write [server] and its keys below"),
        ("[server]\nport = '5'", "FILE: server.port is '5', but must be a whole number from 0 to 65,535"),
        ("[server]\nport = 5.0", "FILE: server.port is 5.0, but must be a whole number from 0 to 65,535"),
        ("[server]\nport = true", "FILE: server.port is True, but must be a whole number from 0 to 65,535"),
        ("[server]\nport = -1", "FILE: server.port is -1, but must be a whole number from 0 to 65,535"),
        ("[server]\nhost = ''", "FILE: server.host is '', but must be a host name or an address"),
        (
            "[log]\nlevel = 'loud'",
            'FILE: log.level is \'loud\', but must be one of "debug", "info", "warning", "error"',
        ),
        (
            "[limits]\nshare_fen_min = 30_000",
            "limits.share_fen_min = 30000 (FILE) must not exceed limits.share_fen_max = 20000 (default)",
        ),
    ],
)
def test_load_invalid_file_is_refused_in_one_line_that_names_the_error(file: Path, text: str, words: str) -> None:
    assert refusal(file, text) == words


@pytest.mark.parametrize(
    ("line", "env", "words"),
    [
        ({"server.prot": 5}, {}, "command line: unknown key server.prot, did you mean server.port?"),
        ({"server.port": "x"}, {}, "command line: server.port is 'x', but must be a whole number from 0 to 65,535"),
        (
            {},
            {"HONGBAO_LIMITS__SHARE_MAX": "5"},
            "environment variable HONGBAO_LIMITS__SHARE_MAX: "
            "unknown key limits.share_max, did you mean limits.shares_max?",
        ),
        (
            {"limits.requests_burst": 5},
            {"HONGBAO_LIMITS__REQUESTS_PER_S": "6"},
            "limits.requests_per_s = 6.0 (environment variable HONGBAO_LIMITS__REQUESTS_PER_S) must not exceed "
            "limits.requests_burst = 5.0 (command line)",
        ),
    ],
)
def test_load_invalid_value_elsewhere_is_refused_with_its_source(
    file: Path, line: dict[str, Any], env: dict[str, str], words: str
) -> None:
    assert refusal(file, "", line, env) == words


def test_load_variable_with_one_underscore_too_few_is_refused(file: Path) -> None:
    assert refusal(file, "", {}, {"HONGBAO_LIMITS_WAIT_MS_MAX": "500"}) == (
        "environment variable HONGBAO_LIMITS_WAIT_MS_MAX: unknown, did you mean HONGBAO_LIMITS__WAIT_MS_MAX?"
    )
    assert refusal(file, "", {}, {"HONGBAO_SERVER_PORT": "80"}).endswith("did you mean HONGBAO_SERVER__PORT?")


@pytest.mark.parametrize("name", ["HONGBAO_SERVER_PORT", "HONGBAO_PORT", "HONGBAO_SERVICE_HOST", "HONGBAO_LIMITS"])
def test_load_variable_that_a_cluster_sets_for_a_service_is_ignored(name: str) -> None:
    assert load(None, {}, {name: "tcp://10.0.0.1:7788"}) == Config()


@pytest.mark.parametrize("text", ["[server", "server.port", "\x00", "port = " + "[" * 20_000])
def test_load_file_that_is_not_toml_is_refused_with_its_path(file: Path, text: str) -> None:
    assert refusal(file, text).startswith("FILE: ")


def test_load_file_that_cannot_be_read_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(file, {}, {})
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=re.escape(str(file))):
        load(file, {}, {})


@pytest.mark.parametrize("key", [key for key, kind in TYPES.items() if kind in (int, float)])
def test_load_number_out_of_bounds_is_refused_for_every_key(key: str) -> None:
    for wrong in ("-1", "1e99", "nan", "inf"):
        with pytest.raises(ConfigError, match=f"command line: {key} is '{wrong}', but must be"):
            load(None, {key: wrong}, {})


@pytest.mark.parametrize(
    "keys", ["5", "no table", "{a = 5}", "{a = ''}", "{a = 'xyz'}", f"{{a = '{HEX[2:]}'}}", f"{{'a b' = '{HEX}'}}"]
)
def test_load_invalid_token_key_is_refused_and_not_shown(file: Path, keys: str) -> None:
    words = refusal(file, "", {"auth.keys": keys})
    assert words.startswith("command line: auth.keys must be a table of key id")
    assert keys not in words


def test_load_invalid_url_is_refused_and_not_shown(file: Path) -> None:
    assert refusal(file, "[stores]\npostgres = 'mysql://me:secret@host'") == (
        "FILE: stores.postgres must be empty or a URL postgresql://… or postgres://…, "
        "with / # ? and @ in its password as %2F %23 %3F and %40"
    )
    assert refusal(file, "[stores]\npostgres = 5").startswith("FILE: stores.postgres must be")


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
@pytest.mark.parametrize("rest", [f"me:{one}geheim@host/0" for one in ("pa/", "1/", "pa#", "pa?", "1?", "p@", "[")])
def test_load_unescaped_password_in_url_is_refused_and_no_part_of_it_is_shown(
    file: Path, scheme: str, rest: str
) -> None:
    key = {"postgresql": "stores.postgres", "redis": "stores.redis"}[scheme]
    words = refusal(file, "", {key: f"{scheme}://{rest}"})
    assert words.startswith(f"command line: {key} must be empty or a URL {scheme}://…")
    assert "geheim" not in words


@pytest.mark.parametrize(
    ("key", "address"),
    [
        (
            "stores.postgres",
            "postgresql://me:a%2Fb%23c%40d@one:5432,two,[::1]:5/hongbao?target_session_attrs=read-write",
        ),
        ("stores.postgres", "postgres:///hongbao?host=/tmp/a&port=5432"),
        ("stores.redis", "rediss://:secret@cache:6379/0"),
        ("stores.redis", "unix:///run/me@home/valkey.sock?db=1"),
        ("stores.redis", "rediss+cluster://me:a%2Fb@one:7000,[::1]:7001?ssl_ca_certs=/ca.pem"),
        ("stores.redis", "redis+sentinel://:secret@one:26379,two/packets?sentinel_password=secret"),
    ],
)
def test_load_valid_url_is_accepted(key: str, address: str) -> None:
    assert getattr(load(None, {key: address}, {}).stores, key.partition(".")[2]) == address


# --- texts -----------------------------------------------------------------------------------------------------


def test_table_has_a_row_for_every_key_and_every_default_is_valid() -> None:
    assert list(KEYS) == list(TYPES)
    assert {key for pair in ORDER for key in pair} <= KEYS.keys()
    for key, value in flat(Config()).items():
        assert KEYS[key].rule.holds(value), key


def test_default_toml_lists_and_explains_every_default(file: Path) -> None:
    text = default_toml()
    file.write_text(text)
    assert load(file, {}, {}) == Config()
    for key, row in KEYS.items():
        assert re.search(rf"^{key.partition('.')[2]} = .* # {re.escape(row.comment)}$", text, re.MULTILINE), key


def test_default_toml_marks_the_keys_that_a_reload_takes_over() -> None:
    """tests/wire/test_reload.py checks that a reload takes over every marked limit."""
    marked = {key for key, row in KEYS.items() if "HUP" in row.comment}
    reloaded = (
        "limits.",
        "auth.",
        "seeds.",
        "log.",
        "server.tls_",
        "http_api.keys",
        "http_api.page_",
        "host_wallet.keys",
        "bank.keys",
        "bank.bank_keys",
        "payments.day_limit_fen",
        "enterprise.",
        "risk.rules",
        "risk.interval_s",
        "risk.keep_days",
        "websocket.origins",
    )
    assert marked == {key for key in KEYS if key.startswith(reloaded)}
    text = default_toml()
    assert "[HUP]" in text.partition("[server]")[0]
    assert re.search(r"^wait_ms_max = .*\[HUP\]$", text, re.MULTILINE)
    assert re.search(r"^frame_bytes_max = .*\[HUP, new connections\]$", text, re.MULTILINE)
    assert re.search(r"^port = [^\[]*$", text, re.MULTILINE)


def test_show_output_can_be_loaded_again(file: Path) -> None:
    odd = {"server.tls_certificate": 'a"\\b\té\x7f\n', "server.tls_key": "b", "limits.requests_per_s": 0.5}
    asked = resolve(None, odd | {"server.host": "::1", "stores.redis": "redis://h/1"}, {})
    file.write_text(show(asked))
    assert load(file, {}, {}) == asked.config


def test_show_names_where_each_value_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "hongbao\nport = 3.toml"
    file.write_text("[server]\nhost = 'file'\nport = 1\nnode = 1")
    shown = show(resolve(file, {"server.node": 3, "log.level": None}, {variable("server.port"): "2"}))
    origins = {}
    for line in shown.splitlines():
        if found := re.fullmatch(r"(\w+) = (.*?) +# (.*)", line):
            origins[found[1]] = (found[2], found[3])
    assert origins["host"] == ('"file"', str(file).replace("\n", "?"))
    assert origins["port"] == ("2", "environment variable HONGBAO_SERVER__PORT")
    assert origins["node"] == ("3", "command line")
    assert origins["level"] == ('"info"', "default")
    assert len([line for line in shown.splitlines() if " = " in line]) == len(KEYS)


def test_show_masks_keys_and_passwords() -> None:
    shown = show(
        resolve(
            None,
            {
                "auth.keys": {"k1": HEX, "k2": HEX},
                "http_api.keys": {"k3": HEX},
                "host_wallet.url": "https://pay.example/hongbao",
                "host_wallet.keys": {"k4": HEX, "k5": HEX},
                "stores.postgres": "postgresql://me:geheim%401@db/hongbao?sslpassword=geheim&pass%77ord=geheim&application_name=a",
                "stores.redis": "redis+sentinel://:geheim@one,two/packets?sentinel_password=geheim",
            },
            {},
        )
    )
    assert HEX not in shown
    assert "geheim" not in shown
    for keys in ('{k1 = "***", k2 = "***"}', '{k3 = "***"}', '{k4 = "***", k5 = "***"}'):
        assert f"keys = {keys}" in shown
    assert "postgresql://me:***@db/hongbao?sslpassword=***&pass%77ord=***&application_name=a" in shown
    assert "redis+sentinel://:***@one,two/packets?sentinel_password=***" in shown


# --- the commands ----------------------------------------------------------------------------------------------


def command(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """`hongbao config …`: exit code, output, errors."""
    with pytest.raises(SystemExit) as ended:
        main(["config", *map(str, words)])
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


def test_config_show_accepts_the_flags_of_serve(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[server]\nhost = '::1'\nport = 1\n")
    monkeypatch.delenv("HONGBAO_OPS__HTTP", raising=False)  # set for the tests of serve
    monkeypatch.setenv("HONGBAO_LIMITS__WAIT_MS_MAX", "500")
    dsn = "postgresql://me:geheim@db/h"
    code, out, _ = command(
        capsys, "show", "--config", file, "--port", 99, "--postgres", dsn, "--log-level", "debug"
    )
    assert code == 0
    assert [" ".join(line.split()) for line in out.splitlines() if " = " in line and "# default" not in line] == [
        f'host = "::1" # {file}',
        "port = 99 # command line",
        'postgres = "postgresql://me:***@db/h" # command line',
        "wait_ms_max = 500.0 # environment variable HONGBAO_LIMITS__WAIT_MS_MAX",
        'level = "debug" # command line',
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nprot = 5", "FILE: unknown key server.prot, did you mean server.port?"),
        ("[stores]\nredis = 'redis://h'", "give both --postgres and --redis, or neither"),
        ("[server]\ntls_certificate = 'gone.pem'\ntls_key = 'gone.pem'", "gone.pem: No such file or directory"),
    ],
)
def test_config_check_refuses_what_a_server_refuses(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    file.write_text(text)
    code, out, error = command(capsys, "check", file)
    assert (code, out) == (1, "")
    assert error.replace(str(file), "FILE").startswith(f"hongbao: {words}")
    assert error.count("\n") == 1


def test_config_check_accepts_the_default_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(default_toml())
    assert command(capsys, "check", file) == (0, f"{file}: ok\n", "")


# --- keys ------------------------------------------------------------------------------------------------------


def test_load_keys_from_config_keeps_their_order(tmp_path: Path) -> None:
    keys = {"old": "00" * 16, "new": "FF" * 20}
    assert list(load_keys(load(None, {"auth.keys": keys}, {}), tmp_path).items()) == [
        ("old", bytes(16)),
        ("new", b"\xff" * 20),
    ]
    assert list(tmp_path.iterdir()) == []


def test_load_keys_without_keys_makes_one_once_readable_by_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    first = load_keys(Config(), data)
    assert [len(key) for key in first.values()] == [32]
    assert load_keys(Config(), data) == first
    assert load_keys(Config(), tmp_path) != first
    assert [path.name for path in data.iterdir()] == ["keys.toml"]
    assert stat.S_IMODE((data / "keys.toml").stat().st_mode) == 0o600


def test_load_keys_in_parallel_returns_the_same_key(tmp_path: Path) -> None:
    found: list[dict[str, bytes]] = []
    threads = [Thread(target=lambda: found.append(load_keys(Config(), tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == found[:1] * 8


def test_load_keys_appended_key_is_last_and_the_old_key_stays(tmp_path: Path) -> None:
    (old,) = load_keys(Config(), tmp_path).items()
    with (tmp_path / "keys.toml").open("a") as file:
        file.write(f'k2 = "{HEX}"\n')
    assert list(load_keys(Config(), tmp_path).items()) == [old, ("k2", bytes.fromhex(HEX))]


@pytest.mark.parametrize("text", ["", "k1 = 5", "k1 = 'short'", "[k1", f"k1 = '{HEX}'\nk1 = '{HEX}'"])
def test_load_keys_invalid_file_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.toml"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(str(path))) as error:
        load_keys(Config(), tmp_path)
    assert HEX not in str(error.value)


def test_load_keys_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_keys(Config(), tmp_path)
    (tmp_path / "keys.toml").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_keys(Config(), tmp_path)


# --- self-service ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "is_open"), [("", True), ("[chat]\nself_service = false", False), (None, False)])
def test_file_without_the_key_leaves_self_service_open(file: Path, text: str | None, is_open: bool) -> None:
    if text is not None:
        file.write_text(text)
    assert leaves_self_service_open(None if text is None else file) == is_open


def test_server_without_a_config_has_self_service() -> None:
    """So do the servers of `hongbao demo` and those that `hongbao sim` finds: they are started without one."""
    assert load(None, {}, {}).chat.self_service


# --- WebSocket ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["https://chat.example/", "https://chat.example/page", "chat.example", "*", "", "https://Chat.example"],
)
def test_origin_that_no_browser_sends_is_refused(file: Path, origin: str) -> None:
    assert 'a list of origins such as "https://chat.example"' in refusal(
        file, f"[websocket]\norigins = ['https://a.example', '{origin}']"
    )


@pytest.mark.parametrize("network", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "", "*"])
def test_trusted_proxy_that_is_no_network_is_refused(file: Path, network: str) -> None:
    assert "a list of addresses or networks" in refusal(file, f"[websocket]\ntrusted_proxies = ['{network}']")


def test_origins_and_proxies_of_every_kind_are_read(file: Path) -> None:
    file.write_text(
        "[websocket]\norigins = ['https://chat.example:8443', 'http://[::1]:3000', 'null', 'app://local']\n"
        "trusted_proxies = ['127.0.0.1', '::1', '10.0.0.0/8', 'fd00::/8']"
    )
    websocket = load(file, {}, {}).websocket
    assert (len(websocket.origins), len(websocket.trusted_proxies)) == (4, 4)


@pytest.mark.parametrize(
    ("settings", "is_refused"),
    [
        ({"listen": "0.0.0.0:7791"}, True),
        ({"listen": "[::]:7791"}, True),
        ({"listen": "gateway.example:7791"}, True),
        ({"listen": "0.0.0.0:7791", "tls": "false", "certificate": "a"}, True),
        ({"listen": "0.0.0.0:7791", "certificate": "a"}, False),
        ({"listen": "0.0.0.0:7791", "trusted_proxies": '["10.0.0.1"]'}, False),
        ({"listen": "0.0.0.0:7791", "proxy_protocol": '["10.0.0.1"]'}, False),
        ({"listen": "127.0.0.1:7791"}, False),
        ({"listen": "[::1]:7791"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_websocket_that_other_machines_reach_needs_tls_or_a_proxy(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], is_refused: bool
) -> None:
    certificate = settings.pop("certificate", "")
    monkeypatch.setenv("HONGBAO_SERVER__TLS_CERTIFICATE", certificate)
    monkeypatch.setenv("HONGBAO_SERVER__TLS_KEY", certificate)
    for key, value in settings.items():
        monkeypatch.setenv(variable(f"websocket.{key}"), value)
    if is_refused:
        with pytest.raises(ConfigError, match="or end TLS in a proxy"):
            load_to_serve(None)
    else:
        load_to_serve(None)


@pytest.mark.parametrize(
    ("settings", "is_refused"),
    [
        ("[server]\nproxy_protocol = ['10.0.0.1']\ntls_certificate = 'a'\ntls_key = 'a'", True),
        ("[websocket]\nproxy_protocol = ['10.0.0.1']\n[server]\ntls_certificate = 'a'\ntls_key = 'a'", True),
        (
            "[websocket]\nproxy_protocol = ['10.0.0.1']\ntls = false\n"
            "[server]\ntls_certificate = 'a'\ntls_key = 'a'",
            False,
        ),
        ("[server]\nproxy_protocol = ['10.0.0.1']", False),
    ],
)
def test_proxy_header_before_tls_of_the_server_is_refused(file: Path, settings: str, is_refused: bool) -> None:
    file.write_text(settings)
    if is_refused:
        with pytest.raises(ConfigError, match="TLS ends in the proxy"):
            load_to_serve(file)
    else:
        load_to_serve(file)


# --- money of your own ------------------------------------------------------------------------------------------

POINTS = {"money.unit": "积分/points", "money.symbol": "", "money.decimals": "0"}
A_NAME = 'a name of 1 to 16 letters, or two such as "积分/points"'
A_SYMBOL = "empty, or up to 4 letters or currency signs"


@pytest.mark.parametrize(
    ("set_here", "unit"),
    [
        ({}, YUAN),
        (POINTS, MoneyUnit("积分", "points", "", 0)),
        (POINTS | {"money.unit": "pts"}, MoneyUnit("pts", "pts", "", 0)),
        (
            {"money.unit": "金币/gold coins", "money.symbol": "🪙", "money.decimals": 4},
            MoneyUnit("金币", "gold coins", "🪙", 4),
        ),
        (
            {"money.unit": "a" * 16, "money.symbol": "HK$", "money.decimals": 2},
            MoneyUnit("a" * 16, "a" * 16, "HK$", 2),
        ),
    ],
    ids=["yuan", "points", "one_name", "coins", "longest"],
)
def test_load_money_unit_is_that_of_the_config_and_fits_the_wire(set_here: dict[str, Any], unit: MoneyUnit) -> None:
    found = money_unit(load(None, set_here, {}))
    assert found == unit
    assert msgspec.convert(msgspec.to_builtins(found), MoneyUnit) == unit


@pytest.mark.parametrize(
    ("key", "wrong", "must"),
    [
        *(
            ("unit", wrong, A_NAME)
            for wrong in (
                "",
                "/",
                "a/",
                "/a",
                "a/b/c",
                "a" * 17,
                "8",
                "a.b",
                "[b]",
                "a\\u0007",
                "a\\u202eb",
                " a",
                "a  b",
            )
        ),
        *(("symbol", wrong, A_SYMBOL) for wrong in ("abcde", "1", "-", ".", "\\u001b", "a/b", " ", "\\u200d")),
        *(("decimals", wrong, "a whole number from 0 to 4") for wrong in (-1, 5)),
    ],
)
def test_load_wrong_money_key_is_refused_in_one_line_with_what_is_allowed(
    file: Path, key: str, wrong: object, must: str
) -> None:
    value = wrong if isinstance(wrong, int) else f'"{wrong}"'
    keys = {"unit": '"x"', "symbol": '""', "decimals": 0} | {key: value}
    error = refusal(file, "[money]\n" + "\n".join(f"{name} = {one}" for name, one in keys.items()))
    assert error.startswith(f"FILE: money.{key} is ")
    assert error.endswith(f", but must be {must}")


@pytest.mark.parametrize("missing", POINTS)
def test_load_money_key_that_is_missing_is_named(file: Path, missing: str) -> None:
    """Its default would show points as yuan, or with a wrong factor."""
    given = [key for key in POINTS if key != missing]
    error = refusal(file, "", {key: POINTS[key] for key in given})
    assert error == (
        f"command line: {' and '.join(given)} without {missing}; "
        "set all of money.unit, money.symbol, money.decimals, or none"
    )


def test_load_limits_of_amounts_count_the_smallest_unit_whatever_the_decimals() -> None:
    limits = load(None, POINTS | {"money.decimals": 4, "limits.share_fen_max": 7}, {}).limits
    assert (limits.share_fen_max, limits.total_fen_max) == (7, Config().limits.total_fen_max)
