"""The kinds of packet, one row each. Rules of the server read the row; none of them compares kinds.

The row is an attribute of the kind, so reading it at every open costs no look-up.

Besides its member of PacketKind and its row, a new kind needs a migration that widens the CHECK on packets.kind,
and its name in the programs that do not import this table: the SDK's check of proofs, the terminal client, the
simulated users, the auditor. docs/contributing.md ("A kind of packet") lists the files.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum, auto
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from server.core.limits import Limits


class Audience(Enum):
    """Which accounts a packet's target names: those may open it."""

    GROUP = auto()  # its members, the sender too
    LISTED = auto()  # those of its members whom the sender has named, not the sender
    RECEIVER = auto()  # the one user, not the sender
    CAMPAIGN = auto()  # its users, who win by shaking: it cannot be tapped
    INVITED = auto()  # the one user, and who was admitted by a link of an opener; not the sender


_OF_A_GROUP: Final = (Audience.GROUP, Audience.LISTED)
_OF_A_USER: Final = (Audience.RECEIVER, Audience.INVITED)


class Allocation(Enum):
    """How the total becomes shares."""

    DRAWN = auto()  # from the seed, when a share is opened
    EVEN = auto()  # every share the same
    DEALT = auto()  # from the pool of its campaign, known beforehand


class AmountOf(Enum):
    """What the sender's `amount_fen` counts."""

    PACKET = auto()
    SHARE = auto()


class SeenBy(Enum):
    """Which viewers of a result page see the list of claims."""

    EVERY_VIEWER = auto()
    SENDER = auto()
    NONE = auto()
    SENDER_AND_TARGET = auto()  # other openers are not told who else opened, by the proof neither


class SentBy(Enum):
    """Whose requests make packets of a kind."""

    USERS = auto()  # and the chat backend on behalf of users
    BILLS = auto()  # of the chat backend, in a sponsor's name, under rules of their own for the amount
    CAMPAIGNS = auto()  # by themselves


class KindRow(NamedTuple):
    """What differs between the kinds."""

    audience: Audience
    allocation: Allocation
    amount_of: AmountOf
    claims_seen_by: SeenBy  # on the result page; the proof of a finished packet follows it
    has_best_luck: bool
    total_is_shown: bool  # once it is finished, to viewers who did not send it
    lifetime_s: Callable[[Limits], float]
    posted_to_sender: bool  # in the sender's inbox, besides its target
    claims_are_told: bool = True  # to the sender, the finish to all concerned; not only to the user of a claim
    sent_by: SentBy = SentBy.USERS
    shares_min: int = 1
    target_opens_first: bool = False  # before that no other user can
    has_words: bool = False  # opened by users who have said its words in the chat
    feature: str = ""  # of clients that know the kind, as their login says; others get a text in its place

    @property
    def goes_to_group(self) -> bool:
        """Its target is a group."""
        return self.audience in _OF_A_GROUP

    @property
    def goes_to_user(self) -> bool:
        """Its target is a user, not a group."""
        return self.audience in _OF_A_USER


class PacketKind(StrEnum):
    """The kind of a packet; the values are those of the wire and of the records."""

    row: KindRow  # of ROWS

    LUCKY = "lucky"
    EQUAL = "equal"
    PERSONAL = "personal"
    SHAKE = "shake"  # some numbers of a campaign's pool (a lease)
    FISSION = "fission"
    EXCLUSIVE = "exclusive"
    PASSWORD = "password"
    ENTERPRISE = "enterprise"
    ENTERPRISE_LUCKY = "enterprise_lucky"
    ENTERPRISE_EQUAL = "enterprise_equal"


LIFETIME: Callable[[Limits], float] = attrgetter("packet_lifetime_s")

ROWS: Final[dict[PacketKind, KindRow]] = {
    PacketKind.LUCKY: KindRow(
        audience=Audience.GROUP,
        allocation=Allocation.DRAWN,
        amount_of=AmountOf.PACKET,
        claims_seen_by=SeenBy.EVERY_VIEWER,
        has_best_luck=True,
        total_is_shown=False,
        lifetime_s=LIFETIME,
        posted_to_sender=False,
    ),
    PacketKind.EQUAL: KindRow(
        audience=Audience.GROUP,
        allocation=Allocation.EVEN,
        amount_of=AmountOf.SHARE,
        claims_seen_by=SeenBy.SENDER,
        has_best_luck=False,
        total_is_shown=True,
        lifetime_s=LIFETIME,
        posted_to_sender=False,
    ),
    PacketKind.PERSONAL: KindRow(
        audience=Audience.RECEIVER,
        allocation=Allocation.EVEN,
        amount_of=AmountOf.PACKET,
        claims_seen_by=SeenBy.SENDER,
        has_best_luck=False,
        total_is_shown=True,
        lifetime_s=LIFETIME,
        posted_to_sender=True,
    ),
    PacketKind.SHAKE: KindRow(
        audience=Audience.CAMPAIGN,
        allocation=Allocation.DEALT,
        amount_of=AmountOf.PACKET,
        claims_seen_by=SeenBy.NONE,
        has_best_luck=False,
        total_is_shown=False,
        lifetime_s=LIFETIME,
        posted_to_sender=False,
        claims_are_told=False,
        sent_by=SentBy.CAMPAIGNS,
    ),
    PacketKind.FISSION: KindRow(
        audience=Audience.INVITED,
        allocation=Allocation.DRAWN,
        amount_of=AmountOf.PACKET,
        claims_seen_by=SeenBy.SENDER_AND_TARGET,
        has_best_luck=False,
        total_is_shown=False,
        lifetime_s=LIFETIME,
        posted_to_sender=True,
        shares_min=3,
        target_opens_first=True,
        feature="fission",
    ),
    PacketKind.EXCLUSIVE: KindRow(
        audience=Audience.LISTED,
        allocation=Allocation.EVEN,
        amount_of=AmountOf.SHARE,
        claims_seen_by=SeenBy.SENDER,
        has_best_luck=False,
        total_is_shown=True,
        lifetime_s=LIFETIME,
        posted_to_sender=False,
        feature="exclusive",
    ),
    PacketKind.PASSWORD: KindRow(
        audience=Audience.GROUP,
        allocation=Allocation.DRAWN,
        amount_of=AmountOf.PACKET,
        claims_seen_by=SeenBy.EVERY_VIEWER,
        has_best_luck=True,
        total_is_shown=False,
        lifetime_s=LIFETIME,
        posted_to_sender=False,
        has_words=True,
        feature="password",
    ),
    PacketKind.ENTERPRISE: KindRow(
        audience=Audience.RECEIVER,
        allocation=Allocation.EVEN,
        amount_of=AmountOf.PACKET,
        claims_seen_by=SeenBy.SENDER,
        has_best_luck=False,
        total_is_shown=True,
        lifetime_s=LIFETIME,
        posted_to_sender=False,
        sent_by=SentBy.BILLS,
        feature="enterprise",
    ),
    PacketKind.ENTERPRISE_LUCKY: KindRow(
        audience=Audience.GROUP,
        allocation=Allocation.DRAWN,
        amount_of=AmountOf.PACKET,
        claims_seen_by=SeenBy.EVERY_VIEWER,
        has_best_luck=True,
        total_is_shown=False,
        lifetime_s=LIFETIME,
        posted_to_sender=False,
        sent_by=SentBy.BILLS,
        feature="enterprise_lucky",
    ),
    PacketKind.ENTERPRISE_EQUAL: KindRow(
        audience=Audience.GROUP,
        allocation=Allocation.EVEN,
        amount_of=AmountOf.PACKET,
        claims_seen_by=SeenBy.SENDER,
        has_best_luck=False,
        total_is_shown=True,
        lifetime_s=LIFETIME,
        posted_to_sender=False,
        sent_by=SentBy.BILLS,
        feature="enterprise_equal",
    ),
}
for _kind, _row in ROWS.items():
    _kind.row = _row


def kind_of(name: str) -> PacketKind:
    """The kind with this name, which may be the kind itself: then it need not be looked for. Raises ValueError."""
    return name if type(name) is PacketKind else PacketKind(name)


WITH_BEST_LUCK = [kind.value for kind in PacketKind if kind.row.has_best_luck]
TO_USER = [kind.value for kind in PacketKind if kind.row.audience is Audience.RECEIVER]
TO_INVITED = [kind.value for kind in PacketKind if kind.row.audience is Audience.INVITED]
BY_BILL = [kind.value for kind in PacketKind if kind.row.sent_by is SentBy.BILLS]
