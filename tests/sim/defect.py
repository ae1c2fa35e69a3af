"""What a deliberate defect is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storage.postgres.money.wallets import MadeTransfer

if TYPE_CHECKING:
    from tests.sim.world import World


class Defect:
    """No defect; each subclass breaks one thing."""

    def break_stores(self, world: World) -> None:
        """Called when the stores have just been made."""

    def break_server(self, server: Any) -> None:
        """Called when a server has just been assembled."""


def forget_transactions(tables: Any) -> None:
    """A transfer is known by its time alone, which two transactions may have in common."""

    def is_made(made: MadeTransfer) -> bool:
        return made[:4] in tables.transfers and tables.transfers[made[:4]].at_ms == made.at_ms

    tables.is_made = is_made
