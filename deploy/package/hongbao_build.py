"""The build backend: setuptools, and a wheel that puts one package into site-packages, `hongbao`.

The folders of the source are top-level packages with plain names. Installed like that, a `protocol.py` of a user's
own program would hide ours. So the wheel has them in `hongbao._`, and they name each other so: in imports, and in
texts of the form "module:object". `hongbao` itself is the SDK. An editable install keeps the names of the source.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import os
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from setuptools import build_meta

# Hooks that setuptools answers. There is none for the metadata of a wheel: pip takes it from the wheel.
get_requires_for_build_wheel = build_meta.get_requires_for_build_wheel
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable

Settings = Mapping[str, Any] | None
Files = dict[str, bytes]

PREFIX: Final = "hongbao._"
FOLDER: Final = "hongbao/_"
PRIVATE: Final = b'"""The modules of hongbao. Import from `hongbao`: names in here change without notice."""\n'
PUBLIC: Final = b'''"""hongbao: red packets. This is the client SDK; docs/sdk.md is the guide.

    from hongbao import Client
"""

from client_sim.sdk import *
from client_sim.sdk import __all__ as __all__
'''
MODULE_AND_OBJECT: Final = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_]\w*")
OLDEST: Final = (1980, 1, 1, 0, 0, 0)  # the same files give the same wheel


class CannotRename(Exception):
    """A module names another one in a way that the build does not rewrite; the message says where."""


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel in this folder; its file name."""
    return _rebuilt(build_meta.build_wheel, wheel_directory, config_settings, in_package)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel that leads to the source. It holds `hongbao`: that import works in a checkout, too."""
    return _rebuilt(build_meta.build_editable, wheel_directory, config_settings, with_public_files)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the source archive in this folder, with this module; its file name."""
    name: str = build_meta.build_sdist(sdist_directory, config_settings)
    path = Path(sdist_directory, name)
    content = Path(__file__).read_bytes()
    with tarfile.open(path) as archive:
        members = [(one, archive.extractfile(one) if one.isfile() else None) for one in archive]
        own = tarfile.TarInfo(f"{name.removesuffix('.tar.gz')}/deploy/package/{Path(__file__).name}")
        own.size, own.mode = len(content), 0o644
        with tarfile.open(path.with_suffix(".new"), "w:gz", format=tarfile.PAX_FORMAT) as complete:
            for member, file in members:
                complete.addfile(member, file)
            complete.addfile(own, io.BytesIO(content))
    path.with_suffix(".new").replace(path)
    return name


def _rebuilt(
    build: Callable[[str, Any], str], folder: str, settings: Settings, changed: Callable[[Files], Files]
) -> str:
    """A wheel of setuptools with other files. Nothing is left in the source: a later wheel would contain it."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch, "build.cfg")
        config.write_text(f"[build]\nbuild_base = {scratch}/build\n", "utf-8")
        before = os.environ.get("DIST_EXTRA_CONFIG")
        os.environ["DIST_EXTRA_CONFIG"] = str(config)
        try:
            name = build(scratch, settings)
        finally:
            os.environ.pop("DIST_EXTRA_CONFIG")
            if before is not None:
                os.environ["DIST_EXTRA_CONFIG"] = before
        with zipfile.ZipFile(Path(scratch, name)) as wheel:
            files = {one: wheel.read(one) for one in wheel.namelist()}
    _write(Path(folder, name), changed(files))
    return name


def with_public_files(files: Files) -> Files:
    """The files of a wheel, and those of the package `hongbao` that are not in the source."""
    return files | {"hongbao/__init__.py": PUBLIC, "hongbao/py.typed": b""}


def in_package(files: Files) -> Files:
    """The files of a wheel with all modules in `hongbao._`."""
    modules = {_module(name) for name in files if name.endswith(".py")}
    tops = {module.partition(".")[0] for module in modules}
    renamed = {f"{FOLDER}/__init__.py": PRIVATE}
    for name, content in with_public_files(files).items():
        is_ours = name.partition("/")[0] in tops
        if name.endswith(".py"):
            content = renamed_source(name, content, modules)
        elif name.endswith(".dist-info/entry_points.txt"):
            content = re.sub(rb"(?m)^(\S+ = )", rb"\g<1>" + PREFIX.encode() + b".", content)
        elif name.endswith(".dist-info/top_level.txt"):
            content = b"hongbao\n"
        renamed[f"{FOLDER}/{name}" if is_ours else name] = content
    return renamed


def renamed_source(name: str, source: bytes, modules: Collection[str]) -> bytes:
    """The source of a module that names these modules by their new names. Raises CannotRename."""
    tops = {module.partition(".")[0] for module in modules}
    lines = source.splitlines(keepends=True)
    places: list[tuple[int, int]] = []  # line and column, in bytes, where the prefix comes
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(level=0, module=str(module)) if module.partition(".")[0] in tops:
                places.append((node.lineno - 1, node.col_offset + len("from ")))
                expected = module
            case ast.Constant(value=str(text)) if _module_named_by(text) in modules:
                places.append((node.lineno - 1, node.col_offset + len('"')))
                expected = text
            case ast.Import() if {one.name.partition(".")[0] for one in node.names} & tops:
                raise CannotRename(f"{name}:{node.lineno}: write `from … import …`")
            case _:
                continue
        line, column = places[-1]
        if not lines[line][column:].startswith(expected.encode()):
            raise CannotRename(
                f"{name}:{line + 1}: write {expected} on one line, with one space or one quotation mark before it"
            )
    for line, column in sorted(places, reverse=True):
        lines[line] = lines[line][:column] + PREFIX.encode() + b"." + lines[line][column:]
    return b"".join(lines)


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _module_named_by(text: str) -> str:
    """The module in a text such as "server.cli.demo:demo"; "": the text is of another form."""
    found = MODULE_AND_OBJECT.fullmatch(text)
    return found[1] if found else ""


def _write(path: Path, files: Files) -> None:
    """Write a wheel: the files, and RECORD with their digests as the last one."""
    (record,) = (name for name in files if name.endswith(".dist-info/RECORD"))
    others = {name: content for name, content in files.items() if name != record}
    rows = [f"{name},{_digest(content)},{len(content)}\n" for name, content in others.items()]
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in (others | {record: "".join([*rows, f"{record},,\n"]).encode()}).items():
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, content, zipfile.ZIP_DEFLATED)


def _digest(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
