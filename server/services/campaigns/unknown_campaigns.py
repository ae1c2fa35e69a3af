"""Shakes of campaigns that are not in memory: they have ended long ago, or there are none."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final, Protocol

from server.core.campaigns.shakes import ENDED, Shook
from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.services.campaigns.board import CampaignBoard
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Addressed, Bus
from storage.postgres.campaigns.campaigns import CampaignStore

LOOKED_FOR_MAX: Final = 1_000


class CampaignShake(Addressed, Protocol):
    """A shake whose answer comes later."""

    @property
    def campaign_id(self) -> int: ...


class UnknownCampaigns:
    """Looks for them in the record."""

    def __init__(
        self, board: CampaignBoard, campaigns: CampaignStore, limits: Limits, bus: Bus, rest: Shook
    ) -> None:
        """`rest`: the answer that asks a user to shake again."""
        self._rest = rest
        self._board = board
        self._campaigns = campaigns
        self._bus = bus
        self.batcher: Batcher[int, bool] = Batcher(self._look_for, LOOKED_FOR_MAX, limits)
        self.waiting = 0  # shakes that are answered later

    def answer(self, request: CampaignShake) -> Shook | None:
        """The answer to a shake; None: it comes over the bus. Raises RequestRefused."""
        if request.campaign_id in self._board.closed:
            return ENDED
        looked_for = self.batcher.submit(request.campaign_id)
        self.waiting += 1
        looked_for.add_done_callback(partial(self._found, request))
        return None

    def _found(self, request: CampaignShake, found: asyncio.Future[bool]) -> None:
        self.waiting -= 1
        failed = found.exception()
        if failed is not None:
            reason = failed.reason if isinstance(failed, RequestRefused) else Reason.INTERNAL
            self._bus.reply(request, reason)
        elif found.result():  # this server may just have been told of it: then the user shakes again
            self._bus.reply(request, ENDED if self._board.get(request.campaign_id) is None else self._rest)
        else:
            self._bus.reply(request, Reason.NO_SUCH_CAMPAIGN)

    async def _look_for(self, campaign_ids: list[int]) -> list[bool | Exception]:
        """Whether these exist; they come into memory if their books are open."""
        rows = await self._campaigns.rows(set(campaign_ids))
        for row in rows.values():
            await self._board.put(row)
        return [campaign_id in rows for campaign_id in campaign_ids]
