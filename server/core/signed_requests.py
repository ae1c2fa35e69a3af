"""Signed requests and replies: HMAC-SHA256 over all that has an effect. Pure: the time is an argument.

Requests of chat backends to the HTTP API, and calls to a host wallet with their replies, are signed alike.

A nonce is accepted once, which is recorded (server/services/runtime/used_nonces.py), not decided here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

SCHEME: Final = "hongbao-http-1"
REPLY_SCHEME: Final = "hongbao-reply-1"  # of a reply: the nonce and the target are those of its request
WINDOW_S: Final = 300  # how far the timestamp may be from the time of the server
NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
MAC: Final = re.compile(r"[0-9a-f]{64}")
KEY_HEADER: Final = "Hongbao-Key"
TIMESTAMP_HEADER: Final = "Hongbao-Timestamp"
NONCE_HEADER: Final = "Hongbao-Nonce"
SIGNATURE_HEADER: Final = "Hongbao-Signature"
BEARER: Final = "Bearer "
# What each header of a signed request must be.
FORMS: Final = {
    KEY_HEADER: (re.compile(r".+", re.DOTALL), "the id of a key"),
    TIMESTAMP_HEADER: (TIMESTAMP, "seconds since 1970"),
    NONCE_HEADER: (NONCE, "16 to 64 letters, digits, - and _"),
    SIGNATURE_HEADER: (MAC, "64 hex digits, 0 to 9 and a to f"),
}
SHOWN_MAX: Final = 32  # of a wrong header
SIGNED_LINES: Final = (
    f"HMAC-SHA256, with the bytes of the key, not its hex text, of these lines joined by line feeds: {SCHEME}, "
    f"{KEY_HEADER}, {TIMESTAMP_HEADER}, {NONCE_HEADER}, the method, the path with its query as it is sent, "
    "Idempotency-Key (without one an empty line), the hex of the SHA-256 of the body"
)


class Unauthorized(Exception):
    """The request is not shown to be one of the chat backend; the message says why, for its programmer."""


class SignedHeaders(NamedTuple):
    """What the headers of a signed request say."""

    key_id: str
    timestamp_s: int
    nonce: str
    mac: str


class SignedContent(NamedTuple):
    """All of a request that has an effect. `target` is the path with the query, as it was sent."""

    method: str
    target: str
    idempotency_key: str
    body: bytes


def text_to_sign(claim: SignedHeaders, content: SignedContent, scheme: str = SCHEME) -> bytes:
    """The lines that are signed. HTTP allows no line feed in a header or a path."""
    digest = hashlib.sha256(content.body).hexdigest()
    stamp = str(claim.timestamp_s)
    lines = (
        scheme,
        claim.key_id,
        stamp,
        claim.nonce,
        content.method,
        content.target,
        content.idempotency_key,
        digest,
    )
    return "\n".join(lines).encode("utf-8", "surrogateescape")  # of bytes that are not UTF-8


def mac_of(key: bytes, claim: SignedHeaders, content: SignedContent, scheme: str = SCHEME) -> str:
    """The signature of these lines."""
    return hmac.digest(key, text_to_sign(claim, content, scheme), "sha256").hex()


def same(mac: str, other: str) -> bool:
    """Whether two signatures are the same, in a time that tells nothing about them."""
    return hmac.compare_digest(mac, other)


def sign(
    key: bytes, key_id: str, timestamp_s: int, nonce: str, content: SignedContent, scheme: str = SCHEME
) -> dict[str, str]:
    """The headers of a signed request, or with REPLY_SCHEME of a reply."""
    return {
        KEY_HEADER: key_id,
        TIMESTAMP_HEADER: str(timestamp_s),
        NONCE_HEADER: nonce,
        SIGNATURE_HEADER: mac_of(key, SignedHeaders(key_id, timestamp_s, nonce, ""), content, scheme),
    }


class Verifier:
    """Judges requests with the keys of the API: all of them verify."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = keys

    def use(self, keys: Mapping[str, bytes]) -> None:
        """Requests from now on are judged with these keys."""
        self._keys = keys

    def claim(self, headers: Mapping[str, str], now_s: float) -> SignedHeaders:
        """What a request claims, before its body is read: the key is one of ours, the time is right.

        Raises Unauthorized.
        """
        key_id, stamp, nonce, mac = _checked_headers(headers)
        if key_id not in self._keys:
            raise Unauthorized(f"there is no key with the id {key_id[:SHOWN_MAX]!a}")
        if abs(now_s - int(stamp)) > WINDOW_S:
            off = f"more than {WINDOW_S} seconds from the time of the server, {int(now_s)}"
            raise Unauthorized(f"{TIMESTAMP_HEADER} {stamp} is {off}")
        return SignedHeaders(key_id, int(stamp), nonce, mac)

    def verify(self, claim: SignedHeaders, content: SignedContent) -> None:
        """Raise Unauthorized unless the request is signed. Whether its nonce is new is not asked here."""
        key = self._keys.get(claim.key_id, b"")  # removed meanwhile: then nothing fits
        if not key or not same(mac_of(key, claim, content), claim.mac):
            raise Unauthorized(f"the signature does not fit the request and the key; it is {SIGNED_LINES}")

    def verify_bearer(self, authorization: str, *, is_private: bool) -> None:
        """Raise Unauthorized unless this is a key itself, over a connection that is private: TLS or loopback."""
        key_id, _, text = authorization.removeprefix(BEARER).strip().partition(".")
        if not is_private:
            raise Unauthorized(
                "a Bearer key is for TLS or loopback: replace the key, it has been sent in clear text"
            )
        if not text:
            raise Unauthorized("a Bearer key is sent with its id: Authorization: Bearer ID.HEX")
        known = self._keys.get(key_id)
        if known is None or not hmac.compare_digest(known.hex().encode(), text.lower().encode("utf-8", "replace")):
            raise Unauthorized("ID.HEX after Bearer is not one of the keys of the server")


def _checked_headers(headers: Mapping[str, str]) -> list[str]:
    """The four headers of a signature, each in its form. Raises Unauthorized, which names the first wrong one."""
    texts = [headers.get(name, "") for name in FORMS]
    if not any(texts):
        raise Unauthorized(
            f"the request has neither the header Authorization: Bearer ID.HEX nor a signature: {', '.join(FORMS)}"
        )
    for (name, (form, meaning)), text in zip(FORMS.items(), texts, strict=True):
        if not text:
            raise Unauthorized(f"the header {name} is missing: {meaning}")
        if not form.fullmatch(text):
            raise Unauthorized(f"{name} must be {meaning}, got {text[:SHOWN_MAX]!a}")
    return texts
