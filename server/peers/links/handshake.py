"""How two servers prove to each other that they are servers of one database, before any frame is read. Pure.

    acceptor    challenge   version, nonce, the ids of its keys
    connector   proof       key id, nonce, its server, the server that it wants, MAC
    acceptor    welcome     MAC

Both MACs cover both nonces, both servers, and the certificate of the acceptor as each side sees it (the
"tls-server-end-point" of RFC 5929). So what was recorded, made for another connection, passed on by a third party
or sent back proves nothing. The keys are made from those that seal seeds: all servers of one database have them.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from protocol.undecodable import UNDECODABLE

VERSION: Final = 1
NONCE_BYTES: Final = 32
LENGTH_BYTES: Final = 2
MESSAGE_BYTES_MAX: Final = 4_096
KEYS_MAX: Final = 64
USE: Final = b"hongbao links between servers"
CONNECTOR, ACCEPTOR = "connector", "acceptor"


class LinkRefusal(StrEnum):
    """Why a handshake has failed. The values are labels of a metric."""

    TLS = "tls"  # TLS failed, or did not come in time
    GARBAGE = "garbage"  # no message of a handshake
    VERSION = "version"
    KEY = "key"  # the sides have no key in common
    PROOF = "proof"  # a MAC is wrong
    SERVER = "server"  # it wants another server: the address was that of a server before
    LATE = "late"
    CROWDED = "crowded"  # too many handshakes are under way
    CLOSED = "closed"  # the other side has hung up


class HandshakeFailed(Exception):
    """The other side is no server of this database, or not the one that is wanted."""

    def __init__(self, why: LinkRefusal) -> None:
        super().__init__(WORDS[why])
        self.why = why


WORDS: Final[Mapping[LinkRefusal, str]] = {
    LinkRefusal.TLS: "no TLS handshake of a server came in time",
    LinkRefusal.GARBAGE: "what came is no handshake of a server",
    LinkRefusal.VERSION: "the other server speaks another version of the handshake",
    LinkRefusal.KEY: "the other server has none of our keys: give all servers the same seed-keys.toml",
    LinkRefusal.PROOF: "the proof is wrong: the keys differ, or a third party is in between",
    LinkRefusal.SERVER: "another server is at this address now",
    LinkRefusal.LATE: "no handshake came in time",
    LinkRefusal.CROWDED: "too many handshakes are under way",
    LinkRefusal.CLOSED: "the other side has hung up in the handshake",
}


class _LinkMessage(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    pass


class LinkChallenge(_LinkMessage):
    """The first message, of the side that was connected to."""

    version: int
    nonce: bytes
    key_ids: list[str]


class LinkProof(_LinkMessage):
    """The answer: the connector shows that it has the key."""

    key_id: str
    nonce: bytes
    server_id: int
    wanted_id: int
    mac: bytes


class LinkWelcome(_LinkMessage):
    """The end: the acceptor shows that it has the key, too."""

    mac: bytes


AnyMessage = TypeVar("AnyMessage", bound=_LinkMessage)
_ENCODER: Final = msgspec.msgpack.Encoder()


def link_keys(seed_keys: Mapping[str, bytes]) -> dict[str, bytes]:
    """The keys of links, by the ids of those that they are made from, in the same order."""
    return {key_id: hmac.digest(key, USE, "sha256") for key_id, key in seed_keys.items()}


class Handshake:
    """One side: bytes in, bytes out. Once `is_done`, `server_id` is proved and `rest` is for what comes next."""

    def __init__(self, keys: Mapping[str, bytes], nonce: bytes, certificate: bytes) -> None:
        """`nonce`: fresh random bytes. `certificate`: the digest of the acceptor's; empty: plain TCP."""
        self._keys = keys
        self._nonce = nonce
        self._certificate = certificate
        self._unread = b""
        self.server_id = 0
        self.is_done = False

    @property
    def opening(self) -> bytes:
        """What is sent before anything has come."""
        return b""

    @property
    def rest(self) -> bytes:
        """What has come behind the handshake."""
        return self._unread if self.is_done else b""

    def receive(self, data: bytes) -> bytes:
        """Take what has come; what to send. Raises HandshakeFailed."""
        self._unread += data
        if len(self._unread) < LENGTH_BYTES:
            return b""
        end = LENGTH_BYTES + int.from_bytes(self._unread[:LENGTH_BYTES], "big")
        if end > MESSAGE_BYTES_MAX:
            raise HandshakeFailed(LinkRefusal.GARBAGE)
        if len(self._unread) < end:
            return b""
        body, self._unread = self._unread[LENGTH_BYTES:end], self._unread[end:]
        return self._take(body)

    def _take(self, body: bytes) -> bytes:
        raise NotImplementedError

    def _mac(self, key_id: str, role: str, *about: Any) -> bytes:
        covered = _ENCODER.encode((role, VERSION, *about, self._certificate))
        return hmac.digest(self._keys[key_id], covered, "sha256")


class Acceptor(Handshake):
    """The side that was connected to."""

    def __init__(self, keys: Mapping[str, bytes], nonce: bytes, certificate: bytes, own_id: int) -> None:
        super().__init__(keys, nonce, certificate)
        self._own_id = own_id

    @property
    def opening(self) -> bytes:
        """The challenge."""
        return _framed(LinkChallenge(VERSION, self._nonce, list(self._keys)[-KEYS_MAX:]))

    def _take(self, body: bytes) -> bytes:
        proof = _decoded(body, LinkProof)
        if proof.key_id not in self._keys:
            raise HandshakeFailed(LinkRefusal.KEY)
        about = self._nonce, proof.nonce, proof.server_id, proof.wanted_id
        if not hmac.compare_digest(proof.mac, self._mac(proof.key_id, CONNECTOR, *about)):
            raise HandshakeFailed(LinkRefusal.PROOF)
        if proof.wanted_id != self._own_id:
            raise HandshakeFailed(LinkRefusal.SERVER)
        self.server_id, self.is_done = proof.server_id, True
        return _framed(LinkWelcome(self._mac(proof.key_id, ACCEPTOR, *about)))


class Connector(Handshake):
    """The side that connects, to one server and no other."""

    def __init__(
        self, keys: Mapping[str, bytes], nonce: bytes, certificate: bytes, own_id: int, wanted_id: int
    ) -> None:
        super().__init__(keys, nonce, certificate)
        self._own_id = own_id
        self._wanted_id = wanted_id
        self._expected = b""  # the MAC of the welcome

    def _take(self, body: bytes) -> bytes:
        if self._expected:
            if not hmac.compare_digest(_decoded(body, LinkWelcome).mac, self._expected):
                raise HandshakeFailed(LinkRefusal.PROOF)
            self.server_id, self.is_done = self._wanted_id, True
            return b""
        challenge = _decoded(body, LinkChallenge)
        if challenge.version != VERSION:
            raise HandshakeFailed(LinkRefusal.VERSION)
        common = [key_id for key_id in self._keys if key_id in challenge.key_ids]
        if not common or len(challenge.nonce) != NONCE_BYTES:
            raise HandshakeFailed(LinkRefusal.GARBAGE if common else LinkRefusal.KEY)
        key_id, about = common[-1], (challenge.nonce, self._nonce, self._own_id, self._wanted_id)
        self._expected = self._mac(key_id, ACCEPTOR, *about)
        mac = self._mac(key_id, CONNECTOR, *about)
        return _framed(LinkProof(key_id, self._nonce, self._own_id, self._wanted_id, mac))


def _framed(message: _LinkMessage) -> bytes:
    body = _ENCODER.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def _decoded(body: bytes, kind: type[AnyMessage]) -> AnyMessage:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except UNDECODABLE:
        raise HandshakeFailed(LinkRefusal.GARBAGE) from None
