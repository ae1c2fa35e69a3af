"""A checkout of hongbao whose programs are run: this one, or a revision beside it for as long as it is needed."""

from __future__ import annotations

import configparser
import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.load.generator_pool import BenchFailed
from bench.load.outcome import Outcome
from bench.load.run_spec import RunSpec
from server.embedded.run import die_with
from server.process import Program

PACKAGES: Final = ("protocol", "server", "storage", "client_sim", "bench")
JUDGE_TRIES: Final = 3  # on a busy machine a long statement is broken off when PostgreSQL seems to be away
LAST_WORDS: Final = 300  # characters of what a program said

IMPORTED: Final = f"""
import {", ".join(PACKAGES)}
for package in ({", ".join(PACKAGES)}):
    print(package.__file__)
"""

# Every checkout judges its own books, because the schema may have changed between the two.
JUDGE_IMPORTS: Final = """
import asyncio, sys
import msgspec
from storage.postgres.database import Database
try:
    from bench.load.outcome import Outcome
    from bench.load.verdict import judge
except ModuleNotFoundError:  # a revision from before these modules were moved
    from bench.outcome import Outcome
    from bench.verdict import judge
"""
JUDGE: Final = f"""{JUDGE_IMPORTS}
async def main():
    database = Database(sys.argv[1], pool_max=2, timeout_s=300.0)
    await database.open()
    try:
        return await judge(database, msgspec.json.decode(sys.stdin.read(), type=Outcome))
    finally:
        await database.close()

verdict = asyncio.run(main())
if not verdict.holds:
    print(f"missing {{verdict.missing}}, duplicates {{verdict.duplicates}}, oversold {{verdict.oversold}}, "
          f"difference {{verdict.difference_fen}} fen, audit {{'clean' if verdict.report.ok else 'not clean'}}")
"""


@dataclass(frozen=True)
class Checkout:
    """A tree of files, and the interpreter in which its programs run."""

    program: Program
    tree: Path
    commit: str = ""  # "": the files as they are now

    def check_imports(self) -> None:
        """Raise BenchFailed if the interpreter takes a package from elsewhere."""
        for file in self._run("-c", IMPORTED).splitlines():
            if not Path(file).resolve().is_relative_to(self.tree):
                raise BenchFailed(f"the checkout {self.tree} does not run its own code: it imports {file}")

    def compile_modules(self) -> str:
        """Compile its hot modules, so that both sides run as they would be installed; the line that says so.

        "": it is older than compiled modules. Raises BenchFailed.
        """
        if not (self.tree / "server" / "compiled").is_dir():
            return ""
        return self._run("-m", "server.cli", "compile")

    @cached_property
    def limits(self) -> frozenset[str]:
        """The names of the limits in its config. Raises BenchFailed."""
        return frozenset(tomllib.loads(self._run("-m", "server.cli", "config", "default"))["limits"])

    @cached_property
    def can_judge(self) -> bool:
        """Whether its verdict can be asked by `check_books`."""
        try:
            self._run("-c", JUDGE_IMPORTS)
        except BenchFailed:
            return False
        return True

    def check_books(self, dsn: str, outcome: Outcome) -> None:
        """Raise BenchFailed if the money verdict of its own code does not hold."""
        told = msgspec.json.encode(outcome).decode()
        for tries_left in reversed(range(JUDGE_TRIES)):
            try:
                found = self._run("-c", JUDGE, dsn, text=told)
            except BenchFailed:
                if not tries_left:
                    raise
            else:
                break
        if found:
            raise BenchFailed(f"void: the books contradict what users were told: {found}")

    def bench(self, run_spec: RunSpec, url: str, data: Path) -> dict[str, Any]:
        """The figures of its own `hongbao bench` on a server. Raises BenchFailed, also if its verdict is void."""
        file = data / "figures.json"
        sizes = {"--connections": run_spec.connections, "--depth": run_spec.depth, "--requests": run_spec.requests}
        where = {"--url": url, "--data": data, "--json": file}
        words = [str(word) for option in (sizes | where).items() for word in option]
        self._run("-m", "server.cli", "bench", run_spec.scenario, "--closed", *words)
        figures: dict[str, Any] = json.loads(file.read_text())
        return figures

    def _run(self, *words: str, text: str = "") -> str:
        """What a Python program printed, once it has ended. Raises BenchFailed with its last line."""
        ended = subprocess.run(
            [self.program.python, *words],
            cwd=self.tree,
            env=self.program.environment,
            input=text,
            capture_output=True,
            text=True,
            preexec_fn=die_with(os.getpid(), signal.SIGTERM),
        )
        return _printed(ended)


def this() -> Checkout:
    """The files that this process runs, in its interpreter."""
    tree = Path(__file__).resolve().parents[2]
    return Checkout(Program(sys.executable, tree), tree)


@contextmanager
def checked_out(revision: str, beside: Checkout) -> Iterator[Checkout]:
    """A revision of the same repository in a folder of its own; gone afterwards. Raises BenchFailed.

    It runs in this interpreter with the installed dependencies, or in a new environment if it pins others.
    """
    try:
        commit = _git(beside.tree, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except BenchFailed:
        raise BenchFailed(f"there is no revision {revision!r} in {beside.tree}") from None
    with tempfile.TemporaryDirectory(prefix="hongbao-guard-") as folder:
        tree = Path(folder).resolve() / "tree"
        _git(beside.tree, "worktree", "add", "--detach", str(tree), commit)
        try:
            pins, python = requirements(tree), beside.program.python
            if not are_installed(pins):
                python = _environment(tree.with_name("venv"), pins)
            yield Checkout(Program(python, tree), tree, commit)
        finally:
            _git(beside.tree, "worktree", "remove", "--force", str(tree))


def requirements(tree: Path) -> list[str]:
    """The pinned dependencies of a checkout: of its extra `server`, or of the base where that is the server."""
    setup = configparser.RawConfigParser()
    setup.read(tree / "setup.cfg")
    base = setup.get("options", "install_requires", fallback="")
    extra = setup.get("options.extras_require", "server", fallback="")
    return (extra or base).split("\n")[1:]  # the first line is empty


def are_installed(pins: Iterable[str]) -> bool:
    """Whether this interpreter has exactly these versions. A pin with a marker is for other interpreters."""
    for pin in pins:
        name, _, wanted = pin.partition("==")
        try:
            if ";" not in pin and metadata.version(name) != wanted:
                return False
        except metadata.PackageNotFoundError:
            return False
    return True


def _environment(folder: Path, pins: list[str]) -> str:
    """The interpreter of a new environment with these packages. Raises BenchFailed."""
    python = str(folder / "bin" / "python")
    _output(sys.executable, "-m", "venv", "--without-pip", str(folder))
    pip = (sys.executable, "-m", "pip", "--python", python)
    _output(*pip, "install", "--quiet", "--disable-pip-version-check", *pins)
    return python


def _git(tree: Path, *words: str) -> str:
    return _output("git", "-C", str(tree), *words)


def _output(*command: str) -> str:
    return _printed(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True))


def _printed(ended: subprocess.CompletedProcess[str]) -> str:
    if ended.returncode:
        said = (ended.stderr.strip() or ended.stdout.strip() or f"exit code {ended.returncode}").splitlines()
        raise BenchFailed(said[-1][:LAST_WORDS])
    return ended.stdout.strip()
