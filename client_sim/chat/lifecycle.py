"""The life of a session: connect, enter a group, take in pushes, notice changes without a push.

session = Session(Client(url, token), on_event=print, start=Start("小梅"))
await lifecycle.run(session)     # until cancelled
"""

from __future__ import annotations

import asyncio
import contextlib

from client_sim.chat import group_requests, packet_requests, pushed
from client_sim.chat.campaigns import shake_actions
from client_sim.chat.session import Session
from client_sim.sdk.errors import BackendDecides, ClientError, NameTaken

TICK_S = 0.2  # how soon a lost connection and an expired packet are noticed


async def run(session: Session) -> None:
    """Connect and follow the pushes. Raises ConnectionLost (at the start only), ConnectionRefusedForGood."""
    await session.client.connect()
    await _enter(session)
    ticking = asyncio.create_task(_tick(session))
    try:
        async for push in session.client.pushes():
            await pushed.take(session, push)
    finally:
        ticking.cancel()


async def _enter(session: Session) -> None:
    """Take in the login, set the name, and show the group to start with."""
    model, start = session.model, session.start
    session.take_login()
    session.look_online()
    if start.name:
        await session.patiently(lambda: _set_name(session, start.name))
    await session.learn_names([model.user_id])
    await group_requests.name_chats(session)
    if start.invite or (start.group_id and start.group_id not in model.conversations):
        await session.patiently(lambda: group_requests.join(session, start.group_id, start.invite))
    else:
        groups = [stream_id for stream_id in model.conversations if stream_id != model.user_id]
        await group_requests.go(session, start.group_id or next(iter(groups), model.user_id))
    with contextlib.suppress(ClientError):  # only a hint depends on it
        received = await packet_requests.records(session, "received")
        session.has_received = received.count > 0 or any(year != received.year for year in received.years)
    with contextlib.suppress(ClientError):  # a server of an older version has no campaigns
        await shake_actions.campaigns(session)
    session.emit("welcome", user=model.user_id, name=model.names[model.user_id], balance_fen=model.balance_fen)
    session.is_ready.set()


async def _set_name(session: Session, name: str) -> None:
    """Without this name the chat goes on: another user has it, or the chat backend decides about names."""
    try:
        await group_requests.set_name(session, name)
    except NameTaken as error:
        session.emit("refused", name=error.name, temporary=error.temporary, detail=error.detail)
    except BackendDecides:
        return  # the name that the backend gave stays


async def _tick(session: Session) -> None:
    """Notice what no push reports: a lost connection, a new login, an expired packet."""
    while True:
        await asyncio.sleep(TICK_S)
        session.take_login()
        session.look_online()
        await group_requests.name_chats(session)
        session.expire_packets()
