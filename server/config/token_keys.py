"""The keys of login tokens: those of the config, else those in DATA/keys.toml, a file made at the first start."""

from __future__ import annotations

import os
import secrets
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Final

from server.config.table import TOKEN_KEYS
from server.config.values import Config, ConfigError

KEYS_FILE: Final = "keys.toml"
KEY_BYTES: Final = 32
HEAD: Final = "# All keys verify, the last one signs: to change the key, append one; remove the old one later.\n"


def load_keys(config: Config, data: Path, *, may_make: bool = True) -> dict[str, bytes]:
    """The keys of login tokens by id; the last one signs. Without keys in the config: those in DATA/keys.toml.

    That file is made once, readable by its owner alone, unless `may_make` is false: a server that runs has keys, so
    for it a missing file is an error. Raises ConfigError.
    """
    keys = config.auth.keys
    if not keys:
        path = data / KEYS_FILE
        try:
            if may_make and not path.exists():
                _make_file(path)
            keys = _read_file(path)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from error
    return {key_id: bytes.fromhex(text) for key_id, text in keys.items()}


def _read_file(path: Path) -> dict[str, str]:
    if path.stat().st_mode & 0o077:
        raise ConfigError(
            f"{path}: other users can read it: chmod 600 it, and replace the keys if others have read them"
        )
    kept = tomllib.loads(path.read_text("utf-8"))
    if not kept or not all(isinstance(text, str) for text in kept.values()) or not TOKEN_KEYS.holds(kept):
        raise ConfigError(f"{path} must be {TOKEN_KEYS.must}")
    return kept


def _make_file(path: Path) -> None:
    """Write a first key. The file is complete or absent, and made once even if processes start together."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, draft = tempfile.mkstemp(prefix=KEYS_FILE, dir=path.parent)  # readable by its owner alone
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(HEAD)
        file.write(f'k1 = "{secrets.token_hex(KEY_BYTES)}"\n')
        file.flush()
        os.fsync(descriptor)
    with suppress(FileExistsError):
        os.link(draft, path)
    os.unlink(draft)
