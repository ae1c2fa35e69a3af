"""A user as the back office shows them: wallet, newest entries, packets, payments, cards, bans, risk control."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from server.core import beijing_year
from server.services.money.records import RecordDirection, RecordItem
from server.services.money.statement import StatementItem
from server.services.payments.lookups import PaymentFacts

if TYPE_CHECKING:
    from server.services.money.records import RecordService
    from server.services.money.statement import StatementService
    from server.services.payments.lookups import PaymentLookupService
    from server.services.runtime.lookups import LookupService, UserFacts
    from storage.postgres.cards.cards import CardStore
    from storage.postgres.office.finding import FindingStore
    from storage.postgres.risk.risk import DecisionRow, RiskStore

PAYMENTS_SHOWN: Final = 20
DECISIONS_SHOWN: Final = 10


class RiskLine(NamedTuple):
    """A decision of risk control. `changed`: it was made in mode on."""

    decision_id: int
    user_id: int
    at_ms: int
    action: str
    hits: Sequence[str]
    changed: bool


class ExplainedDecision(NamedTuple):
    """A decision with what led to it. Of a rule that hit: name, condition, action, words. Facts that are not 0."""

    line: RiskLine
    version: str
    rules: Sequence[Sequence[str]]
    facts: Mapping[str, int]
    errors: Mapping[str, str]


class RiskInForce(NamedTuple):
    """What risk control holds a user to. `send_fen_a_day` None: any amount; `released_until_ms` 0: not released."""

    action: str
    says: str
    send_fen_a_day: int | None
    holds_withdrawals: bool
    released_until_ms: int
    decision_id: int


class Profiled(NamedTuple):
    """A user. `banned_at_ms` None: not frozen; `known_at_ms` 0: it was not recorded; `in_force` None: nothing."""

    user_id: int
    name: str
    is_sponsor: bool
    known_at_ms: int
    banned_at_ms: int | None
    facts: UserFacts
    entries: Sequence[StatementItem]
    more_entries: bool
    sent: Sequence[RecordItem]
    received: Sequence[RecordItem]
    payments: Sequence[PaymentFacts]
    cards: Sequence[str]
    in_force: RiskInForce | None
    decisions: Sequence[RiskLine]


class ProfileService:
    """Reads a user. All methods raise StoreUnavailable."""

    def __init__(
        self,
        finding: FindingStore,
        lookups: LookupService,
        statements: StatementService,
        records: RecordService,
        payments: PaymentLookupService,
        cards: CardStore,
        risk: RiskStore,
        now_ms: Callable[[], int],
    ) -> None:
        self._finding, self._lookups, self._statements, self._records = finding, lookups, statements, records
        self._payments, self._cards, self._risk = payments, cards, risk
        self._now_ms = now_ms

    async def user(self, user_id: int, before_version: int = 0) -> Profiled | None:
        """A known user, with the newest entries or those before a version of the wallet; None: unknown."""
        known = await self._finding.user(user_id)
        if known is None:
            return None
        year = beijing_year.year_of(self._now_ms())
        statement = await self._statements.page(user_id, before_version)
        return Profiled(
            user_id=user_id,
            name=known.name,
            is_sponsor=known.is_sponsor,
            known_at_ms=known.known_at_ms,
            banned_at_ms=known.banned_at_ms,
            facts=await self._lookups.user(user_id),
            entries=statement.lines,
            more_entries=statement.more,
            sent=(await self._records.show(user_id, RecordDirection.SENT, year)).lines,
            received=(await self._records.show(user_id, RecordDirection.RECEIVED, year)).lines,
            payments=await self._payments.newest(user_id, "", PAYMENTS_SHOWN),
            cards=[f"{one.bank} ****{one.last4}" for one in await self._cards.bound(user_id)],
            in_force=await self._in_force(user_id),
            decisions=await self.decisions_of(user_id),
        )

    async def decisions_of(self, user_id: int) -> list[RiskLine]:
        """The newest decisions of risk control about a user."""
        return [_risk_line(row) for row in await self._risk.of_user(user_id, DECISIONS_SHOWN)]

    async def cases(self, most: int, rule: str = "") -> list[RiskLine]:
        """The newest decisions with a hit, of this rule if one is named."""
        return [_risk_line(row) for row in await self._risk.cases(most, rule)]

    async def decision(self, decision_id: int) -> ExplainedDecision | None:
        """A decision of risk control with what led to it."""
        row = await self._risk.decision(decision_id)
        if row is None:
            return None
        known = {rule["name"]: rule for rule in await self._risk.rules(row.rules) or ()}
        unknown = {"when": "?", "then": "?", "says": ""}
        rules = [(name, *(str(known.get(name, unknown)[part]) for part in unknown)) for name in row.hits]
        facts = {name: value for name, value in row.facts.items() if value}
        return ExplainedDecision(_risk_line(row), row.rules, rules, facts, row.errors)

    async def _in_force(self, user_id: int) -> RiskInForce | None:
        if (await self._risk.state()).mode != "on":
            return None  # verdicts of another time hold nothing back
        for row in await self._risk.verdicts([user_id]):
            held = row.send_fen_a_day, row.holds_withdrawals, row.released_until_ms, row.decision_id
            return RiskInForce(row.action, row.says, *held)
        return None


def _risk_line(row: DecisionRow) -> RiskLine:
    return RiskLine(row.decision_id, row.user_id, row.at_ms, row.action, row.hits, row.mode == "on")
