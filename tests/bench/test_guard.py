"""The guard: its statistics with literal numbers, the checkouts that it takes, and whole runs that pass or fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bench.compare.checkout import PACKAGES, Checkout, checked_out, requirements, this
from bench.compare.guard import CASES
from bench.compare.guard_report import Interval, Pair, Run, case_result, interval, is_enough, line_of, verdict_of
from bench.compare.match import sides_in_turn
from bench.load import usage
from bench.load.generator_pool import BenchFailed
from server.compiled import finder
from server.process import Program

ROOT = Path(__file__).parents[2]

# --- statistics -----------------------------------------------------------------------------------------------


def test_interval_of_two_ratios_takes_t_of_one_degree() -> None:
    found = interval([1.0, 1.21])
    # logs 0 and 0.19062: mean 0.09531, deviation 0.13479, half width 12.706 * 0.13479 / sqrt(2) = 1.21103
    assert found.ratio == pytest.approx(1.1)
    assert found.low == pytest.approx(0.3277, abs=1e-4)
    assert found.high == pytest.approx(3.6926, abs=1e-4)


def test_interval_of_five_ratios_takes_t_of_four_degrees() -> None:
    found = interval([0.98, 1.0, 1.02, 1.04, 1.06])
    assert found.ratio == pytest.approx(1.01961, abs=1e-5)
    assert (found.low, found.high) == (pytest.approx(0.98109, abs=1e-5), pytest.approx(1.05964, abs=1e-5))
    assert not found.is_precise


def test_interval_of_equal_ratios_is_a_point() -> None:
    assert interval([2.0, 2.0, 2.0]) == pytest.approx((2.0, 2.0, 2.0))


def test_interval_of_more_ratios_than_the_table_has_takes_its_last_row() -> None:
    assert interval([0.99, 1.01] * 20).is_precise


@pytest.mark.parametrize(
    ("low", "ratio", "high", "verdict"),
    [
        (0.97, 0.99, 1.01, "ok"),
        (1.03, 1.05, 1.07, "ok"),  # perhaps slower, not surely
        (1.051, 1.07, 1.09, "slower"),
        (1.051, 1.3, 1.7, "slower"),
        (0.9, 1.0, 1.11, "unclear"),
        (1.05, 1.2, 1.4, "unclear"),
    ],
)
def test_verdict_depends_on_the_whole_interval(low: float, ratio: float, high: float, verdict: str) -> None:
    assert verdict_of(Interval(ratio, low, high), 1.05) == verdict


@pytest.mark.parametrize(
    ("ratios", "pairs_max", "enough"),
    [
        ([1.0] * 4, 15, False),  # precise, but too few
        ([1.0] * 5, 15, True),
        ([0.9, 1.1] * 3, 15, False),
        ([0.9, 1.1] * 7, 15, False),
        ([0.9, 1.1] * 7 + [1.0], 15, True),
        ([0.9, 1.1], 2, True),
        ([], 2, False),
    ],
)
def test_pairs_end_when_the_interval_is_narrow_or_they_are_used_up(
    ratios: list[float], pairs_max: int, enough: bool
) -> None:
    assert is_enough(ratios, pairs_max) is enough


def test_sides_alternate_from_pair_to_pair() -> None:
    assert [sides_in_turn(pair) for pair in range(4)] == [("new", "old"), ("old", "new")] * 2


def test_result_of_a_case_has_medians_and_every_pair() -> None:
    old, slow = Run(1_000, 0, 0.02, 0.03, 40_000.0, 1.0), Run(2_000, 7, 0.06, 0.06, 30_000.0, 1.0)
    told = case_result("grab", [Pair(old, slow), Pair(old, slow), Pair(old, old)], 1.05)
    assert (told["case"], told["cpu_us_old"], told["cpu_us_new"]) == ("grab", 20.0, 30.0)
    assert (told["rate_per_s_old"], told["rate_per_s_new"], told["verdict"]) == (40_000, 30_000, "unclear")
    assert [pair["ratio"] for pair in told["pairs"]] == [1.5, 1.5, 1.0]
    run = {
        "requests": 1_000,
        "errors": 0,
        "cpu_s": 0.02,
        "postgres_cpu_s": 0.03,
        "rate_per_s": 40_000.0,
        "seconds": 1.0,
    }
    assert told["pairs"][2]["new"] == run
    assert (told["postgres_us_old"], told["postgres_us_new"]) == (30.0, 30.0)


def test_line_of_a_pair_tells_errors_only_if_there_are_some() -> None:
    good, bad = Run(1_000, 0, 0.02, 0.03, 40_000.0, 1.0), Run(1_000, 3, 0.03, 0.06, 30_000.0, 1.0)
    assert line_of("grab", [Pair(good, good)]) == (
        "grab  pair  1:   20.00 →   20.00 µs  ratio 1.000  (40,000/s → 40,000/s)"
    )
    assert line_of("grab", [Pair(good, bad), Pair(good, bad)]) == (
        "grab  pair  2:   20.00 →   30.00 µs  ratio 1.500  (40,000/s → 30,000/s)  1.500–1.500  (errors 0 → 3)"
    )


def test_exact_processor_time_agrees_with_that_of_the_system() -> None:
    assert usage.exact_cpu_s(os.getpid()) == pytest.approx(sum(os.times()[:2]), abs=0.05)


# --- checkouts ------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Our packages in a repository of their own, with one commit."""
    tree = tmp_path / "copy"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package)  # compiled modules too: that saves seconds
    for name in ("setup.cfg", ".gitignore"):
        shutil.copy(ROOT / name, tree)
    git(tree, "init", "--quiet")
    commit(tree)
    return tree


def git(tree: Path, *words: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(["git", "-C", tree, *who, *words], check=True, capture_output=True, text=True).stdout


def commit(tree: Path) -> None:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "copy")


def plant(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def checkout_of(tree: Path) -> Checkout:
    return Checkout(Program(sys.executable, tree), tree)


def test_checkout_of_these_files_runs_its_own_code() -> None:
    this().check_imports()


def test_checkout_says_whether_its_modules_are_compiled(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(finder.VARIABLE, finder.OFF)
    limits = copy / "server" / "core" / "limits.py"
    limits.write_text(limits.read_text() + "#\n")  # there is no build of this text
    assert checkout_of(copy).compile_modules() == "pure Python: HONGBAO_COMPILED is off"
    shutil.rmtree(copy / "server" / "compiled")
    assert checkout_of(copy).compile_modules() == ""


def test_checkout_that_imports_a_package_from_elsewhere_is_refused(copy: Path) -> None:
    checkout_of(copy).check_imports()
    shutil.rmtree(copy / "bench")  # the installed one is found instead
    with pytest.raises(BenchFailed, match=r"does not run its own code: it imports .*bench/__init__\.py"):
        checkout_of(copy).check_imports()


def test_checkout_of_an_unknown_revision_is_one_clear_line(copy: Path) -> None:
    with (
        pytest.raises(BenchFailed, match="there is no revision 'nothing' in "),
        checked_out("nothing", checkout_of(copy)),
    ):
        pass


def test_revision_with_the_same_dependencies_shares_the_interpreter_and_is_gone_afterwards(copy: Path) -> None:
    with checked_out("HEAD", checkout_of(copy)) as old:
        assert old.program == Program(sys.executable, old.tree)
        assert old.commit == git(copy, "rev-parse", "HEAD").strip()
        assert "group_members_max" in old.limits
        old.check_imports()
    assert not old.tree.parent.exists()
    assert len(git(copy, "worktree", "list").splitlines()) == 1


@pytest.mark.long
def test_revision_with_other_dependencies_has_an_environment_of_its_own(copy: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as files:
        files.writestr("tiny.py", "WORDS = 'of its own'\n")
        files.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        files.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        files.writestr("tiny-1.0.dist-info/RECORD", "")
    ours = (copy / "setup.cfg").read_text()
    (copy / "setup.cfg").write_text(f"[options]\ninstall_requires =\n    tiny @ {wheel.as_uri()}\n")
    commit(copy)
    (copy / "setup.cfg").write_text(ours)
    assert requirements(copy) == requirements(ROOT)
    with checked_out("HEAD", checkout_of(copy)) as old:
        command = [old.program.python, "-c", "import tiny; print(tiny.WORDS)"]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "of its own\n"
        old.check_imports()


# --- whole runs -----------------------------------------------------------------------------------------------


def guard(tree: Path, words: str, seconds: float = 0.2) -> subprocess.CompletedProcess[str]:
    """`hongbao bench guard` of this tree against its commit, as short as it can be."""
    command = [sys.executable, "-m", "server.cli", "bench", "guard", "--against", "HEAD", "--seconds", str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(tree), finder.VARIABLE: finder.OFF}  # to compile takes minutes
    return subprocess.run(
        [*command, *words.split()], cwd=tree, env=environment, capture_output=True, text=True, timeout=600
    )


def only_case(tree: Path) -> dict[str, Any]:
    (case,) = json.loads((tree / "guard.json").read_text())["cases"]
    found: dict[str, Any] = case
    return found


@pytest.mark.long
def test_guard_of_a_slower_grab_fails(copy: Path) -> None:
    grab = "    def _grab(self, packet: Packet, request: GrabRequest) -> Decision:\n"
    loop = "        for _ in range(10_000):\n            pass\n"
    plant(copy / "server/services/packets/grab_open.py", grab, grab + loop)
    shown = guard(copy, "--case grab --pairs 3 --json guard.json")
    assert (shown.returncode, shown.stderr) == (1, "")
    case = only_case(copy)
    assert (case["case"], case["generator"], len(case["pairs"])) == ("grab", "one for both", 3)
    assert case["verdict"] == "slower"
    assert case["cpu_us_new"] > 2 * case["cpu_us_old"]
    assert case["about"]["redis"].startswith("Valkey ")
    for pair in case["pairs"]:
        old, new = (pair[side]["requests"] + pair[side]["errors"] for side in ("old", "new"))
        assert old == new > 0
    assert len(git(copy, "worktree", "list").splitlines()) == 1


@pytest.mark.long
def test_guard_whose_books_contradict_the_users_is_void(copy: Path) -> None:
    plant(copy / "bench/load/verdict.py", "outcome.acked_twice,\n        untold", "7,\n        untold")
    shown = guard(copy, "--case opens-200x8-redis --pairs 2")
    assert shown.returncode == 1
    assert [line for line in shown.stdout.splitlines() if "pair  2: " in line]
    assert shown.stderr.startswith("hongbao: void: the books contradict what users were told: ")
    assert "duplicates 7" in shown.stderr
    assert len(git(copy, "worktree", "list").splitlines()) == 1


@pytest.mark.long
def test_guard_across_two_protocols_lets_each_checkout_drive_its_server_and_passes(copy: Path) -> None:
    plant(copy / "protocol/messages/base.py", "VERSION: Final = 2\n", "VERSION: Final = 3\n")
    # a second: `hongbao bench` counts processor time in ticks of 10 ms, and a shorter run may have none
    shown = guard(copy, "--case grab --pairs 2 --limit 100 --json guard.json", seconds=1.0)
    assert (shown.returncode, shown.stderr) == (0, "")
    case = only_case(copy)
    assert (case["generator"], len(case["pairs"])) == ("each its own", 2)
    assert case["verdict"] in ("ok", "unclear")
    assert case["pairs"][0]["old"]["cpu_s"] > 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("--pairs 1", 1, "an interval needs two --pairs or more"),
        ("--json no/such/folder.json", 1, "there is no folder for no/such/folder.json"),
        ("--case nothing", 2, "--case"),
        ("--new-config no/such.toml", 1, "no/such.toml: no such file or directory"),
    ],
)
def test_guard_with_bad_words_is_one_clear_line(words: str, code: int, says: str) -> None:
    shown = guard(ROOT, words)
    assert (shown.returncode, shown.stdout) == (code, "")
    assert shown.stderr.startswith("hongbao: ")
    assert says in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_guard_covers_opens_at_both_durabilities_and_what_version_2_changed() -> None:
    found = [(order.scenario, order.connections, order.depth, kept) for kept, order in CASES.values()]
    assert found == [
        ("opens", 1_000, 1, "postgres"),
        ("opens", 200, 8, "postgres"),
        ("opens", 1_000, 1, "redis"),
        ("opens", 200, 8, "redis"),
        ("grab", 200, 1, "postgres"),
        ("push", 2_000, 4, "postgres"),
        ("login", 2_000, 256, "postgres"),
        ("send", 200, 1, "postgres"),
    ]
