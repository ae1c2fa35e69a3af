"""Which servers live and have no link to this one: operators see which machines do not reach each other."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

from server.peers.links.address import LinkAddress

MISSING_S: Final = 5.0  # a server that has just started connects within a second or two
NOT_TRIED: Final = "no connection of it came"
NOWHERE: Final = "an address that it does not tell"


class MissingLinks:
    """Since when each is missing, and why."""

    def __init__(self) -> None:
        self._since_s: dict[int, float] = {}
        self._places: dict[int, LinkAddress | None] = {}
        self._whys: dict[int, str] = {}

    def know(self, living: Mapping[int, LinkAddress | None], linked: Container[int], now_s: float) -> None:
        """These servers live, some at an address that they tell; `linked` are those with a link."""
        without = {server_id: place for server_id, place in living.items() if server_id not in linked}
        self._since_s = {one: self._since_s.get(one, now_s) for one in without}
        self._whys = {one: why for one, why in self._whys.items() if one in without}
        self._places = without

    def failed(self, server_id: int, why: str) -> None:
        """An attempt to connect to it has failed."""
        self._whys[server_id] = why

    def shown(self, now_s: float) -> dict[str, str]:
        """The servers that have been missing for a while: where they are, and why, in words."""
        return {
            f"{server_id:x}": f"{self._places[server_id] or NOWHERE}: {self._whys.get(server_id, NOT_TRIED)}"
            for server_id, since_s in self._since_s.items()
            if now_s - since_s > MISSING_S
        }
