"""Pages of plain lines: members, grab statistics, campaigns, help."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content

from client_sim.chat import group_requests
from client_sim.chat.campaigns import shake_requests
from client_sim.chat.commands import VERBS
from client_sim.chat.screens import drawing
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Session
from client_sim.chat.texts import text, usage


class Listing(Dialog):
    """A title and lines."""

    def __init__(self, session: Session, navigator: Navigator, title: str, lines: list[Content]) -> None:
        super().__init__(session, navigator)
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        with Vertical(classes="result wide"):
            with Vertical(id="band"):
                yield Drawn(Content.styled(self._title, f"bold {GOLD}"))
            with VerticalScroll(id="lines"):
                yield Drawn(Content("\n").join(self._lines))
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.show_keys()


async def members(session: Session, navigator: Navigator) -> Listing:
    """The members of the group on the screen."""
    user_ids = await group_requests.members(session)
    here, names = session.model.current, session.model.names
    lines = [
        Content.assemble(
            (drawing.fit(f" {names[user_id]}", 24), drawing.name_colour(user_id)),
            (drawing.fit(str(user_id), 18), DIM),
            (text(session.language, "owner") if user_id == here.owner_id else "", GOLD),
        )
        for user_id in user_ids
    ]
    title = text(session.language, "members_title", count=len(user_ids))
    return Listing(session, navigator, f"{title}  {here.name}", lines)


async def invite(session: Session, navigator: Navigator, renew: bool) -> Listing:
    """The invite code of the group on the screen, in the line that others type."""
    code = await group_requests.invite(session, renew)
    lines = [Content(text(session.language, "invite_use")), Content.styled(f"/join {code}", f"bold {GOLD}")]
    title = f"{text(session.language, 'invite_title')}  {session.model.current.name}"
    return Listing(session, navigator, title, lines)


async def grab_stats(session: Session, navigator: Navigator) -> Listing:
    """For the owner: how fast each member grabs, how often first, and what they send."""
    lines = [Content.styled(" " * 18 + text(session.language, "who_head"), DIM)]
    for one in await group_requests.grab_stats(session):
        median = f"{one.median_ms / 1000:.2f} s" if one.median_ms else "-"
        columns = "".join(
            drawing.fit(str(value), width, right=True)
            for value, width in ((median, 8), (one.grabs, 7), (one.first_places, 7), (one.sent_packets, 7))
        )
        name = drawing.fit(f" {one.name or one.user_id}", 18)
        lines.append(Content.assemble((name, drawing.name_colour(one.user_id)), columns))
    return Listing(session, navigator, text(session.language, "who_title"), lines)


async def campaigns(session: Session, navigator: Navigator) -> Listing:
    """The campaigns that the user may shake in, with the line that shakes in each."""
    lines = []
    for one in await shake_requests.campaigns(session):
        left = text(
            session.language, "shake_left", count=f"{one.at_most_left:,}", clock=drawing.clock(one.left_at_ms)
        )
        name = drawing.fit(f" {one.name}", 24), f"bold {GOLD}" if one.highlighted else ""
        lines.append(Content.assemble(name, drawing.fit(one.sponsor_name, 18), left))
        lines.append(Content.styled(f"   /shake {one.campaign_id}", DIM))
    if not lines:
        lines.append(Content.styled(text(session.language, "no_campaign"), DIM))
    return Listing(session, navigator, text(session.language, "campaigns_title"), lines)


def commands(session: Session, navigator: Navigator) -> Listing:
    """All commands."""
    lines = [
        Content.assemble(
            (drawing.fit(f" {usage(session.language, f'use_{verb}', session.money)}", 33), GOLD),
            text(session.language, f"about_{verb}"),
        )
        for verb in VERBS
    ]
    return Listing(session, navigator, text(session.language, "help_title"), lines)
