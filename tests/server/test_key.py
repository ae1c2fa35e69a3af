"""`hongbao key`: it shows the keys of login tokens, and makes a new one that signs."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from protocol import tokens
from server.config import Config, load, load_api_keys, load_keys
from server.credentials import load_credentials
from tests.server.serving import here

HEX = "ab" * 32


def test_key_show_lists_fingerprints_and_no_key(tmp_path: Path) -> None:
    ((key_id, key),) = load_keys(Config(), tmp_path).items()
    shown = here("key", "show", "--data", tmp_path)
    assert (shown.code, shown.stderr) == (0, "")
    assert shown.stdout == f"{key_id}  sha256 {hashlib.sha256(key).hexdigest()[:16]}  signs and verifies\n"
    assert key.hex() not in shown.stdout


def test_key_show_secret_prints_lines_for_a_config(tmp_path: Path) -> None:
    ((key_id, key),) = load_keys(Config(), tmp_path).items()
    assert here("key", "show", "--secret", "--data", tmp_path).stdout == f'{key_id} = "{key.hex()}"\n'


def test_key_show_without_a_key_says_so_and_makes_none(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    shown = here("key", "show", "--data", tmp_path)
    assert (shown.code, shown.stdout) == (1, "")
    assert shown.stderr.startswith(f"hongbao: {file} does not exist: no server has started on {tmp_path}")
    assert not list(tmp_path.iterdir())


def test_key_new_signs_and_the_old_key_still_verifies(tmp_path: Path) -> None:
    ((_, old),) = load_keys(Config(), tmp_path).items()
    made = here("key", "new", "--data", tmp_path)
    assert (made.code, made.stdout) == (
        0,
        f"{tmp_path / 'keys.toml'}: k2 signs from the next reload on: hongbao reload\n",
    )
    keys = load_keys(Config(), tmp_path)
    assert list(keys) == ["k1", "k2"]
    assert keys["k1"] == old != keys["k2"]
    assert (tmp_path / "keys.toml").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys.toml").read_text().startswith("# All keys verify")
    assert [path.name for path in tmp_path.iterdir()] == ["keys.toml"]
    token = tokens.parse(here("token", 7, "--data", tmp_path).stdout)
    assert token == tokens.mint(7, token.expires_at_s, "k2", keys["k2"], token.issued_at_s)
    listed = here("key", "show", "--data", tmp_path).stdout.splitlines()
    assert [line.split("  ")[2] for line in listed] == ["verifies", "signs and verifies"]


def test_key_new_with_keys_in_the_config_prints_the_line_to_append(tmp_path: Path) -> None:
    config = tmp_path / "hongbao.toml"
    config.write_text(f'[auth]\nkeys = {{ k2 = "{HEX}" }}\n')
    made = here("key", "new", "mine", "--config", config, "--data", tmp_path / "data")
    advice, line = made.stdout.splitlines()
    assert advice == "append to auth.keys in the config, last, then: hongbao reload"
    assert re.fullmatch(r'mine = "[0-9a-f]{64}"', line)
    assert not (tmp_path / "data" / "keys.toml").exists()


def test_key_new_with_a_used_or_invalid_id_is_refused_in_one_line(tmp_path: Path) -> None:
    load_keys(Config(), tmp_path)
    before = (tmp_path / "keys.toml").read_bytes()
    for key_id, why in (("k1", "there is a key k1 already"), ("a.b", "a key id has up to 32 letters")):
        refused = here("key", "new", key_id, "--data", tmp_path)
        assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
        assert refused.stderr.startswith(f"hongbao: {why}")
    assert (tmp_path / "keys.toml").read_bytes() == before


def test_key_new_api_makes_keys_of_the_http_api_that_are_all_accepted(tmp_path: Path) -> None:
    first = here("key", "new", "--api", "--data", tmp_path)
    assert (first.code, first.stderr) == (0, "")
    assert first.stdout.startswith(f"{tmp_path / 'http-keys.toml'}: k1 is accepted after: a restart")
    second = here("key", "new", "mine", "--api", "--data", tmp_path)
    assert second.stdout.startswith(f"{tmp_path / 'http-keys.toml'}: mine is accepted after: hongbao reload")
    keys = load_api_keys(Config(), tmp_path)
    assert list(keys) == ["k1", "mine"]
    assert (tmp_path / "http-keys.toml").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["http-keys.toml"]  # no key of tokens is made

    listed = here("key", "show", "--api", "--data", tmp_path).stdout
    assert [line.split("  ")[2] for line in listed.splitlines()] == ["accepted", "accepted"]
    assert not any(key.hex() in first.stdout + second.stdout + listed for key in keys.values())
    secret = here("key", "show", "--api", "--secret", "--data", tmp_path).stdout
    assert secret == "".join(f'{key_id} = "{key.hex()}"\n' for key_id, key in keys.items())


def test_first_start_with_an_address_of_the_http_api_makes_its_key_once(tmp_path: Path) -> None:
    settings = load(None, {"http_api.address": "127.0.0.1:7792"}, environment={})
    assert load_api_keys(settings, tmp_path) == {}
    made = load_credentials(settings, tmp_path).api_keys
    assert list(made) == ["k1"]
    assert load_credentials(settings, tmp_path).api_keys == made
    assert (tmp_path / "http-keys.toml").stat().st_mode & 0o777 == 0o600


def test_start_without_an_address_of_the_http_api_makes_no_key_for_it(tmp_path: Path) -> None:
    assert load_credentials(load(None, {}, environment={}), tmp_path).api_keys == {}
    assert not (tmp_path / "http-keys.toml").exists()


def test_key_show_api_in_a_folder_without_records_says_so_and_not_that_the_api_is_off(tmp_path: Path) -> None:
    for options in ((), ("--secret",), ("--bearer",)):
        shown = here("key", "show", "--api", *options, "--data", tmp_path / ".hongbao")
        assert (shown.code, shown.stdout) == (1, "")
        assert shown.stderr == (
            f"hongbao: there are no records under {tmp_path / '.hongbao'}; name another folder with --data\n"
        )


def test_key_show_bearer_prints_the_newest_key_as_a_request_has_it(tmp_path: Path) -> None:
    here("key", "new", "--api", "--data", tmp_path)
    here("key", "new", "mine", "--api", "--data", tmp_path)
    shown = here("key", "show", "--api", "--bearer", "--data", tmp_path)
    assert (shown.code, shown.stderr) == (0, "")
    assert shown.stdout == f"mine.{load_api_keys(Config(), tmp_path)['mine'].hex()}\n"


def test_key_show_bearer_without_api_or_with_secret_is_a_wrong_command_line(tmp_path: Path) -> None:
    for options in (("--bearer",), ("--api", "--bearer", "--secret")):
        refused = here("key", "show", *options, "--data", tmp_path)
        assert (refused.code, refused.stdout) == (2, "")
        assert "hongbao key show --api --bearer" in refused.stderr


def test_key_show_api_without_a_key_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    shown = here("key", "show", "--api", "--data", tmp_path)
    assert (shown.code, shown.stdout) == (1, "")
    assert shown.stderr == (
        "hongbao: there is no key of the HTTP API, so it is off; make one: hongbao key new --api\n"
    )


def test_key_new_api_with_a_used_id_is_refused_in_one_line(tmp_path: Path) -> None:
    here("key", "new", "--api", "--data", tmp_path)
    before = (tmp_path / "http-keys.toml").read_bytes()
    refused = here("key", "new", "k1", "--api", "--data", tmp_path)
    assert (refused.code, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("hongbao: there is a key k1 already")
    assert (tmp_path / "http-keys.toml").read_bytes() == before


def test_key_new_api_with_keys_in_the_config_prints_the_line_and_config_show_no_key(tmp_path: Path) -> None:
    config = tmp_path / "hongbao.toml"
    config.write_text(f'[http_api]\nkeys = {{ k1 = "{HEX}" }}\n')
    made = here("key", "new", "--api", "--config", config, "--data", tmp_path / "data")
    advice, line = made.stdout.splitlines()
    assert advice == "append to http_api.keys in the config, then: hongbao reload"
    assert re.fullmatch(r'k2 = "[0-9a-f]{64}"', line)
    shown = here("config", "show", "--config", config).stdout
    assert 'keys = {k1 = "***"}' in shown
    assert HEX not in shown
