"""How users of a test come into a group: one who is in hands out the invite code."""

from __future__ import annotations

from client_sim.sdk.client import Client
from protocol import messages


async def join(user: Client, group_id: int, member: Client) -> messages.GroupJoined:
    """Become a member by the invite code that a member asks for."""
    return await user.join_group(group_id, await member.invite(group_id))
