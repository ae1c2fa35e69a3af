"""Commands of a deployment whose packets hold points: none speaks of yuan."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sim.sdk.client import Client
from protocol import tokens
from server.cli.shared.command_table import COMMANDS
from server.config import Config, load_keys
from server.instance import running
from server.process import ServerProcess
from tests.clusters import data_folder
from tests.points import POINTS, yuan_in
from tests.server.serving import Ended, here

POINTS_FILE = '[money]\nunit = "积分/points"\nsymbol = ""\ndecimals = 0\n[ops]\nhttp = "127.0.0.1:0"\n'
FAR_AWAY_S = 4_000_000_000


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """The data folder of a running server of points."""
    with data_folder(cluster) as folder:
        config = folder / "hongbao.toml"
        config.write_text(POINTS_FILE)
        with ServerProcess(folder, "--config", str(config)):
            yield folder


def on(data: Path, *words: object) -> Ended:
    return here(*words, "--data", data, "--config", data / "hongbao.toml")


def client(data: Path, user_id: int) -> Client:
    found = running(data)
    assert found is not None
    key_id, key = list(load_keys(Config(), data).items())[-1]
    return Client(found.url, str(tokens.mint(user_id, FAR_AWAY_S, key_id, key)))


async def played(data: Path) -> int:
    """A packet that its sender has opened."""
    async with client(data, 0) as backend, client(data, 7) as alice:
        await backend.top_up(7, 123_456)
        assert alice.money == POINTS
        packet = (await alice.send_packet("lucky", await alice.create_group("us"), 12_345, 1)).packet_id
        await alice.open(packet)
        return packet


def test_every_command_of_a_server_of_points_speaks_points(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    packet = asyncio.run(played(data))
    refused = on(data, "withdraw", 7, 999_999)
    assert refused.stderr.startswith("hongbao: the wallet of user 7 holds less than 999999 points")
    for words, shown in (
        (("audit",), "= put in 123,456 - taken out 0 points"),
        (("verify", packet), "lucky, 12,345 points in 1 shares, finished"),
        (("packet", packet), "12,345 points"),
        (("user", 7), " points"),
        (("status",), "123,456 points"),
        (("settlement",), " points"),
    ):
        ended = on(data, *words)
        assert (ended.code, ended.stderr) == (0, "")
        assert shown in ended.stdout, ended.stdout
        assert yuan_in(ended.stdout) == []
    for words in (("audit",), ("verify", packet)):  # without the config: the data folder tells the unit
        ended = here(*words, "--data", data)
        assert (ended.code, yuan_in(ended.stdout)) == (0, [])
        assert " points" in ended.stdout


def all_helps(*words: str) -> Iterator[str]:
    """The help of a command, and of all commands under it."""
    ended = here(*words, "--help")
    assert ended.code == 0
    yield ended.stdout
    _, _, listed = ended.stdout.partition("─ Commands ─")
    for name in re.findall(r"^│ (?!--)([a-z][a-z-]*) ", listed.partition("╰")[0], re.MULTILINE):
        yield from all_helps(*words, name)


def test_no_help_names_yuan_or_what_an_amount_counts_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    helps = list(all_helps())
    assert len(helps) > len(COMMANDS)
    for text in helps:
        assert yuan_in(text) == [], text


def test_config_names_yuan_only_as_the_default_unit() -> None:
    lines = here("config", "default").stdout.splitlines()
    assert [line.split(" = ")[0] for line in lines if yuan_in(line.replace("`fen`", ""))] == ["unit", "symbol"]


def test_serve_with_a_wrong_unit_ends_with_one_line(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(POINTS_FILE.replace("decimals = 0", "decimals = 9"))
    ended = here("serve", "--data", tmp_path, "--config", config)
    assert (ended.code, ended.stdout) == (1, "")
    assert ended.stderr == (f"hongbao: {config}: money.decimals is 9, but must be a whole number from 0 to 4\n")
