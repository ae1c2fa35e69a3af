"""Each role against each door over HTTP: it answers, or says 403, shows nothing, and the log has the attempt."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from client_sim.sdk.client import Client
from server.core.office.roles import DOORS, Door, OfficeRole, doors_of, may
from server.office.routes import OfficeRoutes
from tests.conftest import Connect, Server
from tests.office.conftest import ALICE, BEN, CAUSE, Sit, entries, texts_in

NUMBERS = {
    "user": ALICE,
    "transfer": ALICE,
    "packet": 0,
    "group": 2**60,
    "payment": 2**60,
    "campaign": 2**60,
    "break": 1,
    "correction": 1,
    "decision": 1,
}
REFUSED = "may not pass this door"
# What only those may see who may see users: names, balances, keys of movements.
SECRETS = ("小安", "500.00", "first-1001")


@pytest.fixture
async def packet_id(server: Server, people: Client, connect: Connect) -> int:
    """A packet of Alice for Ben."""
    alice = await connect(server, ALICE)
    return int((await alice.send_packet("personal", BEN, 1_234, 1)).packet_id)


def test_routes_every_door_of_a_page_has_a_route_and_every_change_is_a_post(server: Server) -> None:
    rows = OfficeRoutes(server.app.office.services).rows
    without = {Door.NAMES, Door.LOG_IN, Door.LOG_OUT}
    in_browser = {door for door, row in DOORS.items() if not row.on_command_line} - without
    assert {door for row in rows for door in row.doors} == in_browser
    assert [row.path for row in rows if DOORS[row.door].is_change != (row.method == "POST")] == []


@pytest.mark.parametrize("role", list(OfficeRole))
async def test_doors_every_role_passes_its_own_and_no_other(
    role: OfficeRole, sit: Sit, server: Server, packet_id: int, sql: Any
) -> None:
    desk = await sit(str(role))
    before = await sql.fetchval("SELECT count(*) FROM office_log WHERE state = 'begun'")
    for row in OfficeRoutes(server.app.office.services).rows:
        number = NUMBERS.get(row.path.split("/")[1], 0) or packet_id
        path = row.path.replace("{n}", str(number)) + ("?key=first-1001" if "transfer" in row.path else "")
        passes = all(may(role, door) for door in row.doors)
        # a form without a cause: who passes is told so, and nothing is changed
        done = await (desk.get(path) if row.method == "GET" else desk.post(path))
        assert (done.status != 403) is passes, (role, path, done.status)
        assert done.status in ((200, 404, 409) if passes else (403,)), (role, path, done.status)
        if not passes:
            assert REFUSED in done.text
            assert [one for one in SECRETS if one in done.text] == []
            denied = (await entries(sql, "denied"))[-1]
            assert denied == (
                str(role),
                str(next(d for d in row.doors if not may(role, d))),
                "denied",
                "page",
                path.partition("?")[0],
            )
    assert await sql.fetchval("SELECT count(*) FROM office_log WHERE state = 'begun'") == before


async def test_doors_a_viewer_sees_a_packet_without_names_and_links_to_users(sit: Sit, packet_id: int) -> None:
    desk = await sit("viewer")
    page = await desk.get(f"/packet/{packet_id}")
    assert page.status == 200
    assert str(ALICE) in texts_in(page.text)
    assert "小安" not in page.text
    assert "/user/" not in page.text
    support = await sit("support")
    page = await support.get(f"/packet/{packet_id}")
    assert "小安" in page.text
    assert f'href="/user/{ALICE}"' in page.text


async def test_doors_a_viewer_finds_no_user_by_name_and_no_payment(sit: Sit, packet_id: int) -> None:
    desk = await sit("viewer")
    for text in ("小安", str(ALICE), f"{ALICE} first-1001"):
        assert "Nothing found" in (await desk.get(f"/search?q={text}")).text
    assert f"/packet/{packet_id}" in (await desk.get(f"/search?q={packet_id}")).text


async def test_doors_pages_show_only_what_the_role_may_do(sit: Sit, people: Client) -> None:
    for role in OfficeRole:
        desk = await sit(str(role))
        home = await desk.get("/")
        menu = {"/payments": Door.PAYMENTS, "/breaks": Door.BREAKS, "/risk": Door.RISK, "/log": Door.LOG}
        for path, door in menu.items():
            assert (f'href="{path}"' in home.text) is may(role, door), (role, path)
        if may(role, Door.USER):
            page = await desk.get(f"/user/{ALICE}")
            assert ("/freeze" in page.text) is may(role, Door.FREEZE)
            assert ("entries.csv" in page.text) is may(role, Door.EXPORT)


async def test_doors_unknown_paths_and_methods_are_told_after_the_login_alone(sit: Sit, stranger: Any) -> None:
    assert (await stranger.get("/none")).status == 303
    desk = await sit("admin")
    assert (await desk.get("/none")).status == 404
    assert (await desk.get("/user/0")).status == 404
    assert (await desk.get("/user/99999999999999999999")).status == 404
    assert (await desk.get("/user/9223372036854775808")).status == 404
    for before in ("9" * 5_000, "9" * 18, "-1", "١"):
        for path in ("/log", "/campaigns", "/user/7"):
            assert (await desk.get(f"{path}?before={before[:1_000]}")).status in (200, 404)
    assert (await desk.post("/payments")).status == 405
    assert (await desk.get("/user/7/freeze")).status == 405


async def test_answers_have_the_headers_that_keep_other_pages_and_scripts_out(sit: Sit, stranger: Any) -> None:
    desk = await sit("admin")
    for answer in (await desk.get("/"), await desk.get("/none"), await stranger.get("/login")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "<script" not in answer.text


ODD = ("%00", "%ff%fe", "%27%22%3C%3E", "99999999999999999999", "a" * 300, "%E2%80%AE")


async def test_pages_answer_whatever_stands_in_a_query_and_a_form(sit: Sit, server: Server, packet_id: int) -> None:
    desk = await sit("admin")
    numbers = (1, ALICE, 2**53 - 1, 2**53, packet_id, 2**63 - 1)
    for row in OfficeRoutes(server.app.office.services).rows:
        for number in numbers if "{n}" in row.path else (0,):
            path = row.path.replace("{n}", str(number))
            for odd in ODD if number in (0, 1) else ODD[:1]:
                if row.method == "GET":
                    words = "&".join(
                        f"{name}={odd}" for name in ("q", "key", "before", "state", "done", "operator", "rule")
                    )
                    done = await desk.get(f"{path}?{words}")
                else:
                    fields = ("from", "to", "amount", "seen", "back", "case", "reason")
                    done = await desk.post(path, **dict.fromkeys(fields, unquote(odd)))
                assert done.status in (200, 303, 404, 409), (path, odd, done.status)


def test_roles_every_role_has_a_page_to_begin_with() -> None:
    assert all({Door.HOME, Door.SEARCH} <= set(doors_of(role)) for role in OfficeRole)


async def test_cause_is_asked_for_each_change(sit: Sit, people: Client, sql: Any) -> None:
    desk = await sit("admin")
    for form in ({"case": "", "reason": "why"}, {"case": "CASE-1", "reason": " "}, {**CAUSE, "case": "<b>"}):
        assert (await desk.post(f"/user/{ALICE}/freeze", **form)).status == 409
    assert await entries(sql, "begun") == []
    assert await sql.fetchval("SELECT count(*) FROM users WHERE banned_at_ms IS NOT NULL") == 0
