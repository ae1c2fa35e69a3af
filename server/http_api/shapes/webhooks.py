"""Requests and replies on webhooks. No reply holds a secret."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from server.core.webhooks.events import EventType
from server.http_api.shapes.base import Cursor, IdText, Ms, Reply, Request
from server.http_api.wording import RULE

EndpointState: TypeAlias = Literal["enabled", "disabled", "gone"]
State: TypeAlias = Literal["waiting", "delivered", "failed"]
EventText = Annotated[
    str,
    Meta(
        pattern="^[1-9][0-9]{0,18}$",
        description="an event in lists and replays",
        extra={RULE: "a text with a whole number"},
    ),
]
Secret = Annotated[str, Meta(max_length=128, description="whsec_ and 24 to 64 random bytes in base64")]


class EndpointPutBody(Request):
    """An endpoint as it shall be.

    `types`: the events that it wants; none: all. `secret`: needed once; another one replaces it, and the one before
    signs for `overlap_s` more.
    """

    url: Annotated[str, Meta(max_length=2_048)]
    types: tuple[EventType, ...] = ()
    secret: Secret = ""
    enabled: bool = True
    overlap_s: Annotated[int, Meta(ge=0, le=30 * 86_400)] = 86_400


class EndpointReply(Reply):
    """An endpoint. `gone`: it answered 410 and gets nothing until it is put again. `secrets`: how many sign now.

    `warning`, after a put: why events may not arrive, such as a name without an address.
    """

    name: str
    url: str
    types: list[str]
    state: EndpointState
    secrets: int
    created_at_ms: Ms
    warning: str | UnsetType = UNSET


class EndpointListReply(Reply):
    """All endpoints."""

    endpoints: list[EndpointReply]


class EndpointDeletedReply(Reply):
    """The endpoint is not there, and gets nothing more."""

    name: str
    deleted: bool


class DeliveriesQuery(Request):
    """Where a page begins, and the deliveries of which state (none: of all)."""

    cursor: Cursor = ""
    state: State | Literal[""] = ""


class DeliveryShown(Reply):
    """A delivery. `last_status` is that of the last answer, `last_error` why there was none."""

    event_id: EventText
    webhook_id: str
    type: str
    subject_id: IdText
    number: int
    at_ms: Ms
    state: State
    attempts: int
    last_status: int | UnsetType = UNSET
    last_error: str | UnsetType = UNSET
    last_at_ms: Ms | UnsetType = UNSET
    next_at_ms: Ms | UnsetType = UNSET


class DeliveryPageReply(Reply):
    """Deliveries of an endpoint, the newest first. `next_cursor` is there if there are more."""

    deliveries: list[DeliveryShown]
    next_cursor: str | UnsetType = UNSET


class ReplayBody(Request):
    """Either one event, or all since a time; `only_failed`: of these, those that did not arrive."""

    event_id: EventText | UnsetType = UNSET
    from_ms: Annotated[int, Meta(ge=0, le=2**53)] | UnsetType = UNSET
    only_failed: bool = False


class ReplayReply(Reply):
    """So many deliveries will be made again."""

    replayed: int


class TestReply(Reply):
    """The test waits to be delivered: it is in the list of deliveries."""

    event_id: EventText
