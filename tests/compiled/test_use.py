"""When compiled modules are used: only those of these very sources, all or none, and one line says which."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from server.compiled import build, finder
from server.compiled.sources import PACKAGES, ROOT, builds_folder, digest_of
from server.version import version
from tests.conftest import PATIENCE_S

BUILT = pytest.mark.skipif(not (builds_folder() / digest_of()).is_dir(), reason="nothing is compiled here")
# What a server does before anything else; then a rule that a fault is planted in.
PROGRAM = """
from server.compiled import finder
finder.use_compiled()
from server.core import amounts, packet
print(finder.state())
print(packet.__file__)
print(amounts.bounds(5, 1, amounts.Caps(), 0))
"""


def run(*words: str, tree: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python program of this tree."""
    own = {name: value for name, value in os.environ.items() if name != finder.VARIABLE}
    return subprocess.run(
        [sys.executable, *words],
        cwd=tree,
        env={**own, "PYTHONPATH": str(tree), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def edit(tree: Path) -> None:
    """Change a source in the least way: there is no build of that text."""
    source = tree / "server" / "core" / "limits.py"
    source.write_text(source.read_text() + "#\n")


@BUILT
def test_compiled_modules_are_used_where_they_were_built_from_these_sources(tree: Path) -> None:
    for place in (ROOT, tree):
        state, file, bounds = run("-c", PROGRAM, tree=place).stdout.splitlines()
        assert (state, bounds) == ("compiled", "(5, 5)")
        assert file.endswith(EXTENSION_SUFFIXES[0])


@BUILT
def test_edited_source_is_what_runs(tree: Path) -> None:
    """A fault that is planted in a copy of the tree must be effective."""
    source = tree / "server" / "core" / "amounts.py"
    text = source.read_text()
    assert text.count("return left_fen, left_fen") == 1
    source.write_text(text.replace("return left_fen, left_fen", "return left_fen, left_fen + 1"))
    state, file, bounds = run("-c", PROGRAM, tree=tree).stdout.splitlines()
    assert (file, bounds) == (str(tree / "server" / "core" / "packet.py"), "(5, 6)")
    assert state == "pure Python: these sources were not compiled (hongbao compile does it)"


def test_variable_turns_compiled_modules_off() -> None:
    state, file, _ = run("-c", PROGRAM, HONGBAO_COMPILED="off").stdout.splitlines()
    assert (state, file) == ("pure Python: HONGBAO_COMPILED is off", str(ROOT / "server" / "core" / "packet.py"))


def test_modules_are_not_mixed_with_sources_that_were_imported_before() -> None:
    done = run("-c", f"import server.core.amounts\n{PROGRAM}")
    state, file, _ = done.stdout.splitlines()
    assert file == str(ROOT / "server" / "core" / "packet.py")
    if (builds_folder() / digest_of()).is_dir():
        assert state == "pure Python: server.core.amounts was imported before compiled modules were asked for"


def test_required_modules_that_are_missing_are_an_error_of_one_line(tree: Path) -> None:
    (tree / "server" / "core" / "limits.py").write_text(
        (ROOT / "server" / "core" / "limits.py").read_text() + "\n#\n"
    )
    done = run("-m", "server.cli", "--version", tree=tree, HONGBAO_COMPILED="required")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("hongbao: HONGBAO_COMPILED=required, but pure Python: ")


@pytest.mark.parametrize("setting", ["", "off"])
def test_version_says_which_modules_run(setting: str) -> None:
    done = run("-m", "server.cli", "--version", HONGBAO_COMPILED=setting)
    number, _, state = done.stdout.strip().partition(" ")
    assert number == version()
    assert state == f"({'pure Python: HONGBAO_COMPILED is off' if setting else built_or_not()})"


def built_or_not() -> str:
    """The state of a program without the variable."""
    return run("-c", PROGRAM).stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"CC": "no-such-compiler"}, "no C compiler (no-such-compiler)"),
        ({"HONGBAO_COMPILED": "off"}, "HONGBAO_COMPILED is off"),
    ],
)
def test_build_without_its_means_says_why_in_one_line_and_is_no_failure(
    tree: Path, changed: dict[str, str], why: str
) -> None:
    (tree / "server" / "core" / "limits.py").write_text(
        (ROOT / "server" / "core" / "limits.py").read_text() + "\n#\n"
    )
    done = run("-m", "server.cli", "compile", tree=tree, **changed)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert done.stdout.startswith("pure Python: ")
    assert why in done.stdout


def test_old_builds_are_forgotten(tmp_path: Path) -> None:
    for number in range(build.KEPT + 2):
        (tmp_path / str(number)).mkdir()
        os.utime(tmp_path / str(number), (number, number))
    build.forget_old(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == [str(number) for number in range(2, build.KEPT + 2)]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build of these sources with one module, which was not imported yet."""
    monkeypatch.setattr(finder, "builds_folder", lambda: tmp_path)
    monkeypatch.setattr(finder, "_names", lambda: ["tests.compiled.no_module"])
    file = tmp_path / digest_of() / "tests" / "compiled" / f"no_module{finder.SUFFIX}"
    file.parent.mkdir(parents=True)
    file.touch()
    return file


def test_build_of_these_sources_is_found(built: Path) -> None:
    assert finder._files_of_build("") == ({"tests.compiled.no_module": built}, "compiled")


def test_build_is_not_used_beside_a_source_that_was_imported(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tests.compiled.no_module", finder)
    assert finder._files_of_build("")[0] == {}


def test_build_that_lacks_a_module_is_not_used(built: Path) -> None:
    built.unlink()
    files, state = finder._files_of_build("")
    assert files == {}
    assert state == "pure Python: the build has no tests.compiled.no_module for this Python"


def test_build_of_other_sources_is_not_used(built: Path) -> None:
    folder = built.parents[2]
    folder.rename(folder.with_name("0" * 20))
    assert finder._files_of_build("")[0] == {}
