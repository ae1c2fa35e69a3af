"""The commands on campaigns, for plain mode. Each raises ClientError."""

from __future__ import annotations

from client_sim.chat.campaigns import shake_requests
from client_sim.chat.session import Fields, Session
from protocol import messages


async def campaigns(session: Session) -> None:
    """One event for each campaign that the user may shake in."""
    for one in await shake_requests.campaigns(session):
        _emit_campaign(session, one)


async def shake(session: Session, campaign_id: int) -> None:
    """Shake once; with the number of shares left when the server wants it to be asked for."""
    shaking = await shake_requests.find(session, campaign_id)
    known = shaking.campaign
    shaken = await shake_requests.shake(session, shaking)
    win = shaken.win
    share: Fields = {
        "amount_fen": win.amount_fen if win else 0,
        "packet": win.packet_id if win else 0,
        "index": win.index if win else 0,
        "sponsor": win.sponsor_name if win else "",
        "greeting": win.greeting if win else "",
    }
    about: Fields = {"result": shaken.result, "text": shaking.text, "retry_after_ms": shaken.retry_after_ms}
    session.emit("shaken", campaign=known.campaign_id, **about, **share)
    if shaking.campaign is not known:
        _emit_campaign(session, shaking.campaign)


def _emit_campaign(session: Session, one: messages.CampaignLine) -> None:
    sponsor: Fields = {"user": one.sponsor_id, "sponsor": one.sponsor_name, "greeting": one.greeting}
    left: Fields = {"shares": one.shares, "at_most_left": one.at_most_left, "left_at_ms": one.left_at_ms}
    times: Fields = {"starts_at_ms": one.starts_at_ms, "ends_at_ms": one.ends_at_ms}
    about: Fields = {"name": one.name, "state": one.state, **sponsor, **left, **times}
    session.emit("campaign", campaign=one.campaign_id, **about, highlighted=one.highlighted)
