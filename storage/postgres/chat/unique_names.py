"""When two names look the same: their unique forms are equal. `users` and `given_names` hold these forms."""

from __future__ import annotations

import re
import unicodedata
from itertools import dropwhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from storage.postgres.database import Connection

# What the module unicodedata does not tell. First the property Default_Ignorable_Code_Point (joiners, selectors of
# variants, fillers; also code points that are reserved for such characters), from
# https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt
_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Signs without a shape that the property leaves out (https://www.unicode.org/charts/): anchors of annotations,
# controls of the layout of hieroglyphs, the filler of the Khitan script.
_SHAPELESS: Final = "\ufff9-\ufffb\U00013430-\U00013440\U00016fe4"
# Signs that are blank, as a space is (the same charts): a braille cell without dots, the place of an object, a note
# without a head, blank hieroglyphs.
_BLANK: Final = "\u2800\ufffc\U0001d159\U00013441\U00013442"
_INVISIBLE_SIGN, _BLANK_SIGN = re.compile(f"[{_IGNORABLE}{_SHAPELESS}]"), re.compile(f"[{_BLANK}]")


def unique_form(name: str) -> str:
    """What two names that look the same have in common. Empty: nothing is visible.

    NFKC and case folding without invisible characters (NFKC_Casefold of Unicode); one space between words; no
    accent without a letter. Invisible characters are removed first: they keep a letter and its accent apart.
    """
    composed = unicodedata.normalize("NFKC", _INVISIBLE_SIGN.sub("", name))
    folded = unicodedata.normalize("NFKC", composed.casefold())
    words = _BLANK_SIGN.sub(" ", folded).split()
    return " ".join(filter(None, ("".join(dropwhile(_is_accent, word)) for word in words)))


def _is_accent(character: str) -> bool:
    """A mark that is drawn over the character before it; without one, over what stands before the name."""
    return unicodedata.category(character) in ("Mn", "Me")


async def reserve_given_names(connection: Connection, timeout_s: float) -> None:
    """A step of migration 0011: names that were not chosen are the chat backend's. No user loses a name by it."""
    rows = await connection.fetch(
        "SELECT user_id, name FROM users WHERE name <> '' AND unique_name IS NULL", timeout=timeout_s
    )
    given = {row["user_id"]: form for row in rows if (form := unique_form(row["name"]))}
    await connection.execute(
        "INSERT INTO given_names (user_id, unique_form) SELECT * FROM unnest($1::bigint[], $2::text[])",
        list(given.keys()),
        list(given.values()),
        timeout=timeout_s,
    )


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
