"""TLS between servers without certificates to look after: each process makes its own, and the handshake proves it.

A certificate by itself proves nothing here. Its digest is part of what both sides sign with the key that they share
(see handshake), so a third party in between, which has another certificate, is found out.
"""

from __future__ import annotations

import hashlib
import ssl
from datetime import timedelta
from typing import Final, NamedTuple

from server.net.local_certificate import make_certificate

LIFETIME: Final = timedelta(days=3_650)  # of a process; no one looks at it
NAME: Final = "hongbao"


class LinkTls(NamedTuple):
    """The contexts of both sides, and the digest of the own certificate."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    certificate: bytes


def make_tls() -> LinkTls:
    """A key and a certificate of this process alone. Raises OSError."""
    made = make_certificate(NAME, LIFETIME)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    return LinkTls(made.server_context(ssl.TLSVersion.TLSv1_3), client, made.digest)


def digest_of(certificate: bytes) -> bytes:
    """The digest of a certificate in DER."""
    return hashlib.sha256(certificate).digest()
