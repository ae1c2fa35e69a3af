"""What the chat backend and operators do with webhooks: endpoints, their deliveries, tests and replays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from server.core.refusals import Reason, RequestRefused
from server.core.webhooks import signing
from server.core.webhooks.addresses import Network, why_not_url
from server.core.webhooks.events import NAME, EventType, shown_id
from server.core.webhooks.flow import pause_s_max
from server.core.webhooks.nats import is_nats, why_not_subject
from server.services.webhooks.names import check_name
from server.services.webhooks.secrets import WebhookSecrets
from storage.postgres.webhooks.deliveries import ConditionRow, DeliveryRow, DeliveryState, DeliveryStore
from storage.postgres.webhooks.endpoints import EndpointRow, EndpointStore, NoSecret, TooManyEndpoints

ENDPOINTS_MAX: Final = 64  # each costs a row per event in transactions that move money
OVERLAP_S: Final = 86_400.0  # for which a secret that was replaced still signs
PAGE: Final = 100
WAITING_MAX: Final = 1_000  # deliveries that are counted, and attempts that are looked at
NEWEST: Final = 2**63 - 1


class EndpointItem(NamedTuple):
    """An endpoint as it may be shown: its secrets are never shown. `secrets`: how many are valid.

    `warning`: what may keep events from arriving, as far as that showed when it was put.
    """

    name: str
    url: str
    types: tuple[str, ...]
    state: str
    created_at_ms: int
    secrets: int
    warning: str = ""


class EndpointCondition(NamedTuple):
    """How deliveries to an endpoint go. `waiting` is counted up to a limit.

    `last_at_ms` 0: none was tried. `failures`: attempts since the last one that arrived, 0 if that is the last one.
    `next_at_ms`: when the next one is tried at the latest, if a server runs; 0: none waits.
    """

    waiting: int
    last_at_ms: int
    last_status: int
    last_error: str
    failures: int
    next_at_ms: int


class DeliveryItem(NamedTuple):
    """A delivery. `last_status` 0: no answer, or not tried yet; times 0: none."""

    event_id: int
    webhook_id: str
    type: str
    subject: int
    number: int
    at_ms: int
    state: str
    attempts: int
    last_status: int
    last_error: str
    last_at_ms: int
    next_at_ms: int


class DeliveryPage(NamedTuple):
    """Deliveries, the newest first; if there are more, they follow after the last one."""

    lines: list[DeliveryItem]
    more: bool


class WebhookService:
    """Use cases on webhooks. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        secrets: WebhookSecrets,
        allowed: Sequence[Network],
        now_ms: Callable[[], int],
        *,
        has_nats: bool = False,
    ) -> None:
        """`allowed`: private networks that webhooks may go to; `has_nats`: they may go to subjects of NATS."""
        self._has_nats = has_nats
        self._endpoints, self._deliveries, self._secrets = endpoints, deliveries, secrets
        self._allowed = allowed
        self.now_ms = now_ms

    async def put(
        self,
        name: str,
        url: str,
        types: Sequence[str],
        secret: str,
        *,
        enabled: bool = True,
        overlap_s: float = OVERLAP_S,
    ) -> EndpointItem:
        """Make an endpoint or change it. No secret: it keeps its own.

        Another secret than its own replaces that one, which signs for `overlap_s` more. An enabled endpoint
        is refused if the name in its URL leads only to addresses that webhooks may not go to.
        """
        if not NAME.fullmatch(name):
            raise RequestRefused(
                Reason.BAD_REQUEST,
                "name: 1 to 64 letters, digits, dots, dashes and underscores",
            )
        to_nats = is_nats(url)
        if why := why_not_subject(url, has_nats=self._has_nats) if to_nats else why_not_url(url, self._allowed):
            raise RequestRefused(Reason.BAD_REQUEST, f"url: {why}")
        if unknown := [one for one in types if one not in list(EventType)]:
            raise RequestRefused(
                Reason.BAD_REQUEST, f"types: there is no type {unknown[0][:32]!r}, only {', '.join(EventType)}"
            )
        why, warning = await check_name(url, self._allowed) if enabled and not to_nats else ("", "")
        if why:
            raise RequestRefused(Reason.BAD_REQUEST, f"url: {why}")
        row = await self._record(name, url, types, secret, enabled=enabled, overlap_s=overlap_s)
        return self._shown(row)._replace(warning=warning)

    async def _record(
        self, name: str, url: str, types: Sequence[str], secret: str, *, enabled: bool, overlap_s: float
    ) -> EndpointRow:
        now_ms = self.now_ms()
        try:
            key = signing.secret_of(secret) if secret else None
            return await self._endpoints.put(
                name,
                url,
                sorted(set(types)),
                "enabled" if enabled else "disabled",
                self._secrets.replacing(name, key),
                now_ms + int(overlap_s * 1000),
                now_ms,
                ENDPOINTS_MAX,
            )
        except signing.BadSecret as error:
            raise RequestRefused(Reason.BAD_REQUEST, f"secret: {error}") from None
        except NoSecret:
            raise RequestRefused(Reason.BAD_REQUEST, "secret: a new endpoint needs one") from None
        except TooManyEndpoints:
            raise RequestRefused(
                Reason.BAD_REQUEST, f"name: there are {ENDPOINTS_MAX} endpoints, a new one is not allowed"
            ) from None

    async def rotate(self, name: str, secret: str, overlap_s: float) -> EndpointItem | None:
        """Replace the secret of an endpoint; None: there is no such endpoint."""
        row = await self._find(name)
        if row is None:
            return None
        return self._shown(
            await self._record(
                name, row.url, row.types, secret, enabled=row.state == "enabled", overlap_s=overlap_s
            )
        )

    async def endpoints(self) -> list[EndpointItem]:
        """All endpoints by name."""
        return [self._shown(row) for row in await self._endpoints.all()]

    async def conditions(self) -> dict[str, EndpointCondition]:
        """How deliveries go, by endpoint."""
        return {row.name: _condition(row) for row in await self._deliveries.conditions(WAITING_MAX)}

    async def endpoint(self, name: str) -> EndpointItem | None:
        """An endpoint."""
        row = await self._find(name)
        return None if row is None else self._shown(row)

    async def remove(self, name: str) -> bool:
        """Remove an endpoint and all that waits for it; False: there was none."""
        return bool(NAME.fullmatch(name)) and await self._endpoints.remove(name, self.now_ms())

    async def deliveries(self, name: str, before: int = NEWEST, state: str = "") -> DeliveryPage | None:
        """Deliveries of an endpoint, of events before this one; None: there is no such endpoint."""
        row = await self._find(name)
        if row is None:
            return None
        wanted = DeliveryState[state.upper()] if state else -1
        rows = await self._deliveries.page(row.endpoint_id, before, wanted, PAGE + 1)
        return DeliveryPage([_item(one) for one in rows[:PAGE]], len(rows) > PAGE)

    async def replay(
        self, name: str, *, event_id: int = 0, from_ms: int = 0, only_failed: bool = False
    ) -> int | None:
        """Send one event again, or all since a time; how many. None: there is no such endpoint."""
        row = await self._find(name)
        if row is None:
            return None
        now_ms = self.now_ms()
        if event_id:
            return int(await self._deliveries.replay_one(row.endpoint_id, event_id, now_ms))
        return await self._deliveries.replay(row.endpoint_id, from_ms, now_ms, only_failed=only_failed)

    async def test(self, name: str) -> int | None:
        """Send a test to an endpoint; its event. None: there is no such endpoint."""
        row = await self._find(name)
        return None if row is None else await self._deliveries.test(row.endpoint_id, self.now_ms())

    async def delivery(self, name: str, event_id: int) -> DeliveryItem | None:
        """What became of a delivery."""
        page = await self.deliveries(name, event_id + 1)
        found = page.lines[:1] if page is not None else []
        return next((one for one in found if one.event_id == event_id), None)

    async def _find(self, name: str) -> EndpointRow | None:
        return await self._endpoints.get(name) if NAME.fullmatch(name) else None

    def _shown(self, row: EndpointRow) -> EndpointItem:
        valid = len(row.secrets.valid(self.now_ms()))
        return EndpointItem(row.name, row.url, row.types, row.state, row.created_at_ms, valid)


def _item(row: DeliveryRow) -> DeliveryItem:
    shown = {"webhook_id": shown_id(row.webhook_id), "state": row.state.name.lower()}
    return DeliveryItem(**{**row._asdict(), **shown})


def _condition(row: ConditionRow) -> EndpointCondition:
    next_at_ms = row.due_ms or 0
    if next_at_ms and row.failures:
        next_at_ms = max(next_at_ms, row.last_at_ms + int(pause_s_max(row.failures) * 1000))
    return EndpointCondition(row.waiting, row.last_at_ms, row.last_status, row.last_error, row.failures, next_at_ms)
