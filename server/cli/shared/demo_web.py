"""The app for browsers in `hongbao demo`: a link lets one person in, a QR code the phones in the room."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
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
from server.cli.shared.phone_proxy import PhoneProxy
from server.cli.shared.resources import CommandFailed, WrongOptions, mint
from server.config import load, load_keys
from server.http_api.web import invite as invites
from server.instance import Instance, running
from server.net.addresses import is_loopback

LOOPBACK: Final = "127.0.0.1"
ANY_ADDRESS: Final = ("0.0.0.0", "::", "[::]")
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
    address: Annotated[str, Parameter(help="with --phone: the address of this machine that phones reach")] = (
        LOOPBACK
    )
    tls: Annotated[
        bool,
        Parameter(help="with --address: TLS by a certificate of this machine; without it no shaking, no cards"),
    ] = True


NO_PHONES: Final = PhoneOptions()


class People(NamedTuple):
    """Who takes part besides the crowd: a guest in the terminal, a chat backend (`http`), phones at an address."""

    guest: str = ""
    http: bool = False
    phone: bool = False
    address: str = LOOPBACK
    tls: bool = True
    proxy: PhoneProxy | None = None  # between phones and the server, once it is there

    @property
    def listens(self) -> str:
        """The address of this machine at which the server listens for browsers."""
        return self.address if self.proxy is None else LOOPBACK

    @property
    def needs_proxy(self) -> bool:
        """Phones come over the network, and the server has no certificate of its own."""
        return (
            self.phone and self.tls and not is_loopback(self.address) and not load(None, {}).server.tls_certificate
        )

    @property
    def sets_pace(self) -> bool:
        """The crowd acts as fast as people can follow, until they leave."""
        return self.phone or bool(self.guest)


def environment_for(people: People) -> Mapping[str, str]:
    """The config of a server for these people, behind their proxy if they have one."""
    if people.proxy is None:
        return web_environment(people.address)
    return {
        **web_environment(),
        "HONGBAO_WEB__WEBSOCKET_URL": people.proxy.websocket_url,
        "HONGBAO_WEBSOCKET__ORIGINS": json.dumps([people.proxy.origin]),
        "HONGBAO_WEBSOCKET__TRUSTED_PROXIES": json.dumps(["127.0.0.1/32"]),
    }


def web_environment(host: str = LOOPBACK) -> Mapping[str, str]:
    """The config of a server that serves the app at this address of the machine, on free ports.

    In a room, phones reach it without TLS: the money is simulated. With server.tls_certificate it has TLS.
    """
    environment = {"HONGBAO_WEBSOCKET__LISTEN": f"{host}:0", "HONGBAO_WEB__ENABLED": "true"}
    if not is_loopback(host) and not load(None, {}).server.tls_certificate:
        environment["HONGBAO_HTTP_API__BEHIND_PROXY"] = "true"
        environment["HONGBAO_WEBSOCKET__TRUSTED_PROXIES"] = json.dumps(["127.0.0.1/32"])
    return environment


def proxy_for(people: People, data: Path) -> AbstractContextManager[PhoneProxy | None]:
    """The proxy for phones, if they need one. Raises WrongOptions, CommandFailed, OSError."""
    if people.phone and people.address in ANY_ADDRESS:
        raise WrongOptions(f"--address is the address that phones reach, not {people.address}")
    if not people.needs_proxy:
        return nullcontext()
    if running(data) is not None:
        raise CommandFailed("a server runs already, and phones would not be let in by it: stop it first")
    return PhoneProxy(people.address)


def _served(data: Path) -> Instance:
    """The server that runs. Raises CommandFailed if it serves no app."""
    found = running(data)
    if found is None or not found.http_api or not found.websocket:
        raise CommandFailed("the server ran already, without the app for browsers: stop it first")
    return found


def _link(origin: str, **fragment: object) -> str:
    return f"{origin}/app/#{urlencode(fragment)}"


async def show_link(crowd: Crowd, data: Path, console: Console, language: str, *, to_shake: bool = False) -> None:
    """Print a link to the app once the crowd is there, for a user with money in the largest group.

    `to_shake`: it opens the list of chats, where the entry for shaking is; otherwise the group.
    """
    await crowd.begun.wait()
    try:
        served = _served(data)
    except CommandFailed as error:  # the run goes on without the person
        console.print(str(error), highlight=False)
        return
    user_id, group_id = user_id_of(GUEST), crowd.largest_group().group_id
    await _welcome(crowd, {user_id: words(language, "web_guest", number="").strip()}, group_id)
    token = mint(load(None, {}), data, user_id)
    opens = {} if to_shake else {"group": group_id}
    link = _link(served.http_api, token=token, **opens, lang=language)
    what = "festival_link" if to_shake else "web_link"
    console.print(words(language, what, link=link), highlight=False, soft_wrap=True, markup=False)


async def let_phones_in(
    crowd: Crowd,
    data: Path,
    console: Console,
    language: str,
    proxy: PhoneProxy | None = None,
    *,
    to_shake: bool = False,
) -> None:
    """Show a QR code; phones that scan it are in the largest group, with money, until Enter is pressed."""
    served = _served(data)
    first, group_id = FIRST_SEAT + int(time.time()) * invites.SEATS_MAX, crowd.largest_group().group_id
    guests = {first + seat: words(language, "web_guest", number=seat + 1) for seat in range(SEATS)}
    await _welcome(crowd, guests, group_id)
    issued_at_s = int(time.time())
    claim = invites.InviteClaim(first, SEATS, issued_at_s, issued_at_s + INVITE_S)
    key_id, key = list(load_keys(load(None, {}), data, may_make=False).items())[-1]
    origin = served.http_api if proxy is None else proxy.origin
    opens = {} if to_shake else {"group": group_id}
    link = _link(origin, invite=invites.mint(claim, key_id, key), **opens, lang=language)
    async with AsyncExitStack() as undo:
        if proxy is not None:
            await undo.enter_async_context(proxy.serving(served.http_api, served.websocket))
        _print_code(link, console)
        told = [words(language, "festival_phones" if to_shake else "web_phones", link=link, seats=SEATS)]
        if proxy is not None:
            told.append(words(language, "web_warns", digest=proxy.fingerprint))
        told.append(words(language, "web_enter"))
        console.print("\n".join(told), highlight=False, soft_wrap=True, markup=False)
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
