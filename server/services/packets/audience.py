"""Which users may open a packet, and the groups that they are in or that it may be sent to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from server.core.fission.links import DEPTH_OF_TARGET
from server.core.kinds import Audience, PacketKind
from server.core.packet_request import Terms, check_target
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import Group, GroupService
from storage.postgres.chat.groups import GroupKind


def groups_of(terms: Terms, also_in: Sequence[int] = ()) -> tuple[int, ...]:
    """The groups that it was sent to, `also_in` those of later times; none unless its kind goes to groups."""
    return (terms.target_id, *also_in) if terms.kind.row.goes_to_group else ()


def receiver_of(terms: Terms) -> int:
    """The one user who received it; 0: it went to groups."""
    return terms.target_id if terms.kind.row.goes_to_user else 0


async def target_group(kind: PacketKind, sender_id: int, group_id: int, groups: GroupService) -> Group:
    """The group that a packet for groups is sent to, for the first time or again. Raises RequestRefused."""
    check_target(kind, sender_id, group_id)
    return _for_groups(kind, await groups.seen_by(sender_id, group_id))


async def any_group(kind: PacketKind, sender_id: int, group_id: int, groups: GroupService) -> Group:
    """The group that the chat backend sends a packet to, in the name of a user who need not be in it.

    Raises RequestRefused: no member asks, so it says that there is no such group.
    """
    check_target(kind, sender_id, group_id)
    group = await groups.find(group_id)
    if group is None or group.is_deleted:
        raise RequestRefused(Reason.NO_SUCH_GROUP)
    return _for_groups(kind, group)


def _for_groups(kind: PacketKind, group: Group) -> Group:
    if group.kind is GroupKind.DIRECT:
        raise RequestRefused(Reason.BAD_TARGET, f"target_id: {kind} goes to a group")
    return group


def audience_of(
    terms: Terms, also_in: Sequence[int], groups: GroupService, admitted: dict[int, int]
) -> Collection[int]:
    """The users who see it where it was posted: a view that stays in step with the groups, which are kept.

    All of them may open it, unless it names those who may (see packet_request.may_open). `admitted`: who shall be
    admitted by a link, with the depth of each; for a packet that is passed on the view is this very dict, in which
    the user who received it is the first.
    """
    if terms.kind.row.audience is Audience.INVITED:
        admitted.setdefault(terms.target_id, DEPTH_OF_TARGET)
        return admitted
    group_ids = groups_of(terms, also_in)
    return groups.audience(group_ids) if group_ids else (terms.target_id,)


def depth_of(audience: Collection[int], user_id: int) -> int | None:
    """How far a user of such a view is from the user who received the packet; None: it is not passed on to them."""
    return audience.get(user_id) if isinstance(audience, Mapping) else None
