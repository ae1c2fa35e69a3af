"""What a user can ask about campaigns. Each function raises ClientError."""

from __future__ import annotations

from client_sim.chat.campaigns.shaking import Shaking
from client_sim.chat.clean import line
from client_sim.chat.commands import BadCommand
from client_sim.chat.session import Session
from protocol import messages


async def campaigns(session: Session) -> list[messages.CampaignLine]:
    """The campaigns that the user may shake in, the newest first."""
    found = await session.patiently(session.client.campaigns)
    session.campaigns = [_cleaned(one) for one in found.campaigns]
    return session.campaigns


async def find(session: Session, campaign_id: int) -> Shaking:
    """A campaign to shake in; for 0 the one that was shaken in last, otherwise the newest that is running."""
    if not campaign_id:
        last = session.shaking
        campaign_id = last.campaign.campaign_id if last is not None else await _newest(session)
    if session.shaking is None or session.shaking.campaign.campaign_id != campaign_id:
        session.shaking = Shaking(await _shown(session, campaign_id))
    return session.shaking


async def _newest(session: Session) -> int:
    found = await campaigns(session)
    running = [one for one in found if one.state == "running"]
    if not found:
        raise BadCommand("no_campaign", "shake")
    return (running or found)[0].campaign_id


async def shake(session: Session, shaking: Shaking) -> messages.Shaken:
    """Shake once, and ask for the number of shares left when it is time to."""
    shaken = await session.client.shake(shaking.campaign.campaign_id)
    if shaken.win is not None:
        shaken.win.sponsor_name, shaken.win.greeting = line(shaken.win.sponsor_name), line(shaken.win.greeting)
    shaking.take(shaken)
    if shaken.result == "won" and shaken.win is not None:
        session.model.arriving_fen += shaken.win.amount_fen
    if shaking.asks_again:
        await refresh(session, shaking)
    return shaken


async def refresh(session: Session, shaking: Shaking) -> None:
    """Ask again what the server tells of the campaign."""
    shaking.show(await _shown(session, shaking.campaign.campaign_id))


async def _shown(session: Session, campaign_id: int) -> messages.CampaignShown:
    shown = await session.patiently(lambda: session.client.campaign(campaign_id, session.language))
    shown.campaign = _cleaned(shown.campaign)
    return shown


def _cleaned(campaign: messages.CampaignLine) -> messages.CampaignLine:
    """The same campaign, with the texts of others made safe for a terminal."""
    campaign.name, campaign.sponsor_name = line(campaign.name), line(campaign.sponsor_name)
    campaign.greeting, campaign.cover = line(campaign.greeting), line(campaign.cover)
    return campaign
