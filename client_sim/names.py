"""Who a name stands for where no chat app gave its users ids: in the commands and the terminal client."""

from __future__ import annotations

import hashlib
import unicodedata

from protocol.messages import USER_ID_MAX

FIRST = 2**40  # derived ids are in [2^40, 2^41): above the ids that people type, below 2^53


def user_id_of(name: str) -> int:
    """The user id that a person means: digits are the id itself, any other name has the same id everywhere.

    That id is 2^40 plus the first 40 bits of the SHA-256 of the name (UTF-8, NFC, no space around it).
    Raises ValueError for an empty name or a number that is no user id.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not name:
        raise ValueError("a name is empty")
    if not (name.isascii() and name.isdigit()):
        return FIRST + int.from_bytes(hashlib.sha256(name.encode()).digest()[:5])
    if len(name) > 16 or not 0 < int(name) <= USER_ID_MAX:
        raise ValueError(f"a user id is in 1…{USER_ID_MAX}")
    return int(name)
