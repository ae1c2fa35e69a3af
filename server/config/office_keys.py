"""The keys of the config for the back office."""

from __future__ import annotations

from typing import Final

from server.config.config_key import ConfigKey
from server.config.rules import ADDRESS, BOOLEAN, matching

OFFICE_KEYS: Final = {
    "office.enabled": ConfigKey("the back office for people, in a browser (docs/back-office.md)", BOOLEAN),
    "office.listen": ConfigKey(
        "its own address; without TLS an address of this machine only",
        matching(ADDRESS, 'an address such as "127.0.0.1:7794"'),
    ),
    "office.behind_proxy": ConfigKey(
        "a proxy ends TLS before the back office, which then speaks plain HTTP on any address", BOOLEAN
    ),
}
