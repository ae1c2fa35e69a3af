"""Requests on campaigns: shakes, and what the chat backend does with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from protocol import messages
from protocol.messages import Message
from server.core.campaigns.deck import Band
from server.core.campaigns.shakes import NOTHING, Result, Shook, Win
from server.core.campaigns.terms import CampaignRequest
from server.core.texts import MoneyWords, Text, say
from server.net.session import Session
from server.services.assembly import Services
from server.services.campaigns.proofs import PoolProof
from server.services.campaigns.service import CampaignView
from server.services.packets.pages import language_of

TEXTS: Final[Mapping[Result, Text]] = {
    Result.NOTHING: Text.SHAKE_NOTHING,
    Result.WON: Text.SHAKE_WON,
    Result.REST: Text.SHAKE_REST,
    Result.ENDED: Text.SHAKE_ENDED,
    Result.LIMIT: Text.SHAKE_LIMIT,
}


class CampaignHandlers:
    """Shakes and looks of users; sponsors, campaigns and reports of the chat backend."""

    def __init__(self, services: Services, money: MoneyWords) -> None:
        self._campaigns, self._shakes = services.campaigns.service, services.campaigns.shakes
        self._board, self._proofs = services.campaigns.board, services.campaigns.proofs
        self._ask_every = services.campaigns.config.ask_every
        self._wallets, self._money = services.wallets, money
        self._nothing = messages.Shaken(0, 0, Result.NOTHING.value)  # the same one each time

    def served(self) -> dict[type[Message], Callable[[Session, Any], Awaitable[Message]]]:
        """What serves each request of the chat backend."""
        return {
            messages.PutSponsor: self.put_sponsor,
            messages.CreateCampaign: self.create,
            messages.ChangeCampaign: self.change,
            messages.CampaignReport: self.report,
        }

    def shake(self, session: Session, request: messages.Shake, at_ms: int) -> Message | None:
        """The reply to a shake; None: it comes over the bus. Raises RequestRefused."""
        campaign_id = request.campaign_id
        shook = self._shakes.shake(campaign_id, session.user_id, session.number, request.seq, at_ms)
        if shook is NOTHING:
            self._nothing.campaign_id = campaign_id
            return self._nothing
        return None if shook is None else self.shaken(request.seq, campaign_id, shook)

    def shaken(self, seq: int, campaign_id: int, shook: Shook) -> messages.Shaken:
        """The answer on the wire."""
        win = None if shook.win is None else self._win(campaign_id, shook.win)
        return messages.Shaken(seq, campaign_id, shook.result, shook.retry_after_ms, win)

    def _win(self, campaign_id: int, win: Win) -> messages.WinLine:
        live = self._board.get(campaign_id)
        if live is None:  # its books were closed at this moment
            return messages.WinLine(*win, 0, "", "")
        row = live.row
        return messages.WinLine(*win, row.sponsor_id, row.sponsor_name, row.greeting, row.cover)

    async def info(self, session: Session, request: messages.CampaignInfo) -> Message:
        view = await self._campaigns.view(session.user_id, request.campaign_id)
        language = language_of(request.language)
        texts = {result.value: say(language, text, {}, self._money) for result, text in TEXTS.items()}
        return messages.CampaignShown(0, self._line(view), texts)

    async def page(self, session: Session, request: messages.ListCampaigns) -> Message:
        found = await self._campaigns.page(session.user_id, request.before_campaign_id)
        return messages.Campaigns(0, [self._line(one) for one in found.campaigns], found.more)

    async def put_sponsor(self, session: Session, request: messages.PutSponsor) -> Message:
        told = await self._campaigns.put_sponsor(request.user_id, request.name)
        held = await self._wallets.holding(request.user_id)
        trees = [messages.SeedTree(*tree) for tree in told.roots.items()]
        return messages.SponsorPut(0, request.user_id, held.balance.fen, told.next_index, trees)

    async def create(self, session: Session, request: messages.CreateCampaign) -> Message:
        bands = [Band(band.low_fen, band.high_fen, band.ppm) for band in request.bands]
        fields = {name: getattr(request, name) for name in CampaignRequest._fields} | {"bands": bands}
        row = await self._campaigns.create(CampaignRequest(**fields))
        return messages.CampaignCreated(0, row.campaign_id, row.budget_fen, row.commitment, row.seed_index)

    async def change(self, session: Session, request: messages.ChangeCampaign) -> Message:
        view = await self._campaigns.change(request.campaign_id, request.action)
        return messages.CampaignChanged(0, request.campaign_id, view.stage, view.row.returned_fen)

    async def report(self, session: Session, request: messages.CampaignReport) -> Message:
        found = await self._campaigns.report(request.campaign_id)
        row, totals = found.view.row, found.totals
        hours = [messages.HourLine(one.at_ms, one.shakes, one.won_shares, one.won_fen) for one in found.hours]
        return messages.CampaignReportShown(
            0,
            self._line(found.view),
            row.budget_fen,
            totals.won_shares,
            totals.won_fen,
            totals.winners,
            row.shares - totals.won_shares,
            row.budget_fen - totals.won_fen,
            row.returned_fen,
            sum(one.shakes for one in found.hours),
            sum(one.rests for one in found.hours),
            sum(one.nothings for one in found.hours),
            totals.open_leases,
            hours,
            found.seed,
            row.deck if found.seed else b"",
        )

    async def reveal(self, session: Session, campaign_id: int) -> Message:
        """The proof of a campaign. Raises RequestRefused."""
        return _revealed(await self._proofs.reveal(session.user_id, campaign_id))

    def _line(self, view: CampaignView) -> messages.CampaignLine:
        row = view.row
        return messages.CampaignLine(
            row.campaign_id,
            row.name,
            row.sponsor_id,
            row.sponsor_name,
            row.greeting,
            row.cover,
            view.stage,
            row.starts_at_ms,
            row.ends_at_ms,
            row.shares,
            view.at_most_left,
            view.left_at_ms,
            self._ask_every,
            row.per_user_limit,
            row.highlighted,
            row.group_id,
            row.commitment,
        )


def _revealed(proof: PoolProof) -> messages.Revealed:
    row = proof.row
    return messages.Revealed(
        0,
        row.campaign_id,
        proof.kind,
        "refunded" if row.returned_fen else "finished",
        row.sponsor_id,
        row.budget_fen,
        row.shares,
        row.share_fen_max,
        row.commitment,
        proof.seed,
        -1,
        [messages.ClaimLine(one.index, one.user_id, one.amount_fen, one.at_ms) for one in proof.claims],
        row.share_fen_min,
        row.seed_index,
        row.client_seed,
        *proof.seed_proof,
        row.deck,
    )
