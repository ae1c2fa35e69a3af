"""The built app and SDK are those of the present sources, small enough, and free of names of registries."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from server.http_api.web.files import BESIDE, FOLDER, files, zipped
from tests.web.conftest import SDK, WEB

SCRIPT_BYTES_MAX = 50 << 10  # as it travels
FIRST_BYTES_MAX = 2_048  # compressed: with the headers a part of the first flight of TCP
BUILT = json.loads((WEB / "built.json").read_text("utf-8"))
ADVICE = "the built files are stale, run: make web"


def sources() -> set[str]:
    """The files that the build reads."""
    below = (file for folder in ("sdk/src", "app/src", "app/public") for file in (WEB / folder).rglob("*"))
    alone = ("build.mjs", "package.json", "package-lock.json", "sdk/package.json", "app/package.json")
    return {file.relative_to(WEB).as_posix() for file in below if file.is_file()} | set(alone)


def test_files_were_built_from_the_present_sources() -> None:
    assert set(BUILT) == sources(), ADVICE
    changed = [
        name for name, digest in BUILT.items() if digest != hashlib.sha256((WEB / name).read_bytes()).hexdigest()
    ]
    assert changed == [], ADVICE


def test_script_is_small_and_files_are_complete() -> None:
    assert len(zipped((FOLDER / "app.js").read_bytes())) <= SCRIPT_BYTES_MAX
    served = files("ws://127.0.0.1:1")
    assert set(served) == {"", *BESIDE}
    page = served[""].body.decode()
    assert 'content="ws://127.0.0.1:1"' in page
    assert not re.search(r"/\* \S+ \*/", page.partition("<script>")[0])


def test_page_can_be_painted_from_its_first_bytes() -> None:
    first = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(
        files("ws://127.0.0.1:1")[""].zipped[:FIRST_BYTES_MAX]
    )
    assert b"</main>" in first  # the frame; its style stands before it, and the rest of the style behind it
    assert first.index(b"<style>") < first.index(b"<main") < first.index(b"<style>", first.index(b"</main>"))


def test_lock_file_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    found = [one.get("resolved", "") for one in lock["packages"].values() if not one.get("link")]
    assert [one for one in found if one] == []


@pytest.mark.long
def test_build_of_the_present_sources_is_what_is_committed(tmp_path: Path) -> None:
    if not (WEB / "node_modules" / "vite").is_dir() or shutil.which("npx") is None:
        pytest.skip("the packages of npm are not installed: make web")
    subprocess.run(["npm", "run", "--silent", "check"], cwd=WEB, check=True)
    subprocess.run(["node", "build.mjs", tmp_path], cwd=WEB, check=True)
    built = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert built.pop("hongbao.js") == SDK.read_bytes(), ADVICE
    assert json.loads(built.pop("built.json")) == BUILT
    assert built == {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix != ".py"}, ADVICE
