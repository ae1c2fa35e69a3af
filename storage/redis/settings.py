"""What a Redis says of its own settings, and what follows from them for claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

# name of the setting: the value with which no acknowledged claim is lost
NO_EVICTION: Final = {"maxmemory-policy": "noeviction"}
DURABLE: Final = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
NAMES: Final = (*NO_EVICTION, *DURABLE)
_BECAUSE: Final = {"maxmemory-policy": "may evict claims"}


class RedisSettings(NamedTuple):
    """The settings that matter, as far as this user may read them."""

    told: Mapping[str, str]  # by name; what is not shown is absent
    is_cluster: bool = False

    @property
    def eviction(self) -> str:
        """What is wrong if every claim is in PostgreSQL as well; empty: nothing."""
        return self._fault_in(NO_EVICTION)

    @property
    def fault(self) -> str:
        """What is wrong if Redis alone holds acknowledged claims, and the repair; empty: nothing."""
        return self._fault_in({**NO_EVICTION, **DURABLE})

    @property
    def not_shown(self) -> str:
        """Which of the settings could not be read; empty: all were."""
        hidden = [name for name in NAMES if name not in self.told]
        return f"cannot read {', '.join(hidden)} of Redis: allow its user +config|get or +info" if hidden else ""

    def _fault_in(self, right: Mapping[str, str]) -> str:
        wrong = {name: value for name, value in right.items() if self.told.get(name, value) != value}
        if not wrong:
            return ""
        found = ", ".join(f"{name} {self.told[name]} {_BECAUSE.get(name, 'may lose claims')}" for name in wrong)
        repair = "; ".join(f"CONFIG SET {name} {value}" for name, value in wrong.items())
        return f"Redis with {found}; set: {repair} (and in its config file)"


def from_info(info: Mapping[str, object]) -> dict[str, str]:
    """The settings that INFO shows. It does not show appendfsync."""
    told = {}
    if "maxmemory_policy" in info:
        told["maxmemory-policy"] = str(info["maxmemory_policy"])
    if "aof_enabled" in info:
        told["appendonly"] = "yes" if info["aof_enabled"] else "no"
    return told
