"""What the server serves below /app/: the page with a strict policy, invites whose seats are taken once."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from client_sim.sdk.client import Client
from protocol import tokens
from server.config import ConfigError, load
from server.http_api.page import link
from server.http_api.web.invite import BadInvite, InviteClaim, mint, verify
from tests.conftest import KEYS, Connect, Server, StartServer, Turn
from tests.http_api.conftest import ADDRESS
from tests.web.conftest import BEN, SERVES_APP
from tests.websocket.conftest import LISTEN
from tests.websocket.test_example_client import websocket_url

KEY = KEYS["test"]
CLAIM = InviteClaim(first_user_id=50, seats=3, issued_at_s=1_000, expires_at_s=2_000)
HOUR_S = 3_600


@pytest.fixture
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    """A browser without a screen."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


def test_invite_says_whose_seats_it_has_until_it_expires() -> None:
    invite = mint(CLAIM, "test", KEY)
    assert verify(invite, KEYS.get, 1_999.9) == (CLAIM, "test")
    with pytest.raises(BadInvite, match="expired"):
        verify(invite, KEYS.get, 2_000)
    with pytest.raises(BadInvite, match="more than a day"):
        verify(mint(CLAIM._replace(expires_at_s=1_001 + 86_400), "test", KEY), KEYS.get, 1_500)


@pytest.mark.parametrize("changed", range(6))
def test_invite_with_one_part_changed_is_refused(changed: int) -> None:
    parts = mint(CLAIM, "test", KEY).split(".")
    for other in ("51", "101", "0", "", "ab" * 32, "9" * 40, "-1"):
        forged = ".".join([*parts[:changed], other, *parts[changed + 1 :]])
        with pytest.raises(BadInvite):
            verify(forged, KEYS.get, 1_500)


def test_tokens_and_links_of_pages_are_no_invites() -> None:
    page = link.mint(link.LinkClaim(packet_id=50, user_id=3, issued_at_s=1_000, expires_at_s=2_000), "test", KEY)
    with pytest.raises(BadInvite, match="not signed"):
        verify(page, KEYS.get, 1_500)
    with pytest.raises(BadInvite):
        verify(str(tokens.mint(50, 2_000, "test", KEY, 1_000)), KEYS.get, 1_500)
    with pytest.raises(tokens.BadToken):
        tokens.parse(mint(CLAIM, "test", KEY))


async def test_page_is_strict_and_asked_for_again(server: Server, web: aiohttp.ClientSession) -> None:
    url = server.app.http_api.url
    async with web.get(f"{url}/app", allow_redirects=False) as moved:
        assert (moved.status, moved.headers["Location"]) == (308, "app/")
    async with web.get(f"{url}/app/?from=chat", headers={"Accept-Encoding": "gzip"}) as shown:
        policy = shown.headers["Content-Security-Policy"]
        page = gzip.decompress(await shown.read()).decode()
    assert policy.startswith(f"default-src 'none'; connect-src 'self' {websocket_url(server)}; img-src 'self'; ")
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert shown.headers["Cache-Control"] == "no-cache"
    assert f'content="{websocket_url(server)}"' in page
    async with web.get(f"{url}/app/", headers={"If-None-Match": shown.headers["ETag"]}) as same:
        assert (same.status, await same.read()) == (304, b"")
    async with web.get(f"{url}/app/", headers={"Accept-Encoding": "identity"}) as plain:
        assert (await plain.read()).decode() == page


async def test_page_has_the_hint_about_cards_of_the_config_and_none_by_default(
    server: Server, start_server: StartServer, web: aiohttp.ClientSession
) -> None:
    async with web.get(f"{server.app.http_api.url}/app/", headers={"Accept-Encoding": "identity"}) as plain:
        without = (await plain.read()).decode()
    assert '<meta name="hongbao-card-hint"' not in without
    hinting = await start_server(**SERVES_APP, web__card_hint='测试卡 6212 "<b>" & | test card 6212')
    async with web.get(f"{hinting.app.http_api.url}/app/", headers={"Accept-Encoding": "identity"}) as shown:
        page = (await shown.read()).decode()
    hint = "测试卡 6212 &quot;&lt;b&gt;&quot; &amp; | test card 6212"
    meta = f'<meta name="hongbao-card-hint" content="{hint}">\n<title>'
    assert page.count(meta) == 1
    assert page.index(meta) < page.index("<script>")
    assert shown.headers["ETag"] != plain.headers["ETag"]
    rest = page.replace(meta, "<title>").replace(websocket_url(hinting), websocket_url(server))
    assert rest == without


@pytest.mark.parametrize("hint", ["two\nlines", "x" * 1001, "a\u2028b"])
def test_hint_about_cards_is_one_line_of_at_most_1000_characters(hint: str) -> None:
    with pytest.raises(ConfigError, match=r"card_hint is .* at most 1,000 characters in one line"):
        load(None, {"web.card_hint": hint}, {})


async def test_files_beside_the_page(server: Server, web: aiohttp.ClientSession) -> None:
    for name, kind in (("sw.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        async with web.get(f"{server.app.http_api.url}/app/{name}") as shown:
            assert (shown.status, shown.content_type) == (200, kind)
            assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def status_of(server: Server, method: str, path: str) -> int:
    """The status of a request whose path is sent as it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.app.http_api.url.rpartition(":")[2]))
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1])


async def test_nothing_else_is_served(server: Server) -> None:
    for name in ("../openapi.json", "built.json", "__init__.py", "app.js", "%2e%2e/openapi.json"):
        assert await status_of(server, "GET", f"/app/{name}") == 404, name
    assert await status_of(server, "GET", "/apps/") == 404
    assert await status_of(server, "POST", "/app/") == 405
    assert await status_of(server, "GET", "/app/enter") == 405


async def enter(web: aiohttp.ClientSession, server: Server, body: Mapping[str, Any] | bytes) -> tuple[int, Any]:
    """What the server answers to an invite."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with web.post(f"{server.app.http_api.url}/app/enter", data=data) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, json.loads(await answer.read())


async def test_each_seat_of_an_invite_is_taken_once_also_at_the_same_moment(
    server: Server, web: aiohttp.ClientSession, connect: Connect
) -> None:
    await (await connect(server, 0)).put_users({user_id: f"guest {user_id}" for user_id in range(50, 53)})
    now_s = (await connect(server, BEN)).hello.now_ms // 1000  # type: ignore[union-attr]
    invite = mint(InviteClaim(50, 3, now_s, now_s + HOUR_S), "test", KEY)
    answers = await asyncio.gather(*(enter(web, server, {"invite": invite}) for _ in range(5)))
    entered = [answer for status, answer in answers if status == 200]
    assert sorted(one["user_id"] for one in entered) == ["50", "51", "52"]
    assert [answer["code"] for status, answer in answers if status != 200] == ["bad_invite"] * 2
    for one in entered:
        async with Client(server.url, one["token"]) as client:
            assert client.user_id == int(one["user_id"])


async def test_seat_stays_taken_after_a_restart(
    start_server: StartServer, web: aiohttp.ClientSession, connect: Connect
) -> None:
    first = await start_server(**SERVES_APP)
    now_s = (await connect(first, BEN)).hello.now_ms // 1000  # type: ignore[union-attr]
    invite = mint(InviteClaim(60, 1, now_s, now_s + HOUR_S), "test", KEY)
    assert (await enter(web, first, {"invite": invite}))[0] == 200
    second = await start_server(**SERVES_APP)
    assert (await enter(web, second, {"invite": invite}))[1]["code"] == "bad_invite"


async def test_what_is_no_invite_is_refused(server: Server, web: aiohttp.ClientSession) -> None:
    bodies = (b"", b"[]", b'{"invite": 1}', b'{"invite": "x", "more": 1}', b'{"invite": "1.1.1.1.k.ab"}', b"\xff")
    bodies += (b'{"invite": "\xff"}',)
    for body in bodies:
        status, problem = await enter(web, server, body)
        assert (status, problem["code"]) == (403, "bad_invite"), body
    assert (await enter(web, server, b"x" * 2_000))[0] == 413


async def test_invite_expires_and_a_banned_user_does_not_enter(
    server: Server, web: aiohttp.ClientSession, connect: Connect, turn_clock: Turn
) -> None:
    now_s = (await connect(server, BEN)).hello.now_ms // 1000  # type: ignore[union-attr]
    await (await connect(server, 0)).ban_user(70)
    banned = mint(InviteClaim(70, 1, now_s, now_s + HOUR_S), "test", KEY)
    assert (await enter(web, server, {"invite": banned}))[1]["code"] == "banned"
    late = mint(InviteClaim(71, 1, now_s, now_s + HOUR_S), "test", KEY)
    turn_clock(HOUR_S * 1000)
    assert (await enter(web, server, {"invite": late}))[1]["code"] == "bad_invite"


async def test_app_is_off_by_default_and_without_a_websocket(
    start_server: StartServer, web: aiohttp.ClientSession
) -> None:
    for settings in ({**LISTEN}, {"web__enabled": "true"}):
        server = await start_server(http_api__address=ADDRESS, **settings)
        async with web.get(f"{server.app.http_api.url}/app/") as answer:
            assert answer.status == 404


async def test_pages_of_other_origins_may_not_connect(server: Server) -> None:
    assert server.app.websocket is not None
    assert server.app.websocket.rules.origins == (server.app.http_api.url,)
