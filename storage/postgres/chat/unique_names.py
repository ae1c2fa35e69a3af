"""When two names look the same: their unique forms are equal. The unique index of `users` holds these forms."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from storage.postgres.database import Connection

# Characters that are not drawn by themselves (Default_Ignorable_Code_Point of Unicode): joiners, variant selectors.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def unique_form(name: str) -> str:
    """NFKC and case folding, without invisible characters, one space between words. Empty: nothing is visible."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(_INVISIBLE.sub("", folded).split())


async def give_unique_names(connection: Connection, timeout_s: float) -> None:
    """A step of migration 0007: of the users whose names look the same, the one with the lowest id keeps it alone.

    The others are called as before until they choose a name. In Python, because a database folds case in the way
    of its locale.
    """
    rows = await connection.fetch(
        "SELECT user_id, name FROM users WHERE name <> '' ORDER BY user_id DESC", timeout=timeout_s
    )
    first = {form: row["user_id"] for row in rows if (form := unique_form(row["name"]))}
    await connection.execute(
        "UPDATE users u SET unique_name = a.unique_name FROM unnest($1::text[], $2::bigint[]) "
        "AS a (unique_name, user_id) WHERE u.user_id = a.user_id",
        list(first.keys()),
        list(first.values()),
        timeout=timeout_s,
    )
