"""Numbered migrations, applied in order under a lock; a file that changed after it was applied is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import StoreRefused

if TYPE_CHECKING:
    from storage.postgres.database import Database

FOLDER = Path(__file__).with_name("migrations")
_LOCK = 0x686F6E67  # "hong": any number that nobody else locks in this database

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


async def migrate(database: Database) -> list[str]:
    """Bring the database up to date; the names of what was applied. Raises StoreRefused on a gap or a change."""
    files = sorted(FOLDER.glob("[0-9]*.sql"))
    applied_now: list[str] = []
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(_TABLE)
        known = {row["number"]: row["checksum"] for row in await connection.fetch("SELECT * FROM migrations")}
        _check(known, files)
        for file in files[len(known) :]:
            text = file.read_text(encoding="utf-8")
            await connection.execute(text)
            await connection.execute(
                "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)",
                _number(file),
                file.stem,
                _checksum(text),
            )
            applied_now.append(file.stem)
    return applied_now


def _number(file: Path) -> int:
    return int(file.stem.split("_")[0])


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check(known: dict[int, str], files: list[Path]) -> None:
    numbers = [_number(file) for file in files]
    if numbers != list(range(1, len(files) + 1)):
        raise StoreRefused(f"migrations must be numbered without a gap, found {numbers}")
    if len(known) > len(files):
        raise StoreRefused("the database was made by a newer version of this server")
    for number, file in zip(range(1, len(known) + 1), files, strict=False):
        if known.get(number) != _checksum(file.read_text(encoding="utf-8")):
            raise StoreRefused(f"migration {file.stem} differs from the one that was applied")
