"""User ids from names, for commands and the terminal client: there is no chat app that gives ids."""

from __future__ import annotations

import hashlib
import unicodedata

from protocol.messages import USER_ID_MAX

FIRST_DERIVED_ID = 2**40  # derived ids are in [2^40, 2^41): above the ids that people type, below 2^53


def user_id_of(name: str) -> int:
    """The user id that a name stands for. Digits are the id itself; any other name has the same id everywhere.

    That id is 2^40 plus the first 40 bits of the SHA-256 of the name (UTF-8, NFC, without spaces around it).
    Raises ValueError for an empty name and for a number that is not a user id.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not name:
        raise ValueError("the name is empty")
    if not (name.isascii() and name.isdigit()):
        return FIRST_DERIVED_ID + int.from_bytes(hashlib.sha256(name.encode()).digest()[:5])
    if len(name) > 16 or not 0 < int(name) <= USER_ID_MAX:
        raise ValueError(f"a user id is in 1…{USER_ID_MAX}")
    return int(name)
