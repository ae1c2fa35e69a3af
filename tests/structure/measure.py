"""The structure of the code in numbers, from its syntax trees: sizes, class names, circles of imports.

`python -m tests.structure.measure` prints them.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("protocol", "server", "storage", "client_sim", "bench")
MODULE_LINES_MAX: Final = 300
FUNCTION_LINES_MAX: Final = 50
METHODS_MAX: Final = 20
METHODS_EXCEPTED: Final = {"client_sim/sdk/client.py:Client": "the methods of the SDK are its API"}
FOLDER_FILES_MAX: Final = 20


class Module(NamedTuple):
    """One file of a package."""

    path: str
    name: str
    lines: int
    tree: ast.Module


@cache
def modules(*packages: str) -> Sequence[Module]:
    """The modules of these packages, by default of all."""
    found = []
    for package in packages or PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text()
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found.append(Module(str(path.relative_to(ROOT)), name, len(text.splitlines()), ast.parse(text)))
    return found


def long_modules() -> list[str]:
    """Modules with more lines than allowed."""
    return [f"{one.path}: {one.lines} lines" for one in modules() if one.lines > MODULE_LINES_MAX]


def long_functions() -> list[str]:
    """Functions with more lines than allowed."""
    found = []
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found.append(f"{module.path}:{node.name}: {lines} lines")
    return found


def large_classes() -> list[str]:
    """Classes with more methods than allowed; properties count."""
    found = []
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                methods = sum(isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) for one in node.body)
                place = f"{module.path}:{node.name}"
                if methods > METHODS_MAX and place not in METHODS_EXCEPTED:
                    found.append(f"{place}: {methods} methods")
    return found


def class_names_used_twice() -> list[str]:
    """Names that several classes of the protocol, the server and the storage share."""
    places = defaultdict(list)
    for module in modules("protocol", "server", "storage"):
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module.path)
    return [f"{name}: {', '.join(paths)}" for name, paths in sorted(places.items()) if len(paths) > 1]


def imports() -> Mapping[str, set[str]]:
    """Which modules of ours each module imports, imports for types alone included."""
    known = {one.name for one in modules()}
    found: dict[str, set[str]] = {}
    for module in modules():
        names: set[str] = set()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {name for name in whole if name in known} or {node.module}
                if not whole <= known:
                    names.add(node.module)
        found[module.name] = {name for name in names if name in known and name != module.name}
    return found


def import_circle() -> list[str]:
    """The modules of one circle of imports, in its order; empty if there is none."""
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def crowded_folders() -> list[str]:
    """Folders with more modules than a reader can overlook."""
    count: dict[str, int] = defaultdict(int)
    for module in modules():
        if not module.path.endswith("__init__.py"):
            count[str(Path(module.path).parent)] += 1
    return [f"{folder}: {files} modules" for folder, files in sorted(count.items()) if files > FOLDER_FILES_MAX]


MEASURES: Final = {
    f"modules over {MODULE_LINES_MAX} lines": long_modules,
    f"functions over {FUNCTION_LINES_MAX} lines": long_functions,
    f"classes over {METHODS_MAX} methods": large_classes,
    "class names used twice in protocol, server, storage": class_names_used_twice,
    "circle of imports": import_circle,
    f"folders over {FOLDER_FILES_MAX} modules": crowded_folders,
}

if __name__ == "__main__":
    for title, measure in MEASURES.items():
        print(f"{title}: {len(measure())}", *measure(), sep="\n  ")
