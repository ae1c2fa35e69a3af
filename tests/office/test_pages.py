"""What the pages show: a user, the life of a packet, searches, and lists as CSV."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from typing import Any

import pytest

from client_sim.sdk.client import Client
from tests.conftest import DAY_MS, Connect, Server, Turn
from tests.office.conftest import ALICE, BEN, HOSTILE, QUOTES, Sit, entries, texts_in
from tests.services.conftest import MakeParty, until


def steps_of(page: str) -> list[str]:
    """The classes of the steps on the line of time."""
    return re.findall(r'<li class="([\w ]+)">', page.partition('<ol class="life">')[2].partition("</ol>")[0])


async def test_user_page_shows_wallet_entries_packets_and_escapes_names(
    sit: Sit, server: Server, people: Client, connect: Connect
) -> None:
    alice, ben = await connect(server, ALICE), await connect(server, BEN)
    packet = (await alice.send_packet("personal", BEN, 1_234, 1, greeting=HOSTILE)).packet_id
    await ben.open(packet)
    desk = await sit("support")
    page = await desk.get(f"/user/{BEN}")
    assert HOSTILE not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    shown = texts_in((await desk.get(f"/user/{ALICE}")).text)
    for part in ("小安", "487.66", "12.34", str(packet), "first-1001"):
        assert part in shown
    assert "&lt;script" in (await desk.get(f"/packet/{packet}")).text


async def test_user_page_goes_back_in_the_entries(sit: Sit, people: Client) -> None:
    for number in range(60):
        await people.top_up(ALICE, 1, f"small-{number}")
    desk = await sit("finance")
    page = await desk.get(f"/user/{ALICE}")
    assert "small-59" in page.text
    assert "first-1001" not in page.text
    older = re.search(rf'href="(/user/{ALICE}\?before=\d+)"', page.text)
    assert older
    assert "first-1001" in (await desk.get(older[1])).text


async def test_packet_page_tells_its_life_on_one_line_of_time(
    sit: Sit, server: Server, party: MakeParty, people: Client, sql: Any
) -> None:
    guests = await party(server, 3)
    packet = await guests.lucky(900, 3)
    await guests.all_open(packet)

    async def settled() -> bool:
        return not await sql.fetchval("SELECT count(*) FROM settlement_queue") and bool(
            await sql.fetchval("SELECT count(*) FROM messages WHERE packet_id = $1 AND reminder = 2", packet)
        )

    await until(settled)
    desk = await sit("support")
    page = await desk.get(f"/packet/{packet}")
    steps = steps_of(page.text)
    assert steps[0] == "sent"
    assert steps.count("claimed") == 3
    assert steps.count("finished") == 1
    assert "credited" in steps
    assert "posted" in steps
    assert "told" in steps
    assert "expires" not in steps
    assert texts_in(page.text).count("best luck") == 1
    assert page.text.count("<rect") == len(steps)
    assert (
        await sql.fetchval("SELECT encode(commitment, 'hex') FROM packets WHERE packet_id = $1", packet)
        not in page.text
    )


async def test_packet_page_of_an_expired_packet_ends_with_its_refund(
    sit: Sit, server: Server, people: Client, connect: Connect, turn_clock: Turn, sql: Any
) -> None:
    alice = await connect(server, ALICE)
    packet = (await alice.send_packet("personal", BEN, 1_234, 1)).packet_id
    desk = await sit("viewer")
    ahead = await desk.get(f"/packet/{packet}")
    assert steps_of(ahead.text)[-1] == "expires ahead"
    turn_clock(DAY_MS + 1_000)

    async def refunded() -> bool:
        return bool(await sql.fetchval("SELECT refunded_fen FROM packets WHERE packet_id = $1", packet))

    await until(refunded)
    desk = await sit("support")
    steps = steps_of((await desk.get(f"/packet/{packet}")).text)
    assert [one for one in steps if one in ("sent", "expires", "refunded")] == ["sent", "expires", "refunded"]


@pytest.mark.parametrize("text", ["小安", "XIAO", str(ALICE), f"{ALICE} first-1001"])
async def test_search_finds_by_name_id_and_key(sit: Sit, people: Client, text: str) -> None:
    await people.put_users({1005: "Ｘｉａｏ"})
    desk = await sit("support")
    found = await desk.get(f"/search?q={text}")
    assert ("/user/1005" if text == "XIAO" else str(ALICE)) in found.text
    assert "Nothing found" not in found.text


@pytest.mark.parametrize("text", ["", " ", "x" * 201])
async def test_search_for_nothing_or_too_much_is_refused(sit: Sit, people: Client, text: str) -> None:
    desk = await sit("support")
    assert "search for 1 to 200 characters" in (await desk.get(f"/search?q={text}")).text


async def test_search_finds_a_transfer_a_packet_and_a_payment_by_the_key_of_their_user(
    sit: Sit, server: Server, people: Client, connect: Connect
) -> None:
    alice = await connect(server, ALICE)
    await people.put_users({ALICE: "小安", BEN: "Ben"})
    packet = (await alice.send_packet("personal", BEN, 500, 1, key="same")).packet_id
    await people.withdraw(ALICE, 100, "same")
    desk = await sit("finance")
    page = await desk.get(f"/transfer/{ALICE}?key=same")
    assert f"/packet/{packet}" in page.text
    assert "withdraw" in page.text


async def test_csv_of_entries_is_safe_for_spreadsheets_and_logged(sit: Sit, people: Client, sql: Any) -> None:
    await people.top_up(ALICE, 7, "=HYPERLINK(1)")
    await people.top_up(ALICE, 7, "-1+1")
    desk = await sit("finance", "lin")
    got = await desk.get(f"/user/{ALICE}/entries.csv")
    assert got.status == 200
    assert got.headers["Content-Disposition"] == f'attachment; filename="user-{ALICE}-entries.csv"'
    rows = list(csv.DictReader(io.StringIO(got.text.removeprefix("\ufeff"))))
    assert [row["key"] for row in rows] == ["'-1+1", "'=HYPERLINK(1)", f"first-{ALICE}"]
    assert [row["change_fen"] for row in rows] == ["7", "7", "50000"]
    assert (await entries(sql))[-1] == ("lin", "export", "seen", "user", str(ALICE))


@pytest.mark.parametrize("path", ["payments.csv", "breaks.csv", "risk.csv", "log.csv"])
async def test_csv_of_every_list_has_the_names_of_its_columns(sit: Sit, people: Client, path: str) -> None:
    desk = await sit("admin")
    got = await desk.get(f"/{path}")
    assert got.status == 200
    assert got.headers["Content-Type"].startswith("text/csv")
    assert got.text.startswith("\ufeff")
    assert "," in got.text.splitlines()[0]


async def test_pages_are_in_the_language_of_the_browser_until_another_is_chosen(sit: Sit, people: Client) -> None:
    desk = await sit("admin")
    chinese = await desk.get("/", **{"Accept-Language": "zh-CN,zh;q=0.9"})
    assert 'lang="zh-CN"' in chinese.text
    assert "退出" in chinese.text
    done = await desk.post("/language", {"Accept-Language": "zh-CN"}, back=f"/user/{ALICE}")
    assert done.place == f"/user/{ALICE}"
    assert 'lang="en"' in (await desk.get("/", **{"Accept-Language": "zh-CN"})).text
    assert (await desk.post("/language", back="https://evil.example/")).place == "/"


async def test_pages_of_all_lists_can_be_opened_at_the_same_time(sit: Sit, people: Client) -> None:
    desk = await sit("admin")
    paths = (
        "/payments",
        "/payments?state=unknown",
        "/breaks",
        "/breaks?state=all",
        "/corrections",
        "/campaigns",
        "/risk",
        "/operators",
        "/log",
        f"/user/{ALICE}",
    )
    found = await asyncio.gather(*(desk.get(path) for path in paths))
    assert [one.status for one in found] == [200] * len(paths)
    assert QUOTES not in "".join(one.text for one in found)


async def test_group_page_shows_members_who_came_and_went_and_its_packets(
    sit: Sit, server: Server, party: MakeParty, connect: Connect, people: Client, sql: Any
) -> None:
    guests = await party(server, 3)
    await people.put_users({1: HOSTILE, 2: QUOTES, 3: "小离"})
    backend = await connect(server, 0)
    packet = await guests.lucky(900, 3)
    await guests.all_open(packet)
    await guests.guests[1].leave_group(guests.group)
    await guests.sender.remove_member(guests.group, 4)
    await backend.top_up(1, 1, "later")
    await sql.execute("UPDATE groups SET name = $1 WHERE group_id = $2", HOSTILE, guests.group)
    desk = await sit("finance")
    found = await desk.get(f"/search?q={guests.group}")
    assert f'href="/group/{guests.group}"' in found.text
    page = await desk.get(f"/group/{guests.group}")
    assert page.status == 200
    assert "<script>" not in page.text
    shown = texts_in(page.text)
    for part in (HOSTILE, QUOTES, "小离", str(packet), "3/3", "9.00"):
        assert part in shown
    text = (await desk.get(f"/group/{guests.group}/members.csv")).text.removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["user"] for row in rows} == {"1", "2", "3", "4"}
    assert [bool(row["left"]) for row in sorted(rows, key=lambda row: row["user"])] == [False, False, True, True]
    assert [row["user"] for row in rows if row["removed"]] == ["4"]
    assert (await entries(sql, "seen"))[-2:] == [
        ("finance", "group", "seen", "group", str(guests.group)),
        ("finance", "export", "seen", "group", str(guests.group)),
    ]
    assert (await desk.get(f"/group/{2**60}")).status == 404


async def test_group_that_was_deleted_is_still_shown(
    sit: Sit, server: Server, connect: Connect, people: Client, sql: Any
) -> None:
    group = await (await connect(server, ALICE)).create_group("left behind")
    await sql.execute("UPDATE groups SET deleted_at_ms = created_at_ms + 5 WHERE group_id = $1", group)
    page = await (await sit("support")).get(f"/group/{group}")
    assert "left behind" in page.text
    assert 'class="pill bad">deleted<' in page.text
