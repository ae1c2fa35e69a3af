"""What a server tells when it serves: one line on the standard output, and the file of keys that it has made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import structlog

from server.operating_system.standard_streams import tell

LOG = structlog.get_logger()


def tell_start(url: str, facts: Iterable[str]) -> None:
    """The one line that a start prints. Empty facts are left out."""
    if why := tell(f"hongbao serves {url}  ({', '.join(filter(None, facts))}; Ctrl-C stops it)"):
        LOG.warning("standard_output_failed", why=why)


def tell_made(made: Path | None) -> None:
    """The file of seed keys, if this start has made it."""
    if made is not None:
        LOG.info("seed_key_made", path=str(made), advice="keep a copy, apart from the dumps of the database")
