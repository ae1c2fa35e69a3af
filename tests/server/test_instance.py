"""What a server leaves in its data folder for commands."""

from __future__ import annotations

from pathlib import Path

from protocol.money_unit import YUAN
from server.config import load
from server.instance import UNIT_FILE, publish, unit_of, withdraw
from tests.points import POINTS

POINTS_TOML = '[money]\nunit = "积分/points"\nsymbol = ""\ndecimals = 0\n'


def test_unit_of_records_is_that_of_the_last_server_unless_the_config_names_one(tmp_path: Path) -> None:
    config = tmp_path / "hongbao.toml"
    config.write_text(POINTS_TOML)
    points, plain = load(config, {}, environment={}), load(None, {}, environment={})
    elsewhere = load(None, {"stores.postgres": "postgresql://db/x"}, environment={})
    assert [unit_of(tmp_path, one) for one in (points, plain)] == [POINTS, YUAN]
    publish(tmp_path, points, "tcp://x:1", websocket="", http_api="")
    withdraw(tmp_path)
    assert [unit_of(tmp_path, one) for one in (points, plain, elsewhere)] == [POINTS, POINTS, YUAN]
    (tmp_path / UNIT_FILE).write_text("{}")
    assert unit_of(tmp_path, plain) == YUAN
    publish(tmp_path, plain, "tcp://x:1", websocket="", http_api="")
    assert not (tmp_path / UNIT_FILE).exists()
