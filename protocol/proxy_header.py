"""The header of the PROXY protocol, version 2: a proxy tells the address of its client before the client's bytes.

Pure: bytes in, address out. The format is that of HAProxy's proxy-protocol.txt, section 2.2.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Final, NamedTuple

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
HEAD: Final = struct.Struct(">BBH")  # version and command, family and transport, bytes that follow
HEAD_BYTES: Final = len(SIGNATURE) + HEAD.size
BODY_BYTES_MAX: Final = 1024  # addresses take 36 at most, the rest is what proxies add

VERSION: Final = 2
LOCAL, PROXY = 0, 1
TCP4, TCP6 = 0x11, 0x21
# Kinds of addresses that say nothing of a client over TCP: unspecified, UDP, unix sockets.
WITHOUT_ADDRESS: Final = frozenset({0x00, 0x12, 0x22, 0x31, 0x32})
ADDRESS_BYTES: Final = {TCP4: 4, TCP6: 16}
PORTS_BYTES: Final = 4
# What a proxy adds: a type, a length, a value. The first byte of that of `SSL` says how its client has connected.
ADDED: Final = struct.Struct(">BH")
SSL: Final = 0x20
CLIENT_BY_TLS: Final = 0x01


class BadProxyHeader(Exception):
    """The bytes are no header of version 2; the message says why."""


class ProxyHeader(NamedTuple):
    """`host`: the address of the client; "" if the connection is the proxy's own. `size`: bytes of the header.

    `is_tls`: the proxy says that the client has connected to it by TLS.
    """

    host: str
    size: int
    is_tls: bool = False


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of `data`; None: more bytes must come. Raises BadProxyHeader."""
    if not SIGNATURE.startswith(data[: len(SIGNATURE)]):
        raise BadProxyHeader("the connection does not begin with a PROXY header of version 2")
    if len(data) < HEAD_BYTES:
        return None
    version_and_command, kind, length = HEAD.unpack_from(data, len(SIGNATURE))
    version, command = divmod(version_and_command, 16)
    if version != VERSION or command not in (LOCAL, PROXY):
        raise BadProxyHeader("the PROXY header has an unknown version or command")
    if length > BODY_BYTES_MAX:
        raise BadProxyHeader(f"the PROXY header has more than {BODY_BYTES_MAX} bytes")
    size = HEAD_BYTES + length
    if command == LOCAL:
        return ProxyHeader("", size) if len(data) >= size else None
    if kind not in ADDRESS_BYTES and kind not in WITHOUT_ADDRESS:
        raise BadProxyHeader("the PROXY header has an unknown kind of address")
    address_bytes = ADDRESS_BYTES.get(kind, 0)
    if address_bytes and length < 2 * address_bytes + PORTS_BYTES:
        raise BadProxyHeader("the PROXY header is too short for its addresses")
    if len(data) < size:
        return None
    packed = data[HEAD_BYTES : HEAD_BYTES + address_bytes]
    added = data[HEAD_BYTES + 2 * address_bytes + PORTS_BYTES : size] if address_bytes else b""
    return ProxyHeader(str(ip_address(packed)) if packed else "", size, _is_tls(added))


def _is_tls(added: bytes) -> bool:
    """Whether what a proxy has added says so; what is cut off says nothing."""
    while len(added) >= ADDED.size:
        kind, length = ADDED.unpack_from(added)
        value, added = added[ADDED.size : ADDED.size + length], added[ADDED.size + length :]
        if kind == SSL and len(value) == length and length:
            return bool(value[0] & CLIENT_BY_TLS)
    return False
