"""The search of the back office: one text, and all that it may name. Plain values come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from server.core.ids import USER_ID_MAX, is_user
from server.core.ledger import TransferKind
from server.core.office.entries import OfficeRefused, Subject
from server.core.office.roles import Door, OfficeRole, may

if TYPE_CHECKING:
    from server.services.payments.lookups import PaymentLookupService
    from storage.postgres.campaigns.campaigns import CampaignStore
    from storage.postgres.office.finding import FindingStore
    from storage.postgres.packets.packets import PacketStore

TEXT_MAX: Final = 200
NUMBER_MAX: Final = 2**63 - 1


class Hit(NamedTuple):
    """One thing that was found. `subject.name` is its id; `at_ms` 0 and `amount_fen` None: it has none.

    `user_id`: whom it is about; `detail`: its kind or state. Of a movement by key `subject.kind` is `transfer`.
    """

    subject: Subject
    user_id: int = 0
    name: str = ""
    detail: str = ""
    amount_fen: int | None = None
    at_ms: int = 0
    key: str = ""


class FindingService:
    """Searches by primary keys and unique indexes alone, so a search costs the same however much there is.

    All methods raise StoreUnavailable.
    """

    def __init__(
        self,
        finding: FindingStore,
        packets: PacketStore,
        campaigns: CampaignStore,
        payments: PaymentLookupService,
    ) -> None:
        self._finding, self._packets, self._campaigns, self._payments = finding, packets, campaigns, payments

    async def find(self, text: str, role: OfficeRole) -> list[Hit]:
        """What a text may name and the role may see: a number, a name, a user and a key. Raises OfficeRefused."""
        text = text.strip()
        if not text or len(text) > TEXT_MAX:
            raise OfficeRefused(f"search for 1 to {TEXT_MAX} characters")
        hits: list[Hit] = []
        if number := _number(text):
            hits += [one for one in await self._numbered(number) if may(role, _DOORS[one.subject.kind])]
        first, _, key = text.partition(" ")
        if may(role, Door.TRANSFER) and is_user(user_id := _number(first)) and key.strip():
            hits += await self.by_key(user_id, key.strip())
        if may(role, Door.NAMES):
            hits += [_named(row.user_id, row.name) for row in await self._finding.by_name(text)]
        return list(dict.fromkeys(hits))

    async def by_key(self, user_id: int, key: str) -> list[Hit]:
        """What a user has moved with a key."""
        hits = []
        for row in await self._finding.by_key(user_id, key):
            kind = TransferKind(row.kind)
            subject = Subject(_KEYED.get(kind, "transfer"), str(row.number) if row.number else f"{user_id} {key}")
            detail = kind.name.lower() + (f" {row.text}" if kind in _PAYMENTS else "")
            hits.append(Hit(subject, user_id, "", detail, row.amount_fen, row.at_ms, key))
        return hits

    async def _numbered(self, number: int) -> list[Hit]:
        if number <= USER_ID_MAX:
            known = await self._finding.user(number)
            return [] if known is None else [_named(number, known.name)]
        hits = []
        if packet := (await self._packets.rows([number])).get(number):
            subject = Subject("packet", str(number))
            hits.append(
                Hit(subject, packet.sender_id, "", packet.kind, packet.total_fen, packet.created_at_ms, packet.key)
            )
        if group := await self._finding.group(number):
            subject = Subject("group", str(number))
            hits.append(Hit(subject, group.owner_id, group.name, group.kind, None, group.created_at_ms))
        if campaign := (await self._campaigns.rows([number])).get(number):
            subject = Subject("campaign", str(number))
            at_ms, budget_fen = campaign.created_at_ms, campaign.budget_fen
            hits.append(
                Hit(subject, campaign.sponsor_id, campaign.name, campaign.state, budget_fen, at_ms, campaign.key)
            )
        if found := await self._payments.payment(number):
            payment, _ = found
            detail, subject = f"{payment.kind} {payment.state}", Subject("payment", str(number))
            at_ms = payment.created_at_ms
            hits.append(Hit(subject, payment.user_id, "", detail, payment.amount_fen, at_ms, payment.key))
        return hits


_KEYED: Final = {TransferKind.SEND: "packet", TransferKind.CHARGE: "payment", TransferKind.PAYOUT: "payment"}
_DOORS: Final = {
    "user": Door.USER,
    "packet": Door.PACKET,
    "campaign": Door.CAMPAIGNS,
    "group": Door.GROUP,
    "payment": Door.PAYMENT,
}
_PAYMENTS: Final = (TransferKind.CHARGE, TransferKind.PAYOUT)


def _named(user_id: int, name: str) -> Hit:
    return Hit(Subject("user", str(user_id)), user_id, name)


def _number(text: str) -> int:
    """A positive whole number of 63 bits; 0: it is none."""
    is_number = text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if is_number and int(text) <= NUMBER_MAX else 0
