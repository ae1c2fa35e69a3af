"""The header of the PROXY protocol: bytes as proxy-protocol.txt says, whole, in pieces, and bad."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.proxy_header import BODY_BYTES_MAX, BadProxyHeader, ProxyHeader, read_proxy_header

SIGNATURE = bytes.fromhex("0D0A0D0A000D0A515549540A")


def header(body: bytes, kind: int = 0x11, command: int = 0x21, length: int | None = None) -> bytes:
    """A header; `length` is what it says of its body."""
    return SIGNATURE + struct.pack(">BBH", command, kind, len(body) if length is None else length) + body


IPV4 = socket.inet_aton("203.0.113.7") + socket.inet_aton("10.0.0.1") + struct.pack(">HH", 40_000, 7788)
IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + struct.pack(">HH", 40_000, 7788)
TLV = b"\x04\x00\x03abc"  # further fields of the proxy, which are not read

GOOD = {
    "TCP over IPv4": (header(IPV4), "203.0.113.7"),
    "TCP over IPv6": (header(IPV6, 0x21), "2001:db8::7"),
    "with further fields": (header(IPV4 + TLV), "203.0.113.7"),
    "the longest": (header(IPV4 + bytes(BODY_BYTES_MAX - len(IPV4))), "203.0.113.7"),
    "LOCAL": (header(b"", 0x00, 0x20), ""),
    "LOCAL with an address": (header(IPV4, 0x11, 0x20), ""),
    "LOCAL of an unknown kind": (header(b"abc", 0xFF, 0x20), ""),
    "unspecified": (header(b"", 0x00), ""),
    "UDP over IPv4": (header(IPV4, 0x12), ""),
    "UDP over IPv6": (header(IPV6, 0x22), ""),
    "unix stream": (header(bytes(216), 0x31), ""),
    "unix datagram": (header(bytes(216), 0x32), ""),
}
BAD = {
    "a frame of ours": b"\x00\x00\x00\x05hello",
    "version 1": b"PROXY TCP4 203.0.113.7 10.0.0.1 40000 7788\r\n",
    "another signature": SIGNATURE[:-1] + b"\r" + bytes(4),
    "version 3": header(IPV4, command=0x31),
    "another command": header(IPV4, command=0x22),
    "an unknown family": header(IPV4, 0x41),
    "an unknown transport": header(IPV4, 0x13),
    "IPv4 too short": header(IPV4[:-1]),
    "IPv6 too short": header(IPV4, 0x21),
    "too long": header(b"", length=BODY_BYTES_MAX + 1),
    "LOCAL too long": header(b"", 0x00, 0x20, length=BODY_BYTES_MAX + 1),
}


@pytest.mark.parametrize("name", GOOD)
def test_header_tells_the_address_once_it_is_complete(name: str) -> None:
    data, host = GOOD[name]
    for size in range(len(data)):
        assert read_proxy_header(data[:size]) is None
    assert read_proxy_header(data) == ProxyHeader(host, len(data))
    assert read_proxy_header(data + b"what follows") == ProxyHeader(host, len(data))


@pytest.mark.parametrize("name", BAD)
def test_bad_header_is_refused(name: str) -> None:
    with pytest.raises(BadProxyHeader):
        read_proxy_header(BAD[name])


def test_first_byte_that_does_not_fit_is_refused_at_once() -> None:
    with pytest.raises(BadProxyHeader, match="does not begin with"):
        read_proxy_header(b"\x00")


@given(st.one_of(st.binary(max_size=64), st.binary(max_size=1100).map(lambda rest: SIGNATURE + rest)))
def test_any_bytes_are_a_header_or_part_of_one_or_refused(data: bytes) -> None:
    try:
        found = read_proxy_header(data)
    except BadProxyHeader:
        return
    if found is None:
        assert len(data) < len(SIGNATURE) + 4 + BODY_BYTES_MAX
    else:
        assert 16 <= found.size <= min(len(data), 16 + BODY_BYTES_MAX)
