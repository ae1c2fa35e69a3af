"""The keys of login tokens: those of the config, else those in DATA/keys.toml, a file made at the first start."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from itertools import count
from pathlib import Path
from typing import Final

from server.config import key_file
from server.config.rules import TOKEN_KEYS
from server.config.values import Config, ConfigError, in_words

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
                key_file.make(path, f'{HEAD}k1 = "{secrets.token_hex(KEY_BYTES)}"\n')
            keys = key_file.read(path, TOKEN_KEYS)
        except FileNotFoundError:
            raise ConfigError(
                f"{path} does not exist: no server has started on {data}, and none would accept another key; "
                f"name the server's folder with --data or its config with --config, or start it: "
                f"hongbao serve --data {data}"
            ) from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {in_words(error)}") from error
    return {key_id: bytes.fromhex(text) for key_id, text in keys.items()}


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
        key_file.replace(path, f"{path.read_text('utf-8').rstrip()}\n{line}\n")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return path
