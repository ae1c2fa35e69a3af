"""Requests that a command makes of a running server as its chat backend, with the key of the data folder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from cyclopts import Parameter

from client_sim.sdk.client import Client
from client_sim.sdk.errors import NoSuchUser
from server.cli.shared.options import DATA, ConfigOption, DataOption, UrlOption
from server.cli.shared.resources import CommandFailed, mint, url_of
from server.config import load
from server.core.ids import BACKEND
from server.loop import run

Result = TypeVar("Result")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """The server, and where the key is that signs the backend's token."""

    data: DataOption = DATA
    config: ConfigOption = None
    url: UrlOption = None


AS_BACKEND: Final = BackendOptions()
Create = Annotated[
    bool, Parameter(negative=(), help="make the users known whom the server does not know (default: an error)")
]


@contextmanager
def known(*, advice: str = "with --create the user is made") -> Iterator[None]:
    """Around a request for known users only. A mistyped name is the id of no user: raises CommandFailed."""
    try:
        yield
    except NoSuchUser as refused:
        more = f"; {advice}" if advice else ""
        raise CommandFailed(f"{refused.detail}: is the name or id right?{more}") from None


def as_backend(work: Callable[[Client], Awaitable[Result]], server: BackendOptions) -> Result:
    """The result of `work`, which gets a connection of the chat backend. Raises CommandFailed, ClientError."""
    settings = load(server.config, {})

    async def connected(url: str) -> Result:
        async with Client(url, mint(settings, server.data, BACKEND)) as backend:
            return await work(backend)

    return run(connected(server.url or url_of(server.data)))
