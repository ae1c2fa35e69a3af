"""Simulated stores: the interfaces of the real ones, above tables and logs in memory (see tables and logs)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from server.core.kinds import WITH_BEST_LUCK
from storage.postgres import used_nonces
from storage.postgres.chat import backend_groups, grab_stats, groups, memberships, messages, outbox, users
from storage.postgres.chat.backend_groups import MembersRecorded
from storage.postgres.chat.grab_stats import GrabStatRow
from storage.postgres.chat.groups import GroupChanges, GroupKind, GroupRow, ProfileRow
from storage.postgres.chat.memberships import Recorded
from storage.postgres.chat.messages import MessageRow
from storage.postgres.chat.users import AccessRow
from storage.postgres.database_time import DatabaseTimeStore
from storage.postgres.money import settlement, wallets
from storage.postgres.money.settlement import Backlog, Credit
from storage.postgres.money.wallets import Booked, EntryRow, HoldingRow, TransferRow
from storage.postgres.packets import packets, seed_trees, sends
from storage.postgres.packets.packets import Advance, ClaimRow, PacketRow
from storage.postgres.packets.refunds import RefundRow
from storage.postgres.packets.seed_trees import SeedEpochRow, SeedTreeRow, TreeKey
from storage.postgres.packets.sends import Sent, Unsent
from storage.postgres.sets.places import Sets
from storage.postgres.used_nonces import NonceMark
from storage.redis import mirror
from storage.redis.mirror import Extension, Log
from storage.redis.settings import DURABLE, NO_EVICTION, RedisSettings
from storage.stores import Stores
from tests.sim.bank import stores as of_payments
from tests.sim.campaigns.stores import SimCampaigns, SimLeases
from tests.sim.change_feed import SimChangeFeed
from tests.sim.faults import Late
from tests.sim.kinds.stores import SimAdmissions, SimBills, SimScheduled, SimWords

# One set of these a server, all on the same tables and logs.


def _no_service(made: Sequence[Any]) -> None:
    """No service waits for what is committed late."""


class SimPackets(packets.PacketStore):
    """`record` is the real one, with its retry one by one."""

    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres
        self._record_turn, self._refund_turn = asyncio.Lock(), asyncio.Lock()
        self.on_late_commit: Late = _no_service

    async def load(self, packet_ids: Sequence[int]) -> Any:
        return await self._line.call("load", lambda: self._tables.load(packet_ids))

    async def rows(self, packet_ids: Sequence[int]) -> Any:
        return await self._line.call("rows", lambda: self._tables.rows(packet_ids))

    async def _locked(self, packet_ids: Sequence[int]) -> set[int]:
        return set()  # transactions of others are none of the faults of this world

    async def _record_together(self, advances: Sequence[Advance]) -> set[int]:
        frozen = [one._replace(claims=list(one.claims)) for one in advances]  # sent: no longer the caller's
        async with self._record_turn:
            return await self._line.call("record", lambda: self._tables.record(frozen))

    async def due(self, now_ms: int, most: int) -> list[int]:
        return await self._line.call("due", lambda: self._tables.due(now_ms, most))

    async def refund(self, packet_ids: Sequence[int], now_ms: int) -> list[RefundRow]:
        frozen, made = list(packet_ids), list[RefundRow]()

        def refund() -> list[RefundRow]:
            rows = self._tables.refund(frozen, now_ms)
            made.extend(rows)
            self._tables.refunders |= {row.packet_id: self for row in rows}
            return rows

        async with self._refund_turn:
            return await self._line.commit("refund", refund, made, self.on_late_commit)

    async def find_refunds(self, made: Sequence[RefundRow]) -> list[RefundRow | None]:
        return await self._line.call("find_refunds", lambda: self._tables.find_refunds(made))


class SimSends(sends.SendStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line, self._turn = place.tables, place.postgres, asyncio.Lock()

    async def record(
        self, rows: Sequence[PacketRow], transfer_of: Any, streams_of: Any, seeds: Any, caps: Any = None
    ) -> list[Sent | Unsent]:
        async with self._turn:
            return await self._line.call("send", lambda: self._tables.send(rows, transfer_of, streams_of, seeds()))

    async def find_outcome(self, rows: Sequence[PacketRow], streams_of: Any) -> list[Sent | None]:
        return await self._line.call("find_outcome", lambda: self._tables.find_outcome(rows))

    async def before(self, sender_id: int, key: str) -> PacketRow | None:
        return await self._line.call("before", lambda: self._tables.sent_before(sender_id, key))


class SimSeedTrees(seed_trees.SeedTreeStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def next_index(self, user_id: int) -> int:
        return await self._line.call("next_index", lambda: self._tables.next_seed(user_id))

    async def trees(self, keys: Collection[TreeKey]) -> list[SeedTreeRow]:
        return await self._line.call("trees", lambda: self._tables.find_trees(keys))

    async def add(self, made: Sequence[SeedTreeRow]) -> list[SeedTreeRow]:
        return await self._line.call("add_trees", lambda: self._tables.add_trees(made))

    async def epoch(self) -> SeedEpochRow | None:
        return await self._line.call("epoch", lambda: self._tables.epochs[-1] if self._tables.epochs else None)

    async def begin_epoch(self, key_id: str, now_ms: int, *, only_if_restored: bool = False) -> SeedEpochRow | None:
        return await self._line.call(
            "begin_epoch", lambda: self._tables.begin_epoch(key_id, now_ms, only_if_restored)
        )


class SimSettlement(settlement.SettlementQueue):
    def __init__(self, place: Any, best_luck_kinds: Sequence[str]) -> None:
        self._tables, self._line, self._turn = place.tables, place.postgres, asyncio.Lock()
        self._best_luck_kinds = best_luck_kinds
        self.on_late_commit: Late = _no_service

    async def settle(self, most: int, now_ms: int) -> tuple[int, list[Credit]]:
        credits: list[Credit] = []

        def settle() -> tuple[int, list[Credit]]:
            taken, made = self._tables.settle(most, now_ms, self._best_luck_kinds)
            credits.extend(made)
            return taken, made

        async with self._turn:
            return await self._line.commit("settle", settle, credits, self.on_late_commit)

    async def find_outcome(self, credits: Sequence[Credit]) -> list[Credit | None]:
        return await self._line.call("settled", lambda: self._tables.settled(credits))

    async def uncredited(self, user_id: int, packet_id: int) -> bool:
        return await self._line.call("uncredited", lambda: not self._tables.is_credited(packet_id, user_id))

    async def backlog(self) -> Backlog:
        return await self._line.call("backlog", self._tables.backlog)


class SimOutbox(outbox.OutboxStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line, self._turn = place.tables, place.postgres, asyncio.Lock()
        self.on_late_commit: Late = _no_service

    async def post(self, most: int) -> list[MessageRow]:
        posts: list[MessageRow] = []

        def post() -> list[MessageRow]:
            posts.extend(self._tables.post_waiting(most, self))
            return posts

        async with self._turn:
            return await self._line.commit("post", post, posts, self.on_late_commit)

    async def find_outcome(self, posts: Sequence[MessageRow]) -> list[MessageRow | None]:
        return await self._line.call("posted", lambda: self._tables.posted_ones(posts))

    async def claims(self, asked: Iterable[tuple[int, int, int]]) -> dict[int, list[ClaimRow]]:
        ranges = list(asked)
        return await self._line.call("claims_of", lambda: self._tables.claims_of(ranges))

    async def best_lucks(self, packet_ids: Sequence[int]) -> dict[int, ClaimRow]:
        return await self._line.call("best_lucks", lambda: self._tables.best_lucks_of(packet_ids))


class SimGroups(groups.GroupStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def load(self, group_ids: Sequence[int]) -> list[GroupRow]:
        return await self._line.call("groups", lambda: self._tables.load_groups(group_ids))

    async def changes(self, group_id: int, after_version: int) -> GroupChanges | None:
        return await self._line.call("changes", lambda: self._tables.group_changes(group_id, after_version))

    async def versions(self, group_ids: Sequence[int]) -> dict[int, int]:
        return await self._line.call("versions", lambda: self._tables.versions(group_ids))

    async def version_of_member(self, group_id: int, user_id: int) -> int | None:
        return await self._line.call("standing", lambda: self._tables.version_of_member(group_id, user_id))

    async def page(self, group_id: int, after_user_id: int, most: int) -> list[int]:
        return await self._line.call("page", lambda: self._tables.page(group_id, after_user_id, most))

    async def profiles(self, user_ids: Sequence[int]) -> dict[int, ProfileRow]:
        return await self._line.call("profiles", lambda: {one: self._tables.profile(one) for one in user_ids})


class SimMemberships(memberships.MembershipStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def create(self, group_id: int, name: str, owner_id: int, now_ms: int, groups_max: int) -> Recorded:
        change = (group_id, name, owner_id, now_ms, groups_max)
        return await self._line.call("create", lambda: self._tables.create_group(*change))

    async def join(
        self, group_id: int, user_id: int, invite: str, now_ms: int, members_max: int, groups_max: int
    ) -> Recorded:
        change = (group_id, user_id, invite, now_ms, members_max, groups_max)
        return await self._line.call("join", lambda: self._tables.join(*change))

    async def invited_to(self, invite: str) -> int:
        return await self._line.call("invited_to", lambda: self._tables.invited_to(invite))

    async def leave(self, group_id: int, user_id: int, now_ms: int) -> Recorded | None:
        return await self._line.call("leave_group", lambda: self._tables.leave_group(group_id, user_id, now_ms))

    async def remove_member(self, group_id: int, user_id: int, now_ms: int) -> Recorded | None:
        return await self._line.call("remove", lambda: self._tables.remove_member(group_id, user_id, now_ms))

    async def invite(self, group_id: int, fresh: str, renew: bool) -> str:
        return await self._line.call("invite", lambda: self._tables.invite(group_id, fresh, renew))


class SimBackendGroups(backend_groups.BackendGroupStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def put(
        self, group_id: int, external_id: str, kind: GroupKind, name: str, owner_id: int, now_ms: int
    ) -> Recorded:
        change = (group_id, external_id, kind, name, owner_id)
        return await self._line.call("put_group", lambda: self._tables.put_group(*change))

    async def id_of(self, external_id: str) -> int | None:
        return await self._line.call("group_id_of", lambda: self._tables.group_id_of(external_id))

    async def delete(self, group_id: int, now_ms: int) -> Recorded:
        return await self._line.call("delete_group", lambda: self._tables.delete_group(group_id, now_ms))

    async def sync(
        self, group_id: int, at_version: int, user_ids: Sequence[int], now_ms: int
    ) -> MembersRecorded | None:
        change = (group_id, at_version, tuple(user_ids), now_ms)
        return await self._line.call("sync", lambda: self._tables.sync_members(*change))

    async def change(
        self,
        group_id: int,
        at_version: int,
        joined: Sequence[int],
        left: Sequence[int],
        now_ms: int,
        members_max: int,
    ) -> MembersRecorded | None:
        change = (group_id, at_version, tuple(joined), tuple(left), now_ms, members_max)
        return await self._line.call("change", lambda: self._tables.change_members(*change))


class SimUsers(users.UserStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def know(self, user_ids: Sequence[int]) -> None:
        await self._line.call("know", lambda: self._tables.know(user_ids))

    async def unknown(self, user_ids: Sequence[int]) -> list[int]:
        def read() -> list[int]:
            return sorted(one for one in user_ids if not self._tables.is_known(one))

        return await self._line.call("unknown", read)

    async def restricted(self, user_ids: Sequence[int]) -> list[AccessRow]:
        return await self._line.call("restricted", lambda: self._tables.restricted(user_ids))

    async def choose_name(self, user_id: int, name: str) -> None:
        await self._line.call("choose_name", lambda: self._tables.choose_name(user_id, name))

    async def put(self, names: Mapping[int, str], avatar_urls: Mapping[int, str] | None = None) -> list[int]:
        return await self._line.call("put_users", lambda: self._tables.put_users(names, avatar_urls or {}))

    async def avatar_urls(self, user_ids: Sequence[int]) -> dict[int, str]:
        kept = self._tables.avatar_urls
        return await self._line.call("avatar_urls", lambda: {one: kept[one] for one in user_ids if kept.get(one)})

    async def names(self, user_ids: Sequence[int]) -> dict[int, str]:
        return await self._line.call("names", lambda: self._tables.names(user_ids))

    async def passes_from(self, user_id: int, group_id: int) -> int | None:
        return await self._line.call("passes_from", lambda: self._tables.passes_from(user_id, group_id))

    async def ban(self, user_id: int, banned_at_ms: int | None) -> AccessRow:
        return await self._line.call("ban", lambda: self._tables.ban(user_id, banned_at_ms))

    async def revoke_tokens(self, user_id: int, tokens_from_s: int) -> AccessRow:
        return await self._line.call("revoke_tokens", lambda: self._tables.revoke_tokens(user_id, tokens_from_s))


class SimGrabStats(grab_stats.GrabStatStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def add(self, rows: Sequence[GrabStatRow], recent_max: int) -> None:
        frozen = list(rows)
        await self._line.call("reactions", lambda: self._tables.add_grab_stats(frozen, recent_max))

    async def of_group(self, group_id: int) -> list[GrabStatRow]:
        return await self._line.call("grab_stats_of", lambda: self._tables.grab_stats_of(group_id))


class SimWallets(wallets.WalletStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres
        self.on_late_commit: Late = _no_service

    async def holdings(self, user_ids: Sequence[int]) -> dict[int, HoldingRow]:
        return await self._line.call("holdings", lambda: {one: self._tables.holding(one) for one in user_ids})

    async def move(
        self, transfer: TransferRow, user_id: int, change_fen: int, *, known_only: bool = False
    ) -> Booked:
        made: list[Booked] = []

        def move() -> Booked:
            booked: Booked = self._tables.move(transfer, user_id, change_fen, known_only=known_only)
            made.extend([booked] * booked.moved_now)
            return booked

        booked: Booked = await self._line.commit("move", move, made, self.on_late_commit)
        return booked

    async def entries(self, user_id: int, after_version: int) -> list[EntryRow]:
        return await self._line.call("entries", lambda: self._tables.entries_after(user_id, after_version))

    async def find_outcome(self, made: Sequence[Booked]) -> list[Booked | None]:
        return await self._line.call("moved", lambda: self._tables.moved(made))


class SimMessages(messages.MessageStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def newest_of(
        self, user_ids: Sequence[int], stream_ids: Sequence[int], since_ms: int
    ) -> list[MessageRow]:
        asked = list(user_ids), list(stream_ids), since_ms
        return await self._line.call("newest_of", lambda: self._tables.newest_of(*asked))


class SimMirror(mirror.Mirror):
    def __init__(self, place: Any) -> None:
        self._logs, self._line = place.logs, place.redis
        self.foreign_keys = set()

    async def close(self) -> None:
        """Nothing is open."""

    def tag_of(self, packet_id: int) -> str:
        return ""

    @property
    def tags(self) -> int:
        """The simulated Redis is one server."""
        return 0

    async def probe(self) -> Mapping[str, str]:
        await self._line.call("probe", lambda: None)
        return {}

    async def settings(self) -> list[RedisSettings]:
        return [RedisSettings({**NO_EVICTION, **DURABLE})]

    async def append(self, extensions: Sequence[Extension]) -> set[int]:
        frozen = list(extensions)
        return await self._line.call("append", lambda: self._logs.append(frozen))

    async def close_logs(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        return await self._line.call("close", lambda: self._logs.close(packet_ids))

    async def read(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        return await self._line.call("read", lambda: self._logs.read(packet_ids))

    async def forget(self, packet_ids: Sequence[int]) -> None:
        frozen = list(packet_ids)
        await self._line.call("forget", lambda: self._logs.forget(frozen))

    async def lasting_ids(self) -> AsyncIterator[list[int]]:
        yield await self._line.call("scan", self._logs.lasting)


class SimDatabaseTime(DatabaseTimeStore):
    def __init__(self, place: Any) -> None:
        self._place = place

    async def now_ms(self) -> float:
        return float(await self._place.time.call("time", self._place.database_ms))


class SimUsedNonces(used_nonces.UsedNonceStore):
    """At once, whatever the line does: a nonce is used or it is not, and the worlds ask no more of it."""

    def __init__(self, place: Any) -> None:
        self._tables = place.tables

    async def use(self, marks: Sequence[NonceMark]) -> list[bool]:
        return self._tables.use_nonces(marks)

    async def forget(self, before_s: int) -> None:
        """A world ends before any nonce is too old."""


def stores(world: Any) -> Stores:
    """Every store of one simulated server. What the worlds do not use is absent."""
    simulated: dict[str, Any] = {
        "sets": Sets([world]),
        "database": world,
        "mirror": SimMirror(world),
        "packets": SimPackets(world),
        "sends": SimSends(world),
        "resends": None,
        "bills": SimBills(world),
        "admissions": SimAdmissions(world),
        "words": SimWords(world),
        "scheduled": SimScheduled(world),
        "seed_trees": SimSeedTrees(world),
        "outbox": SimOutbox(world),
        "relays": None,
        "wallets": SimWallets(world),
        "settlement": SimSettlement(world, WITH_BEST_LUCK),
        "records": SimpleNamespace(sent=None, received=None),
        "payments": of_payments.SimPayments(world),
        "wallet_orders": of_payments.SimWalletOrders(world),
        "cards": of_payments.SimCards(world),
        "bind_attempts": of_payments.SimBindAttempts(world),
        "challenges": of_payments.SimChallenges(world),
        "payers": of_payments.SimPayers(world),
        "card_payments": of_payments.SimCardPayments(world),
        "bank_statements": None,
        "matching": None,
        "breaks": None,
        "corrections": None,
        "statements": None,
        "groups": SimGroups(world),
        "memberships": SimMemberships(world),
        "backend_groups": SimBackendGroups(world),
        "chats": None,
        "messages": SimMessages(world),
        "users": SimUsers(world),
        "grab_stats": SimGrabStats(world),
        "change_feed": SimChangeFeed(world),
        "time": SimDatabaseTime(world),
        "used_nonces": SimUsedNonces(world),
        "webhook_endpoints": None,
        "webhook_deliveries": None,
        "webhook_facts": None,
        "campaigns": SimCampaigns(world),
        "leases": SimLeases(world),
        "risk": None,
        "office": None,
        "finding": None,
    }
    if getattr(world, "sets_side", None) is not None:  # the place of a contract has none
        simulated |= world.sets_side.stores(simulated)
    return Stores(**simulated)


def parts_of(store: Any) -> Sequence[Any]:
    """The simulated stores below one that stands above several sets; otherwise it is itself."""
    return getattr(store, "_stores", None) or [store]
