"""Logins: a key, a session that ends, cookies, tries that run out, and forms of other sites."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.chaos.proxy import Proxy
from server import config
from server.config import ConfigError
from server.core.office.entries import EntryState, OfficeEntry, Subject
from server.core.office.login_limits import TRIES
from server.core.office.operator_keys import IDLE_MS, SESSION_MS
from server.core.office.roles import Door, OfficeRole
from server.office.listening import check_office
from server.services.office.journal import row_of
from server.services.office.operators import OperatorService
from storage.postgres.database import Database
from storage.postgres.office.office import OfficeStore
from tests.conftest import Server, StartServer, Turn
from tests.http_api.test_listener import authority
from tests.office.conftest import ALICE, CAUSE, ROOT, SERVES_OFFICE, Desk, Sit, desk_at, entries
from tests.services.conftest import until

WRONG = f"hbo_1_{'A' * 43}"


async def test_path_from_login_over_search_and_user_to_the_entry_in_the_log(
    sit: Sit, people: object, sql: Any
) -> None:
    desk = await sit("support", "lin")
    found = await desk.get(f"/search?q={ALICE}")
    assert f'href="/user/{ALICE}"' in found.text
    page = await desk.get(f"/user/{ALICE}")
    assert page.status == 200
    assert "小安" in page.text
    assert "500.00" in page.text
    assert await entries(sql) == [
        ("root", "add_operator", "done", "operator", "1"),
        ("root", "change_operator", "done", "operator", "1"),
        ("lin", "log_in", "done", "operator", "1"),
        ("lin", "search", "seen", "search", ""),
        ("lin", "user", "seen", "user", str(ALICE)),
    ]


async def test_login_another_key_of_the_same_operator_is_refused(stranger: Desk, sit: Sit, sql: Any) -> None:
    await sit("admin")
    refused = await stranger.post("/login", key=WRONG)
    assert refused.status == 403
    assert "Set-Cookie" not in refused.headers
    assert (await stranger.get("/")).place == "/login"
    assert [one for one in await entries(sql) if one[1] == "log_in"] == [
        ("admin", "log_in", "done", "operator", "1")
    ]


async def test_login_without_a_session_every_page_leads_to_the_login_and_back(
    stranger: Desk, server: Server
) -> None:
    assert (await stranger.get("/user/7?before=3")).place == "/login?then=%2Fuser%2F7%3Fbefore%3D3"
    assert (await stranger.post("/user/7/freeze", **CAUSE)).place == "/login"
    page = await stranger.get("/login?then=//evil.example")
    assert 'name="then" value="/"' in page.text


async def test_login_cookie_is_for_this_site_and_no_script(stranger: Desk, operators: OperatorService) -> None:
    key = await operators.add("lin", OfficeRole.VIEWER, None, ROOT)
    done = await stranger.post("/login", key=f" {key} ", then="/packet/9")
    assert done.place == "/packet/9"
    cookie = done.headers["Set-Cookie"]
    assert re.match(r"hongbao_office=[\w-]{43}; ", cookie)
    assert {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={SESSION_MS // 1000}"} <= set(cookie.split("; "))


async def test_login_the_record_has_neither_key_nor_cookie(
    stranger: Desk, operators: OperatorService, sql: Any
) -> None:
    key = await operators.add("lin", OfficeRole.VIEWER, None, ROOT)
    done = await stranger.post("/login", key=str(key))
    secret = done.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    for table in ("office_operators", "office_sessions", "office_log"):
        kept = str(await sql.fetch(f"SELECT t::text FROM {table} t"))
        assert key.secret not in kept
        assert secret not in kept
    assert (await sql.fetchval("SELECT key_hash FROM office_operators")).startswith("$argon2id$")


async def test_session_ends_when_it_is_not_used(sit: Sit, turn_clock: Turn) -> None:
    desk = await sit("viewer")
    turn_clock(IDLE_MS - 1_000)
    assert (await desk.get("/")).status == 200
    turn_clock(2 * IDLE_MS)
    assert (await desk.get("/")).place == "/login"


async def test_session_ends_after_its_time_however_often_it_is_used(sit: Sit, turn_clock: Turn) -> None:
    desk = await sit("viewer")
    for at_ms in range(IDLE_MS // 2, SESSION_MS, IDLE_MS // 2):
        turn_clock(at_ms)
        assert (await desk.get("/")).status == 200
    turn_clock(SESSION_MS + 1_000)
    assert (await desk.get("/")).place == "/login"


async def test_session_ends_at_a_logout_a_new_key_and_when_its_operator_is_disabled(
    sit: Sit, operators: OperatorService, stranger: Desk
) -> None:
    out, renewed, disabled = (
        await sit("viewer", "out"),
        await sit("viewer", "renewed"),
        await sit("admin", "disabled"),
    )
    assert (await out.post("/log-out")).place == "/login"
    old = await operators.new_key("renewed", ROOT)
    new = await operators.new_key("renewed", ROOT)
    await operators.disable("disabled", ROOT)
    for desk in (out, renewed, disabled):
        assert (await desk.get("/")).place == "/login"
    assert (await stranger.post("/login", key=str(old))).status == 403
    assert (await stranger.post("/login", key=str(new))).status == 303


async def test_session_another_role_holds_from_the_next_request_on(sit: Sit, operators: OperatorService) -> None:
    desk = await sit("viewer", "lin")
    assert (await desk.get("/log")).status == 403
    await operators.set_role("lin", OfficeRole.ADMIN, ROOT)
    assert (await desk.get("/log")).status == 200


async def test_login_tries_of_an_address_run_out_also_for_the_right_key(
    stranger: Desk, operators: OperatorService
) -> None:
    key = await operators.add("lin", OfficeRole.VIEWER, None, ROOT)
    for _ in range(TRIES):
        assert (await stranger.post("/login", key=WRONG)).status == 403
    refused = await stranger.post("/login", key=str(key))
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://[bad"},
    ],
)
async def test_form_of_another_site_changes_nothing(
    sit: Sit, people: object, sql: Any, headers: dict[str, str]
) -> None:
    desk = await sit("admin")
    refused = await desk.post(f"/user/{ALICE}/freeze", headers, **CAUSE)
    assert refused.status == 403
    assert await sql.fetchval("SELECT count(*) FROM users WHERE banned_at_ms IS NOT NULL") == 0
    assert (await desk.post("/log-out", headers)).status == 403
    assert (await desk.get("/")).status == 200


async def test_form_without_the_proof_of_its_session_changes_nothing(sit: Sit, people: object, sql: Any) -> None:
    desk, other = await sit("admin", "one"), await sit("admin", "two")
    for proof in ("", "0" * 64, other.proof):
        assert (await desk.post(f"/user/{ALICE}/freeze", proof=proof, **CAUSE)).status == 403
    assert await sql.fetchval("SELECT count(*) FROM users WHERE banned_at_ms IS NOT NULL") == 0
    assert await entries(sql, "begun") == []


async def test_form_that_is_too_large_or_no_form_is_refused(sit: Sit) -> None:
    desk = await sit("admin")
    assert (await desk.post("/user/1/freeze", case="c", reason="r" * 9_000)).status == 400
    assert (await desk.post("/user/1/freeze", {"Content-Type": "text/plain"}, **CAUSE)).status == 400


async def test_office_is_off_unless_the_config_says_otherwise(start_server: StartServer) -> None:
    server = await start_server()
    assert server.app.office.url == ""


@pytest.mark.parametrize("listen", ["0.0.0.0:7794", "10.0.0.5:7794", "[::]:7794"])
def test_office_on_the_network_needs_tls(listen: str) -> None:
    settings = config.load(None, {"office.enabled": "true", "office.listen": listen}, environment={})
    with pytest.raises(ConfigError, match=r"office\.listen"):
        check_office(settings)
    check_office(config.load(None, {"office.listen": listen}, environment={}))
    behind = {"office.enabled": "true", "office.listen": listen, "office.behind_proxy": "true"}
    check_office(config.load(None, behind, environment={}))


async def test_office_behind_a_proxy_has_a_cookie_for_tls_alone(
    start_server: StartServer, browsers: AsyncExitStack, operators: OperatorService
) -> None:
    server = await start_server(office__enabled="true", office__listen="127.0.0.1:0", office__behind_proxy="true")
    key = await operators.add("lin", OfficeRole.VIEWER, None, ROOT)
    desk = await desk_at(browsers, server.app.office.url)
    done = await desk.post("/login", key=str(key))
    assert done.headers["Set-Cookie"].startswith("__Host-hongbao_office=")
    assert "Secure" in done.headers["Set-Cookie"].split("; ")


async def test_office_over_tls_speaks_nothing_else_and_its_cookie_is_for_tls_alone(
    start_server: StartServer, operators: OperatorService, tmp_path: Path
) -> None:
    ca, context = authority(tmp_path)
    server = await start_server(**SERVES_OFFICE, tls=context)
    url = server.app.office.url
    assert url.startswith("https://127.0.0.1:")
    key = await operators.add("lin", OfficeRole.VIEWER, None, ROOT)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    async with aiohttp.ClientSession() as session:
        done = await session.post(f"{url}login", data={"key": str(key)}, ssl=trusting, allow_redirects=False)
        assert done.status == 303
        assert done.headers["Set-Cookie"].startswith("__Host-hongbao_office=")
        with pytest.raises(aiohttp.ClientError):
            await session.get(url.replace("https", "http"))


async def test_office_without_a_store_shows_nothing_and_says_so(
    start_server: StartServer,
    operators: OperatorService,
    browsers: AsyncExitStack,
    postgres_proxy: tuple[Proxy, str],
) -> None:
    proxy, dsn = postgres_proxy
    server = await start_server(**SERVES_OFFICE, stores__postgres=dsn)
    key = await operators.add("lin", OfficeRole.ADMIN, None, ROOT)
    desk = await (await desk_at(browsers, server.app.office.url)).log_in(str(key))
    await proxy.cut()
    for answer in (await desk.get("/"), await desk.post(f"/user/{ALICE}/freeze", **CAUSE)):
        assert answer.status == 503
        assert "The database gave no answer" in answer.text
    await proxy.heal()

    async def serves_again() -> bool:
        return (await desk.get("/")).status == 200

    await until(serves_again)


@pytest.mark.parametrize("begins", ["begin_session", "begin_signed_on"])
async def test_login_while_the_operator_is_disabled_waits_for_that_and_begins_no_session(
    operators: OperatorService, database: Database, sql: Any, begins: str
) -> None:
    await operators.add("lin", OfficeRole.SUPPORT, None, ROOT)
    store = OfficeStore(database)
    await operators.link("lin", "https://login.example", "248289", ROOT)
    (compared,) = await store.operators(name="lin")
    subject = Subject("operator", str(compared.operator_id))
    entry = row_of(OfficeEntry(ROOT, Door.LOG_IN, EntryState.DONE, subject), 1)
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    async with sql.transaction():  # as `disable` does it, before its commit
        await sql.execute("UPDATE office_operators SET key_hash = NULL, is_disabled = true")
        await sql.execute("DELETE FROM office_sessions")
        login = asyncio.create_task(getattr(store, begins)(b"t" * 32, compared, 0, 0, entry))

        async def is_held_up() -> bool:
            return login.done() or await sql.fetchval(waits) > 0

        await until(is_held_up)
    assert not await login
    assert await sql.fetchval("SELECT count(*) FROM office_sessions") == 0
