"""The services of packets in the name of a sponsor, made once."""

from __future__ import annotations

from collections.abc import Mapping

from server.clock import Clock
from server.config import Config
from server.core.enterprise.bills import BillRules
from server.core.limits import Limits
from server.services.enterprise.bills import BillService, Send
from server.services.enterprise.events import EventService
from server.services.enterprise.reported import ReportedUsers
from server.services.runtime.change_feed import ChangeFeed
from server.services.seeds.seals import Seals
from storage.postgres.enterprise.bills import BillStore


class EnterpriseServices:
    """Bills, and events."""

    def __init__(
        self,
        store: BillStore,
        send: Send,
        changes: ChangeFeed,
        config: Config,
        limits: Limits,
        clock: Clock,
        seed_keys: Mapping[str, bytes],
    ) -> None:
        """`send`: as a user sends a packet."""
        self.bills = BillService(store, send, _rules(config), limits, clock.now_ms)
        self.reported = ReportedUsers(store, changes, limits)
        given = self.bills, self.reported, Seals(seed_keys), limits
        self.events = EventService(store, *given, clock.now_ms, clock.random_bytes)

    def use_keys(self, seed_keys: Mapping[str, bytes]) -> None:
        """These seal and unseal the seeds of ranges from now on."""
        self.events.seals = Seals(seed_keys)

    def use_config(self, config: Config) -> None:
        """Bills from now on are judged by this config."""
        self.bills.rules = _rules(config)


def _rules(config: Config) -> BillRules:
    one = config.enterprise
    amounts = one.fen_min, one.fen_max, one.scene_fen_max
    of_user, of_group = (one.user_packets_a_day, one.user_fen_a_day), (one.group_packets_a_day, one.group_fen_a_day)
    return BillRules(*amounts, one.scenes, one.event_fen_min, *of_user, *of_group)
