"""Campaigns: users shake, sponsors pay, the chat backend makes and ends them.

A losing shake costs what an echo costs, so its reply has three short fields; all that belongs to a win is one more.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.messages.base import Id, Int64, Message, Person
from protocol.messages.packets import SeedTree

__all__ = [
    "CampaignChanged",
    "CampaignCreated",
    "CampaignInfo",
    "CampaignLine",
    "CampaignReport",
    "CampaignReportShown",
    "CampaignShown",
    "Campaigns",
    "ChangeCampaign",
    "CreateCampaign",
    "DeckBand",
    "HourLine",
    "ListCampaigns",
    "PutSponsor",
    "Shake",
    "Shaken",
    "SponsorPut",
    "WinLine",
]
BANDS_MAX = 32
PPM = 1_000_000


class Shake(Message, tag=80):
    """Shake: a chance to win a share of a campaign. One chance a second counts."""

    campaign_id: Id


class WinLine(msgspec.Struct, array_like=True, gc=False):
    """A share that I won. `packet_id` and `index` name it for pages, records and the proof."""

    amount_fen: int
    packet_id: int
    index: int
    sponsor_id: int
    sponsor_name: str
    greeting: str
    cover: str = ""


class Shaken(Message, tag=180):
    """`result` is nothing, won, rest, ended or limit. rest: `retry_after_ms`. won: `win`; limit: my latest one."""

    campaign_id: int
    result: str
    retry_after_ms: int = 0
    win: WinLine | None = None


class CampaignInfo(Message, tag=81):
    """What a shake screen shows of a campaign; ask again after each `ask_every` shakes."""

    campaign_id: Id
    language: str = "zh"


class CampaignLine(msgspec.Struct, array_like=True, gc=False):
    """A campaign. `state` is scheduled, running, paused or ended.

    At `left_at_ms` at most `at_most_left` shares were left; it never rises, and is 0 only if none is left.
    `per_user_limit`: shares that a user may win. `highlighted`: its entry is marked. `group_id` 0: for all users,
    or with `event_kind` for those of whom such an event of the sponsor was reported (follow, sign_up).
    """

    campaign_id: int
    name: str
    sponsor_id: int
    sponsor_name: str
    greeting: str
    cover: str
    state: str
    starts_at_ms: int
    ends_at_ms: int
    shares: int
    at_most_left: int
    left_at_ms: int
    ask_every: int
    per_user_limit: int
    highlighted: bool
    group_id: int
    commitment: bytes
    event_kind: str = ""


class CampaignShown(Message, tag=181):
    """`texts`: what to show for each result of a shake, by the result."""

    campaign: CampaignLine
    texts: dict[str, str]


class ListCampaigns(Message, tag=82):
    """The campaigns that I may shake in and that are not over; for the chat backend: all, newest first."""

    before_campaign_id: Int64 = 0


class Campaigns(Message, tag=182):
    """If there are `more`, ask on before the last one."""

    campaigns: list[CampaignLine]
    more: bool


class PutSponsor(Message, tag=83):
    """Chat backend only: this user is a sponsor, called so. No client can log in as one. Again is harmless."""

    user_id: Person
    name: str


class SponsorPut(Message, tag=183):
    """The wallet of the sponsor, and the seeds that the server has committed to for its next campaigns."""

    user_id: int
    balance_fen: int
    next_index: int
    trees: list[SeedTree]


class DeckBand(msgspec.Struct, array_like=True, gc=False):
    """Shares of `low_fen` to `high_fen`: so many parts per million of all."""

    low_fen: Int64
    high_fen: Int64
    ppm: Int64


class CreateCampaign(Message, tag=84):
    """Chat backend only: a campaign of a sponsor, whose wallet pays `budget_fen` at once. Keyed like SendPacket.

    `scheme` bands: `bands` is the table, and the budget must be what it adds up to. draws: amounts of
    `share_fen_min` to `share_fen_max` are drawn, and `bands` are planted: their shares are rounded down.
    `event_kind` follow or sign_up: only users of whom such an event of the sponsor was reported may shake.
    """

    key: str
    sponsor_id: Person
    name: str
    starts_at_ms: Int64
    ends_at_ms: Int64
    shares: Int64
    budget_fen: Int64
    scheme: str
    bands: Annotated[list[DeckBand], Meta(max_length=BANDS_MAX)]
    share_fen_min: Int64 = 0
    share_fen_max: Int64 = 0
    per_user_limit: Int64 = 1
    greeting: str = ""
    cover: str = ""
    group_id: Int64 = 0
    highlighted: bool = False
    client_seed: bytes = b""
    event_kind: str = ""


class CampaignCreated(Message, tag=184):
    """`seed_index`: which of the sponsor's server seeds was used."""

    campaign_id: int
    budget_fen: int
    commitment: bytes
    seed_index: int


class ChangeCampaign(Message, tag=85):
    """Chat backend only: `action` is pause, resume or end. Again is harmless; what has ended stays so."""

    campaign_id: Id
    action: str


class CampaignChanged(Message, tag=185):
    """`returned_fen`: what came back to the sponsor, once the campaign has ended and its books are closed."""

    campaign_id: int
    state: str
    returned_fen: int


class CampaignReport(Message, tag=86):
    """Chat backend only: what a campaign has spent, by hour."""

    campaign_id: Id


class HourLine(msgspec.Struct, array_like=True, gc=False):
    """An hour that begins at `at_ms`: shakes that were answered, shares that were won."""

    at_ms: int
    shakes: int
    won_shares: int
    won_fen: int


class CampaignReportShown(Message, tag=186):
    """`shakes` are all that were answered, of these `rests` and `nothings` took no chance because of overload.

    `winners`: users who won. `returned_fen`, `seed` and `deck` once it is over: 0 and empty before.
    """

    campaign: CampaignLine
    budget_fen: int
    won_shares: int
    won_fen: int
    winners: int
    left_shares: int
    left_fen: int
    returned_fen: int
    shakes: int
    rests: int
    nothings: int
    open_leases: int
    hours: list[HourLine]
    seed: bytes = b""
    deck: bytes = b""
