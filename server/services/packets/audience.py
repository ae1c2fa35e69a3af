"""Which users may open a packet, and the groups that they are in."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from server.core.kinds import Audience
from server.core.packet import Terms
from server.services.chat.groups import GroupService


def groups_of(terms: Terms, also_in: Sequence[int] = ()) -> tuple[int, ...]:
    """The groups that it was sent to, `also_in` those of later times; none if one user receives it."""
    return (terms.target_id, *also_in) if terms.kind.row.audience is Audience.GROUP else ()


def audience_of(terms: Terms, also_in: Sequence[int], groups: GroupService) -> Collection[int]:
    """The users who may open it: a view that stays in step with the groups, which are kept."""
    group_ids = groups_of(terms, also_in)
    return groups.audience(group_ids) if group_ids else (terms.target_id,)
