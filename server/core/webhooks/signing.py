"""Signatures and secrets of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 of id, time and body."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32  # of a secret that is made here
SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64


class BadSecret(ValueError):
    """A text is not a secret. The message does not repeat it."""


def secret_of(text: str) -> bytes:
    """The key that a text such as `whsec_…` holds. Raises BadSecret."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX).encode(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise BadSecret(f"a secret is {PREFIX} and {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes in base64")
    return key


def text_of(key: bytes) -> str:
    """The secret as a text."""
    return PREFIX + base64.b64encode(key).decode()


def headers(keys: Sequence[bytes], webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a delivery, with a signature of each key: a receiver needs to know one of them."""
    signed = b".".join((webhook_id.encode(), str(timestamp_s).encode(), body))
    signatures = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
