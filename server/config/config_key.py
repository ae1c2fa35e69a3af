"""One key of the config: its meaning, the rule for its value, the effect of a reload, what of it may be shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from server.config.rules import Rule

HUP: Final = "HUP"
FOR_CONNECTIONS: Final = "HUP, new connections"


class ConfigKey(NamedTuple):
    """One row of KEYS (see table)."""

    meaning: str  # with its unit; the comment in the default config
    rule: Rule
    reload: str = ""  # what a reload does with a new value; empty: nothing, the key needs a restart
    mask: Callable[[Any], Any] | None = None  # for a secret: returns the part that may be shown

    @property
    def comment(self) -> str:
        """The meaning and the effect of a reload, as one line."""
        return f"{self.meaning} [{self.reload}]" if self.reload else self.meaning
