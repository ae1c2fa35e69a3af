"""What a Redis says of its own settings, and what follows from them for claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

# name of the setting: the value with which no acknowledged claim is lost
NO_EVICTION: Final = {"maxmemory-policy": "noeviction"}
DURABLE: Final = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
PARTLY: Final = {"cluster-require-full-coverage": "no"}  # of the nodes of a cluster
NAMES: Final = (*NO_EVICTION, *DURABLE)
NAMES_IN_CLUSTER: Final = (*NAMES, *PARTLY)
_BECAUSE: Final = {
    "maxmemory-policy": "may evict claims",
    "cluster-require-full-coverage": "stops all nodes with one",
}


class RedisSettings(NamedTuple):
    """The settings of one server that matter, as far as this user may read them."""

    told: Mapping[str, str]  # by name; what is not shown is absent
    is_cluster: bool = False
    place: str = ""  # of a node of a cluster
    tags: tuple[str, ...] = ()  # whose logs the node has, as master or replica; of a single server: none
    lacks_replica: bool = False  # a write needs the confirmation of a replica, and there is none

    @property
    def eviction(self) -> str:
        """What is wrong if every claim is in PostgreSQL as well; empty: nothing."""
        return self._fault_in(NO_EVICTION)

    @property
    def fault(self) -> str:
        """What is wrong if Redis alone holds acknowledged claims, and the repair; empty: nothing."""
        if self.lacks_replica:
            return f"{self._name} has no replica: durability redis needs one for each master that may be replaced"
        return self._fault_in({**NO_EVICTION, **DURABLE})

    @property
    def coverage(self) -> str:
        """What is wrong if the other nodes of a cluster shall go on without one; empty: nothing."""
        return self._fault_in(PARTLY)

    @property
    def not_shown(self) -> str:
        """Which of the settings could not be read; empty: all were."""
        hidden = [name for name in NAMES if name not in self.told]
        told = f"cannot read {', '.join(hidden)} of {self._name}: allow its user +config|get or +info"
        return told if hidden else ""

    @property
    def _name(self) -> str:
        return f"Redis {self.place}".strip()

    def _fault_in(self, right: Mapping[str, str]) -> str:
        wrong = {name: value for name, value in right.items() if self.told.get(name, value) != value}
        if not wrong:
            return ""
        found = ", ".join(f"{name} {self.told[name]} {_BECAUSE.get(name, 'may lose claims')}" for name in wrong)
        repair = "; ".join(f"CONFIG SET {name} {value}" for name, value in wrong.items())
        return f"{self._name} with {found}; set: {repair} (and in its config file)"


def from_info(info: Mapping[str, object]) -> dict[str, str]:
    """The settings that INFO shows. It does not show appendfsync."""
    told = {}
    if "maxmemory_policy" in info:
        told["maxmemory-policy"] = str(info["maxmemory_policy"])
    if "aof_enabled" in info:
        told["appendonly"] = "yes" if info["aof_enabled"] else "no"
    return told
