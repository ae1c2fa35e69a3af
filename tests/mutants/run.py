"""Copy the tree, plant one fault at a time in the copy, run the tests that must catch it, put the text back."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from server import embedded
from tests.conftest import LENT_STORES
from tests.memory import use_memory
from tests.mutants.mutation import Mutation, Outdated
from tests.mutants.table import MUTATIONS

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
TIMEOUT_S = 120
BASE_TIMEOUT_S = 900
ERRORS_OF_THE_CODE = (
    "ImportError",
    "ModuleNotFoundError",
    "SyntaxError",
    "NameError",
    "AttributeError",
)  # the fault breaks the code itself


class Copy(NamedTuple):
    """A copy of the tree, and the stores for its test runs."""

    tree: Path
    stores: str

    @property
    def environment(self) -> dict[str, str]:
        """Without compiled files: those of an earlier fault must not be used for a later one."""
        return {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(self.tree),
            LENT_STORES: self.stores,
        }


class Verdict(NamedTuple):
    """The result of one planted fault."""

    mutation: Mutation
    caught: bool
    words: str  # the test that caught it and its message, or the reason why none did
    took_s: float


def main(words: Sequence[str]) -> int:
    """Run the mutations whose names contain one of the words, by default all; 0 if every one was caught."""
    chosen = [one for one in MUTATIONS if not words or any(word in one.name for word in words)]
    if not chosen:  # pytest without a selection would run everything
        print("no fault has such a name; there are:", *(one.name for one in MUTATIONS), sep="\n  ", file=sys.stderr)
        return 2
    began_s = time.monotonic()
    use_memory()
    try:
        for one in chosen:
            one.applied(ROOT)
        with copies(AT_ONCE) as trees:
            check_that_all_pass(chosen, trees)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                verdicts = [printed(one) for one in pool.map(lambda mutation: judge(mutation, trees), chosen)]
    except (Outdated, TestsFailWithoutFault) as error:
        print(error, file=sys.stderr)
        return 1
    caught = sum(one.caught for one in verdicts)
    print(f"caught {caught} of {len(verdicts)} in {time.monotonic() - began_s:.0f} s")
    return int(caught < len(verdicts))


class TestsFailWithoutFault(Exception):
    """The tests do not pass without a fault, so their failures prove nothing."""


def printed(verdict: Verdict) -> Verdict:
    """Print a verdict."""
    mark = "✓" if verdict.caught else "✗ SURVIVED"
    print(
        f"{mark} {verdict.mutation.name} [{verdict.mutation.breaks}] {verdict.words} ({verdict.took_s:.0f} s)",
        flush=True,
    )
    return verdict


@contextmanager
def copies(number: int) -> Iterator[queue.SimpleQueue[Copy]]:
    """This number of copies of the tree, uncommitted changes included, each with its own stores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    trees: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hb-mutants-"))
        Path(folder).chmod(0o711)  # the stores may run as another user
        for place in range(number):
            tree = Path(folder) / str(place)
            for name in filter(None, listed):
                if (ROOT / name).is_file():
                    (tree / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, tree / name)
            stores = stack.enter_context(embedded.temporary())
            trees.put(Copy(tree, f"{stores.postgres_dsn} {stores.redis_url}"))
        yield trees


def check_that_all_pass(chosen: Sequence[Mutation], trees: queue.SimpleQueue[Copy]) -> None:
    """Without a fault every selection passes; each copy runs a part of the files. Raises TestsFailWithoutFault."""
    selections = dict.fromkeys(test for one in chosen for test in one.tests)
    files = sorted({one.partition("::")[0] for one in selections})
    parts = [
        [one for one in selections if files.index(one.partition("::")[0]) % AT_ONCE == place]
        for place in range(AT_ONCE)
    ]

    def run(part: Sequence[str]) -> Failure | None:
        copy = trees.get()
        try:
            return pytest(copy, part, BASE_TIMEOUT_S)
        finally:
            trees.put(copy)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for failure in pool.map(run, filter(None, parts)):
            if failure is not None:
                raise TestsFailWithoutFault(f"without any fault: {failure.words}")


def judge(mutation: Mutation, trees: queue.SimpleQueue[Copy]) -> Verdict:
    """Plant a fault in a copy, run the tests that must catch it, put the text back."""
    began_s, copy = time.monotonic(), trees.get()
    path = copy.tree / mutation.file
    sound = path.read_text()
    try:
        path.write_text(mutation.applied(copy.tree))
        caught, words = _judge_planted(mutation, copy)
    finally:
        path.write_text(sound)
        trees.put(copy)
    return Verdict(mutation, caught, words, time.monotonic() - began_s)


def _judge_planted(mutation: Mutation, copy: Copy) -> tuple[bool, str]:
    program = "import server.cli.main, client_sim.sdk.client; print(server.cli.main.__file__)"
    imported = subprocess.run(
        [sys.executable, "-c", program],
        cwd=copy.tree,
        env=copy.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if not imported.stdout.startswith(str(copy.tree)):
        return False, f"it does not import: {imported.stderr[-200:]}"
    for selection in mutation.tests:
        failure = pytest(copy, [selection], TIMEOUT_S)
        if failure is not None:
            return failure.is_finding, failure.words
    return False, "all its tests pass"


class Failure(NamedTuple):
    """A failed run of pytest; a finding is a failed assertion, not an error of the test itself."""

    is_finding: bool
    words: str


def pytest(copy: Copy, selections: Sequence[str], timeout_s: float) -> Failure | None:
    """Run tests in a copy; None if all pass."""
    report = copy.tree / "report.xml"
    report.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:xdist",
        "-x",
        "--tb=line",
        f"--junitxml={report}",
        *selections,
    ]
    try:
        done = subprocess.run(
            command,
            cwd=copy.tree,
            env=copy.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Failure(is_finding=False, words=f"not done within {timeout_s} s: {' '.join(selections)[:100]}")
    if done.returncode == 0:
        return None
    if done.returncode != 1 or not report.exists():
        return Failure(
            is_finding=False, words=f"pytest ends with {done.returncode}: {(done.stdout + done.stderr)[-500:]}"
        )
    return _first_failure(report)


def _first_failure(report: Path) -> Failure:
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        for outcome in case:
            if outcome.tag in ("failure", "error"):
                message = " ".join((outcome.get("message") or "").split())
                is_finding = outcome.tag == "failure" and not message.startswith(ERRORS_OF_THE_CODE)
                return Failure(is_finding, f"{case.get('name')}: {message[:90]}")
    return Failure(is_finding=False, words="pytest reports no failed test")
