"""Shakes of users whom a campaign is not for, or of whom that is not known yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from server.core.campaigns.shakes import Shook
from server.core.refusals import Reason, RequestRefused
from server.services.campaigns.live_campaign import LiveCampaign
from server.services.enterprise.reported import EventAudience


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


def decided(looked_up: asyncio.Future[bool], shake: Callable[[], Shook | None]) -> Shook | Reason | None:
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
