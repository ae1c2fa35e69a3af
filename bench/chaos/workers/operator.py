"""The operator of a server with workers: looks at it now and then, and restarts workers that were given up.

A worker that ends five times in a row, each time within 30 s of its start, is given up until a restart. Under a
nemesis that happens, and is right: kill -9 looks like a worker that cannot run.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from server.instance import NoAnswer, running
from server.ops.socket.status_socket import ask

LOOK_S: Final = 1.0
GIVEN_UP: Final = "given up"


class ChaosOperator:
    """Looks after the server of one run. `states`: of its workers, when it last answered; empty: it did not."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.states: list[str] = []
        self.restarts = 0

    async def run(self) -> None:
        """Look until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.states = [str(row["state"]) for row in (await self._ask("status")).get("workers", ())]
            if GIVEN_UP in self.states and "error" not in await self._ask("restart"):
                self.restarts += 1

    def words(self) -> str:
        """How many workers serve, for the line of progress."""
        return f"{self.states.count('serving')} of {len(self.states)} workers" if self.states else "no answer"

    async def _ask(self, command: str) -> dict[str, Any]:
        """The answer of the server; empty while there is none."""
        try:
            found = running(self._data)
            return {} if found is None else await ask(found.status, command)
        except (NoAnswer, OSError, TimeoutError, json.JSONDecodeError):
            return {}
