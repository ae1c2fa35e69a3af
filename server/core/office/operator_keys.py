"""Keys of operators, and how long a login with one lasts. Pure: secrets and the time are arguments.

A key is `hbo_NUMBER_SECRET`: the number finds its operator, the secret has 32 random bytes. The session that a
login begins has a secret of its own, which stands in the cookie; the record has its hash alone. Forms carry a proof
that is made from it, which no other site can know.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final, NamedTuple

SECRET_BYTES: Final = 32
SESSION_MS: Final = 8 * 3_600_000  # however often it is used
IDLE_MS: Final = 15 * 60_000  # without a request
SYSTEM_UIDS: Final = 1 << 32  # uids of users of the system are below; those of operators begin here
_KEY: Final = re.compile(r"hbo_([1-9][0-9]{0,17})_([A-Za-z0-9_-]{43})")
_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class OperatorKey(NamedTuple):
    """A key in its two parts. `repr` hides the secret."""

    operator_id: int
    secret: str

    def __str__(self) -> str:
        return f"hbo_{self.operator_id}_{self.secret}"

    def __repr__(self) -> str:
        return f"OperatorKey({self.operator_id})"


def secret_of(random_bytes: bytes) -> str:
    """Random bytes as a secret of a key or of a session."""
    assert len(random_bytes) == SECRET_BYTES
    return urlsafe_b64encode(random_bytes).rstrip(b"=").decode()


def key_in(text: str) -> OperatorKey | None:
    """The key in a text, as a person has pasted it; None: it is not a key."""
    found = _KEY.fullmatch(text.strip())
    return None if found is None else OperatorKey(int(found[1]), found[2])


def session_hash(secret: str) -> bytes | None:
    """What the record knows of a session; None: no session has such a secret."""
    return sha256(secret.encode()).digest() if _SESSION.fullmatch(secret) else None


def form_proof(secret: str) -> str:
    """What each form of a session carries."""
    return hmac.digest(secret.encode(), b"form", "sha256").hex()


def is_proof(secret: str, given: str) -> bool:
    """Whether a form carries the proof of its session."""
    return hmac.compare_digest(form_proof(secret).encode(), given.encode("utf-8", "replace"))


def uid_of(operator_id: int, system_uid: int | None) -> int:
    """The user of the system that an operator is in the books: proposals and breaks name it.

    An operator who is a user of the system has that one's number, so that four eyes are four on the command line
    and in the browser together. Others have a number that no user of the system has.
    """
    return SYSTEM_UIDS + operator_id if system_uid is None else system_uid
