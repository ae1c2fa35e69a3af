"""The services of the back office, above those that other doors use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.core.office.roles import OfficeRole
from server.core.office.sign_on import BACK, SignOnRules
from server.core.webhooks.addresses import networks_of
from server.services.office.changes import BookChanges, MoneyChanges, UserChanges
from server.services.office.finding import FindingService
from server.services.office.groups import GroupLifeService
from server.services.office.journal import OfficeJournal
from server.services.office.operators import OperatorService
from server.services.office.packet_lives import PacketLifeService
from server.services.office.people import ProfileService

if TYPE_CHECKING:
    from server.clock import Clock
    from server.config import Config
    from server.services.assembly import Services
    from server.services.office.sign_on import SignOnService
    from storage.stores import Stores


def sign_on_of(config: Config, stores: Stores, operators: OperatorService, clock: Clock) -> SignOnService | None:
    """Single sign-on, if the config asks for it. Its libraries are imported only then."""
    if not (config.office.enabled and config.oidc.issuer):
        return None
    from server.gateways.oidc.provider import OidcClient, OidcProvider
    from server.services.office.sign_on import SignOnService

    asked = config.oidc
    back = asked.office_url.rstrip("/") + BACK
    client = OidcClient(asked.issuer, asked.client_id, asked.client_secret, back, asked.scopes)
    provider = OidcProvider(client, networks_of(asked.allow_private), clock.now_ms, clock.elapsed_s)
    roles = {value: OfficeRole(role) for value, role in asked.roles.items()}
    rules = SignOnRules(asked.role_claim, roles, asked.name_claim)
    return SignOnService(stores.office, provider, rules, operators.guard, clock.now_ms, clock.random_bytes)


class OfficeServices:
    """What the pages of the back office ask. It has no loop of its own."""

    def __init__(self, stores: Stores, services: Services, clock: Clock, config: Config) -> None:
        self.all = services
        self.journal = OfficeJournal(stores.office, clock.now_ms)
        self.operators = OperatorService(stores.office, clock.now_ms, clock.elapsed_s, clock.random_bytes)
        lookups = self.payments = services.payments.lookups
        self.sign_on = sign_on_of(config, stores, self.operators, clock)
        self.finding = FindingService(stores.finding, stores.packets, stores.campaigns, lookups)
        read = services.lookups, services.statements, services.records, lookups, stores.cards, stores.risk
        self.profiles = ProfileService(stores.finding, *read, clock.now_ms)
        self.packets = PacketLifeService(stores.finding, stores.packets, clock.now_ms)
        self.groups = GroupLifeService(stores.finding, stores.packets, services.names)
        self.users = UserChanges(self.journal, services.people, stores.finding, stores.risk, clock.now_ms)
        books = services.reconciliation
        self.books = BookChanges(self.journal, books.breaks, books.corrections)
        campaigns = services.campaigns.service
        self.money = MoneyChanges(self.journal, services.payments.conclusions, campaigns)
