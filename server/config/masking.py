"""Values of the config as they may be shown: without passwords and keys."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote


def hide_password(address: str) -> str:
    """A URL without its password: the one before the host, or a parameter, however its name is escaped."""
    without = re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:***@", address)
    return re.sub(r"([?&])([^=&]*)=[^&]*", _without_password, without)


def _without_password(parameter: re.Match[str]) -> str:
    mark, name = parameter.groups()
    return f"{mark}{name}=***" if unquote(name).lower().endswith("password") else parameter[0]


def hide_passwords(addresses: Iterable[str]) -> tuple[str, ...]:
    """URLs without their passwords."""
    return tuple(hide_password(one) for one in addresses)


def hide_keys(keys: dict[str, str]) -> dict[str, str]:
    """The ids of the keys without the keys."""
    return dict.fromkeys(keys, "***")
