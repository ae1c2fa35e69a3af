"""The services of the back office, above those that other doors use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.services.office.changes import BookChanges, MoneyChanges, UserChanges
from server.services.office.finding import FindingService
from server.services.office.journal import OfficeJournal
from server.services.office.operators import OperatorService
from server.services.office.packet_lives import PacketLifeService
from server.services.office.people import ProfileService

if TYPE_CHECKING:
    from server.clock import Clock
    from server.services.assembly import Services
    from storage.stores import Stores


class OfficeServices:
    """What the pages of the back office ask. It has no loop of its own."""

    def __init__(self, stores: Stores, services: Services, clock: Clock) -> None:
        self.all = services
        self.journal = OfficeJournal(stores.office, clock.now_ms)
        self.operators = OperatorService(stores.office, clock.now_ms, clock.elapsed_s, clock.random_bytes)
        lookups = self.payments = services.payments.lookups
        self.finding = FindingService(stores.finding, stores.packets, stores.campaigns, lookups)
        read = services.lookups, services.statements, services.records, lookups, stores.cards, stores.risk
        self.profiles = ProfileService(stores.finding, *read, clock.now_ms)
        self.packets = PacketLifeService(stores.finding, stores.packets, clock.now_ms)
        self.users = UserChanges(self.journal, services.people, stores.finding, stores.risk, clock.now_ms)
        books = services.reconciliation
        self.books = BookChanges(self.journal, books.breaks, books.corrections)
        campaigns = services.campaigns.service
        self.money = MoneyChanges(self.journal, services.payments.conclusions, campaigns)
