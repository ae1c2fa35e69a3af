"""Reload on SIGHUP: all is read again; what may change at run time is taken over, the rest is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from server import logs
from server.config import Config, ConfigError, flat, structured
from server.config.table import KEYS, TLS_FILES
from server.credentials import Credentials

if TYPE_CHECKING:
    from server.core.risk.rules import RuleBook

LOG = structlog.get_logger()


class Reading(NamedTuple):
    """What a server reads at its start and at every reload. `rules`: of risk control; None: its mode is off."""

    config: Config
    credentials: Credentials
    rules: RuleBook | None = None


class Outcome(NamedTuple):
    """The result of a reload, as keys of the config."""

    changed: list[str]
    needs_restart: list[str]  # changed in the sources, but not in the server
    fault: str = ""  # why nothing was changed; empty: no error


def is_reloaded(key: str) -> bool:
    """A running process takes over a new value of this key."""
    return bool(KEYS[key].reload)


class Reload:
    """Reads config, keys and certificates again. Two reloads never overlap: it does not await."""

    def __init__(self, read: Callable[[], Reading], now: Reading) -> None:
        """`now` is what the server was made with; `read` raises ConfigError or OSError."""
        self._read = read
        self._now = now

    @property
    def now(self) -> Reading:
        """The reading in force."""
        return self._now

    def __call__(
        self, apply: Callable[[Reading], None], may_change: Callable[[str], bool] = is_reloaded
    ) -> Outcome:
        """Hand the new reading to `apply`; after a fault in what was read everything stays as it is.

        `may_change`: the keys that can be taken over now.
        """
        try:
            asked = self._read()
        except (ConfigError, OSError) as error:
            LOG.error("config_reload_failed", why=str(error))
            return Outcome([], [], str(error))
        self._now, outcome = merge(self._now, asked, may_change)
        apply(self._now)
        logs.configure(self._now.config.log.level, self._now.config.log.format)
        tell = LOG.warning if outcome.needs_restart else LOG.info
        tell("config_reloaded", changed=outcome.changed, needs_restart=outcome.needs_restart)
        return outcome


def merge(now: Reading, asked: Reading, may_change: Callable[[str], bool] = is_reloaded) -> tuple[Reading, Outcome]:
    """The reading in force after a reload: the one asked for, except the keys that need a restart."""
    before, after = _comparable(now), _comparable(asked)
    differ = [key for key in KEYS if before[key] != after[key]]
    tls_switched = (now.credentials.tls is None) != (asked.credentials.tls is None)
    stay = [key for key in differ if not may_change(key) or (tls_switched and key in TLS_FILES)]
    old = flat(now.config)
    config = structured(flat(asked.config) | {key: old[key] for key in stay})
    credentials = asked.credentials
    if tls_switched:
        credentials = credentials._replace(tls=now.credentials.tls, tls_digests=now.credentials.tls_digests)
    return Reading(config, credentials, asked.rules), Outcome([key for key in differ if key not in stay], stay)


def _comparable(reading: Reading) -> dict[str, Any]:
    """The values to compare: those of the config, for files their content, for keys also their order."""
    keys, seed_keys, _, tls_digests, api_keys = reading.credentials
    listed: dict[str, Any] = {
        "auth.keys": list(keys.items()),
        "seeds.key_file": list(seed_keys.items()),
        "http_api.keys": list(api_keys.items()),
    }
    if reading.rules is not None:
        listed["risk.rules"] = [reading.rules.version]
    return flat(reading.config) | listed | tls_digests
