"""What delivers webhooks, made once."""

from __future__ import annotations

from collections.abc import Mapping

from server.clock import Clock
from server.config import Config
from server.core.webhooks.addresses import networks_of
from server.services.runtime.figure_duty import FigureDuty
from server.services.runtime.nats_connection import NatsConnection
from server.services.runtime.supervised import Loop
from server.services.webhooks.delivery import DAY_MS, WebhookDelivery
from server.services.webhooks.nats_sender import NatsSender
from server.services.webhooks.secrets import WebhookSecrets
from server.services.webhooks.service import WebhookService
from server.services.webhooks.set_events import SetEvents
from storage.postgres.sets.webhooks import SetEventStore
from storage.stores import Stores


class WebhookServices:
    """Endpoints, their secrets, the loop that delivers, the connection to NATS if there is one."""

    def __init__(
        self, config: Config, stores: Stores, seed_keys: Mapping[str, bytes], clock: Clock, duty: FigureDuty
    ) -> None:
        self.nats = NatsConnection(config.nats.url) if config.nats.url else None
        allowed, keep_days = networks_of(config.webhooks.allow_private), config.webhooks.keep_days
        endpoints, deliveries = stores.webhook_endpoints, stores.webhook_deliveries
        self.secrets = WebhookSecrets(endpoints, seed_keys, clock.random_bytes)
        service = endpoints, deliveries, self.secrets, allowed, clock.now_ms
        self.endpoints = WebhookService(*service, has_nats=self.nats is not None)
        sent = allowed, keep_days, NatsSender(self.nats, keep_days * DAY_MS / 1000), duty
        self.delivery = WebhookDelivery(endpoints, deliveries, stores.webhook_facts, self.secrets, clock, *sent)
        further = range(1, len(stores.sets.databases))
        self.set_events = {number: SetEvents(SetEventStore(stores.sets, number)) for number in further}

    def loops(self) -> dict[str, Loop]:
        """The loops that must run while the server serves."""
        nats = {} if self.nats is None else {"nats": self.nats.run}
        moves = {f"set_events_{number}": one.run for number, one in self.set_events.items()}
        return {"webhooks": self.delivery.run, **nats, **moves}
