"""The config: `values` holds its types, `table` what each key means, `loading` reads it, `text` writes it down."""

from __future__ import annotations

from server.config.api_keys import API_KEYS_FILE, append_api_key, load_api_keys
from server.config.flat_values import SECTIONS, TYPES, flat, structured
from server.config.loading import Resolved, load, resolve, variable
from server.config.seed_keys import append_seed_key, found_seed_keys, load_seed_keys, seed_key_path
from server.config.token_keys import KEYS_FILE, load_keys
from server.config.values import (
    BankSection,
    Config,
    ConfigError,
    HostWalletSection,
    NatsSection,
    OpsSection,
    PeersSection,
    WebsocketSection,
    WrongOption,
)

__all__ = [
    "API_KEYS_FILE",
    "KEYS_FILE",
    "SECTIONS",
    "TYPES",
    "BankSection",
    "Config",
    "ConfigError",
    "HostWalletSection",
    "NatsSection",
    "OpsSection",
    "PeersSection",
    "Resolved",
    "WebsocketSection",
    "WrongOption",
    "append_api_key",
    "append_seed_key",
    "flat",
    "found_seed_keys",
    "load",
    "load_api_keys",
    "load_keys",
    "load_seed_keys",
    "resolve",
    "seed_key_path",
    "structured",
    "variable",
]
