"""The keys of login tokens: those of the config, else those in DATA/keys.toml, a file made at the first start."""

from __future__ import annotations

import os
import secrets
import tempfile
import tomllib
from collections.abc import Collection
from contextlib import suppress
from itertools import count
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
        except FileNotFoundError:
            raise ConfigError(f"{path} does not exist yet: hongbao serve or hongbao key new makes it") from None
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


def next_id(keys: Collection[str]) -> str:
    """The first of k1, k2, … after all that are used."""
    return next(f"k{number}" for number in count(len(keys) + 1) if f"k{number}" not in keys)


def new_line(key_id: str, keys: Collection[str]) -> str:
    """A new key as a line of TOML. Raises ConfigError if the id is used or is not one."""
    key = secrets.token_hex(KEY_BYTES)
    if not TOKEN_KEYS.holds({key_id: key}):
        raise ConfigError(f"a key id has up to 32 letters, digits, - and _, got {key_id!r}")
    if key_id in keys:
        raise ConfigError(f"there is a key {key_id} already: tokens that it signed would become invalid")
    return f'{key_id} = "{key}"'


def append(data: Path, line: str) -> Path:
    """Append a key to DATA/keys.toml, which is replaced as a whole; its path. Raises ConfigError."""
    path = data / KEYS_FILE
    try:
        os.replace(_draft(path, f"{path.read_text('utf-8').rstrip()}\n{line}\n"), path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return path


def _make_file(path: Path) -> None:
    """Write a first key. The file is complete or absent, and made once even if processes start together."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = _draft(path, f'{HEAD}k1 = "{secrets.token_hex(KEY_BYTES)}"\n')
    with suppress(FileExistsError):
        os.link(draft, path)
    os.unlink(draft)


def _draft(path: Path, text: str) -> str:
    """A file with this text beside the path, on the disk, readable by its owner alone."""
    descriptor, draft = tempfile.mkstemp(prefix=KEYS_FILE, dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return draft
