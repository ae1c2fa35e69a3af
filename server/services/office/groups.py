"""A group as the back office shows it: who is in it and was, and the packets that were posted there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from server.core.ids import is_user

if TYPE_CHECKING:
    from server.services.chat.names import NameService
    from storage.postgres.office.finding import FindingStore
    from storage.postgres.packets.packets import PacketStore

MEMBERS_SHOWN: Final = 200
PACKETS_SHOWN: Final = 100


class MemberLine(NamedTuple):
    """A user who is or was a member; None: that did not happen."""

    user_id: int
    name: str
    joined_at_ms: int | None
    left_at_ms: int | None
    removed_at_ms: int | None


class GroupPacketLine(NamedTuple):
    """A packet, and when it was posted in the group. `closed_at_ms` None: it has shares left."""

    packet_id: int
    at_ms: int
    sender_id: int
    sender_name: str
    kind: str
    amount_fen: int
    opened: int
    shares: int
    closed_at_ms: int | None


class ShownGroup(NamedTuple):
    """A group. `members`: how many are in it now; `lines` has the newest changes, `packets` the newest packets."""

    group_id: int
    name: str
    kind: str
    external_id: str
    owner_id: int
    owner_name: str
    created_at_ms: int
    deleted_at_ms: int | None
    members: int
    messages: int
    lines: Sequence[MemberLine]
    packets: Sequence[GroupPacketLine]


class GroupLifeService:
    """Reads a group. Raises StoreUnavailable."""

    def __init__(self, finding: FindingStore, packets: PacketStore, names: NameService) -> None:
        self._finding, self._packets, self._names = finding, packets, names

    async def group(self, group_id: int) -> ShownGroup | None:
        """A group, also one that was deleted; None: there is none."""
        found = await self._finding.group(group_id)
        if found is None:
            return None
        members = await self._finding.members(group_id, MEMBERS_SHOWN)
        posted = await self._finding.group_packets(group_id, PACKETS_SHOWN)
        packets = await self._packets.rows([one.packet_id for one in posted])
        users = {found.owner_id, *(one.user_id for one in members), *(one.sender_id for one in packets.values())}
        names = await self._names.by_id(filter(is_user, users))
        lines = [MemberLine(one.user_id, names.get(one.user_id, ""), *one[1:]) for one in members]
        shown = [
            GroupPacketLine(
                one.packet_id,
                one.at_ms,
                packet.sender_id,
                names.get(packet.sender_id, ""),
                packet.kind,
                packet.total_fen,
                packet.version,
                packet.shares,
                packet.closed_at_ms,
            )
            for one in posted
            if (packet := packets.get(one.packet_id))  # its set may be restored to an older moment
        ]
        about = found.name, found.kind, found.external_id, found.owner_id, names.get(found.owner_id, "")
        times = found.created_at_ms, found.deleted_at_ms, found.members, found.messages
        return ShownGroup(group_id, *about, *times, lines, shown)
