"""The services of risk control, as the config asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.services.risk.engine import RiskEngine
from server.services.risk.gate import MoneyGate, OpenGate, RiskGate
from server.services.risk.retention import RiskRetention
from server.services.risk.rule_files import rules_of
from server.services.risk.sightings import SightingService

if TYPE_CHECKING:
    from server.clock import Clock
    from server.config import Config
    from server.core.limits import Limits
    from server.core.risk.rules import RuleBook
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
        self.sightings = SightingService(stores.risk, clock.now_ms)
        self.retention = RiskRetention(stores.risk, config.risk.keep_days, clock.now_ms)
        book, pace = rules_of(config), config.risk.interval_s
        if book is None:
            return
        self.engine = RiskEngine(stores.risk, book, self.mode, pace, clock.now_ms, clock.elapsed_s)
        if self.mode == "on":
            asked = self.engine.verdicts, self.engine.is_alive, changes, limits, clock.now_ms
            self.gate = self.held = RiskGate(stores.risk, *asked, smallest)

    async def open(self) -> None:
        """The record knows what this server does. Raises StoreUnavailable."""
        await (self._store.stop() if self.engine is None else self.engine.begin())

    def use(self, config: Config, book: RuleBook | None) -> None:
        """Other rules, pace and age of decisions from now on; another mode needs a restart."""
        self.retention.keep_days = config.risk.keep_days
        if self.engine is not None and book is not None:
            self.engine.use(book, config.risk.interval_s)

    def loops(self) -> dict[str, Loop]:
        """Rounds and the end of old decisions, unless the mode is off; in mode on verdicts that are asked for."""
        loops: dict[str, Loop] = {}
        if self.engine is not None:
            loops = {"risk": self.engine.run, "risk_retention": self.retention.run}
        return loops if self.held is None else {**loops, "batches_verdicts": self.held.batcher.run}
