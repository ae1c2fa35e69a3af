"""Which users may open a packet, and the groups that they are in or that it may be sent to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from server.core.kinds import Audience, PacketKind
from server.core.packet_request import Terms, check_target
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import Group, GroupService
from storage.postgres.chat.groups import GroupKind


def groups_of(terms: Terms, also_in: Sequence[int] = ()) -> tuple[int, ...]:
    """The groups that it was sent to, `also_in` those of later times; none if one user receives it."""
    return (terms.target_id, *also_in) if terms.kind.row.audience is not Audience.RECEIVER else ()


def receiver_of(terms: Terms) -> int:
    """The one user who may open it; 0: the members of groups."""
    return terms.target_id if terms.kind.row.audience is Audience.RECEIVER else 0


async def target_group(kind: PacketKind, sender_id: int, group_id: int, groups: GroupService) -> Group:
    """The group that a packet for groups is sent to, for the first time or again. Raises RequestRefused."""
    check_target(kind, sender_id, group_id)
    group = await groups.seen_by(sender_id, group_id)
    if group.kind is GroupKind.DIRECT:
        raise RequestRefused(Reason.BAD_TARGET, f"target_id: {kind} goes to a group")
    return group


def audience_of(terms: Terms, also_in: Sequence[int], groups: GroupService) -> Collection[int]:
    """The users who see it where it was posted: a view that stays in step with the groups, which are kept.

    All of them may open it, unless it names those who may (see packet_request.may_open).
    """
    group_ids = groups_of(terms, also_in)
    return groups.audience(group_ids) if group_ids else (terms.target_id,)
