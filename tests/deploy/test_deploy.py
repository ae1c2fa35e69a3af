"""Checks of the files in deploy/ that need no running systemd, Docker or Grafana."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from server.config import load
from server.ops.metric_tables import NAMES, NAMES_OF_WORKERS
from server.services.runtime import supervised
from tests.points import yuan_in

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
OPERATIONS = (TOP / "docs" / "operations.md").read_text("utf-8")
PACKAGES = ("protocol", "server", "storage", "client_sim", "bench")
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def metrics_in(text: str) -> set[str]:
    return {SUFFIX.sub("", name) for name in re.findall(r"\bhongbao_\w+", text)}


def rules() -> list[dict[str, object]]:
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("file", ["alerts.yml", "grafana/hongbao.json"])
def test_alerts_and_grafana_use_only_metrics_of_the_server(file: str) -> None:
    watched = metrics_in((DEPLOY / file).read_text("utf-8"))
    assert len(watched) >= 8
    known = {*NAMES, *NAMES_OF_WORKERS}
    assert watched <= known, watched - known


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_alert_has_a_severity_and_a_runbook_section(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    page, anchor = rule["annotations"]["runbook"].split("#")
    assert page == "docs/operations.md"
    assert re.search(rf"^#+ {rule['alert']}$", OPERATIONS, re.MULTILINE), anchor
    assert anchor == str(rule["alert"]).lower()


@pytest.mark.parametrize("file", ["alerts.yml", "grafana/hongbao.json"])
def test_increases_and_rates_are_those_of_counters(file: str) -> None:
    """A gauge that falls looks as a counter that began again: its increase is what is left."""
    text = (DEPLOY / file).read_text("utf-8")
    watched = set(re.findall(r"\b(?:increase|i?rate)\((hongbao_\w+)", text))
    assert watched
    assert [name for name in watched if not name.endswith(("_total", "_bucket", "_count", "_sum"))] == []


def test_loop_that_fails_each_time_raises_an_alert_and_one_failure_does_not() -> None:
    (rule,) = (rule for rule in rules() if "hongbao_loop_failures_total" in str(rule["expr"]))
    found = re.fullmatch(r"increase\(hongbao_loop_failures_total\[1m\]\) > (\d+)", str(rule["expr"]))
    assert found is not None
    assert 1 <= int(found[1]) < 60 / supervised.PAUSE_S_MAX


def test_grafana_names_no_unit_of_money_and_divides_by_that_of_the_server() -> None:
    text = (DEPLOY / "grafana/hongbao.json").read_text("utf-8")
    panels = json.loads(text)["panels"]
    assert yuan_in(re.sub(r"hongbao_\w+", "", text)) == []
    amounts = [one["expr"] for panel in panels for one in panel.get("targets", ()) if "_fen" in one["expr"]]
    assert len(amounts) == 2
    assert all(one.endswith(" / scalar(max(hongbao_money_unit_fen))") for one in amounts)


def test_grafana_panels_do_not_overlap() -> None:
    panels = json.loads((DEPLOY / "grafana/hongbao.json").read_text("utf-8"))["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_compose_starts_durable_stores_and_publishes_only_the_server() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    assert {"server", "postgres", "valkey", "prometheus", "grafana"} == services.keys()
    assert "--appendonly yes --appendfsync always" in services["valkey"]["command"]
    assert all("condition" in one for one in services["server"]["depends_on"].values())
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:") or (name, port) == ("server", "7788:7788")


def test_prometheus_targets_are_in_http_names_of_the_server() -> None:
    environment = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["server"]["environment"]
    ops = {name: text for name, text in environment.items() if name.startswith("HONGBAO_OPS__")}
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    targets = {
        target.partition(":")[0]
        for one in scraped
        for where in one["static_configs"]
        for target in where["targets"]
    }
    assert targets <= set(load(None, {}, ops).ops.http_names)


def test_dockerfile_passes_hadolint() -> None:
    subprocess.run([Path(sys.executable).with_name("hadolint"), DEPLOY / "Dockerfile"], check=True)


def test_built_package_has_every_file_of_the_source(tmp_path: Path) -> None:
    """A server from the source finds its SQL anyway; an installed one finds only packaged files."""
    build = ("build_py", "--build-lib", tmp_path, "egg_info", "--egg-base", tmp_path)
    setup = "import setuptools; setuptools.setup()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", setup, "-q", *build], check=True, cwd=TOP)
    assert files(tmp_path) == files(TOP)


SOURCES_OF_APP = ("client_sim", "web")  # an installed server needs what is built from them


def files(top: Path) -> set[Path]:
    """The files of the packages, by their paths below the top folder."""
    found = (file for package in PACKAGES for file in (top / package).rglob("*.*") if file.is_file())
    kept = (file.relative_to(top) for file in found if "__pycache__" not in file.parts)
    return {file for file in kept if file.parts[:2] != SOURCES_OF_APP}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_unit_passes_systemd_analyze(tmp_path: Path) -> None:
    unit = tmp_path / "hongbao.service"
    text = (DEPLOY / "hongbao.service").read_text("utf-8")
    unit.write_text(
        text.replace("/opt/hongbao/bin/hongbao", "/bin/true")
    )  # systemd-analyze checks that the program exists
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    warnings = [line for line in verified.stderr.splitlines() if "hongbao.service" in line]
    assert (verified.returncode, warnings) == (0, []), verified.stderr
