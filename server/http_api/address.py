"""Where the HTTP API may listen."""

from __future__ import annotations

from server.config import Config, ConfigError
from server.net.addresses import host_and_port, is_loopback


def check_address(config: Config) -> None:
    """Raise ConfigError if the API would send keys and money in clear text through a network."""
    address = config.http_api.address
    if not address or config.http_api.behind_proxy or config.server.tls_certificate:
        return
    if not is_loopback(host_and_port(address)[0]):
        raise ConfigError(
            f"http_api.address = {address} is open to the network without TLS: set server.tls_certificate, or "
            f"http_api.behind_proxy = true if a proxy before it ends TLS"
        )
