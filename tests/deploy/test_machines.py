"""The files for several machines: the containers fit each other, the config and HAProxy."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from server.cli.shared.options import NO_FLAGS
from server.config import Config, load
from server.http_api.address import check_address
from server.peers.links.place import check_peers
from storage.postgres.hosts import one_host_each
from tests.clusters import data_folder
from tests.deploy.postgres_container import PostgresContainer
from tests.deploy.test_deploy import DEPLOY

SECRET = "ab" * 32
MACHINES = ("one", "two")
SETS = [["set0", "standby0"], ["set1", "standby1"]]  # of PostgreSQL: the primary, and who follows it
ASKED = re.compile(r"\$\{(\w+):\?[^}]*\}")
HAPROXY = (DEPLOY / "haproxy.cfg").read_text("utf-8")


def compose() -> dict[str, Any]:
    """The file, with the variables that it asks for."""
    text = (DEPLOY / "compose.machines.yaml").read_text("utf-8")
    asked = set(ASKED.findall(text))
    example = (DEPLOY / "example.env").read_text("utf-8")
    assert all(re.search(rf"^{name}=", example, re.MULTILINE) for name in asked)
    found: dict[str, Any] = yaml.safe_load(ASKED.sub(SECRET, text))
    return found


SERVICES = compose()["services"]


def config_of(name: str) -> Config:
    """The config that a machine loads."""
    return load(
        DEPLOY / "hongbao.toml", {**NO_FLAGS.overrides(), "server.host": "0.0.0.0"}, SERVICES[name]["environment"]
    )


def address_of(name: str) -> str:
    """The address of a container."""
    return str(SERVICES[name]["networks"]["machines"]["ipv4_address"])


@pytest.mark.parametrize("name", MACHINES)
def test_config_of_a_machine_is_accepted_and_leads_to_the_other_containers(name: str) -> None:
    config = config_of(name)
    check_peers(config)
    check_address(config)
    assert config.peers.advertise == address_of(name)
    for section in (config.server, config.websocket, config.http_api):
        assert section.proxy_protocol == (address_of("haproxy"),)
    nodes = {address_of(f"valkey{number}") for number in range(1, 7)}
    redis = urlsplit(config.stores.redis).netloc.rpartition("@")[2].split(",")
    assert {one.partition(":")[0] for one in redis} < nodes
    sets = [one_host_each(dsn) for dsn in (config.stores.postgres, *config.stores.postgres_sets)]
    assert [[urlsplit(dsn).hostname for dsn in hosts] for hosts in sets] == SETS
    assert all(host in SERVICES for hosts in SETS for host in hosts)
    assert urlsplit(config.nats.url).hostname in SERVICES
    assert "--jetstream" in SERVICES["nats"]["command"]


def test_machines_have_the_same_config_but_for_their_address() -> None:
    one, two = (dict(SERVICES[name]["environment"]) for name in MACHINES)
    assert {key for key in one | two if one.get(key) != two.get(key)} == {"HONGBAO_PEERS__ADVERTISE"}


def test_cluster_has_three_masters_with_a_replica_each_and_is_durable() -> None:
    command = " ".join(SERVICES["cluster"]["command"])
    assert "--cluster-replicas 1" in command
    for number in range(1, 7):
        assert f"{address_of(f'valkey{number}')}:6379" in command
        settings = SERVICES[f"valkey{number}"]["command"]
        for wanted in ("--appendonly yes", "--appendfsync always", "--cluster-require-full-coverage no"):
            assert wanted in settings


def test_haproxy_leads_to_both_machines_at_the_ports_of_their_config() -> None:
    for name in MACHINES:
        config = config_of(name)
        ports = [
            config.server.port,
            *(one.rpartition(":")[2] for one in (config.websocket.listen, config.http_api.address)),
        ]
        for port in ports:
            assert re.search(rf"server {name} {address_of(name)}:{port}\b", HAPROXY)


def test_only_haproxy_is_reached_from_elsewhere() -> None:
    for name, service in SERVICES.items():
        assert name == "haproxy" or all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_prometheus_asks_both_machines_by_names_that_they_answer_to() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus.machines.yml").read_text("utf-8"))["scrape_configs"]
    targets = [target for one in scraped for where in one["static_configs"] for target in where["targets"]]
    assert targets == [f"{name}:7789" for name in MACHINES]
    for name in MACHINES:
        assert name in config_of(name).ops.http_names


@pytest.mark.parametrize("name", [name for pair in SETS for name in pair])
def test_postgres_has_connections_for_all_workers_and_a_restart(name: str) -> None:
    words = " ".join(SERVICES[name]["command"])
    found = re.search(r"max_connections=(\d+)", words)
    assert found is not None
    config = config_of("one")
    workers = sum(int(config_of(name).server.workers) + 1 for name in MACHINES)
    assert int(found[1]) >= workers * (config.stores.postgres_pool_max + 16)


@pytest.mark.parametrize("number", [0, 1])
def test_servers_start_when_each_set_has_its_standby(number: int) -> None:
    """Else their first commits would wait."""
    primary, standby = SETS[number]
    assert SERVICES["one"]["depends_on"][standby]["condition"] == "service_healthy"
    assert SERVICES[standby]["depends_on"][primary]["condition"] == "service_healthy"
    assert SERVICES[standby]["environment"]["PGHOST"] == primary


def test_containers_of_a_set_are_a_primary_whose_commits_wait_for_a_standby(tmp_path: Path) -> None:
    """What the containers run, with the programs and the folders of this machine."""
    with data_folder() as folder, ExitStack() as stack:
        primary, standby = (PostgresContainer(folder / name) for name in SETS[1])
        primary.make()
        script = next(one for one in SERVICES["set1"]["volumes"] if "initdb.d" in one).partition(":")[0]
        with primary.running("exec postgres"):
            primary.run(f'. "{primary.copied(DEPLOY / script)}"')
        follow = SERVICES["standby1"]["command"][0].replace("$$", "$")
        stack.enter_context(primary.running(" ".join(["exec", *SERVICES["set1"]["command"]])))
        for _ in range(2):  # the second time it has its data
            with standby.running(follow, PGHOST=str(primary.sockets)):
                primary.run("psql -qc 'CREATE TABLE IF NOT EXISTS told (number integer)'")
                primary.run("psql -qc 'INSERT INTO told VALUES (1)'")
                told = standby.run("psql -Atc 'SELECT count(*) FROM told'")
                asked = "SELECT sync_state FROM pg_stat_replication"
                assert primary.run(f"psql -Atc '{asked}'") == "sync"
                assert standby.run("psql -Atc 'SHOW synchronous_standby_names'") == ""
                rules = (
                    "SELECT error FROM pg_hba_file_rules WHERE error IS NOT NULL OR database = ARRAY['replication']"
                )
                assert primary.run(f'psql -Atc "{rules}" | sort -u') == ""
        assert told == "2"


@pytest.mark.skipif(
    shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin") is None, reason="no haproxy here"
)
def test_haproxy_accepts_its_config() -> None:
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin")
    checked = subprocess.run(
        [str(program), "-c", "-f", DEPLOY / "haproxy.cfg"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr
