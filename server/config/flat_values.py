"""The values of the config as a flat mapping, by "section.key"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from server.config.values import Config

SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {one.name: one.type for one in msgspec.structs.fields(Config)}
TYPES: Final[dict[str, Any]] = {
    f"{section}.{field.name}": field.type
    for section, struct in SECTIONS.items()
    for field in msgspec.structs.fields(struct)
}


def flat(config: Config) -> dict[str, Any]:
    """The values by "section.key", in the order of the sections."""
    return {
        dotted: getattr(getattr(config, section), key) for dotted in TYPES for section, key in [dotted.split(".")]
    }


def structured(values: Mapping[str, Any]) -> Config:
    """The inverse of `flat`."""
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for dotted, value in values.items():
        section, _, key = dotted.partition(".")
        sections[section][key] = value
    return msgspec.convert(sections, Config)
