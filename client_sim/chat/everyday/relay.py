"""The commands on the relay of a group. Each raises ClientError, BadCommand. None of them sends a packet."""

from __future__ import annotations

from typing import Final

from client_sim.chat.commands import BadCommand
from client_sim.chat.model import Turn
from client_sim.chat.session import Session

OFF: Final = "off"


async def relay(session: Session, times: str) -> None:
    """The rule of the group on the screen; with `times` its owner sets it."""
    group_id = session.model.current_id
    if times:
        await session.client.set_relay(group_id, 0 if times == OFF else int(times))
    session.emit("relay", group=group_id, times=await session.client.relay(group_id))


async def next_packet(session: Session) -> None:
    """What the user is to send here; a screen has the form for it, filled in."""
    turn = my_turn(session)
    session.emit("next", packet=turn.packet_id, amount_fen=turn.amount_fen, shares=turn.shares)


def my_turn(session: Session) -> Turn:
    """The turn of the user in the conversation on the screen. Raises BadCommand without one."""
    turn = session.model.current.turn_of(session.model.user_id)
    if turn is None:
        raise BadCommand("no_turn", "next")
    return turn
