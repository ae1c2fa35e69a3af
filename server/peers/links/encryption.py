"""TLS between servers without certificates to look after: each process makes its own, and the handshake proves it.

A certificate by itself proves nothing here. Its digest is part of what both sides sign with the key that they share
(see handshake), so a third party in between, which has another certificate, is found out.
"""

from __future__ import annotations

import hashlib
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

LIFETIME: Final = timedelta(days=3_650)  # of a process; no one looks at it
NAME: Final = "hongbao"


class LinkTls(NamedTuple):
    """The contexts of both sides, and the digest of the own certificate."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    certificate: bytes


def make_tls() -> LinkTls:
    """A key and a certificate of this process alone. Raises OSError."""
    # importing the library takes time and memory: not for servers without links to other machines
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    parts = (
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        certificate.public_bytes(pem),
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(prefix="hongbao-") as file:  # the library reads files only; mode 0600
        file.write(b"".join(parts))
        file.flush()
        server.load_cert_chain(file.name)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return LinkTls(server, client, digest_of(certificate.public_bytes(serialization.Encoding.DER)))


def digest_of(certificate: bytes) -> bytes:
    """The digest of a certificate in DER."""
    return hashlib.sha256(certificate).digest()
