"""TLS files that cannot be used are refused in one line, without a prompt for a password."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from server.config import ConfigError, load
from server.credentials import load_credentials
from tests.issuer import Issuer


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key."""
    certificate, key = Issuer(tmp_path).issue()
    return Path(certificate), Path(key)


def why_not(certificate: Path, key: Path) -> str:
    settings = load(None, {"server.tls_certificate": str(certificate), "server.tls_key": str(key)}, {})
    with pytest.raises(ConfigError) as caught:
        load_credentials(settings, certificate.parent)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_tls_without_files_is_off_and_with_both_files_is_on(files: tuple[Path, Path], tmp_path: Path) -> None:
    assert load_credentials(load(None, {}, {}), tmp_path).tls is None
    both = {"server.tls_certificate": str(files[0]), "server.tls_key": str(files[1])}
    assert load_credentials(load(None, both, {}), tmp_path).tls is not None


@pytest.mark.parametrize("key", ["server.tls_certificate", "server.tls_key"])
def test_tls_file_set_alone_is_refused(key: str) -> None:
    both = "set both server.tls_certificate and server.tls_key, or neither"
    with pytest.raises(ConfigError, match=rf"^command line: {key} is set alone; {both}$"):
        load(None, {key: "a.pem"}, {})


def test_tls_missing_file_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    for pair in ((gone, files[1]), (files[0], gone)):
        assert why_not(*pair) == f"{gone}: No such file or directory"


def test_tls_key_of_another_certificate_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    key_of_other = Path(Issuer(other).issue()[1])
    for pair in ((files[0], key_of_other), (files[1], files[0]), (files[0], files[0])):
        assert f"{pair[0]} and {pair[1]} are not a certificate and its key: " in why_not(*pair)


def test_tls_key_with_a_password_is_refused_without_a_prompt(files: tuple[Path, Path]) -> None:
    certificate, key = files
    pem = serialization.PrivateFormat.TraditionalOpenSSL
    locked = serialization.load_pem_private_key(key.read_bytes(), None).private_bytes(
        serialization.Encoding.PEM, pem, serialization.BestAvailableEncryption(b"secret")
    )
    key.write_bytes(locked)
    assert "are not a certificate and its key: " in why_not(certificate, key)
