"""`hongbao verify` of campaigns: a published proof, from a file or from the web, without records."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.server.serving import here

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "pools.json").read_text())

SHOWN = """\
campaign 272000000000000001: 51.96 yuan in 12 shares, 12 won
server seed 0  9f0cd9b94097fe4929918d2b8942b34439574261a35dc50163f06c67d4e48899
client seed  f0e1d2c3b4a5968778695a4b3c2d1e0f
root  4d71df45e7af66efcfcf3440d20174ba512268ddcab7b8145e4a3bdfcd30b803
commitment  {commitment}
seed  {seed}

         yuan   shares   won   expected
 ──────────────────────────────────────
 2.00 to 2.99        9     9        9.0
        10.00        3     3        3.0

chi-square of the bands 0.00, degrees of freedom 1
verify: ok (12 numbers, each once, follow from seed and deck)
"""


def saved(tmp_path: Path, proof: dict[str, Any]) -> Path:
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(proof))
    return path


def test_proof_in_a_file_is_checked(tmp_path: Path) -> None:
    found = here("verify", saved(tmp_path, VECTORS[0]), "--data", tmp_path / "none")
    assert (found.code, found.stderr) == (0, "")
    assert found.stdout == SHOWN.format_map(VECTORS[0])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["about"])
def test_every_vector_is_accepted(tmp_path: Path, vector: dict[str, Any]) -> None:
    found = here("verify", saved(tmp_path, vector))
    assert found.code == 0
    assert found.stdout.splitlines()[-1].startswith("verify: ok (")


def test_wrong_wins_are_named_the_first_ten_of_them(tmp_path: Path) -> None:
    wins = [[number, amount + 1] for number, amount in VECTORS[0]["wins"][:11]]
    found = here("verify", saved(tmp_path, VECTORS[0] | {"wins": wins}))
    lines = found.stdout.splitlines()
    assert found.code == 1
    assert "verify: wrong (number 0 is 256, the seed says 255)" in lines
    assert lines[-1] == "verify: 1 more"


@pytest.fixture
def web() -> Iterator[str]:
    """A server that has the first vector at /proof.json; it answers two requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/garbage":
                self.wfile.write(b"garbage")
                return
            body = json.dumps(VECTORS[0]).encode() if self.path == "/proof.json" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=lambda: [server.handle_request() for _ in range(2)], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"


def test_proof_on_the_web_is_checked(web: str) -> None:
    found = here("verify", f"{web}/proof.json")
    assert found.stdout == SHOWN.format_map(VECTORS[0])
    missing = here("verify", f"{web}/other.json")
    assert (missing.code, missing.stdout) == (1, "")
    assert missing.stderr == f"hongbao: {web}/other.json: HTTP Error 404: Not Found\n"


def test_answer_that_is_no_http_is_an_error_of_one_line(web: str) -> None:
    found = here("verify", f"{web}/garbage")
    assert (found.code, found.stdout) == (1, "")
    assert found.stderr == f"hongbao: {web}/garbage: no answer of a web server: BadStatusLine\n"


@pytest.mark.parametrize("text", ["", "{}", "\xff"])
def test_file_that_is_no_proof_is_an_error_of_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "proof.json"
    path.write_bytes(text.encode("latin-1"))
    found = here("verify", path)
    assert (found.code, found.stdout) == (1, "")
    assert found.stderr.startswith(f"hongbao: {path}: ")
    assert found.stderr.count("\n") == 1


def test_file_that_does_not_exist_is_an_error_of_one_line(tmp_path: Path) -> None:
    found = here("verify", tmp_path / "none.json")
    assert found.code == 1
    assert "No such file" in found.stderr
