"""Where a webhook or a call to a host wallet may go: not into the server's network, unless the config names that.

A URL of an endpoint comes from outside, and its name may resolve to any address. So the address is checked that is
connected to, each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import urlsplit

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

URL_BYTES_MAX: Final = 2_048
GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
NAT64: Final = IPv6Network("64:ff9b::/96")
# Services of clouds at addresses that the tables of Python take for public ones: metadata of Oracle and Azure.
METADATA: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"))


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks of an `allow_private` of the config."""
    return tuple(ip_network(text) for text in texts)


def why_not(address: str, allowed: Sequence[Network], *, encrypted: bool, section: str = "webhooks") -> str:
    """Why no request may go to this address; empty: it may. Without TLS only to `allowed` networks.

    `section`: of the config, where these networks are listed.
    """
    reached = _reached(ip_address(address))
    if any(reached in network for network in allowed):
        return ""
    if not _is_public(reached):
        return f"{address} is not a public address, and [{section}] allow_private does not list it"
    return "" if encrypted else f"{address} is not in [{section}] allow_private, so its URL must be https"


def why_not_url(url: str, allowed: Sequence[Network], section: str = "webhooks") -> str:
    """Why a URL cannot be that of an endpoint; empty: it can. What its name resolves to is checked at each use."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "the URL is not valid"
    if not (url.isascii() and url.isprintable()) or " " in url or len(url) > URL_BYTES_MAX:
        return f"a URL has up to {URL_BYTES_MAX:,} printable ASCII characters; encode others"
    if parts.scheme not in ("https", "http") or not host:
        return "a URL begins with https:// and a host"
    if "@" in parts.netloc or "\\" in url or "#" in url:
        return "a URL has no user, password, fragment or backslash"
    if parts.scheme == "http" and not allowed:
        return f"a URL begins with https://; http:// is for networks in [{section}] allow_private"
    try:
        ip_address(host)
    except ValueError:
        return ""
    return why_not(host, allowed, encrypted=parts.scheme == "https", section=section)


def _reached(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv6Address):
        return address in GLOBAL_UNICAST
    return not any(address in network for network in METADATA)
