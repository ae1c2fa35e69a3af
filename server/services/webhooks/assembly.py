"""What delivers webhooks, made once."""

from __future__ import annotations

from collections.abc import Mapping

from server.clock import Clock
from server.config.values import WebhooksSection
from server.core.webhooks.addresses import networks_of
from server.services.runtime.figure_duty import FigureDuty
from server.services.webhooks.delivery import WebhookDelivery
from server.services.webhooks.secrets import WebhookSecrets
from server.services.webhooks.service import WebhookService
from storage.stores import Stores


class WebhookServices:
    """Endpoints, their secrets, the loop that delivers."""

    def __init__(
        self,
        config: WebhooksSection,
        stores: Stores,
        seed_keys: Mapping[str, bytes],
        clock: Clock,
        duty: FigureDuty,
    ) -> None:
        allowed = networks_of(config.allow_private)
        endpoints, deliveries = stores.webhook_endpoints, stores.webhook_deliveries
        self.secrets = WebhookSecrets(endpoints, seed_keys, clock.random_bytes)
        self.endpoints = WebhookService(endpoints, deliveries, self.secrets, allowed, clock.now_ms)
        self.delivery = WebhookDelivery(
            endpoints, deliveries, stores.webhook_facts, self.secrets, clock, allowed, config.keep_days, duty
        )
