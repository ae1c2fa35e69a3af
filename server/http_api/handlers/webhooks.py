"""Requests on webhooks: endpoints, their deliveries, replays."""

from __future__ import annotations

from typing import NoReturn, cast

import structlog
from msgspec import UNSET

from protocol.codes import Refusal
from server.http_api.handlers.call import Call, cursor_number
from server.http_api.problems import Problem
from server.http_api.shapes import webhooks as shapes
from server.services.assembly import Services
from server.services.webhooks.service import NEWEST, DeliveryItem, EndpointItem

LOG = structlog.get_logger()


class WebhookRequests:
    """Where events go, and what became of them."""

    def __init__(self, services: Services) -> None:
        self._webhooks, self._reads = services.webhooks, services.reads

    async def put(self, call: Call) -> shapes.EndpointReply:
        """Make an endpoint, or change it; another secret replaces the present one, which stays valid for a while"""
        body = call.body
        put = await self._webhooks.put(
            call.path["endpoint"],
            body.url,
            body.types,
            body.secret,
            enabled=body.enabled,
            overlap_s=body.overlap_s,
        )
        if put.warning:
            LOG.warning("webhook_endpoint_has_no_address", endpoint=put.name)
        return _shown(put)

    async def all(self, call: Call) -> shapes.EndpointListReply:
        """All endpoints"""
        return shapes.EndpointListReply([_shown(one) for one in await self._webhooks.endpoints()])

    async def get(self, call: Call) -> shapes.EndpointReply:
        """An endpoint"""
        found = await self._webhooks.endpoint(call.path["endpoint"])
        return _shown(found) if found is not None else _refuse()

    async def delete(self, call: Call) -> shapes.EndpointDeletedReply:
        """Remove an endpoint, and all that waits for it"""
        name = call.path["endpoint"]
        await self._webhooks.remove(name)
        return shapes.EndpointDeletedReply(name, deleted=True)

    async def deliveries(self, call: Call) -> shapes.DeliveryPageReply:
        """The deliveries of an endpoint, the newest first, in pages"""
        before = cursor_number(call.query.cursor) or NEWEST
        async with self._reads.turn():
            page = await self._webhooks.deliveries(call.path["endpoint"], before, call.query.state)
        if page is None:
            _refuse()
        lines = [_line(one) for one in page.lines]
        return shapes.DeliveryPageReply(lines, lines[-1].event_id if page.more else UNSET)

    async def replay(self, call: Call) -> shapes.ReplayReply:
        """Deliver one event again, or all since a time"""
        name, body = call.path["endpoint"], call.body
        if (body.event_id is UNSET) == (body.from_ms is UNSET):
            raise Problem(Refusal.BAD_REQUEST, "give either event_id or from_ms", pointer="")
        if body.event_id is not UNSET:
            replayed = await self._webhooks.replay(name, event_id=cursor_number(body.event_id))
        else:
            replayed = await self._webhooks.replay(name, from_ms=body.from_ms, only_failed=body.only_failed)
        return shapes.ReplayReply(replayed) if replayed is not None else _refuse()

    async def test(self, call: Call) -> shapes.TestReply:
        """Send a test event to an endpoint"""
        event_id = await self._webhooks.test(call.path["endpoint"])
        return shapes.TestReply(str(event_id)) if event_id is not None else _refuse()


def _refuse() -> NoReturn:
    raise Problem(Refusal.BAD_REQUEST, "there is no endpoint with this name", status=404)


def _shown(one: EndpointItem) -> shapes.EndpointReply:
    return shapes.EndpointReply(
        name=one.name,
        url=one.url,
        types=list(one.types),
        state=cast(shapes.EndpointState, one.state),
        secrets=one.secrets,
        created_at_ms=one.created_at_ms,
        warning=one.warning or UNSET,
    )


def _line(one: DeliveryItem) -> shapes.DeliveryShown:
    return shapes.DeliveryShown(
        event_id=str(one.event_id),
        webhook_id=one.webhook_id,
        type=one.type,
        subject_id=str(one.subject),
        number=one.number,
        at_ms=one.at_ms,
        state=cast(shapes.State, one.state),
        attempts=one.attempts,
        last_status=one.last_status or UNSET,
        last_error=one.last_error or UNSET,
        last_at_ms=one.last_at_ms or UNSET,
        next_at_ms=one.next_at_ms or UNSET,
    )
