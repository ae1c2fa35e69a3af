"""What a campaign is, and what the chat backend may ask for. Amounts in fen, times in ms since 1970."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from server.core import seeds
from server.core.amounts import Caps
from server.core.campaigns.deck import Band, BandDeck, Deck, DeckRefused, DrawDeck
from server.core.enterprise.events import kind_of
from server.core.limits import Limits, check_bytes, check_number, check_text
from server.core.refusals import Reason, RequestRefused

LEASE_SHARES_MAX: Final = 4_096  # a packet's counter has 16 bits, and each claim of a lease is in memory
WINS_OF_USER_MAX: Final = 100
COVER_BYTES_MAX: Final = 64
SHARE_FEN_MAX: Final = 2**32 - 1  # 4 bytes in the mirror
LASTS_MS_MAX: Final = 366 * 86_400_000
# The fields of a deck as the chat backend calls them.
_FIELDS: Final = {"numbers": "shares", "share_fen_min, share_fen_max": "share_fen_min"}
_BUDGET: Final = "budget_fen"


class Scheme(StrEnum):
    """How amounts come about; the values are those of the wire."""

    BANDS = "bands"
    DRAWS = "draws"


class Stage(StrEnum):
    """How far a campaign is, as everybody is told."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Wanted(StrEnum):
    """What the chat backend wants of it, as recorded: the time decides the rest."""

    OPEN = "open"
    PAUSED = "paused"
    ENDED = "ended"


class Action(StrEnum):
    """What the chat backend may do with it."""

    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


BECOMES: Final = {Action.PAUSE: Wanted.PAUSED, Action.RESUME: Wanted.OPEN, Action.END: Wanted.ENDED}


class CampaignRequest(NamedTuple):
    """A campaign to be."""

    key: str
    sponsor_id: int
    name: str
    starts_at_ms: int
    ends_at_ms: int
    shares: int
    budget_fen: int
    scheme: str
    bands: Sequence[Band]
    share_fen_min: int
    share_fen_max: int
    per_user_limit: int
    greeting: str
    cover: str
    group_id: int
    highlighted: bool
    client_seed: bytes
    event_kind: str = ""  # only users of whom such an event of the sponsor was reported; empty: all, or the group


def stage_of(state: Wanted, now_ms: int, starts_at_ms: int, ends_at_ms: int) -> Stage:
    """How far a campaign is at this time."""
    if state is Wanted.ENDED or now_ms >= ends_at_ms:
        return Stage.ENDED
    if state is Wanted.PAUSED:
        return Stage.PAUSED
    return Stage.RUNNING if now_ms >= starts_at_ms else Stage.SCHEDULED


def lease_shares(shares: int, per_user_limit: int) -> int:
    """How many numbers a lease has at most: a user who may win several times finds another lease."""
    return min(LEASE_SHARES_MAX, max(1, shares // (8 * per_user_limit)))


def checked(one: CampaignRequest, limits: Limits, now_ms: int) -> Deck:
    """The deck of a campaign that may be made. Raises RequestRefused at the first field that is wrong."""
    check_bytes("key", one.key, 1, limits.key_bytes_max, Reason.BAD_KEY)
    check_text("name", one.name, 1, limits.name_bytes_max, Reason.BAD_NAME)
    check_text("greeting", one.greeting, 0, limits.greeting_bytes_max, Reason.BAD_GREETING)
    check_text("cover", one.cover, 0, COVER_BYTES_MAX, Reason.BAD_CAMPAIGN)
    if one.client_seed and len(one.client_seed) not in seeds.CLIENT_SEED_BYTES:
        raise RequestRefused(
            Reason.BAD_SEED, f"client_seed: 16 to 32 bytes, over HTTP in hex, got {len(one.client_seed)}"
        )
    if one.event_kind:
        kind_of(one.event_kind)
        if one.group_id:
            raise RequestRefused(Reason.BAD_CAMPAIGN, "event_kind: a campaign for a group has none")
    first = one.starts_at_ms + 1
    check_number("ends_at_ms", one.ends_at_ms, max(first, now_ms), first + LASTS_MS_MAX, Reason.BAD_CAMPAIGN, "ms")
    check_number("per_user_limit", one.per_user_limit, 1, WINS_OF_USER_MAX, Reason.BAD_CAMPAIGN)
    deck = deck_of(one)
    check_number("share_fen_max", deck.largest_fen, 1, SHARE_FEN_MAX, Reason.BAD_CAMPAIGN)
    return deck


def deck_of(one: CampaignRequest) -> Deck:
    """The amounts that are asked for. Raises RequestRefused if they are no deck, or if the budget is not theirs."""
    try:
        deck = _made(one)
    except DeckRefused as error:
        name, _, why = str(error).partition(": ")
        field = _FIELDS.get(name, name)
        raise RequestRefused(
            Reason.BAD_BUDGET if field == _BUDGET else Reason.BAD_CAMPAIGN, f"{field}: {why}"
        ) from None
    if deck.total_fen != one.budget_fen:
        raise RequestRefused(Reason.BAD_BUDGET, f"budget_fen: {one.budget_fen}, the shares need {deck.total_fen}")
    return deck


def _made(one: CampaignRequest) -> Deck:
    if one.scheme == Scheme.BANDS:
        return BandDeck(one.shares, list(one.bands))
    if one.scheme != Scheme.DRAWS:
        raise RequestRefused(Reason.BAD_CAMPAIGN, f"scheme: bands or draws, not {one.scheme[:20]!r}")
    return DrawDeck(one.shares, one.budget_fen, Caps(one.share_fen_min, one.share_fen_max), list(one.bands))
