"""Endpoints that are subjects of NATS: `nats:orders.hongbao` gets `orders.hongbao.packet.sent`, and so on."""

from __future__ import annotations

import re
from typing import Final

SCHEME: Final = "nats:"
SUBJECT_BYTES_MAX: Final = 128
SUBJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


def is_nats(url: str) -> bool:
    """The URL of an endpoint names a subject of NATS."""
    return url.startswith(SCHEME)


def base_of(url: str) -> str:
    """The words that the subjects of an endpoint begin with."""
    return url.removeprefix(SCHEME)


def why_not_subject(url: str, *, has_nats: bool) -> str:
    """Why a URL names no subject that events may go to; empty: it does."""
    if not has_nats:
        return "there is no [nats] url in the config, so no endpoint begins with nats:"
    if len(base_of(url)) > SUBJECT_BYTES_MAX or not SUBJECT.fullmatch(base_of(url)):
        return f"a subject of NATS is up to {SUBJECT_BYTES_MAX} letters, digits, - and _ in words with dots between"
    return ""
