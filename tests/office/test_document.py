"""docs/back-office.md agrees with the code: the table of doors, the keys of the config, limits."""

from __future__ import annotations

from pathlib import Path

from server.core.office.login_limits import TRIES, TRY_AGAIN_S
from server.core.office.operator_keys import IDLE_MS, SESSION_MS
from server.core.office.roles import DOORS, Door, OfficeRole, may
from storage.postgres.office.finding import POSTS_WITHIN

DOCUMENT = Path(__file__).parents[2] / "docs" / "back-office.md"


def row(door: Door) -> str:
    """The row of a door in the document."""
    one = DOORS[door]
    passes = " | ".join("yes" if may(role, door) else "" for role in OfficeRole)
    logged = (
        "change"
        if one.is_change
        else "look"
        if one.is_personal
        else "yes"
        if door in (Door.LOG_IN, Door.LOG_OUT)
        else ""
    )
    return f"| `{door}` | {one.about} | {passes} | {logged} |"


def test_document_has_the_table_of_doors() -> None:
    text = DOCUMENT.read_text("utf-8")
    shown = [line for line in text.splitlines() if line.startswith("| `") and line.count("|") == 8]
    expected = [row(door) for door in Door if not DOORS[door].on_command_line]
    assert shown == expected


def test_document_names_the_limits() -> None:
    text = " ".join(DOCUMENT.read_text("utf-8").split())
    assert (IDLE_MS, SESSION_MS) == (15 * 60_000, 8 * 3_600_000)
    assert "15 minutes after its last request and 8 hours after the login" in text
    assert (TRIES, TRY_AGAIN_S) == (10, 6.0)
    assert "ten tries, and one more every six seconds" in text
    assert f"newest {POSTS_WITHIN:,} of a chat" in text
