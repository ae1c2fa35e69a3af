"""The keys that seal the secrets of seeds: in a file of their own, made at the first start."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Final

from server.config import key_file
from server.config.rules import SEED_KEYS
from server.config.values import Config, ConfigError, in_words

SEED_KEYS_FILE: Final = "seed-keys.toml"
KEY_BYTES: Final = 32
HEAD: Final = (
    "# All keys unseal, the last one seals. Keep a copy of this file, apart from the backups of the database.\n"
)


def seed_key_path(config: Config, data: Path) -> Path:
    """Where the keys are."""
    return Path(config.seeds.key_file) if config.seeds.key_file else data / SEED_KEYS_FILE


def load_seed_keys(config: Config, data: Path, *, may_make: bool = True) -> dict[str, bytes]:
    """The keys by id; the last one seals. The file is made once, unless `may_make` is false. Raises ConfigError."""
    path = seed_key_path(config, data)
    try:
        if may_make and not path.exists():
            key_file.make(path, HEAD + _new_line())
        kept = key_file.read(path, SEED_KEYS)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {in_words(error)}") from error
    return {key_id: bytes.fromhex(text) for key_id, text in kept.items()}


def found_seed_keys(config: Config, data: Path) -> dict[str, bytes]:
    """The same for a command that only reads: none without a file. Raises ConfigError."""
    return load_seed_keys(config, data, may_make=False) if seed_key_path(config, data).exists() else {}


def append_seed_key(config: Config, data: Path) -> str:
    """Append a new key, which seals from the next reload on; its id. Raises ConfigError."""
    path = seed_key_path(config, data)
    line = _new_line()
    try:
        key_file.replace(path, f"{path.read_text('utf-8').rstrip()}\n{line}")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return line.partition(" ")[0]


def _new_line() -> str:
    """A key as a line of TOML. Its id follows from it, so that two files never give one id to two keys."""
    key = secrets.token_bytes(KEY_BYTES)
    return f's{hashlib.sha256(key).hexdigest()[:8]} = "{key.hex()}"\n'
