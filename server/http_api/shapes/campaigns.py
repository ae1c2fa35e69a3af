"""Requests and replies on sponsors and campaigns."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.messages.campaigns import BANDS_MAX, PPM
from server.core.campaigns.deck import NUMBERS_MAX, TOTAL_FEN_MAX
from server.core.campaigns.terms import WINS_OF_USER_MAX
from server.core.enterprise.events import EventKind
from server.http_api.numbers import Id, UserId
from server.http_api.shapes.base import (
    FEN,
    Count,
    Fen,
    GroupText,
    IdText,
    Ms,
    Reply,
    Request,
    Seed,
    asked,
)

Stage = Literal["scheduled", "running", "paused", "ended"]
Amount = Annotated[int, asked(1, TOTAL_FEN_MAX, FEN)]
Hex = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$", description="bytes in hex")]


class SponsorBody(Request):
    """What winners read."""

    name: str


class SponsorReply(Reply):
    """A sponsor. `next_index`: the seed of the next campaign, committed to by the `root` of its tree, in hex."""

    user_id: IdText
    name: str
    balance_fen: Fen
    next_index: int
    trees: list[SeedTreeShown]


class SeedTreeShown(Reply):
    """A tree of server seeds. Keep it: a proof is then compared with it."""

    number: int
    root: Hex


class BandShape(Request):
    """Shares of `low_fen` to `high_fen`, both included: so many parts per million of all."""

    low_fen: Amount
    high_fen: Amount
    ppm: Annotated[int, asked(1, PPM, "parts per million")]


class CampaignBody(Request):
    """A campaign. The sponsor's wallet pays `budget_fen` at once.

    `scheme` bands: `bands` is the table of amounts, 1,000,000 parts together, and the budget is what it adds up to.
    draws: amounts from `share_fen_min` to `share_fen_max` are drawn, and `bands` are planted among them. `group` or
    `group_id`: only its members may shake. `event_kind`: only users of whom such an event was reported.
    """

    sponsor_id: UserId
    name: str
    starts_at_ms: Annotated[int, asked(0, 2**53 - 1, "milliseconds since 1970 (UTC)")]
    ends_at_ms: Annotated[int, asked(0, 2**53 - 1, "milliseconds since 1970 (UTC)")]
    shares: Annotated[int, asked(1, NUMBERS_MAX, "how many there are to win")]
    budget_fen: Amount
    bands: Annotated[list[BandShape], Meta(max_length=BANDS_MAX)] = msgspec.field(default_factory=list)
    scheme: Literal["bands", "draws"] = "bands"
    share_fen_min: Annotated[int, asked(0, TOTAL_FEN_MAX, FEN)] = 0
    share_fen_max: Annotated[int, asked(0, TOTAL_FEN_MAX, FEN)] = 0
    per_user_limit: Annotated[int, asked(1, WINS_OF_USER_MAX, "shares that a user may win")] = 1
    greeting: str = ""
    cover: str = ""
    group: GroupText | UnsetType = UNSET
    group_id: Id | UnsetType = UNSET
    highlighted: bool = False
    client_seed: Seed = ""
    event_kind: Literal["", "follow", "sign_up"] = ""


class CampaignReply(Reply):
    """A campaign. At `left_at_ms` at most `at_most_left` shares were left. `returned_fen`: what came back."""

    campaign_id: IdText
    name: str
    sponsor_id: IdText
    sponsor_name: str
    state: Stage
    starts_at_ms: Ms
    ends_at_ms: Ms
    shares: Count
    budget_fen: Fen
    at_most_left: Count
    left_at_ms: Ms
    per_user_limit: Count
    greeting: str
    cover: str
    highlighted: bool
    commitment: Hex
    seed_index: int
    returned_fen: Fen
    group_id: IdText | UnsetType = UNSET
    event_kind: EventKind | UnsetType = UNSET


class CampaignPageReply(Reply):
    """Campaigns, the newest first. `next_cursor` is there if there are older ones."""

    campaigns: list[CampaignReply]
    next_cursor: str | UnsetType = UNSET


class HourShown(Reply):
    """An hour that begins at `at_ms`: shakes that were answered, shares that were won, their sum."""

    at_ms: Ms
    shakes: Count
    won_shares: Count
    won_fen: Fen


class CampaignReportReply(Reply):
    """What a campaign has spent. `rests`, `nothings`: shakes that took no chance because of overload.

    `cost_per_winner_fen`: once a user has won. `seed` and `deck`: once it is over and its books are closed.
    """

    campaign_id: IdText
    state: Stage
    budget_fen: Fen
    won_shares: Count
    won_fen: Fen
    winners: Count
    left_shares: Count
    left_fen: Fen
    returned_fen: Fen
    shakes: Count
    rests: Count
    nothings: Count
    open_leases: Count
    hours: list[HourShown]
    cost_per_winner_fen: Fen | UnsetType = UNSET
    seed: Hex | UnsetType = UNSET
    deck: str | UnsetType = UNSET
