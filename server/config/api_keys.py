"""The keys of the HTTP API: those of the config, else those in DATA/http-keys.toml, which `hongbao key` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from server.config import key_file
from server.config.rules import TOKEN_KEYS
from server.config.token_keys import new_line
from server.config.values import Config, ConfigError, in_words

API_KEYS_FILE: Final = "http-keys.toml"
HEAD: Final = (
    "# All keys are accepted. To change a key: append one, give it to the chat backend, remove the old one.\n"
)


def load_api_keys(config: Config, data: Path, *, may_make: bool = False) -> dict[str, bytes]:
    """The keys by id; none if no key was made, and then the API is off. Raises ConfigError.

    `may_make`: a first key is made if there is none and the API has an address.
    """
    keys, path = config.http_api.keys, data / API_KEYS_FILE
    if not keys:
        try:
            if may_make and config.http_api.address and not path.exists():
                key_file.make(path, f"{HEAD}{new_line('k1', ())}\n")
            keys = key_file.read(path, TOKEN_KEYS) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {in_words(error)}") from error
    return {key_id: bytes.fromhex(text) for key_id, text in keys.items()}


def append_api_key(data: Path, line: str) -> Path:
    """Append a key to DATA/http-keys.toml, which is made or replaced as a whole; its path. Raises ConfigError."""
    path = data / API_KEYS_FILE
    try:
        before = path.read_text("utf-8").rstrip() + "\n" if path.exists() else HEAD
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key_file.replace(path, f"{before}{line}\n")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return path
