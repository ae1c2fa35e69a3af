"""What users do with packets that friends pass on: open the first share, pass on, come by a link."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final, Protocol

from client_sim.sdk.client import Client
from client_sim.sdk.errors import BadLink, Finished, NotAllowed
from client_sim.sdk.methods.links import TooDeep
from client_sim.sim.characters import Response
from client_sim.sim.sim_context import Group, SimContext

LINK: Final = re.compile(r"hbl_[A-Za-z0-9_-]{55}")


class Person(Protocol):
    """What is needed of a simulated user here."""

    user_id: int
    name: str
    groups: list[Group]
    context: SimContext

    @property
    def client(self) -> Client: ...
    def open(self, packet_id: int) -> Awaitable[None]: ...


def link_in(text: str) -> str:
    """The link in a text; "" if there is none."""
    found = LINK.search(text)
    return found[0] if found else ""


async def receive(user: Person, packet_id: int, response: Response) -> None:
    """A packet came that is to be opened here first, then by friends."""
    if response.taps and response.opens:
        await asyncio.sleep(response.after_s)
        await user.open(packet_id)
        await _pass_on(user, packet_id, response)


async def come_by(user: Person, link: str, response: Response) -> None:
    """A friend has said a link in a group."""
    if not (response.taps and response.opens):
        return
    await asyncio.sleep(response.after_s)
    tapped_at = time.perf_counter()
    with suppress(NotAllowed, BadLink):  # the user has sent it, or the run has outlived the link
        opened = await user.client.open_link(link)
        user.context.witness.record_link(user.user_id, opened.packet_id)
        user.context.record_open(user.user_id, opened, (time.perf_counter() - tapped_at) * 1000)
        if opened.answer == "won" and opened.left_shares:  # once, and while there is something to give
            await _pass_on(user, opened.packet_id, response)


async def _pass_on(user: Person, packet_id: int, response: Response) -> None:
    """Say a link to it in one of the user's groups."""
    if response.passes_on:
        with suppress(Finished, NotAllowed, TooDeep):  # all is opened, this user came too late, or it has come far
            made = await user.client.pass_on(packet_id, user.context.language)
            await user.client.say(user.groups[packet_id % len(user.groups)].group_id, made.text)
            user.context.show("passed_on", name=user.name)
