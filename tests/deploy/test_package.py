"""The wheel: one package beside a user's own modules, the SDK with few dependencies, the program with an extra."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path

import pytest

from server.version import version
from tests.clusters import data_folder
from tests.conftest import KEYS, Server

TOP = Path(__file__).parents[2]
BACKEND = TOP / "deploy" / "package" / "hongbao_build.py"
OWN_MODULES = ("protocol", "server", "storage", "client_sim", "bench")  # a user may have modules of these names
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated")
PATIENCE_S = 120

spec = util.spec_from_file_location("hongbao_build", BACKEND)
assert spec is not None
assert spec.loader is not None
hongbao_build = util.module_from_spec(spec)
spec.loader.exec_module(hongbao_build)

MODULES = {"protocol", "protocol.tokens", "server", "server.cli", "server.cli.demo"}


# --- new names in the modules ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "renamed"),
    [
        ("from protocol import tokens\n", "from hongbao._.protocol import tokens\n"),
        ("def f():\n    from server.cli import demo\n", "def f():\n    from hongbao._.server.cli import demo\n"),
        ('ROW = ("红", "server.cli.demo:demo")\n', 'ROW = ("红", "hongbao._.server.cli.demo:demo")\n'),
        ("from protocols import x\nimport asyncio\n", "from protocols import x\nimport asyncio\n"),
        ('AT = "server:7788"\nKEY = "server.host"\n', 'AT = "server:7788"\nKEY = "server.host"\n'),
        ('"""Call from protocol import tokens."""\n', '"""Call from protocol import tokens."""\n'),
    ],
)
def test_module_names_others_by_their_names_in_the_wheel(source: str, renamed: str) -> None:
    assert hongbao_build.renamed_source("a.py", source.encode(), MODULES) == renamed.encode()


@pytest.mark.parametrize(
    "source", ["import protocol\n", "from  protocol import tokens\n", 'ROW = r"server.cli.demo:demo"\n']
)
def test_module_name_that_the_build_cannot_rewrite_fails_the_build(source: str) -> None:
    with pytest.raises(hongbao_build.CannotRename, match=r"a\.py:1: write "):
        hongbao_build.renamed_source("a.py", source.encode(), MODULES)


# --- the wheel -------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys, time
import bench, client_sim, protocol, server, storage
from hongbao import Client, messages, tokens, yuan

async def main(url: str, key_id: str, key: str) -> None:
    now_s = int(time.time())
    mint = lambda user_id: str(tokens.mint(user_id, now_s + 3600, key_id, bytes.fromhex(key), now_s))
    async with Client(url, mint(0)) as backend, Client(url, mint(1001)) as client:
        await backend.put_users({1001: "Ada", 1002: "Ben"})
        group_id = await backend.put_group("family", "family")
        await backend.sync_members(group_id, 1, [1001, 1002])
        await backend.top_up(1001, 888, key="order 1")
        sent = await client.send_packet("lucky", group_id, 888, 1)
        opened = await client.open(sent.packet_id)
        print(opened.answer, yuan(opened.amount_fen), isinstance(sent, messages.PacketSent))

asyncio.run(main(*sys.argv[1:]))
"""
TYPED = """
from hongbao import Client, Refusal, messages

async def balance_fen(client: Client) -> int:
    return await client.balance()

async def opened(client: Client) -> str:
    return await client.balance()
"""


def without_our_paths() -> dict[str, str]:
    """The environment for programs that must not find the source: pip takes what is on PYTHONPATH for installed."""
    return {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}


def build(source: Path, folder: Path) -> Path:
    """The wheel of a folder or a source archive."""
    quiet = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    words = [*PIP, "wheel", *quiet, "--wheel-dir", folder, source]
    subprocess.run(words, check=True, timeout=PATIENCE_S, env=without_our_paths())
    (wheel,) = folder.glob("*.whl")
    return wheel


class Installed:
    """The wheel in an environment of its own, without a network."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=PATIENCE_S)
        self.program, self.python = folder / "bin" / "hongbao", folder / "bin" / "python"
        install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
        words = [*PIP, "--python", self.python, *install]
        subprocess.run(words, check=True, timeout=PATIENCE_S, env=without_our_paths())
        (self.packages,) = folder.glob("lib/python*/site-packages")
        self.names = {path.name for path in self.packages.iterdir()}
        for requirement in metadata.distribution("hongbao").requires or ():
            if "extra ==" not in requirement:
                self._link(re.split(r"[<>=!~; ]", requirement)[0])

    def _link(self, package: str) -> None:
        """Take a package from the environment of the tests."""
        for top in {file.parts[0] for file in metadata.files(package) or () if file.parts[0] != ".."}:
            (self.packages / top).symlink_to(metadata.distribution(package).locate_file(top))

    @contextmanager
    def with_extras(self) -> Iterator[None]:
        """All packages of the environment of the tests. Its editable install of this project is not active here."""
        path = self.packages / "extras.pth"
        path.write_text(f"{Path(pytest.__file__).parents[1]}\n")
        yield
        path.unlink()

    def run(self, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a program in a folder; Python finds the modules there first."""
        return subprocess.run(
            [*map(str, words)],
            cwd=folder,
            env=without_our_paths(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(TOP, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp("installed") / "venv")


@pytest.fixture
def mine() -> Iterator[Path]:
    """A folder with a user's own modules, which have the names of the folders of our source.

    Not below pytest's base folder: other runs of pytest close that to all other users, the one of the stores too.
    """
    with data_folder() as folder:
        for name in OWN_MODULES:
            (folder / f"{name}.py").write_text(f'"""The user\'s own module {name}."""\n')
        yield folder


@pytest.mark.long
async def test_sdk_of_the_wheel_works_beside_modules_of_the_same_names(
    installed: Installed, mine: Path, server: Server
) -> None:
    assert installed.names == {"hongbao", f"hongbao-{version()}.dist-info"}
    (mine / "program.py").write_text(PROGRAM)
    key_id, key = next(iter(KEYS.items()))
    words = (installed.python, "program.py", server.url, key_id, key.hex())
    done = await asyncio.to_thread(installed.run, mine, *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "won 8.88 True\n", "")


@pytest.mark.long
def test_type_checker_knows_the_sdk_of_the_wheel(installed: Installed, mine: Path) -> None:
    (mine / "program.py").write_text(TYPED)
    mypy = (sys.executable, "-m", "mypy", "--strict", "--cache-dir", mine, "--python-executable", installed.python)
    found = installed.run(mine, *mypy, "program.py")
    wrong = 'program.py:8: error: Incompatible return value type (got "int", expected "str")  [return-value]'
    assert found.stdout.splitlines()[:-1] == [wrong]


@pytest.mark.long
def test_program_of_the_wheel_names_its_extra_and_with_it_runs_the_demo(installed: Installed, mine: Path) -> None:
    refused = installed.run(mine, installed.program, "demo")
    line = "hongbao: this command needs the module cyclopts: pip install 'hongbao[server]'\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", line)
    assert installed.run(mine, installed.program, "--version").stdout.startswith(f"{version()} (pure Python: ")
    with installed.with_extras():
        assert installed.run(mine, installed.program, "--version").stdout.startswith(f"{version()} (pure Python: ")
        demo = installed.run(mine, installed.program, "demo", "--seconds", "3", "--users", "12", "--groups", "1")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "audit: ok" in demo.stdout


@pytest.mark.long
def test_workers_of_the_wheel_start(installed: Installed, mine: Path, postgres_dsn: str, redis_url: str) -> None:
    """A supervisor names the module of its workers, which has another name in a wheel."""
    words = ("serve", "--workers", "2", "--port", "0", "--postgres", postgres_dsn, "--redis", redis_url)
    with (
        installed.with_extras(),
        subprocess.Popen(
            [installed.program, *words], cwd=mine, env=without_our_paths(), stdout=subprocess.PIPE, text=True
        ) as serving,
    ):
        assert serving.stdout is not None
        line = serving.stdout.readline()
        serving.terminate()
    assert (serving.returncode, "(2 workers, data .hongbao," in line) == (0, True), line


@pytest.mark.long
def test_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    program = f"import hongbao_build; print(hongbao_build.build_sdist({str(tmp_path)!r}))"
    environment = {**os.environ, "PYTHONPATH": str(BACKEND.parent)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        check=True,
        cwd=TOP,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    archive = tmp_path / done.stdout.splitlines()[-1]
    assert contents(build(archive, tmp_path / "archive")) == contents(wheel)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as files:
        return {name: files.read(name) for name in files.namelist()}
