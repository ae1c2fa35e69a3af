"""Send again (继续发送此红包): the sender pushes an unfinished packet once more, or to another of their groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from server.core.limits import Broken, Fault, Limits
from server.core.packet import Kind, Terms
from server.core.pages import State
from server.services.events import Announce, PacketPosted
from server.services.groups import Groups
from server.services.loading import terms_of
from server.services.packets import Packets, state_of
from server.services.refusals import Reason, Refused
from storage.postgres import packets, resends
from storage.postgres.messages import Post

WHERE_IT_WAS = 0  # in place of a group: where the packet was sent first


class Posted(NamedTuple):
    """Where the sender sees it again, and under which number."""

    stream_id: int
    message: int


class Resends:
    """Use case send again. Raises Refused, Broken, StoreUnavailable."""

    def __init__(
        self,
        store: resends.Resends,
        records: packets.Packets,
        live: Packets,
        groups: Groups,
        limits: Limits,
        now_ms: Callable[[], int],
        announce: Announce,
    ) -> None:
        self._store = store
        self._records = records
        self._live = live
        self._groups = groups
        self._limits = limits
        self._now_ms = now_ms
        self._announce = announce

    async def send(self, user_id: int, packet_id: int, group_id: int) -> Posted:
        """Post my packet again; in a group that it was not in, members may open it from now on. Not repeatable."""
        row = (await self._records.rows([packet_id])).get(packet_id)
        if row is None or row.sender_id != user_id:
            raise Refused(Reason.NOT_ALLOWED)  # whether there is such a packet is its sender's to know
        now_ms = self._now_ms()
        if state_of(row, now_ms) is not State.OPEN:
            raise Refused(Reason.FINISHED)
        terms = terms_of(row)
        if terms.kind is Kind.PERSONAL:
            return await self._to_receiver(terms, group_id, now_ms)
        return await self._to_group(terms, group_id or terms.target_id, now_ms)

    async def _to_receiver(self, terms: Terms, group_id: int, now_ms: int) -> Posted:
        if group_id != WHERE_IT_WAS:
            raise Broken(Fault.BAD_TARGET, "a personal packet goes to its receiver")
        streams = (terms.sender_id, terms.target_id)
        posts = [Post(stream_id, terms.sender_id, now_ms, None, terms.packet_id) for stream_id in streams]
        numbers = await self._store.record(posts, None, 0)
        for stream_id, number in zip(streams, numbers, strict=True):
            self._announce(PacketPosted(stream_id, number, terms, now_ms), (stream_id,))
        return Posted(terms.sender_id, numbers[0])

    async def _to_group(self, terms: Terms, group_id: int, now_ms: int) -> Posted:
        try:
            members = (await self._groups.seen_by(terms.sender_id, group_id)).members
        except Refused:
            raise Refused(Reason.NOT_A_MEMBER) from None  # whether the group exists is not the sender's to know
        one_more = None if group_id == terms.target_id else group_id
        post = Post(group_id, terms.sender_id, now_ms, None, terms.packet_id)
        try:
            [number] = await self._store.record([post], one_more, self._limits.groups_of_packet_max - 1)
        except resends.TooManyGroups:
            raise Refused(Reason.TOO_MANY_GROUPS, f"{self._limits.groups_of_packet_max} groups") from None
        if one_more is not None:
            self._live.sent_again(terms.packet_id, group_id)
        self._announce(PacketPosted(group_id, number, terms, now_ms), members)
        return Posted(group_id, number)
