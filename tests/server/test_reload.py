"""SIGHUP to a running server: some keys change, the others are reported, an invalid file changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ConnectionLost, ConnectionRefusedForGood, Refusal
from protocol import tokens
from server.config import Config, load, load_keys
from server.config.table import TLS_FILES
from server.credentials import load_credentials
from server.process import ServerProcess
from server.reload import Outcome, Reading, merge
from tests.issuer import Issuer
from tests.server.log import hang_up, logged, wait_for

FAR_AWAY_S = 4_000_000_000
NEW_KEY = bytes(range(32))


def token(user_id: int, key_id: str, key: bytes) -> str:
    return str(tokens.mint(user_id, FAR_AWAY_S, key_id, key))


def reloaded(data: Path) -> tuple[list[str], list[str]]:
    """Send SIGHUP; the keys that changed, and those that need a restart."""
    event = hang_up(data)
    assert event["event"] == "config_reloaded", event
    assert event["level"] == ("warning" if event["needs_restart"] else "info")
    return event["changed"], event["needs_restart"]


def kept(data: Path) -> str:
    """Send SIGHUP; the error because of which nothing changed."""
    event = hang_up(data)
    assert (event["event"], event["level"]) == ("config_reload_failed", "error")
    why: str = event["why"]
    return why


async def test_reload_applies_limits_and_names_keys_that_need_a_restart(data: Path) -> None:
    file = data / "hongbao.toml"
    file.write_text("[limits]\ntext_bytes_max = 4\n")
    with ServerProcess(data, "--config", str(file)) as server:
        async with Client(server.url, token(7, "k1", load_keys(Config(), data)["k1"])) as there:
            group = await there.create_group("g")  # a config of before the key leaves self-service on, and says so
            assert [one["level"] for one in logged(data) if one["event"] == "self_service_is_not_set"] == [
                "warning"
            ]
            with pytest.raises(Refusal, match="bad_text"):
                await there.say(group, "four and more")
            assert reloaded(data) == ([], [])

            file.write_text("[limits]\ntext_bytes_max = 40\n")
            assert reloaded(data) == (["limits.text_bytes_max"], [])
            assert await there.say(group, "four and more") == 1

            file.write_text("[limits]\ntext_bytes_max = 41\n[stores]\npostgres_pool_max = 3\n[server]\nport = 5\n")
            assert reloaded(data) == (
                ["limits.text_bytes_max"],
                ["stores.postgres_pool_max"],
            )  # the port is set by an option
            assert reloaded(data) == ([], ["stores.postgres_pool_max"])

            for faulty, words in (
                ("[limits]\ntext_bytes_max = 4\nrequests_brust = 50\n", "did you mean limits.requests_burst?"),
                (
                    "[limits]\ntext_bytes_max = 4\nframe_bytes_max = 3\n",
                    "must not exceed limits.frame_bytes_max = 3",
                ),
                ("[limits", str(file)),
                ("a = " + "[" * 20_000, "nested too deeply"),
            ):
                file.write_text(faulty)
                assert words in kept(data)
                assert await there.say(group, "four and more") > 1
            file.unlink()
            assert kept(data) == f"{file}: no such file or directory"

            file.write_text("")
            assert reloaded(data) == (["limits.text_bytes_max"], [])
            assert there.reconnects == 0


async def test_reload_applies_token_keys(data: Path) -> None:
    with ServerProcess(data) as server:
        old_key = load_keys(Config(), data)["k1"]
        file = data / "keys.toml"
        first = file.read_text()
        old, new = token(7, "k1", old_key), token(7, "k2", NEW_KEY)
        async with Client(server.url, old) as there:
            with pytest.raises(ConnectionRefusedForGood, match="login_refused"):
                await Client(server.url, new).connect()

            file.write_text(f'{first}k2 = "{NEW_KEY.hex()}"\n')
            assert reloaded(data) == (["auth.keys"], [])
            for one in (old, new):
                async with Client(server.url, one) as client:
                    assert await client.balance() == 0

            for spoiled in ("k1 = ", "", 'k1 = "00"', "k1 = 5"):
                file.write_text(spoiled)
                assert "keys.toml" in kept(data)
                for one in (old, new):
                    async with Client(server.url, one) as client:
                        assert await client.balance() == 0

            elsewhere = file.rename(data / "elsewhere.toml")
            assert "keys.toml" in kept(data)
            assert not file.exists()  # a new key would lock out all users
            elsewhere.rename(file)

            file.write_text(f'k2 = "{NEW_KEY.hex()}"\n')
            assert reloaded(data) == (["auth.keys"], [])
            with pytest.raises(ConnectionRefusedForGood, match="login_refused"):
                await Client(server.url, old).connect()
            assert await there.balance() == 0
            assert there.reconnects == 0


async def test_reload_applies_tls_files(data: Path) -> None:
    folders = [data / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    first, second = map(Issuer, folders)
    certificate, key = map(Path, first.issue())
    with ServerProcess(data, "--tls-certificate", str(certificate), "--tls-key", str(key)) as server:
        assert server.url.startswith("tls://")
        mine = token(7, "k1", load_keys(Config(), data)["k1"])
        async with Client(server.url, mine, ca_file=first.ca_file) as there:
            for spoiled in (b"", b"no certificate", key.read_bytes()):
                good = certificate.read_bytes()
                certificate.write_bytes(spoiled)
                assert "not a certificate and its key" in kept(data)
                certificate.write_bytes(good)

            for made, place in zip(second.issue(), (certificate, key), strict=True):
                place.write_bytes(Path(made).read_bytes())  # noqa: ASYNC240
            async with Client(server.url, mine, ca_file=first.ca_file) as client:  # no SIGHUP yet
                assert await client.balance() == 0
            assert reloaded(data) == (list(TLS_FILES), [])
            assert reloaded(data) == ([], [])
            async with Client(server.url, mine, ca_file=second.ca_file) as client:
                assert await client.balance() == 0
            with pytest.raises(ConnectionLost, match=r"certificate|CERTIFICATE"):
                await Client(server.url, mine, ca_file=first.ca_file).connect(patience_s=0)
            assert await there.balance() == 0
            assert there.reconnects == 0


async def test_reload_takes_over_rules_of_risk_control(data: Path) -> None:
    file, rules = data / "hongbao.toml", data / "rules.toml"
    rule = '[[rules]]\nname = "one"\nwhen = "{}"\nthen = "review"\nsays = "s"\n'
    rules.write_text(rule.format("opens_1m > 9"))
    file.write_text(f'[risk]\nmode = "shadow"\nrules = "{rules}"\n')
    with ServerProcess(data, "--config", str(file)):
        wait_for(lambda: any(one["event"] == "seed_key_made" for one in logged(data)))  # the last line of its start
        assert reloaded(data) == ([], [])
        rules.write_text(rule.format("opens_1m > 8"))
        assert reloaded(data) == (["risk.rules"], [])
        rules.write_text(rule.format("no_such_fact > 8"))
        assert f"risk.rules: {rules}: one: when: " in kept(data)
        rules.write_text(rule.format("opens_1m > 8"))
        assert reloaded(data) == ([], [])


# --- merge, without a server -----------------------------------------------------------------------------------


def reading(data: Path, overrides: dict[str, Any]) -> Reading:
    """The reading of a server with these overrides."""
    settings = load(None, overrides, {})
    return Reading(settings, load_credentials(settings, data))


@pytest.mark.parametrize("on", [False, True])
def test_merge_does_not_switch_tls(tmp_path: Path, on: bool) -> None:
    """It is reported at every reload until a restart; other keys still change."""
    files = dict(zip(TLS_FILES, Issuer(tmp_path).issue(), strict=True))
    plain, tls = reading(tmp_path, {}), reading(tmp_path, {**files, "log.level": "debug"})
    now, asked = (plain, tls) if on else (tls, plain)
    merged, outcome = merge(now, asked)
    assert outcome == Outcome(["log.level"], list(TLS_FILES))
    assert merged.credentials.tls is now.credentials.tls
    assert merged.config == load(None, ({} if on else files) | ({"log.level": "debug"} if on else {}), {})
    assert merge(merged, asked)[1] == Outcome([], list(TLS_FILES))
    assert merge(merged, now)[1] == Outcome(["log.level"], [])


def test_merge_a_new_order_of_the_keys_is_a_change(tmp_path: Path) -> None:
    """The last key signs."""
    one, two = "00" * 16, "11" * 16
    now = reading(tmp_path, {"auth.keys": {"a": one, "b": two}})
    asked = reading(tmp_path, {"auth.keys": {"b": two, "a": one}})
    merged, outcome = merge(now, asked)
    assert outcome == Outcome(["auth.keys"], [])
    assert list(merged.config.auth.keys) == ["b", "a"]
