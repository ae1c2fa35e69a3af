"""Send: check, debit and record in one transaction with everybody else's packets, then push."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from server.core import packet_request
from server.core.ids import IdMaker, is_user
from server.core.kinds import Audience, SentBy, kind_of
from server.core.ledger import TransferKind, WalletBalance
from server.core.limits import Limits
from server.core.packet_request import WALLET, PacketRequest, Payer, Terms
from server.core.refusals import Reason, RequestRefused
from server.services.chat.chats import ChatService
from server.services.chat.groups import Group, GroupService
from server.services.packets.audience import any_group, target_group
from server.services.packets.key_content import differences, recorded_content, requested_content
from server.services.packets.live_packets import LivePackets
from server.services.packets.stored_state import terms_of
from server.services.risk.gate import MoneyGate
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange, PacketPost
from server.services.runtime.in_doubt import InDoubt
from server.services.seeds.service import SeedService
from storage.errors import StoreUnavailable
from storage.postgres.chat.groups import GroupKind
from storage.postgres.money.wallets import TransferRow
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.sends import SendStore, Sent, Unsent
from storage.postgres.sets.places import Sets, grouped, settled

BATCH_MAX = 500
# Asked for at every send, and reading a member off its class costs a call (Python 3.11).
RECEIVER, USERS, BILLS = Audience.RECEIVER, SentBy.USERS, SentBy.BILLS
SIGNED, DIRECT, SEND = GroupKind.SIGNED, GroupKind.DIRECT, TransferKind.SEND


class SendService:
    """Use case send. Raises RequestRefused."""

    def __init__(
        self,
        store: SendStore,
        packets: LivePackets,
        groups: GroupService,
        chats: ChatService,
        limits: Limits,
        ids: IdMaker,
        now_ms: Callable[[], int],
        seeds: SeedService,
        bus: Bus,
        smallest: str,
        sets: Sets,
        gate: MoneyGate,
    ) -> None:
        """`smallest`: what an amount counts, as people say it (fen). `sets`: a packet is in that of its sender.

        `gate`: what risk control lets pass.
        """
        self._store = store
        self.words_before = store.words_before
        self._packets = packets
        self._groups = groups
        self._chats = chats
        self._limits = limits
        self._ids = ids
        self._now_ms = now_ms
        self._seeds = seeds
        self._bus = bus
        self._smallest = smallest
        self._sets = sets
        self.gate = gate
        self.batcher: Batcher[PacketRequest, Terms] = Batcher(self._record, BATCH_MAX, limits)
        self.sent_packets = 0
        self.sent_fen = 0
        self.in_doubt = InDoubt(partial(store.find_outcome, streams_of=streams), self._publish)

    async def send(self, one: PacketRequest, payer: Payer = WALLET) -> Terms:
        """Send a packet, or find the one that this key has sent before; its terms, perhaps without its seed.

        This server takes no cards and no passwords.
        """
        if payer.card_id:
            raise RequestRefused(Reason.BAD_CARD, "card_id: this server takes no cards")
        ready = await self.ready(one)
        return ready if isinstance(ready, Terms) else await self.send_ready(ready)

    def begin(self, one: PacketRequest, on_result: Callable[[Terms | Exception], None]) -> bool:
        """Send a packet without a task: its result goes to `on_result`.

        False: `send` is to be asked, because something must be read before, or because it will refuse.
        """
        try:
            members = self._known_members(one)
            if members is None or not self.gate.passes_send(one.sender_id):
                return False
            self._check_content(one, members)
            self.batcher.hand_in(one, on_result)
        except RequestRefused:
            return False
        return True

    async def ready(self, one: PacketRequest) -> PacketRequest | Terms:
        """The request with its receiver, if it may be sent; or what its key has sent when that was allowed."""
        try:
            one = await self._with_receiver(one)
            await self._check(one)
        except RequestRefused:
            earlier = await self._earlier(one)
            if earlier is None:
                raise
            return earlier
        return one

    async def send_ready(self, one: PacketRequest) -> Terms:
        """Send what is `ready`."""
        return await self.batcher.submit(one)

    async def sent_before(self, one: PacketRequest) -> Terms | None:
        """The packet that the key of a request, which is `ready`, has sent. Raises RequestRefused (key_reused)."""
        row = await self._store.before(one.sender_id, one.key)
        if row is not None and recorded_content(row) != requested_content(one):
            raise RequestRefused(Reason.KEY_REUSED, f"the key has sent packet {row.packet_id} with other content")
        return None if row is None else terms_of(row)

    async def checked(self, one: PacketRequest) -> PacketRequest:
        """The request with its receiver, if the sender may send it now."""
        resolved = await self._with_receiver(one)
        await self._check(resolved)
        return resolved

    async def _check(self, one: PacketRequest) -> None:
        self._check_content(one, await self._members(one))
        await self.gate.check_send(one.sender_id, one.total_fen)

    def _check_content(self, one: PacketRequest, members: int) -> None:
        packet_request.check(one, self._limits, members, self._smallest)
        if one.send_at_ms:
            packet_request.check_time(one, self._limits, self._now_ms())

    async def _earlier(self, one: PacketRequest) -> Terms | None:
        """What this key has sent when it was still allowed: the group or the limits may have changed since (I6)."""
        row = None if "\0" in one.key else await self._store.before(one.sender_id, one.key)
        return terms_of(row) if row is not None and recorded_content(row) == requested_content(one) else None

    async def _with_receiver(self, one: PacketRequest) -> PacketRequest:
        """A packet for one user that goes to a one-to-one chat is for the other user in it."""
        if not one.kind.row.goes_to_user or is_user(one.target_id):
            return one
        receiver_id, chat_id = await self._chats.target(one.sender_id, one.target_id)
        return one._replace(target_id=receiver_id, chat_id=chat_id)

    async def _members(self, one: PacketRequest) -> int:
        """How many may open it."""
        members = self._known_members(one)
        return _members_in(await self._group(one), one, self._limits) if members is None else members

    def _known_members(self, one: PacketRequest) -> int | None:
        """The same; None if something must be read, or is to be refused."""
        row = one.kind.row
        if row.goes_to_user:
            if not is_user(one.target_id):  # a one-to-one chat
                return None
            return 1 if row.audience is RECEIVER else self._limits.shares_max
        if row.sent_by is not USERS:
            return None
        group = self._groups.in_memory(one.sender_id, one.target_id)
        return None if group is None or group.kind is DIRECT else _members_in(group, one, self._limits)

    async def _group(self, one: PacketRequest) -> Group:
        """The group that a packet is sent to: one of its sender's, or of a sponsor any."""
        if one.kind.row.sent_by is BILLS:
            return await any_group(one.kind, one.sender_id, one.target_id, self._groups)
        return await target_group(one.kind, one.sender_id, one.target_id, self._groups)

    # --- the batch --------------------------------------------------------------------------------------------

    async def _record(self, offers: list[PacketRequest]) -> list[Terms | Exception]:
        now_ms = self._now_ms()
        if not self._sets.several:
            return await self._record_rows([self.row(one, now_ms) for one in offers])
        places = await self._sets.place({one.sender_id for one in offers})
        rows = [self.row(one, now_ms, places[one.sender_id]) for one in offers]
        by_set = grouped(range(len(rows)), lambda place: places[rows[place].sender_id])
        done, failed = await settled(
            {number: self._record_rows([rows[place] for place in some]) for number, some in by_set.items()}
        )
        results: dict[int, Terms | Exception] = {
            place: RequestRefused(Reason.STORE_UNAVAILABLE, str(failed[number]))
            for number in failed
            for place in by_set[number]
        }
        for number, some in done.items():
            results |= zip(by_set[number], some, strict=True)
        return [results[place] for place in range(len(rows))]

    async def _record_rows(self, rows: list[PacketRow]) -> list[Terms | Exception]:
        """Record packets of one set."""
        tries = self._seeds.for_packets()
        caps = await self.gate.send_caps({row.sender_id for row in rows})
        try:
            results = await self._store.record(rows, send_transfer, streams, tries.begin, caps)
        except StoreUnavailable:
            self.in_doubt.add(rows)
            raise
        seeds = tries.keep()
        return [self._conclude(row, sent, seeds) for row, sent in zip(rows, results, strict=True)]

    def row(self, one: PacketRequest, now_ms: int, set_number: int = 0) -> PacketRow:
        """The packet that a checked request asks for, as it is to be recorded in this set."""
        caps = packet_request.caps_of(one, self._limits)
        lifetime_ms = int(one.kind.row.lifetime_s(self._limits) * 1000)
        # by place: each send makes one
        return PacketRow(
            self._ids.next(now_ms, set_number),
            one.sender_id,
            one.key,
            one.kind,
            one.target_id,
            one.total_fen,
            one.shares,
            caps.min_fen,
            caps.max_fen,
            one.greeting,
            None,  # its seed follows from a tree
            now_ms,
            (one.send_at_ms or now_ms) + lifetime_ms,
            None,
            one.client_seed,
            None,
            one.chat_id or None,
            one.only_for or None,
            one.words or None,
            one.send_at_ms or None,
        )

    def _conclude(self, row: PacketRow, sent: Sent | Unsent, seeds: Mapping[int, bytes]) -> Terms | Exception:
        if isinstance(sent, Unsent):
            return RequestRefused(Reason(sent))
        if sent.row.packet_id != row.packet_id:
            same = recorded_content(sent.row) == recorded_content(row)
            return terms_of(sent.row) if same else RequestRefused(Reason.KEY_REUSED, differences(sent.row, row))
        return self.sent(sent, seeds)

    def sent(self, sent: Sent, seeds: Mapping[int, bytes]) -> Terms:
        """A packet has just been recorded: keep it in memory, and tell of it, unless it is to be posted later."""
        terms = terms_of(sent.row, seeds[sent.row.packet_id])
        if sent.row.send_at_ms is None:
            self._packets.add(terms)
        self._publish(sent, terms)
        return terms

    def _publish(self, sent: Sent, terms: Terms | None = None) -> None:
        """The packet to those whom it concerns, the new balance to the sender."""
        terms = terms or terms_of(sent.row)
        self.sent_packets += 1
        self.sent_fen += terms.total_fen
        for stream_id, message in sent.messages.items():
            if not message:  # another set numbers it and has it pushed (see set_posts)
                continue
            post = PacketPost(stream_id, message, terms, terms.created_at_ms)
            self._bus.publish(post, self._groups.viewers(stream_id))
        event = BalanceChange(terms.sender_id, WalletBalance(*sent.balance), -terms.total_fen, "send")
        self._bus.publish(event, (terms.sender_id,))


def _members_in(group: Group, one: PacketRequest, limits: Limits) -> int:
    """How many may open a packet that is sent to a group. Raises RequestRefused."""
    if group.kind is SIGNED:  # how many are in it the chat backend knows
        return limits.shares_max
    if one.only_for:
        _check_named(one.only_for, group.members)
    return len(group.members)


def _check_named(user_ids: Collection[int], members: Collection[int]) -> None:
    """Raise RequestRefused if an exclusive packet names a user who is not in its group."""
    for user_id in user_ids:
        if user_id not in members:
            raise RequestRefused(Reason.BAD_RECEIVERS, f"for_user_ids: user {user_id} is not in the group")


def send_transfer(row: PacketRow) -> TransferRow:
    return TransferRow(row.sender_id, row.packet_id, SEND, "", row.total_fen, row.created_at_ms)


def streams(row: PacketRow) -> tuple[int, ...]:
    """Where a packet is announced: in a one-to-one chat, or in its target's stream and the sender's inbox.

    Whether in the sender's inbox, the kind says.
    """
    if row.chat_id is not None:
        return (row.chat_id,)
    return (row.target_id, row.sender_id) if kind_of(row.kind).row.posted_to_sender else (row.target_id,)
