"""Imports compiled modules in place of their sources, all of them or none.

`use_compiled` must come before anything is imported that compiled modules replace: compiled code of one build
reaches the other modules of that build only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from server.compiled.sources import PREFIX, builds_folder, digest_of
from server.compiled.table import MODULES

VARIABLE: Final = "HONGBAO_COMPILED"
OFF: Final = "off"
REQUIRED: Final = "required"
SUFFIX: Final = EXTENSION_SUFFIXES[0]
GROUP: Final = "hongbao"  # the library that all compiled modules share is this and __mypyc
COMPILED: Final = "compiled"
NOT_ASKED: Final = "pure Python: this program does not use compiled modules"


class CompiledMissing(Exception):
    """HONGBAO_COMPILED is "required", and the sources would run; the message is one line."""


class CompiledFinder(MetaPathFinder):
    """Finds the modules of the build of these very sources. It looks for the build at the first module of it."""

    def __init__(self, setting: str) -> None:
        self._setting = setting
        self._files: Mapping[str, Path] | None = None
        self._names = frozenset(_names())
        self.state = ""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The compiled module of this name; None: there is none, or the sources are to run."""
        if fullname not in self._names:
            return None
        file = self.files().get(fullname)
        if file is None:
            return None
        return spec_from_file_location(fullname, file, loader=ExtensionFileLoader(fullname, str(file)))

    def files(self) -> Mapping[str, Path]:
        """Where the modules of the build are, by name; empty: the sources run. Raises CompiledMissing."""
        if self._files is None:
            self._files, self.state = _files_of_build(self._setting)
            if self._setting == REQUIRED and not self._files:
                raise CompiledMissing(f"{VARIABLE}={REQUIRED}, but {self.state}")
        return self._files


_installed: list[CompiledFinder] = []


def use_compiled() -> None:
    """Import compiled modules from now on, if they were built from these sources; a second call changes nothing.

    The environment variable HONGBAO_COMPILED: `off` runs the sources, `required` fails where they would run.
    """
    if not _installed:
        finder = CompiledFinder(os.environ.get(VARIABLE, ""))
        _installed.append(finder)
        sys.meta_path.insert(0, finder)


def state() -> str:
    """What runs in this process, for people: "compiled", or "pure Python: " and why. Raises CompiledMissing."""
    if not _installed:
        return NOT_ASKED
    _installed[0].files()
    return _installed[0].state


def _names() -> list[str]:
    """All names that the finder answers for: the modules, and the library that they share."""
    return [f"{GROUP}__mypyc", *(PREFIX + name for name in MODULES)]


def _files_of_build(setting: str) -> tuple[dict[str, Path], str]:
    """The modules of the build, and the state in words."""
    if setting == OFF:
        return {}, f"pure Python: {VARIABLE} is {OFF}"
    if early := [name for name in _names() if name in sys.modules]:
        return {}, f"pure Python: {early[0]} was imported before compiled modules were asked for"
    if not builds_folder().is_dir():
        return {}, "pure Python: nothing was compiled here"
    folder = builds_folder() / digest_of()
    if not folder.is_dir():
        return {}, "pure Python: these sources were not compiled (hongbao compile does it)"
    found = {name: folder / f"{name.replace('.', '/')}{SUFFIX}" for name in _names()}
    if missing := [name for name, file in found.items() if not file.is_file()]:
        return {}, f"pure Python: the build has no {missing[0]} for this Python"
    return found, COMPILED
