"""The config: `values` holds its types, `table` what each key means, `loading` reads it, `text` writes it down."""

from __future__ import annotations

from server.config.loading import Resolved, load, resolve, variable
from server.config.token_keys import load_keys
from server.config.values import SECTIONS, TYPES, Config, ConfigError, OpsSection, flat, structured

__all__ = [
    "SECTIONS",
    "TYPES",
    "Config",
    "ConfigError",
    "OpsSection",
    "Resolved",
    "flat",
    "load",
    "load_keys",
    "resolve",
    "structured",
    "variable",
]
