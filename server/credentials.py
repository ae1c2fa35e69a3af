"""Credentials that are read from their own files: keys of tokens, of seeds and of the HTTP API, TLS files."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import NamedTuple

from server.config import Config, ConfigError, load_api_keys, load_keys, load_seed_keys
from server.config.table import TLS_FILES
from server.net.tls import server_context


class Credentials(NamedTuple):
    """All credentials, read together: if one is invalid, a reload keeps all of the old ones."""

    keys: dict[str, bytes]  # of login tokens
    seed_keys: dict[str, bytes]
    tls: ssl.SSLContext | None
    tls_digests: dict[str, bytes]  # of the two TLS files by their config keys, to see whether they have changed
    api_keys: dict[str, bytes]  # of the HTTP API; none: it is off


def load_credentials(settings: Config, data: Path, *, may_make: bool = True) -> Credentials:
    """Read keys and TLS files; makes a first key if there is none and `may_make`. Raises ConfigError."""
    keys = load_keys(settings, data, may_make=may_make)
    seed_keys = load_seed_keys(settings, data, may_make=may_make)
    return Credentials(keys, seed_keys, *load_tls(settings), load_api_keys(settings, data, may_make=may_make))


def load_tls(settings: Config) -> tuple[ssl.SSLContext | None, dict[str, bytes]]:
    """The TLS context of the two files, None without TLS, and the digests of the files. Raises ConfigError."""
    certificate, key = settings.server.tls_certificate, settings.server.tls_key
    if not certificate:
        return None, {}
    digests = [_digest(path) for path in (certificate, key)]
    try:
        return server_context(certificate, key), dict(zip(TLS_FILES, digests, strict=True))
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or str(error)
        raise ConfigError(f"{certificate} and {key} are not a certificate and its key: {why}") from error


def _digest(path: str) -> bytes:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
