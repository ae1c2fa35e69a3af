"""Certificates that a process makes for itself. No authority signed them: who connects must know their digest."""

from __future__ import annotations

import hashlib
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

BACKDATED: Final = timedelta(days=1)  # for clocks that are behind


class LocalCertificate(NamedTuple):
    """Key and certificate as PEM, and the certificate as DER."""

    key: bytes
    pem: bytes
    der: bytes

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the certificate."""
        return hashlib.sha256(self.der).digest()

    def server_context(self, minimum: ssl.TLSVersion) -> ssl.SSLContext:
        """TLS of this version or newer with this certificate. Raises OSError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = minimum
        with tempfile.NamedTemporaryFile(prefix="hongbao-") as file:  # the library reads files only; mode 0600
            file.write(self.key + self.pem)
            file.flush()
            context.load_cert_chain(file.name)
        return context


def make_certificate(name: str, lifetime: timedelta, hosts: Sequence[str] = ()) -> LocalCertificate:
    """A key and a certificate of its own. `hosts`: addresses and host names at which browsers meet it."""
    # importing the library takes time and memory: not for servers that make none
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
    )
    if hosts:
        names = [x509.IPAddress(one) if (one := _address(host)) else x509.DNSName(host) for host in hosts]
        use = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(use, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return LocalCertificate(private, certificate.public_bytes(pem), certificate.public_bytes(der))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address; None of a host name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None
