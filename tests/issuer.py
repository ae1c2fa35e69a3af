"""An authority of the tests' own, for servers that speak TLS."""

from __future__ import annotations

from pathlib import Path

import trustme


class Issuer:
    """Makes certificates, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self._authority.cert_pem.write_to_path(self.ca_file)

    def issue(self, host: str = "127.0.0.1") -> tuple[str, str]:
        """A certificate and its key, as paths."""
        made = self._authority.issue_cert(host)
        certificate, key = self._folder / "cert.pem", self._folder / "key.pem"
        certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        made.private_key_pem.write_to_path(key)
        return str(certificate), str(key)
