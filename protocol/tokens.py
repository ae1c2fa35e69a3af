"""Tokens: how a chat backend vouches for a user, and how the user proves it without showing it.

The backend and the server share a key (named by a key id, so keys can be changed one after the other). A token is
`user.expiry.key-id.mac` with mac = HMAC-SHA256(key, "user.expiry.key-id"). The client keeps the mac to itself; at
login it sends the first three parts and HMAC-SHA256(mac, nonce), nonce being fresh in every hello. A recorded
login is therefore worthless on another connection.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import NamedTuple

from protocol.messages import Login

NONCE_BYTES = 16


class BadToken(ValueError):
    """The text is not a token."""


class Token(NamedTuple):
    """A token taken apart. `mac` is the secret part."""

    user_id: int
    expires_at_s: int
    key_id: str
    mac: bytes

    def __str__(self) -> str:
        return f"{claim_text(self.user_id, self.expires_at_s, self.key_id)}.{self.mac.hex()}"

    def proof(self, nonce: bytes) -> bytes:
        """What a login on the connection with this nonce must show (32 bytes)."""
        return prove(self.mac, nonce)

    def login(self, nonce: bytes, seq: int = 0, features: Sequence[str] = ()) -> Login:
        """The login on the connection with this nonce, of a client that understands these features."""
        return Login(seq, self.user_id, self.expires_at_s, self.key_id, self.proof(nonce), list(features))


def claim_text(user_id: int, expires_at_s: int, key_id: str) -> str:
    """The part of a token that its MAC covers."""
    return f"{user_id}.{expires_at_s}.{key_id}"


def mint(user_id: int, expires_at_s: int, key_id: str, key: bytes) -> Token:
    """A token for `user_id`, good until `expires_at_s` (seconds since 1970)."""
    text = claim_text(user_id, expires_at_s, key_id)
    return Token(user_id, expires_at_s, key_id, hmac.digest(key, text.encode(), "sha256"))


def parse(text: str) -> Token:
    """The token that a text says. Raises BadToken; whether it is genuine only the server can tell."""
    try:
        user_id, expires_at_s, key_id, mac = text.strip().split(".")
        return Token(int(user_id), int(expires_at_s), key_id, bytes.fromhex(mac))
    except ValueError as error:
        raise BadToken("a token reads user.expiry.key-id.mac") from error


def prove(mac: bytes, nonce: bytes) -> bytes:
    """The proof that a token's MAC and a connection's nonce make."""
    return hmac.digest(mac, nonce, "sha256")
