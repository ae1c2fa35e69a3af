"""The services of risk control, as the config asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.services.risk.engine import RiskEngine
from server.services.risk.gate import MoneyGate, OpenGate, RiskGate
from server.services.risk.rule_files import rule_book

if TYPE_CHECKING:
    from server.clock import Clock
    from server.config import Config
    from server.core.limits import Limits
    from server.services.runtime.change_feed import ChangeFeed
    from server.services.runtime.supervised import Loop
    from storage.stores import Stores


class RiskServices:
    """`gate` is what requests ask. `engine` is None in mode off."""

    def __init__(
        self, config: Config, stores: Stores, changes: ChangeFeed, limits: Limits, clock: Clock, smallest: str
    ) -> None:
        """Raises ConfigError (the rules)."""
        self.mode = config.risk.mode
        self.gate: MoneyGate = OpenGate()
        self.held: RiskGate | None = None
        self.engine: RiskEngine | None = None
        self._store = stores.risk
        if self.mode == "off":
            return
        book, pace = rule_book(config.risk.rules), config.risk.interval_s
        self.engine = RiskEngine(stores.risk, book, self.mode, pace, clock.now_ms, clock.elapsed_s)
        if self.mode == "on":
            asked = self.engine.verdicts, self.engine.is_alive, changes, limits, clock.now_ms
            self.gate = self.held = RiskGate(stores.risk, *asked, smallest)

    async def open(self) -> None:
        """The record knows what this server does. Raises StoreUnavailable."""
        await (self._store.stop() if self.engine is None else self.engine.begin())

    def loops(self) -> dict[str, Loop]:
        """The rounds, unless the mode is off, and in mode on the queue of verdicts that are asked for."""
        loops: dict[str, Loop] = {} if self.engine is None else {"risk": self.engine.run}
        return loops if self.held is None else {**loops, "batches_verdicts": self.held.batcher.run}
