"""Tokens: how a chat backend vouches for a user, and how the user proves it without showing it.

The backend and the server share a key (named by a key id, so keys can be changed one after the other). A token is
`user.issued.expiry.key-id.mac`, and mac is HMAC-SHA256(key, "user.issued.expiry.key-id"). The client keeps it; at
login it sends the other parts and HMAC-SHA256(mac, nonce), nonce being fresh in every hello. A recorded login is
therefore worthless on another connection.

Tokens of version 1 have no time of issue: `user.expiry.key-id.mac`. A server accepts them until a configured date.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import NamedTuple

from protocol import claims
from protocol.messages import Login
from protocol.messages.base import INT64_MAX, USER_ID_MAX

NONCE_BYTES = 16


class BadToken(ValueError):
    """The text is not a token."""


class Token(NamedTuple):
    """A token taken apart. `mac` is the secret part; `issued_at_s` is 0 in a token of version 1."""

    user_id: int
    expires_at_s: int
    key_id: str
    mac: bytes
    issued_at_s: int = 0

    def __str__(self) -> str:
        return f"{claim_text(self.user_id, self.expires_at_s, self.key_id, self.issued_at_s)}.{self.mac.hex()}"

    def proof(self, nonce: bytes) -> bytes:
        """What a login on the connection with this nonce must show (32 bytes)."""
        return prove(self.mac, nonce)

    def login(self, nonce: bytes, seq: int = 0, features: Sequence[str] = ()) -> Login:
        """The login on the connection with this nonce, of a client that understands these features."""
        proof = self.proof(nonce)
        return Login(seq, self.user_id, self.expires_at_s, self.key_id, proof, list(features), self.issued_at_s)


def claim_text(user_id: int, expires_at_s: int, key_id: str, issued_at_s: int = 0) -> str:
    """The part of a token that its MAC covers."""
    issued = f"{issued_at_s}." if issued_at_s else ""
    return f"{user_id}.{issued}{expires_at_s}.{key_id}"


def mint(user_id: int, expires_at_s: int, key_id: str, key: bytes, issued_at_s: int = 0) -> Token:
    """A token for `user_id`, valid until `expires_at_s`, made at `issued_at_s` (seconds since 1970).

    Without the time of issue it is a token of version 1.
    """
    text = claim_text(user_id, expires_at_s, key_id, issued_at_s)
    return Token(user_id, expires_at_s, key_id, hmac.digest(key, text.encode(), "sha256"), issued_at_s)


def parse(text: str) -> Token:
    """The token that a text is. Raises BadToken; only the server can tell whether it is genuine."""
    try:
        user, *issued, expiry, key_id, mac = text.strip().split(".")
        issued_at_s = 0
        if issued:
            (issue,) = issued
            issued_at_s = claims.number(issue, 1, INT64_MAX)
        user_id, expires_at_s = claims.number(user, 0, USER_ID_MAX), claims.number(expiry, 0, INT64_MAX)
        return Token(user_id, expires_at_s, key_id, claims.mac(mac), issued_at_s)
    except ValueError as error:
        raise BadToken("a token must look like user.issued.expiry.key-id.mac") from error


def prove(mac: bytes, nonce: bytes) -> bytes:
    """The proof that a token's MAC and a connection's nonce make."""
    return hmac.digest(mac, nonce, "sha256")
