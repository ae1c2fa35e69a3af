"""The methods of `Client` for campaigns: users shake, the chat backend (the user 0) runs them."""

from __future__ import annotations

from collections.abc import Sequence

from client_sim.sdk.ask import Requests
from protocol import messages

Band = tuple[int, int, int]  # the smallest and the largest share in fen, and parts per million of all shares


class CampaignMethods(Requests):
    """Shake and look; and for the chat backend, who else gets Forbidden: sponsors, campaigns, their reports."""

    async def shake(self, campaign_id: int) -> messages.Shaken:
        """Shake: `nothing`, `won`, `rest`, `ended` or `limit`. One chance a second counts.

        Not repeated automatically: raises ConnectionLost if in flight. A win that was not told stands in the
        records, in the balance, and is told by the next `limit`. Raises NoSuchCampaign, Overloaded.
        """
        return await self._ask(messages.Shake(0, campaign_id), messages.Shaken)

    async def campaign(self, campaign_id: int, language: str = "zh") -> messages.CampaignShown:
        """What a shake screen shows; ask again after each `ask_every` shakes. Raises NoSuchCampaign."""
        return await self._ask(messages.CampaignInfo(0, campaign_id, language), messages.CampaignShown)

    async def campaigns(self, before_campaign_id: int = 0) -> messages.Campaigns:
        """The campaigns that I may shake in and that are not over; for the backend all of them. Newest first."""
        return await self._ask(messages.ListCampaigns(0, before_campaign_id), messages.Campaigns)

    async def put_sponsor(self, user_id: int, name: str) -> messages.SponsorPut:
        """Make a user a sponsor, called so; again is harmless. No client can log in as a sponsor; `top_up` pays in.

        The reply has the seeds that the server has committed to for the sponsor's next campaigns.
        Raises Forbidden, Refusal (bad_name).
        """
        return await self._ask(messages.PutSponsor(0, user_id, name), messages.SponsorPut)

    async def create_campaign(
        self,
        sponsor_id: int,
        name: str,
        starts_at_ms: int,
        ends_at_ms: int,
        shares: int,
        budget_fen: int,
        bands: Sequence[Band],
        scheme: str = "bands",
        key: str | None = None,
        *,
        share_fen_min: int = 0,
        share_fen_max: int = 0,
        per_user_limit: int = 1,
        greeting: str = "",
        cover: str = "",
        group_id: int = 0,
        highlighted: bool = False,
        client_seed: bytes = b"",
        event_kind: str = "",
    ) -> messages.CampaignCreated:
        """Make a campaign; its whole budget leaves the sponsor's wallet at once. For `key` see `send_packet`.

        `scheme` "bands": `bands` is the table of amounts, and the budget is what it adds up to. "draws": amounts of
        `share_fen_min` to `share_fen_max` are drawn, `bands` are planted among them. `event_kind` "follow" or
        "sign_up": only users of whom such an event of the sponsor was reported (`report_event`) may shake.
        Raises Forbidden, NotASponsor, BadCampaign, BadBudget, NotEnoughMoney, KeyReused, NoSuchGroup.
        """
        request = messages.CreateCampaign(
            0,
            "",
            sponsor_id,
            name,
            starts_at_ms,
            ends_at_ms,
            shares,
            budget_fen,
            scheme,
            [messages.DeckBand(*band) for band in bands],
            *(share_fen_min, share_fen_max, per_user_limit),
            greeting,
            cover,
            group_id,
            highlighted,
            client_seed,
            event_kind,
        )
        return await self._ask_with_key(request, key, messages.CampaignCreated)

    async def pause_campaign(self, campaign_id: int) -> messages.CampaignChanged:
        """Shakes win nothing until it is resumed; the end stays where it is. Raises Forbidden, CampaignOver."""
        return await self._change(campaign_id, "pause")

    async def resume_campaign(self, campaign_id: int) -> messages.CampaignChanged:
        """Go on with a paused campaign. Raises Forbidden, CampaignOver."""
        return await self._change(campaign_id, "resume")

    async def end_campaign(self, campaign_id: int) -> messages.CampaignChanged:
        """End a campaign now; what is left goes back to the sponsor, once. Again is harmless. Raises Forbidden."""
        return await self._change(campaign_id, "end")

    async def _change(self, campaign_id: int, action: str) -> messages.CampaignChanged:
        return await self._ask(messages.ChangeCampaign(0, campaign_id, action), messages.CampaignChanged)

    async def campaign_report(self, campaign_id: int) -> messages.CampaignReportShown:
        """What a campaign has spent, by hour; once it is over also its seed. Raises Forbidden, NoSuchCampaign."""
        return await self._ask(messages.CampaignReport(0, campaign_id), messages.CampaignReportShown)
