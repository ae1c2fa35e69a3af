"""What the chat backend does with sponsors and campaigns, and what users are told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from server.core.campaigns.deck import Deck
from server.core.campaigns.terms import (
    BECOMES,
    Action,
    CampaignRequest,
    Stage,
    Wanted,
    checked,
    deck_of,
    stage_of,
)
from server.core.ids import BACKEND, IdMaker
from server.core.ledger import TransferKind, WalletBalance
from server.core.limits import Limits, check_text
from server.core.refusals import Reason, RequestRefused
from server.services.campaigns.board import CampaignBoard
from server.services.campaigns.leases import LeaseKeeper
from server.services.campaigns.live_campaign import LiveCampaign
from server.services.campaigns.pools import kind_of
from server.services.chat.groups import GroupService
from server.services.chat.people import PeopleService
from server.services.runtime.bus import Bus
from server.services.runtime.change_feed import ChangeFeed
from server.services.runtime.events import BalanceChange
from server.services.seeds.service import SeedService, ToldTrees
from storage.postgres.campaigns.campaigns import (
    CampaignRow,
    CampaignStore,
    CampaignTotals,
    Created,
    HourRow,
    NoSponsor,
)
from storage.postgres.money.wallets import NotEnoughMoney, TransferRow

PAGE_MAX: Final = 100
ID_MAX: Final = 2**63 - 1


class CampaignView(NamedTuple):
    """A campaign as it is told: how far it is, and how many shares are left at most."""

    row: CampaignRow
    stage: Stage
    at_most_left: int
    left_at_ms: int


class CampaignPage(NamedTuple):
    """Campaigns, the newest first; `more`: there are older ones."""

    campaigns: list[CampaignView]
    more: bool


class CampaignSpending(NamedTuple):
    """What a campaign has spent. `seed`: of its pool, once its books are closed; empty before."""

    view: CampaignView
    totals: CampaignTotals
    hours: Sequence[HourRow]
    seed: bytes


class CampaignService:
    """Use cases. Raises RequestRefused, StoreUnavailable: then ask again."""

    def __init__(
        self,
        store: CampaignStore,
        board: CampaignBoard,
        keeper: LeaseKeeper,
        groups: GroupService,
        people: PeopleService,
        seeds: SeedService,
        changes: ChangeFeed,
        limits: Limits,
        ids: IdMaker,
        now_ms: Callable[[], int],
        bus: Bus,
    ) -> None:
        self._store = store
        self._board = board
        self._keeper = keeper
        self._groups = groups
        self._people = people
        self._seeds = seeds
        self._changes = changes
        self._limits = limits
        self._ids = ids
        self._now_ms = now_ms
        self._bus = bus

    async def put_sponsor(self, user_id: int, name: str) -> ToldTrees:
        """Make a user a sponsor, called so; the connections of the user end. The seeds of the next campaigns."""
        check_text("name", name, 1, self._limits.name_bytes_max, Reason.BAD_NAME)
        await self._people.put({user_id: name})
        await self._store.put_sponsor(user_id, name, self._now_ms())
        await self._people.revoke_tokens(user_id)
        return await self._seeds.told(user_id)

    async def create(self, asked: CampaignRequest) -> CampaignRow:
        """Make a campaign, or find the one that this key has made."""
        now_ms = self._now_ms()
        try:
            deck = await self._checked(asked, now_ms)
        except RequestRefused:
            made = await self._made_before(asked)
            if made is None:
                raise
            return made
        campaign_id = self._ids.next(now_ms, await self._store.set_of_sponsor(asked.sponsor_id))
        row = _row(campaign_id, asked, deck, now_ms)
        money = TransferRow(asked.sponsor_id, row.campaign_id, TransferKind.CAMPAIGN, "", row.budget_fen, now_ms)
        tries = self._seeds.for_packets()
        try:
            created = await self._store.create(row, deck.kind, money, tries.begin)
        except NoSponsor:
            raise RequestRefused(Reason.NOT_A_SPONSOR) from None
        except NotEnoughMoney:
            raise RequestRefused(Reason.NOT_ENOUGH_MONEY) from None
        tries.keep()
        if created.balance is None and _content(created.row) != _content(row):
            earlier = created.row.campaign_id
            raise RequestRefused(Reason.KEY_REUSED, f"the key has made campaign {earlier} with other content")
        await self._board.put(created.row)
        self._keeper.wake.set()
        self._publish(created)
        await self._changes.wait_until_told("campaign", created.row.campaign_id, created.row.version)
        return created.row

    async def _checked(self, asked: CampaignRequest, now_ms: int) -> Deck:
        deck = checked(asked, self._limits, now_ms)
        if asked.group_id:
            group = await self._groups.find(asked.group_id)
            if group is None or group.is_deleted:
                raise RequestRefused(Reason.NO_SUCH_GROUP)
        return deck

    async def _made_before(self, asked: CampaignRequest) -> CampaignRow | None:
        """What this key has made when it was still allowed: it may be over by now, or the limits lower (I6)."""
        if "\0" in asked.key:
            return None
        row = await self._store.before(asked.sponsor_id, asked.key)
        if row is None:
            return None
        try:
            wanted = _row(row.campaign_id, asked, deck_of(asked), row.created_at_ms)
        except RequestRefused:
            return None
        return row if _content(row) == _content(wanted) else None

    def _publish(self, created: Created) -> None:
        if created.balance is not None:
            row = created.row
            reason = TransferKind.CAMPAIGN.name.lower()
            event = BalanceChange(row.sponsor_id, WalletBalance(*created.balance), -row.budget_fen, reason)
            self._bus.publish(event, (row.sponsor_id,))

    async def change(self, campaign_id: int, action: str) -> CampaignView:
        """Pause, resume or end. Again is harmless."""
        if action not in set(Action):
            raise RequestRefused(Reason.BAD_REQUEST, f"action: pause, resume or end, not {action[:20]!r}")
        state = BECOMES[Action(action)]
        row = await self._store.change(campaign_id, state)
        if row is None:
            raise RequestRefused(Reason.NO_SUCH_CAMPAIGN)
        await self._board.put(row)
        self._keeper.wake.set()
        await self._changes.wait_until_told("campaign", campaign_id, row.version)
        if row.state != state:
            raise RequestRefused(Reason.CAMPAIGN_OVER)
        return self._view(row)

    # --- what is told -----------------------------------------------------------------------------------------

    async def view(self, user_id: int, campaign_id: int) -> CampaignView:
        """A campaign, for a user who may see it, or the backend."""
        live = self._board.get(campaign_id)
        row = live.row if live is not None else await self._recorded(campaign_id)
        if user_id != BACKEND and not await self._may_see(user_id, row):
            raise RequestRefused(Reason.NO_SUCH_CAMPAIGN)
        return self._view(row)

    async def page(self, user_id: int, before_id: int) -> CampaignPage:
        """The campaigns that a user may see and that are not over; for the backend all of them."""
        before_id = before_id if before_id > 0 else ID_MAX
        if user_id == BACKEND:
            found = [self._view(row) for row in await self._store.page(before_id, PAGE_MAX + 1)]
        else:
            lives = [live for live in self._board.all()[::-1] if live.campaign_id < before_id]
            views = [self._view(live.row) for live in lives if live.is_shown_to(user_id)]
            found = [view for view in views if view.stage is not Stage.ENDED]
        return CampaignPage(found[:PAGE_MAX], len(found) > PAGE_MAX)

    async def report(self, campaign_id: int) -> CampaignSpending:
        """What a campaign has spent until now."""
        row = await self._recorded(campaign_id)
        totals, hours = await self._store.report(campaign_id)
        seed = await self.seed_of(row) if row.closed_at_ms is not None else b""
        return CampaignSpending(self._view(row), totals, hours, seed)

    async def seed_of(self, row: CampaignRow) -> bytes:
        """The seed of a campaign's pool; empty if it cannot be unsealed."""
        return (await self._seeds.of([row.pool_packet(kind_of(row))])).get(row.campaign_id, b"")

    async def _recorded(self, campaign_id: int) -> CampaignRow:
        row = (await self._store.rows([campaign_id])).get(campaign_id)
        if row is None:
            raise RequestRefused(Reason.NO_SUCH_CAMPAIGN)
        return row

    async def _may_see(self, user_id: int, row: CampaignRow) -> bool:
        if not row.group_id:
            return True
        await self._groups.keep([row.group_id])
        return user_id in self._groups.audience((row.group_id,))

    def _view(self, row: CampaignRow) -> CampaignView:
        live: LiveCampaign | None = self._board.get(row.campaign_id)
        left = (row.published_left, row.published_at_ms)
        if live is not None:
            left = min(left, (live.published_left, live.published_at_ms))
        stage = stage_of(Wanted(row.state), self._now_ms(), row.starts_at_ms, row.ends_at_ms)
        return CampaignView(row, stage, *left)


def _row(campaign_id: int, asked: CampaignRequest, deck: Deck, now_ms: int) -> CampaignRow:
    """A campaign as it is to be recorded; its seed is known then."""
    return CampaignRow(
        campaign_id=campaign_id,
        sponsor_id=asked.sponsor_id,
        sponsor_name="",
        key=asked.key,
        name=asked.name,
        greeting=asked.greeting,
        cover=asked.cover,
        group_id=asked.group_id,
        highlighted=asked.highlighted,
        shares=deck.numbers,
        budget_fen=deck.total_fen,
        share_fen_min=deck.smallest_fen,
        share_fen_max=deck.largest_fen,
        per_user_limit=asked.per_user_limit,
        deck=deck.canonical(),
        seed_index=0,
        client_seed=asked.client_seed,
        commitment=b"",
        created_at_ms=now_ms,
        starts_at_ms=asked.starts_at_ms,
        ends_at_ms=asked.ends_at_ms,
        event_kind=asked.event_kind,
    )


def _content(row: CampaignRow) -> tuple[object, ...]:
    """What must be the same when a key is used again; the first client seed counts."""
    texts = row.name, row.greeting, row.cover, row.group_id, row.event_kind, row.highlighted
    return (*texts, row.budget_fen, row.per_user_limit, row.deck, row.starts_at_ms, row.ends_at_ms)
