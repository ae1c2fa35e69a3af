"""Builds the compiled modules, where a C compiler is (`hongbao compile`). One line says what came of it.

Without a compiler, without mypy or with HONGBAO_COMPILED=off nothing is built, and the sources run: all works
without compiled modules, so the exit code is 0. With HONGBAO_COMPILED=required it is 1.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from server.compiled.finder import GROUP, OFF, REQUIRED, VARIABLE
from server.compiled.sources import PACKAGES, PREFIX, ROOT, builds_folder, digest_of
from server.compiled.table import MODULES

NEEDED: Final = ("mypyc", "setuptools")
KEPT: Final = 4  # builds, the newest: a comparison of two checkouts has two
LAST_WORDS: Final = 300
OUT: Final = "out"
MYPY_FLAGS: Final = (
    "--strict",
    "--ignore-missing-imports",  # types of a library may not be installed where the server is
    "--no-warn-unused-ignores",
    "--namespace-packages",
    "--explicit-package-bases",
)


class CannotBuild(Exception):
    """The compiled modules cannot be built; the message is the reason in one line."""


def compile_modules() -> int:
    """Compile the modules that every open passes through, where a C compiler is.

    It takes half a minute, and needs the extra hongbao[compile] and a C compiler with the headers of Python.
    Without them, and after an edit of the sources, the server runs as pure Python. One line says which; so does
    `hongbao --version`. With HONGBAO_COMPILED=off nothing compiled is used, with =required nothing else.

    Example: hongbao compile
    """
    began_s, is_required = time.monotonic(), os.environ.get(VARIABLE) == REQUIRED
    folder = builds_folder() / digest_of()
    if folder.is_dir():
        print(f"compiled: {len(MODULES)} modules, built before")
        return 0
    try:
        _check_means()
        print(
            f"compiling {len(MODULES)} modules: it takes up to two minutes; opens then cost half",
            file=sys.stderr,
        )
        build(folder)
    except CannotBuild as error:
        print(f"pure Python: {error}")
        return int(is_required)
    forget_old(folder.parent)
    print(f"compiled: {len(MODULES)} modules in {time.monotonic() - began_s:.0f} s")
    return 0


def _check_means() -> None:
    """Raise CannotBuild if something is missing."""
    if os.environ.get(VARIABLE) == OFF:
        raise CannotBuild(f"{VARIABLE} is {OFF}")
    for name in NEEDED:
        if find_spec(name) is None:
            raise CannotBuild(f"{name} is not installed, so nothing is compiled")
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        raise CannotBuild(f"there is no C compiler ({compiler}), so nothing is compiled")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        raise CannotBuild("there is no Python.h (Debian, Ubuntu: python3-dev), so nothing is compiled")


def build(folder: Path) -> None:
    """Compile a copy of the sources, and move what came of it to this folder. Raises CannotBuild."""
    with tempfile.TemporaryDirectory(prefix="hongbao-compile-") as scratch:
        top = Path(scratch, *PREFIX.split("."))  # modules of a wheel are in its package
        for package in PACKAGES:
            shutil.copytree(ROOT / package, top / package, ignore=shutil.ignore_patterns("__pycache__"))
        done = subprocess.run(
            [sys.executable, "-m", f"{PREFIX}server.compiled.build"],
            cwd=scratch,
            env={**os.environ, "PYTHONPATH": scratch},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise CannotBuild(f"the build failed: {_last_words(done)}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix="new-"))
        shutil.copytree(Path(scratch, OUT), new, dirs_exist_ok=True)
        new.chmod(0o755)
        with suppress(OSError):  # another process has built the same meanwhile
            new.rename(folder)
        shutil.rmtree(new, ignore_errors=True)


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """The line that says most: an error of mypy or of the compiler."""
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line] or lines[-1:] or [f"exit code {done.returncode}"]
    return errors[0][:LAST_WORDS]


def forget_old(folder: Path) -> None:
    """Remove all builds but the newest ones."""
    builds = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in builds[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def build_here() -> None:
    """Compile the modules below the current folder into `out`, in the process that `build` starts."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    files = [f"{(PREFIX + name).replace('.', '/')}.py" for name in MODULES]
    extensions = mypycify([*MYPY_FLAGS, *files], opt_level="3", debug_level="0", group_name=GROUP, target_dir="c")
    command = build_ext(Distribution({"name": "hongbao-compiled", "ext_modules": extensions}))
    command.build_lib, command.build_temp = OUT, "temp"
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    build_here()
