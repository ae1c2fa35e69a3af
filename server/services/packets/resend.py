"""Send again (继续发送此红包): the sender pushes an unfinished packet once more, or to another of their groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.core.ids import is_user
from server.core.kinds import Audience
from server.core.limits import Limits, check_bytes
from server.core.packet_request import Terms
from server.core.pages import State
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import GroupService
from server.services.packets.audience import receiver_of, target_group
from server.services.packets.live_packets import LivePackets
from server.services.packets.stored_state import state_of, terms_of
from server.services.runtime.bus import Bus
from server.services.runtime.events import PacketPost
from server.services.runtime.in_doubt import InDoubt
from storage.errors import StoreUnavailable
from storage.postgres.chat.messages import Post
from storage.postgres.chat.users import SendBarred
from storage.postgres.packets import packets, resends

WHERE_IT_WAS = 0  # in place of a group: where the packet was sent first


class Posted(NamedTuple):
    """Where the sender sees it again, and under which number."""

    stream_id: int
    message: int


class Again(NamedTuple):
    """A packet in one of the streams where it is posted again; the number of the message, 0 until it is known."""

    terms: Terms
    post: Post
    number: int = 0

    @property
    def one_more(self) -> int | None:
        """The group, if it is not the one that the packet was sent to."""
        terms, stream_id = self.terms, self.post.stream_id
        return None if is_user(stream_id) or stream_id == terms.stream_id else stream_id


class ResendService:
    """Use case send again. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: resends.ResendStore,
        records: packets.PacketStore,
        live: LivePackets,
        groups: GroupService,
        limits: Limits,
        now_ms: Callable[[], int],
        bus: Bus,
    ) -> None:
        self._store = store
        self._records = records
        self._live = live
        self._groups = groups
        self._limits = limits
        self._now_ms = now_ms
        self._bus = bus
        self.in_doubt: InDoubt[Again, Again] = InDoubt(self._find_outcome, self._publish)

    async def send(self, user_id: int, packet_id: int, group_id: int, key: str = "") -> Posted:
        """Post my packet again; in a group that it was not in, members may open it from now on.

        With a `key` once per key: again, it answers the same. Without one each call posts the packet.
        """
        if key:
            check_bytes("key", key, 1, self._limits.key_bytes_max, Reason.BAD_KEY)
        row = (await self._records.rows([packet_id])).get(packet_id)
        if row is None or row.sender_id != user_id:
            raise RequestRefused(Reason.NOT_ALLOWED)  # whether there is such a packet is its sender's to know
        if key and (before := await self._store.before(packet_id, key)) is not None:
            return _repeated(before, group_id)
        if row.is_hidden:
            raise RequestRefused(Reason.BAD_TARGET, "packet_id: the packet is scheduled, and not posted")
        now_ms = self._now_ms()
        if state_of(row, now_ms) is not State.OPEN:
            raise RequestRefused(Reason.FINISHED)
        terms = terms_of(row)
        if terms.kind.row.goes_to_user:
            return await self._to_receiver(terms, group_id, now_ms, key)
        return await self._to_group(terms, group_id, now_ms, key)

    async def _to_receiver(self, terms: Terms, group_id: int, now_ms: int, key: str) -> Posted:
        if group_id != WHERE_IT_WAS:
            raise RequestRefused(Reason.BAD_TARGET, f"group_id: a {terms.kind} packet goes to its receiver")
        if terms.chat_id:
            await self._groups.keep([terms.chat_id])
            return await self._post(terms, (terms.chat_id,), now_ms, _keyed(key, group_id))
        return await self._post(terms, (terms.sender_id, terms.target_id), now_ms, _keyed(key, group_id))

    async def _to_group(self, terms: Terms, group_id: int, now_ms: int, key: str) -> Posted:
        posted_in = group_id or terms.target_id
        if terms.kind.row.audience is Audience.LISTED and posted_in != terms.target_id:
            raise RequestRefused(
                Reason.BAD_TARGET, "group_id: the packet is for members of the group it was sent to"
            )
        await target_group(terms.kind, terms.sender_id, posted_in, self._groups)
        return await self._post(terms, (posted_in,), now_ms, _keyed(key, group_id))

    async def _post(
        self, terms: Terms, stream_ids: Sequence[int], now_ms: int, keyed: resends.Keyed | None
    ) -> Posted:
        agains = [
            Again(terms, Post(stream_id, terms.sender_id, now_ms, None, terms.packet_id))
            for stream_id in stream_ids
        ]
        most = self._limits.groups_of_packet_max - 1
        try:
            numbers = await self._store.record(
                [one.post for one in agains], receiver_of(terms), agains[0].one_more, most, keyed
            )
        except resends.KeyTaken as taken:  # by the same request at the same time
            return _repeated(taken.before, taken.asked.group_id)
        except SendBarred as refused:
            raise RequestRefused(Reason(refused.why)) from None
        except resends.PacketInTooManyGroups:
            raise RequestRefused(Reason.TOO_MANY_GROUPS, f"{self._limits.groups_of_packet_max} groups") from None
        except StoreUnavailable:
            self.in_doubt.add(agains)
            raise
        for again, number in zip(agains, numbers, strict=True):
            self._publish(again._replace(number=number))
        return Posted(stream_ids[0], numbers[0])

    def _publish(self, again: Again) -> None:
        """The packet to those who see it there; if there it is new, they may open it from now on."""
        terms, post, number = again
        if again.one_more is not None:
            self._live.sent_again(terms.packet_id, again.one_more)
        if number:  # otherwise another set numbers it and has it pushed (see set_posts)
            viewers = self._groups.viewers(post.stream_id)
            self._bus.publish(PacketPost(post.stream_id, number, terms, post.at_ms), viewers)

    async def _find_outcome(self, agains: Sequence[Again]) -> list[Again | None]:
        numbers = await self._store.find_outcome([one.post for one in agains])
        return [
            None if number is None else again._replace(number=number)
            for again, number in zip(agains, numbers, strict=True)
        ]


def _keyed(key: str, group_id: int) -> resends.Keyed | None:
    return resends.Keyed(key, group_id) if key else None


def _repeated(before: resends.KeyedResend, group_id: int) -> Posted:
    """What the key has answered before. Raises RequestRefused if it was for another group."""
    if before.group_id != group_id:
        raise RequestRefused(Reason.KEY_REUSED, "the key has sent the packet to another place before")
    return Posted(before.stream_id, before.message)
