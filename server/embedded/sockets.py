"""Where the embedded stores listen: Unix sockets in a private folder, whose path has to be short."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import quote

from server.embedded.run import EmbeddedError, SystemUser, hand_over, let_pass, private_folder
from server.embedded.stores import DATABASE, POSTGRES_PORT, POSTGRES_SOCKET, VALKEY, VALKEY_SOCKET

SOCKET_PATH_BYTES_MAX: Final = 107  # Linux' sun_path without the closing zero


def make_sockets(data: Path, who: SystemUser | None) -> Path:
    """A private folder for the sockets: in the data folder, or linked from it if that makes too long a path."""
    remove_sockets(data)
    sockets = data / "sockets"
    if _fits(sockets):
        private_folder(sockets, who)
        return sockets
    elsewhere = Path(tempfile.mkdtemp(prefix="hongbao-")).resolve()
    sockets.symlink_to(elsewhere)
    hand_over(elsewhere, who)
    let_pass(elsewhere, who)
    if not _fits(elsewhere):
        raise EmbeddedError(f"no room for a socket's path in {data} nor {elsewhere.parent}; set TMPDIR")
    return elsewhere


def remove_sockets(data: Path) -> None:
    """Remove the sockets and their folder, wherever it is."""
    sockets = data / "sockets"
    if not sockets.is_symlink():
        shutil.rmtree(sockets, ignore_errors=True)
        return
    if trusted(sockets.resolve(), data):
        shutil.rmtree(sockets.resolve())
    sockets.unlink()


def trusted(sockets: Path, data: Path) -> bool:
    """Is it a folder of the stores' user alone? In a place open to all, a stranger may have taken the name."""
    try:
        info, owner = sockets.lstat(), (data / VALKEY.name).stat().st_uid
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == owner and not info.st_mode & 0o077


def _fits(sockets: Path) -> bool:
    """Can sockets live here? A comma separates folders in PostgreSQL's settings and in its addresses."""
    longest = max((os.fsencode(sockets / name) for name in (POSTGRES_SOCKET, VALKEY_SOCKET)), key=len)
    return len(longest) <= SOCKET_PATH_BYTES_MAX and b"," not in longest


def addresses(sockets: Path) -> tuple[str, str]:
    """The DSN of PostgreSQL and the URL of Valkey."""
    where = quote(str(sockets))
    return f"postgresql://postgres@/{DATABASE}?host={where}&port={POSTGRES_PORT}", f"unix://{where}/{VALKEY_SOCKET}"
