"""The app for browsers in `hongbao demo`: a link lets one person in, a QR code the phones in the room."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TextIO, cast
from urllib.parse import urlencode

from cyclopts import Parameter
from rich.console import Console

from client_sim.sdk.names import user_id_of
from client_sim.sim.crowd import Crowd
from client_sim.sim.sim_context import now_ms
from client_sim.sim.words import words
from server.cli.shared.resources import CommandFailed, mint
from server.config import load, load_keys
from server.http_api.web import invite as invites
from server.instance import running
from server.net.addresses import is_loopback

LOOPBACK: Final = "127.0.0.1"
GUEST: Final = "web"  # who the link is for
PURSE_FEN: Final = 20_000
SEATS: Final = 20  # phones that one QR code lets in
FIRST_SEAT: Final = 3 * 10**12  # above the ids that names stand for
INVITE_S: Final = 12 * 3600


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PhoneOptions:
    """Phones that take part in a demo."""

    phone: Annotated[bool, Parameter(help="show a QR code that lets phones in")] = False
    address: Annotated[
        str, Parameter(help="with --phone: the address of this machine that phones reach, without TLS")
    ] = LOOPBACK


NO_PHONES: Final = PhoneOptions()


class People(NamedTuple):
    """Who takes part besides the crowd: a guest in the terminal, a chat backend (`http`), phones at an address."""

    guest: str = ""
    http: bool = False
    phone: bool = False
    address: str = LOOPBACK

    @property
    def sets_pace(self) -> bool:
        """The crowd acts as fast as people can follow, until they leave."""
        return self.phone or bool(self.guest)


def web_environment(host: str = LOOPBACK) -> Mapping[str, str]:
    """The config of a server that serves the app at this address of the machine, on free ports.

    In a room, phones reach it without TLS: the money is simulated. With server.tls_certificate it has TLS.
    """
    environment = {"HONGBAO_WEBSOCKET__LISTEN": f"{host}:0", "HONGBAO_WEB__ENABLED": "true"}
    if not is_loopback(host) and not load(None, {}).server.tls_certificate:
        environment["HONGBAO_HTTP_API__BEHIND_PROXY"] = "true"
        environment["HONGBAO_WEBSOCKET__TRUSTED_PROXIES"] = json.dumps(["127.0.0.1/32"])
    return environment


def app_link(data: Path, **fragment: object) -> str:
    """A link to the app of the server that runs. Raises CommandFailed if it serves none."""
    found = running(data)
    if found is None or not found.http_api or not found.websocket:
        raise CommandFailed("the server ran already, without the app for browsers: stop it first")
    return f"{found.http_api}/app/#{urlencode(fragment)}"


async def show_link(crowd: Crowd, data: Path, console: Console, language: str) -> None:
    """Print a link to the app once the crowd is there, for a user with money in the largest group."""
    await crowd.begun.wait()
    user_id, group_id = user_id_of(GUEST), crowd.largest_group().group_id
    await _welcome(crowd, {user_id: words(language, "web_guest", number="")}, group_id)
    token = mint(load(None, {}), data, user_id)
    link = app_link(data, token=token, group=group_id, lang=language)
    console.print(words(language, "web_link", link=link), highlight=False, soft_wrap=True, markup=False)


async def let_phones_in(crowd: Crowd, data: Path, console: Console, language: str) -> None:
    """Show a QR code; phones that scan it are in the largest group, with money, until Enter is pressed."""
    first, group_id = FIRST_SEAT + int(time.time()) * invites.SEATS_MAX, crowd.largest_group().group_id
    guests = {first + seat: words(language, "web_guest", number=seat + 1) for seat in range(SEATS)}
    await _welcome(crowd, guests, group_id)
    issued_at_s = int(time.time())
    claim = invites.InviteClaim(first, SEATS, issued_at_s, issued_at_s + INVITE_S)
    key_id, key = list(load_keys(load(None, {}), data, may_make=False).items())[-1]
    link = app_link(data, invite=invites.mint(claim, key_id, key), group=group_id, lang=language)
    _print_code(link, console)
    console.print(
        words(language, "web_phones", link=link, seats=SEATS), highlight=False, soft_wrap=True, markup=False
    )
    await _until_enter()


async def _welcome(crowd: Crowd, guests: Mapping[int, str], group_id: int) -> None:
    """Guests with names and money in a group."""
    crowd.context.guests.update(guests)
    await crowd.backend.put_users(dict(guests))
    for user_id in guests:
        await crowd.give(user_id, PURSE_FEN)
    await crowd.backend.change_members(group_id, now_ms(), joined=list(guests))


def _print_code(link: str, console: Console) -> None:
    """The link as a QR code, two modules for each character of the terminal."""
    import segno  # of the extra `demo`; only this needs it

    segno.make(link, error="l").terminal(out=cast(TextIO, console.file), compact=True, border=2)


async def _until_enter() -> None:
    """Until a line, or the end of the input, comes."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        await reader.readline()
    finally:
        transport.close()
