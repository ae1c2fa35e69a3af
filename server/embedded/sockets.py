"""The Unix sockets of the embedded stores, in a private folder with a short path."""

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

SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path of Linux without its final zero

NOT_FROM_ENVIRONMENT: Final = {
    "sslmode": "disable",
    "sslnegotiation": "postgres",
    "target_session_attrs": "any",
    "gsslib": "gssapi",
}


def make_sockets(data: Path, user: SystemUser | None) -> Path:
    """Make a private folder for the sockets: in the data folder, or linked from it if its path is too long."""
    remove_sockets(data)
    sockets = data / "sockets"
    if _fits(sockets):
        private_folder(sockets, user)
        return sockets
    elsewhere = Path(tempfile.mkdtemp(prefix="hongbao-")).resolve()
    sockets.symlink_to(elsewhere)
    hand_over(elsewhere, user)
    let_pass(elsewhere, user)
    if not _fits(elsewhere):
        raise EmbeddedError(f"the paths of sockets in {data} and {elsewhere.parent} are too long; set TMPDIR")
    return elsewhere


def remove_sockets(data: Path) -> None:
    """Remove the sockets and their folder, linked or not."""
    sockets = data / "sockets"
    if not sockets.is_symlink():
        shutil.rmtree(sockets, ignore_errors=True)
        return
    if trusted(sockets.resolve(), data):
        shutil.rmtree(sockets.resolve())
    sockets.unlink()


def trusted(sockets: Path, data: Path) -> bool:
    """True for a folder of the user of the stores alone: in /tmp another user may have made one of that name."""
    try:
        info, owner = sockets.lstat(), (data / VALKEY.name).stat().st_uid
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == owner and not info.st_mode & 0o077


def _fits(sockets: Path) -> bool:
    """True if sockets can be in this folder. PostgreSQL takes a comma for a separator of folders."""
    longest = max((os.fsencode(sockets / name) for name in (POSTGRES_SOCKET, VALKEY_SOCKET)), key=len)
    return len(longest) <= SOCKET_PATH_BYTES_MAX and b"," not in longest


def addresses(sockets: Path) -> tuple[str, str]:
    """The DSN of PostgreSQL and the URL of Valkey.

    What a DSN leaves out would come from the environment (PGSSLMODE and the like), which is for other servers.
    """
    where = quote(str(sockets))
    fixed = "&".join(f"{name}={value}" for name, value in NOT_FROM_ENVIRONMENT.items())
    dsn = f"postgresql://postgres@/{DATABASE}?host={where}&port={POSTGRES_PORT}&{fixed}&passfile={where}/none"
    return dsn, f"unix://{where}/{VALKEY_SOCKET}"
