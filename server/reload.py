"""HUP: everything is read again; what may change while the server runs is taken over, the rest is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import structlog

from server import logs
from server.config import Config, ConfigError, flat, structured
from server.config.table import KEYS, TLS_FILES
from server.credentials import Credentials

LOG = structlog.get_logger()


class Reading(NamedTuple):
    """All that a server reads when it starts, and reads again."""

    config: Config
    credentials: Credentials


class Outcome(NamedTuple):
    """What a reload did, by the keys of the config."""

    changed: list[str]
    needs_restart: list[str]  # said otherwise than it is, and left as it is
    fault: str = ""  # if there is one, nothing was changed


class Reload:
    """Reads config, keys and certificates again. Two reloads never overlap: it does not await."""

    def __init__(self, read: Callable[[], Reading], now: Reading) -> None:
        """`now` is what the server was made with; `read` raises ConfigError or OSError."""
        self._read = read
        self._now = now

    def __call__(self, apply: Callable[[Reading], None]) -> Outcome:
        """Hand the new reading to `apply`; after a fault in what was read everything stays as it is."""
        try:
            asked = self._read()
        except (ConfigError, OSError) as error:
            LOG.error("config_kept", why=str(error))
            return Outcome([], [], str(error))
        self._now, outcome = merge(self._now, asked)
        apply(self._now)
        logs.configure(self._now.config.log.level, self._now.config.log.format)
        tell = LOG.warning if outcome.needs_restart else LOG.info
        tell("config_reloaded", changed=outcome.changed, needs_restart=outcome.needs_restart)
        return outcome


def merge(now: Reading, asked: Reading) -> tuple[Reading, Outcome]:
    """What is in force from now on: what is asked for, except where that needs a restart."""
    before, after = _facts(now), _facts(asked)
    differ = [key for key in KEYS if before[key] != after[key]]
    tls_switched = (now.credentials.tls is None) != (asked.credentials.tls is None)
    stay = [key for key in differ if not KEYS[key].reload or (tls_switched and key in TLS_FILES)]
    old = flat(now.config)
    config = structured(flat(asked.config) | {key: old[key] for key in stay})
    credentials = asked.credentials
    if tls_switched:
        credentials = credentials._replace(tls=now.credentials.tls, tls_digests=now.credentials.tls_digests)
    return Reading(config, credentials), Outcome([key for key in differ if key not in stay], stay)


def _facts(reading: Reading) -> dict[str, Any]:
    """What is compared: the values of the config, and of those that lead to a file what it holds."""
    keys, _, tls_digests = reading.credentials
    return flat(reading.config) | {"auth.keys": list(keys.items())} | tls_digests
