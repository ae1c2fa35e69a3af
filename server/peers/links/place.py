"""Whether the config tells servers on other machines where this one is, and how they tell each other of pushes."""

from __future__ import annotations

from typing import Final

from server.config import Config, ConfigError
from server.net.addresses import host_and_port

WILDCARDS: Final = frozenset({"0.0.0.0", "::"})


def check_peers(config: Config) -> None:
    """Raise ConfigError if others would not know where to connect to, or pushes have no way."""
    if config.nats.pushes and not config.nats.url:
        raise ConfigError("nats.pushes = true needs nats.url")
    section = config.peers
    if section.listen and not section.advertise and host_and_port(section.listen)[0] in WILDCARDS:
        raise ConfigError(
            f"peers.listen = {section.listen} is every address of this machine: set peers.advertise to the one "
            f"at which other servers reach it"
        )
