"""Shakes of users whom a campaign is not for, or of whom that is not known yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NoReturn, Protocol

from server.core.campaigns.shakes import Shook
from server.core.refusals import Reason, RequestRefused
from server.services.campaigns.live_campaign import LiveCampaign
from server.services.enterprise.reported import EventAudience, ReportedUsers
from server.services.runtime.bus import Addressed, Bus


class ShakerRequest(Addressed, Protocol):
    """A shake whose answer comes later."""

    @property
    def user_id(self) -> int: ...


class UnknownShaker(Exception):
    """Whether a campaign is for this user is not known: the record must be asked."""

    def __init__(self, audience: EventAudience) -> None:
        super().__init__()
        self.audience = audience


def refuse(live: LiveCampaign, user_id: int) -> NoReturn:
    """Raise RequestRefused, or UnknownShaker. Whether there is a campaign for a group, others are not told."""
    if not isinstance(live.audience, EventAudience):
        raise RequestRefused(Reason.NO_SUCH_CAMPAIGN)
    if live.audience.known(user_id) is None:
        raise UnknownShaker(live.audience)
    raise RequestRefused(
        Reason.NOT_ALLOWED, f"no event {live.row.event_kind} of the sponsor was reported of the user"
    )


class UnknownShakers:
    """Asks the record whether a campaign is for a user, then has the shake decided."""

    def __init__(self, reported: ReportedUsers, bus: Bus) -> None:
        self._reported = reported
        self._bus = bus
        self.waiting = 0  # shakes that are answered later

    def ask(self, unknown: UnknownShaker, request: ShakerRequest, shake: Callable[[], Shook | None]) -> None:
        """The answer comes over the bus. Raises RequestRefused."""
        looked_up = self._reported.look_up(unknown.audience, request.user_id)
        self.waiting += 1
        looked_up.add_done_callback(partial(self._known, request, shake))

    def _known(
        self, request: ShakerRequest, shake: Callable[[], Shook | None], looked_up: asyncio.Future[bool]
    ) -> None:
        self.waiting -= 1
        outcome = _decided(looked_up, shake)
        if outcome is not None:
            self._bus.reply(request, outcome)


def _decided(looked_up: asyncio.Future[bool], shake: Callable[[], Shook | None]) -> Shook | Reason | None:
    """The answer to a shake once the record has said whether it is for its user; None: it comes later."""
    failed = looked_up.exception()
    try:
        if failed is not None:
            raise failed
        return shake() if looked_up.result() else Reason.NOT_ALLOWED
    except RequestRefused as refused:
        return refused.reason
    except Exception:
        return Reason.INTERNAL
