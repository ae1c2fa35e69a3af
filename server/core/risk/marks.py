"""Marks: what several users may have in common, as the record keeps it. Pure.

A mark is a digest: it tells that two users were seen on one device, and not on which one. Addresses are few enough
to be found by trying all, so a mark of one is personal data, too.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

DEVICE_CHARACTERS_MAX: Final = 200
IPV6_PREFIX: Final = 64  # what one home or one phone has


class MarkKind(IntEnum):
    """The values stand in the record (migration 0040)."""

    DEVICE = 1
    ADDRESS = 2


class BadMark(ValueError):
    """A device or an address cannot be used; the message is one line."""


def device_mark(device: str) -> str:
    """The mark of a device, whose name is any text of the chat backend's. Raises BadMark."""
    if not 1 <= len(device) <= DEVICE_CHARACTERS_MAX or not device.isprintable():
        raise BadMark(f"a device has 1 to {DEVICE_CHARACTERS_MAX} printable characters")
    return _digest(f"device {device}")


def address_mark(address: str) -> str:
    """The mark of an address; of IPv6 its network of 64 bits. Raises BadMark."""
    try:
        found = ip_address(address)
    except ValueError:
        raise BadMark("an address is one of IPv4 or IPv6, without a port") from None
    return _digest(f"address {_network(found)}")


def _network(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 128 - IPV6_PREFIX << 128 - IPV6_PREFIX))


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
