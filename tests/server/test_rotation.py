"""Keys and certificates change under a running server: connections stay, a bad file changes nothing."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client_sim.client import Client
from client_sim.errors import ConnectionLost, ConnectionRefusedForGood
from protocol import tokens
from server.app import running
from server.config import Config, load_keys
from server.process import LOG, ServerProcess
from tests.issuer import Issuer

FAR_AWAY_S = 4_000_000_000
PATIENCE_S = 20
NEW_KEY = bytes(range(32))


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that stores may run in, whoever runs the tests."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def token(user_id: int, key_id: str, key: bytes) -> str:
    return str(tokens.mint(user_id, FAR_AWAY_S, key_id, key))


def told(data: Path) -> list[dict[str, Any]]:
    """What the log says of credentials."""
    lines = [line for line in (data / LOG).read_text().splitlines() if '"credentials_' in line]
    return [json.loads(line) for line in lines]


def hang_up(data: Path) -> dict[str, Any]:
    """Send HUP; the line that the log then has."""
    before = len(told(data))
    here = running(data)
    assert here is not None
    os.kill(here.pid, signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE_S
    while len(told(data)) == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.1)
    (line,) = told(data)[before:]
    return line


async def test_keys_change_under_a_running_server(data: Path) -> None:
    with ServerProcess(data) as server:
        old_key = load_keys(Config(), data)["k1"]
        file = data / "keys.toml"
        first = file.read_text()
        old, new = token(7, "k1", old_key), token(7, "k2", NEW_KEY)
        async with Client(server.url, old) as there:
            with pytest.raises(ConnectionRefusedForGood, match="login_refused"):
                await Client(server.url, new).connect()

            file.write_text(f'{first}k2 = "{NEW_KEY.hex()}"\n')
            assert hang_up(data) | {"event": "credentials_renewed", "key_ids": ["k1", "k2"]} == told(data)[-1]
            for one in (old, new):
                async with Client(server.url, one) as client:
                    assert await client.balance() == 0

            for spoiled in ("k1 = ", "", 'k1 = "00"', "k1 = 5"):
                file.write_text(spoiled)
                line = hang_up(data)
                assert (line["event"], line["level"]) == ("credentials_kept", "error")
                assert "keys.toml" in line["why"]
                for one in (old, new):
                    async with Client(server.url, one) as client:
                        assert await client.balance() == 0

            file.write_text(f'k2 = "{NEW_KEY.hex()}"\n')
            assert hang_up(data)["event"] == "credentials_renewed"
            with pytest.raises(ConnectionRefusedForGood, match="login_refused"):
                await Client(server.url, old).connect()
            assert await there.balance() == 0
            assert there.reconnects == 0


async def test_certificates_change_under_a_running_server(data: Path) -> None:
    folders = [data / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    first, second = map(Issuer, folders)
    certificate, key = map(Path, first.issue())
    with ServerProcess(data, "--tls-certificate", str(certificate), "--tls-key", str(key)) as server:
        assert server.url.startswith("tls://")
        mine = token(7, "k1", load_keys(Config(), data)["k1"])
        async with Client(server.url, mine, ca_file=first.ca_file) as there:
            for spoiled in (b"", b"no certificate", key.read_bytes()):
                good = certificate.read_bytes()
                certificate.write_bytes(spoiled)
                line = hang_up(data)
                assert line["event"] == "credentials_kept"
                assert "no certificate and its key" in line["why"]
                certificate.write_bytes(good)

            for made, place in zip(second.issue(), (certificate, key), strict=True):
                place.write_bytes(Path(made).read_bytes())  # noqa: ASYNC240
            async with Client(server.url, mine, ca_file=first.ca_file) as client:  # nobody has said HUP
                assert await client.balance() == 0
            assert hang_up(data)["event"] == "credentials_renewed"
            async with Client(server.url, mine, ca_file=second.ca_file) as client:
                assert await client.balance() == 0
            with pytest.raises(ConnectionLost, match=r"certificate|CERTIFICATE"):
                await Client(server.url, mine, ca_file=first.ca_file).connect(patience_s=0)
            assert await there.balance() == 0
            assert there.reconnects == 0
