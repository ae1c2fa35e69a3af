"""What may change while the server runs: the keys of login tokens, the certificate and its key."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

from server.config import Config, ConfigError, load_keys
from server.net.tls import server_context


class Credentials(NamedTuple):
    """All of them, read together: a fault in one leaves all as they were."""

    keys: dict[str, bytes]
    tls: ssl.SSLContext | None


def load_credentials(settings: Config, data: Path) -> Credentials:
    """Read keys and TLS files. Raises ConfigError."""
    return Credentials(load_keys(settings, data), _tls(settings.server.tls_certificate, settings.server.tls_key))


def _tls(certificate: str, key: str) -> ssl.SSLContext | None:
    if not certificate:
        return None
    for path in (certificate, key):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
    try:
        return server_context(certificate, key)
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or str(error)
        raise ConfigError(f"{certificate} and {key} are no certificate and its key: {why}") from error
