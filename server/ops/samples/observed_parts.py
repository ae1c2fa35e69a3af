"""The parts of a server that samples are made of, and what is asked of those that this floor does not know."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from server.net.dispatch import Dispatch
from server.net.hub import Hub
from server.net.listener import Listener
from server.net.subscriptions import Subscriptions
from server.ops.samples.sample import LinkFigures, PeerFigures
from server.services.assembly import Services
from server.services.runtime.supervised import Supervisor


@dataclass(frozen=True, kw_only=True)
class ObservedParts:
    """The parts of the server that count something or can be looked at."""

    listener: Listener
    hub: Hub
    subscriptions: Subscriptions
    dispatch: Dispatch
    services: Services
    supervisor: Supervisor
    http_api: HttpRequests
    peers: ObservedPeers | None = None  # None: no other server reaches this one


class HttpRequests(Protocol):
    """What the HTTP API counts."""

    @property
    def requests(self) -> dict[str, dict[str, int]]:
        """How many requests were answered, by route and status."""
        ...


class ObservedPeers(Protocol):
    """What is known of other servers."""

    def figures(self) -> PeerFigures:
        """What was sent and served."""
        ...

    def links(self) -> LinkFigures:
        """The connections to them."""
        ...

    def counted_elsewhere(self, user_ids: Collection[int], /) -> int:
        """How many of these users, who are here, are counted at another server."""
        ...

    def copies(self) -> int:
        """How many of the packets in memory are another server's."""
        ...
