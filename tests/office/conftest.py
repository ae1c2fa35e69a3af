"""A server with the back office, its operators, and browsers without a screen that they log in with."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from html import unescape
from typing import Any, NamedTuple

import aiohttp
import pytest

from client_sim.sdk.client import Client
from server.clock import Clock
from server.core.ids import BACKEND
from server.core.office.roles import OfficeRole
from server.services.office.journal import system_user
from server.services.office.operators import OperatorService
from storage.postgres.database import Database
from storage.postgres.office.office import OfficeStore
from tests.conftest import Connect, Server, StartServer
from tests.services.conftest import party

__all__ = ["party"]

SERVES_OFFICE = {"office__enabled": "true", "office__listen": "127.0.0.1:0"}
ALICE, BEN, CLEO = 1001, 1002, 1003
HOSTILE = "<script>alert(1)</script>"
QUOTES = "\"'><img src=x onerror=alert(2)>"
ROOT = system_user("root", 0)
PROOF = re.compile(r'name="proof" value="([0-9a-f]{64})"')
CAUSE = {"case": "CASE-1", "reason": "asked for by phone"}


class Answered(NamedTuple):
    """What came back."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def place(self) -> str:
        """Where a redirect leads."""
        return self.headers.get("Location", "")


class Desk:
    """The browser of one operator; redirects are not followed."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self.url = session, url.rstrip("/")
        self.proof = ""

    async def get(self, path: str, **headers: str) -> Answered:
        """Open a page."""
        async with self._session.get(self.url + path, allow_redirects=False, headers=headers) as response:
            return await self._answered(response)

    async def post(self, path: str, /, headers: dict[str, str] | None = None, **form: str) -> Answered:
        """Send a form, with the proof of the session unless `proof` is given."""
        fields = {"proof": self.proof, **form}
        async with self._session.post(
            self.url + path, data=fields, allow_redirects=False, headers=headers
        ) as response:
            return await self._answered(response)

    async def log_in(self, key: str) -> Desk:
        """Log in with a key that is right."""
        done = await self.post("/login", key=key, then="/")
        assert (done.status, done.place) == (303, "/"), done.text
        await self.get("/")
        return self

    async def _answered(self, response: aiohttp.ClientResponse) -> Answered:
        text = await response.text()
        if found := PROOF.search(text):
            self.proof = found[1]
        return Answered(response.status, text, dict(response.headers))


Sit = Callable[..., Awaitable[Desk]]  # the role, a name: a browser in which that operator is logged in


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """A server with the back office."""
    return await start_server(**SERVES_OFFICE)


@pytest.fixture
def operators(database: Database) -> OperatorService:
    """What the command line works with."""
    clock = Clock()
    return OperatorService(OfficeStore(database), clock.now_ms, clock.elapsed_s, clock.random_bytes)


@pytest.fixture
async def browsers() -> AsyncIterator[AsyncExitStack]:
    """All browsers of a test."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def stranger(browsers: AsyncExitStack, server: Server) -> Desk:
    """A browser without a session."""
    return await desk_at(browsers, server.app.office.url)


@pytest.fixture
async def sit(browsers: AsyncExitStack, server: Server, operators: OperatorService) -> Sit:
    """Makes an operator and logs them in."""

    async def one(role: str, name: str = "") -> Desk:
        key = await operators.add(name or role, OfficeRole(role), None, ROOT)
        return await (await desk_at(browsers, server.app.office.url)).log_in(str(key))

    return one


async def desk_at(browsers: AsyncExitStack, url: str) -> Desk:
    """A browser that keeps cookies, also of an address in numbers."""
    jar = aiohttp.CookieJar(unsafe=True)
    return Desk(await browsers.enter_async_context(aiohttp.ClientSession(cookie_jar=jar)), url)


@pytest.fixture
async def people(server: Server, connect: Connect) -> Client:
    """Three users with money, one of them with a name that is markup; the chat backend."""
    backend = await connect(server, BACKEND)
    await backend.put_users({ALICE: "小安", BEN: HOSTILE, CLEO: QUOTES})
    for user_id in (ALICE, BEN, CLEO):
        await backend.top_up(user_id, 50_000, f"first-{user_id}")
    return backend


def texts_in(markup: str) -> str:
    """What a page shows, without its markup."""
    return unescape(re.sub(r"<[^>]*>", " ", markup.partition("<body>")[2]))


async def entries(sql: Any, *states: str) -> list[tuple[str, ...]]:
    """Operator, door, state, kind and name of the subject of entries, the oldest first."""
    rows = await sql.fetch(
        "SELECT operator, door, state, subject_kind, subject FROM office_log "
        "WHERE cardinality($1::text[]) = 0 OR state = ANY($1) ORDER BY entry_id",
        list(states),
    )
    return [tuple(row) for row in rows]
