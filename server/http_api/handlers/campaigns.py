"""Requests on sponsors and campaigns."""

from __future__ import annotations

from msgspec import UNSET

from server.core.campaigns.deck import Band
from server.core.campaigns.terms import Action, CampaignRequest
from server.core.enterprise.events import EventKind
from server.core.ids import BACKEND
from server.core.refusals import RequestRefused
from server.http_api.handlers.call import Call, Gate, cursor_number, target_of, with_balance
from server.http_api.shapes import campaigns as shapes
from server.services.assembly import Services
from server.services.campaigns.service import CampaignView

FROM_HERE = ("key", "bands", "group_id", "client_seed")  # of a request: not taken from the body as they are


class CampaignRequests:
    """Sponsors, their campaigns, and what these spend."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._campaigns, self._wallets = services.campaigns.service, services.wallets
        self._groups, self._reads = services.backend_groups, services.reads
        self._gate = gate

    async def put_sponsor(self, call: Call) -> shapes.SponsorReply:
        """Make a user a sponsor: no client can log in as one, the wallet pays for campaigns"""
        user_id, name = call.path["sponsor_id"], call.body.name
        told = await self._campaigns.put_sponsor(user_id, name)
        held = await self._wallets.holding(user_id)
        trees = [shapes.SeedTreeShown(number, root.hex()) for number, root in told.roots.items()]
        return shapes.SponsorReply(str(user_id), name, held.balance.fen, told.next_index, trees)

    async def create(self, call: Call) -> shapes.CampaignReply:
        """Make a campaign of a sponsor, whose wallet pays for it at once, once per key of the sponsor"""
        body = call.body
        group_id = await target_of(self._groups, body.group, body.group_id, "group_id", optional=True)
        plain = {name: getattr(body, name) for name in CampaignRequest._fields if name not in FROM_HERE}
        asked = CampaignRequest(
            key=call.key,
            bands=[Band(one.low_fen, one.high_fen, one.ppm) for one in body.bands],
            group_id=group_id,
            client_seed=bytes.fromhex(body.client_seed),
            **plain,
        )
        try:
            row = await self._campaigns.create(asked)
        except RequestRefused as refused:
            raise await with_balance(refused, self._wallets, body.sponsor_id, body.budget_fen) from None
        return _shown(await self._campaigns.view(BACKEND, row.campaign_id))

    async def all(self, call: Call) -> shapes.CampaignPageReply:
        """All campaigns, the newest first, in pages"""
        before = cursor_number(call.query.cursor)
        async with self._reads.turn():
            page = await self._campaigns.page(BACKEND, before)
        more = str(page.campaigns[-1].row.campaign_id) if page.more else UNSET
        return shapes.CampaignPageReply([_shown(one) for one in page.campaigns], more)

    async def get(self, call: Call) -> shapes.CampaignReply:
        """A campaign, and how many shares are left at most"""
        self._gate.check_current()
        return _shown(await self._campaigns.view(BACKEND, call.path["campaign_id"]))

    async def pause(self, call: Call) -> shapes.CampaignReply:
        """Pause a campaign: shakes win nothing until it is resumed; its end stays where it is"""
        return await self._change(call, Action.PAUSE)

    async def resume(self, call: Call) -> shapes.CampaignReply:
        """Go on with a paused campaign"""
        return await self._change(call, Action.RESUME)

    async def end(self, call: Call) -> shapes.CampaignReply:
        """End a campaign now: what is left goes back to the sponsor, once"""
        return await self._change(call, Action.END)

    async def report(self, call: Call) -> shapes.CampaignReportReply:
        """What a campaign has spent, by hour; once it is over also its seed and its deck"""
        async with self._reads.turn():
            found = await self._campaigns.report(call.path["campaign_id"])
        row, totals = found.view.row, found.totals
        return shapes.CampaignReportReply(
            campaign_id=str(row.campaign_id),
            state=found.view.stage.value,
            budget_fen=row.budget_fen,
            won_shares=totals.won_shares,
            won_fen=totals.won_fen,
            winners=totals.winners,
            left_shares=row.shares - totals.won_shares,
            left_fen=row.budget_fen - totals.won_fen,
            returned_fen=row.returned_fen,
            shakes=sum(one.shakes for one in found.hours),
            rests=sum(one.rests for one in found.hours),
            nothings=sum(one.nothings for one in found.hours),
            open_leases=totals.open_leases,
            hours=[shapes.HourShown(one.at_ms, one.shakes, one.won_shares, one.won_fen) for one in found.hours],
            cost_per_winner_fen=totals.won_fen // totals.winners if totals.winners else UNSET,
            seed=found.seed.hex() if found.seed else UNSET,
            deck=row.deck.decode() if found.seed else UNSET,
        )

    async def _change(self, call: Call, action: Action) -> shapes.CampaignReply:
        return _shown(await self._campaigns.change(call.path["campaign_id"], action))


def _shown(view: CampaignView) -> shapes.CampaignReply:
    row = view.row
    return shapes.CampaignReply(
        campaign_id=str(row.campaign_id),
        name=row.name,
        sponsor_id=str(row.sponsor_id),
        sponsor_name=row.sponsor_name,
        state=view.stage.value,
        starts_at_ms=row.starts_at_ms,
        ends_at_ms=row.ends_at_ms,
        shares=row.shares,
        budget_fen=row.budget_fen,
        at_most_left=view.at_most_left,
        left_at_ms=view.left_at_ms,
        per_user_limit=row.per_user_limit,
        greeting=row.greeting,
        cover=row.cover,
        highlighted=row.highlighted,
        commitment=row.commitment.hex(),
        seed_index=row.seed_index,
        returned_fen=row.returned_fen,
        group_id=str(row.group_id) if row.group_id else UNSET,
        event_kind=EventKind(row.event_kind) if row.event_kind else UNSET,
    )
