"""The user's packets that wait for their time. Each function raises ClientError, BadCommand."""

from __future__ import annotations

from client_sim.chat.clean import line
from client_sim.chat.commands import BadCommand
from client_sim.chat.money.payments import when
from client_sim.chat.session import Fields, Session
from protocol import messages


async def waiting(session: Session) -> list[messages.ScheduledLine]:
    """The packets that wait, the next one first; the names of their receivers are known afterwards."""
    found = await session.patiently(session.client.scheduled)
    await session.learn_names([one.target_id for one in found if one.target_id <= messages.USER_ID_MAX])
    for one in found:
        one.greeting = line(one.greeting)
    return found


def target_name(session: Session, one: messages.ScheduledLine) -> str:
    """The group or the user that a packet goes to."""
    if one.target_id <= messages.USER_ID_MAX:
        return session.model.names[one.target_id]
    return session.model.conversation_name(one.target_id) or str(one.target_id)


async def scheduled(session: Session) -> None:
    """One event for each of them."""
    for one in await waiting(session):
        about: Fields = {"kind": one.packet_kind, "target": one.target_id, "total_fen": one.total_fen}
        times: Fields = {"shares": one.shares, "at_ms": one.send_at_ms, "when": when(one.send_at_ms)}
        session.emit("scheduled", packet=one.packet_id, **about, **times)


async def cancel(session: Session, packet_id: int) -> None:
    """Cancel one of them: without an id the next one."""
    if not packet_id:
        found = await session.client.scheduled()
        if not found:
            raise BadCommand("none_scheduled", "cancel")
        packet_id = found[0].packet_id
    session.desk.cancelled.add(packet_id)
    refunded_fen = await session.client.cancel_scheduled(packet_id)
    session.emit("cancelled", packet=packet_id, amount_fen=refunded_fen)
