"""Commands that move money: once by key, only for users that exist, only with keys that a server has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from client_sim.sdk.names import user_id_of
from client_sim.sim import scenarios
from server.config import Config, load_keys
from server.instance import running
from server.process import ServerProcess
from storage.postgres.database import Database
from storage.postgres.facts import claim_for_simulation
from tests.clusters import data_folder
from tests.server.serving import Ended, here

EMPTY = "it is empty: is a variable unset?"


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """The data folder of a running server."""
    with data_folder(cluster) as folder, ServerProcess(folder):
        yield folder


def on(data: Path, *words: object) -> Ended:
    return here(*words, "--data", data)


# --- once by key -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "  "])
@pytest.mark.parametrize("command", ["topup", "withdraw"])
def test_money_command_with_an_empty_key_is_refused_and_moves_nothing(data: Path, command: str, key: str) -> None:
    on(data, "topup", 1, 500, "--key", "first", "--create")
    refused = on(data, command, 1, 500, "--key", key)
    assert (refused.code, refused.stdout, EMPTY in refused.stderr) == (2, "", True)
    assert on(data, "topup", 1, 500, "--key", "first").stdout == "500\n"


def test_withdraw_with_one_key_takes_money_once(data: Path) -> None:
    assert on(data, "topup", 2, 500, "--create").stdout == "500\n"
    assert on(data, "withdraw", 2, 200, "--key", "payout").stdout == "300\n"
    assert on(data, "withdraw", 2, 200, "--key", "payout").stdout == "300\n"
    reused = on(data, "withdraw", 2, 201, "--key", "payout")
    assert (reused.code, "key_reused" in reused.stderr) == (1, True)
    assert on(data, "audit").code == 0


def test_withdraw_of_more_than_the_wallet_holds_moves_nothing(data: Path) -> None:
    on(data, "topup", 3, 100, "--create")
    refused = on(data, "withdraw", 3, 101)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert refused.stderr.startswith("hongbao: the wallet of user 3 holds less than 101 fen")
    assert on(data, "withdraw", 3, 100).stdout == "0\n"


# --- only for users that exist ---------------------------------------------------------------------------------


def test_topup_of_an_unknown_user_is_refused_unless_the_user_is_created(data: Path) -> None:
    put_in = on(data, "audit").stdout
    refused = on(data, "topup", "小梅", 500, "--key", "order 1")
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "the server knows no user" in refused.stderr
    assert "--create" in refused.stderr
    assert on(data, "audit").stdout == put_in
    assert on(data, "topup", "小梅", 500, "--key", "order 1", "--create").stdout == "500\n"
    assert on(data, "topup", "小梅", 70, "--key", "order 2").stdout == "570\n"


@pytest.mark.parametrize("command", ["ban", "unban", "revoke"])
def test_command_on_an_unknown_user_is_refused_unless_the_user_is_created(data: Path, command: str) -> None:
    name = f"typo of {command}"
    refused = on(data, command, name)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert refused.stderr.startswith(f"hongbao: the server knows no user {user_id_of(name)}: is the name")
    assert on(data, "topup", name, 5).code == 1  # it is still not known
    assert ("--create" in refused.stderr) == (command != "unban")
    if command != "unban":
        assert on(data, command, name, "--create").code == 0
        assert on(data, command, name).code == 0
        assert on(data, "unban", name).code == 0


# --- books of others --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("demo", "--seconds", "1"), ("sim", "crowd", "--seconds", "1")], ids=" ".join)
def test_simulation_refuses_books_that_no_simulation_made(data: Path, words: tuple[str, ...]) -> None:
    on(data, "topup", 4, 500, "--key", "mine", "--create")
    before = on(data, "audit").stdout
    refused = on(data, *words)
    assert (refused.code, refused.stderr.count("\n")) == (1, 1)
    assert "no simulation made" in refused.stderr
    assert "mv DATA DATA.old" in refused.stderr
    assert "--any-books" in refused.stderr
    assert on(data, "audit").stdout == before


@pytest.mark.parametrize(
    ("language", "first"), [("zh", "hongbao demo：PostgreSQL"), ("en", "hongbao demo: PostgreSQL")]
)
def test_demo_begins_in_the_language_of_its_option(data: Path, language: str, first: str) -> None:
    on(data, "topup", 4, 500, "--key", "mine", "--create")
    assert on(data, "demo", "--seconds", "1", "--lang", language).stdout.startswith(first)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_sim_speaks_the_language_of_its_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    heard: list[str] = []

    def prepare(*_: object, language: str, **__: object) -> None:
        heard.append(language)
        raise ValueError("that is all")

    monkeypatch.setattr(scenarios, "prepare", prepare)
    load_keys(Config(), tmp_path)
    here("sim", "crowd", "--url", "tcp://127.0.0.1:1", "--any-books", "--lang", language, "--data", tmp_path)
    assert heard == [language]


def test_sim_on_a_server_whose_books_are_not_known_here_is_refused(data: Path, tmp_path: Path) -> None:
    load_keys(Config(), tmp_path)
    refused = here("sim", "crowd", "--data", tmp_path, "--url", running(data).url)  # type: ignore[union-attr]
    assert (refused.code, refused.stderr.count("\n")) == (1, 1)
    assert "it is not known here which books the server at tcp://127.0.0.1:" in refused.stderr


async def test_books_without_users_and_money_become_those_of_a_simulation_once(
    database: Database, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    assert await claim_for_simulation(database)
    await sql.execute("INSERT INTO users (user_id) VALUES (7)")
    assert await claim_for_simulation(database)
    await sql.execute("DELETE FROM facts WHERE name = 'simulated'")
    assert not await claim_for_simulation(database)


# --- only with keys that a server has ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("token", "1"),
        ("token", "--backend"),
        ("key", "show"),
        ("key", "new"),
        ("seeds", "renew"),
        ("seeds", "new-key"),
        ("seeds", "reseal"),
        ("topup", "1", "5"),
        ("withdraw", "1", "5"),
        ("topup", "1", "5", "--url", "tcp://127.0.0.1:1"),
        ("group", "put", "room", "name"),
        ("chat", "--as", "me", "--plain"),
        ("chat", "--as", "me", "--plain", "--url", "tcp://127.0.0.1:1"),
        ("sim", "crowd"),
        ("sim", "crowd", "--url", "tcp://127.0.0.1:1", "--any-books"),
        ("audit",),
        ("verify", "1"),
        ("status",),
        ("top", "--once"),
        ("reload",),
    ],
    ids=" ".join,
)
def test_command_on_a_mistyped_data_folder_fails_and_makes_no_folder(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder = tmp_path / "typo"
    refused = here(*words, "--data", folder)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1), refused.stderr
    assert str(folder) in refused.stderr
    assert not folder.exists()


def test_token_without_a_key_says_that_no_server_would_accept_one(tmp_path: Path) -> None:
    refused = here("token", "1", "--data", tmp_path)
    assert (refused.code, refused.stdout) == (1, "")
    assert f"no server has started on {tmp_path}, and none would accept another key" in refused.stderr
    assert list(tmp_path.iterdir()) == []


# --- words that are empty ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("topup", "1", "5", "--url", ""),
        ("topup", "1", "5", "--data", ""),
        ("topup", "1", "5", "--config", ""),
        ("audit", "--postgres", ""),
        ("serve", "--redis", ""),
        ("chat", "--as", "me", "--token", ""),
        ("chat", "--as", "me", "--invite", ""),
        ("chat", "--as", ""),
        ("group", "put", "", "name"),
        ("group", "put", "room", "name", "--owner", ""),
        ("group", "sync", "1", ""),
        ("key", "new", ""),
    ],
    ids=" ".join,
)
def test_command_with_an_empty_word_is_refused_before_it_takes_a_default(words: tuple[str, ...]) -> None:
    refused = here(*words)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1), refused.stderr
    assert "empty" in refused.stderr
