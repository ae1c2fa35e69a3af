"""What a new campaign gives, when and to whom, on a command line."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple

from cyclopts import Parameter, Token

from server.cli.shared.numbers import Count, Fen, Hours, Id
from server.cli.shared.resources import CommandFailed, WrongOptions
from server.cli.shared.words import Moment
from server.core.campaigns.deck import PPM, Band, DeckRefused, fitting_budget

HOUR_MS: Final = 3_600_000
_BAND: Final = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15}))?:([0-9]{1,3}(?:\.[0-9]{1,9})?)%")
_AMOUNTS: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")
PPM_PER_PERCENT: Final = PPM // 100


class Amounts(NamedTuple):
    """The smallest and the largest amount in fen."""

    low_fen: int
    high_fen: int


def band_of(text: str) -> Band:
    """A band such as 200-499:85% or 61800:0.01%. Raises ValueError, one line."""
    found = _BAND.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} must look like 200-499:85% or 61800:0.01%, in the smallest unit of money")
    parts = Decimal(found[3]) * PPM_PER_PERCENT
    if parts != int(parts):
        raise ValueError(f"{text!r} is finer than a part per million (0.0001%)")
    return Band(int(found[1]), int(found[2] or found[1]), int(parts))


def _bands(_: Any, tokens: Sequence[Token]) -> tuple[Band, ...]:
    return tuple(band_of(token.value) for token in tokens)


def _amounts(_: Any, tokens: Sequence[Token]) -> Amounts:
    found = _AMOUNTS.fullmatch(tokens[0].value)
    if found is None:
        raise ValueError(f"{tokens[0].value!r} must look like 200-20000, in the smallest unit of money")
    return Amounts(int(found[1]), int(found[2]))


Bands = Annotated[
    tuple[Band, ...],
    Parameter(
        name="--band",
        converter=_bands,
        negative=(),
        n_tokens=1,
        accepts_keys=False,
        help="amounts in the smallest unit of money, and their part of all shares: 200-499:85%; for each band",
    ),
]
AmountsOption = Annotated[
    Amounts,
    Parameter(
        name="--draws",
        converter=_amounts,
        n_tokens=1,
        accepts_keys=False,
        help="draw amounts between two limits, 200-20000; then bands are planted among them",
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CampaignTerms:
    """The options of a new campaign."""

    shares: Annotated[Count, Parameter(help="how many there are to win")]
    bands: Bands = ()
    draws: AmountsOption | None = None
    budget: Annotated[Fen | None, Parameter(help="the sum of all shares (default: what the bands add up to)")] = (
        None
    )
    start: Annotated[
        Moment | None,
        Parameter(help="when shakes begin to win, such as 2027-02-16T20:00; Beijing time (default: now)"),
    ] = None
    hours: Annotated[Hours, Parameter(help="how long it lasts")] = 24.0
    per_user: Annotated[Count, Parameter(help="how many shares a user may win")] = 1
    greeting: Annotated[str, Parameter(help="to the winners (default: as of packets)")] = ""
    cover: Annotated[str, Parameter(help="a name of your app's, for a picture")] = ""
    group: Annotated[Id, Parameter(help="only members of this group may shake (default: all users)")] = 0
    event: Annotated[
        Literal["follow", "sign_up"] | None,
        Parameter(help="only users of whom your chat app has reported this may shake (default: all users)"),
    ] = None
    highlighted: Annotated[bool, Parameter(negative=(), help="the app marks the entry of the campaign")] = False

    def times_ms(self) -> tuple[int, int]:
        """Start and end, in milliseconds since 1970."""
        start = time.time_ns() // 1_000_000 if self.start is None else round(self.start.timestamp() * 1000)
        return start, start + round(self.hours * HOUR_MS)

    def budget_fen(self) -> int:
        """The given budget, or the one that fits the bands. Raises WrongOptions, CommandFailed."""
        if not self.bands and self.draws is None:
            raise WrongOptions("give the amounts: --band for each of a table, or --draws")
        if self.budget is not None:
            return self.budget
        if self.draws is not None:
            raise WrongOptions("--draws needs a --budget")
        try:
            return fitting_budget(self.shares, list(self.bands))
        except DeckRefused as refused:
            raise CommandFailed(str(refused)) from None

    def others(self) -> dict[str, Any]:
        """The other parts of the request by name."""
        found: dict[str, Any] = {
            "per_user_limit": self.per_user,
            "greeting": self.greeting,
            "cover": self.cover,
            "group_id": self.group,
            "highlighted": self.highlighted,
            "event_kind": self.event or "",
        }
        if self.draws is not None:
            found |= {"scheme": "draws", "share_fen_min": self.draws.low_fen, "share_fen_max": self.draws.high_fen}
        return found
