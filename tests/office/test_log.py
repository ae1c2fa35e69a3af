"""The log: nothing in it changes, it is written before anything is shown, and it has no names of users."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from client_sim.sdk.client import Client
from server.cli.main import main
from server.core.office.roles import OfficeRole
from server.office.pages import log as log_pages
from server.services.office.operators import OperatorService
from storage.postgres.database import Database
from storage.postgres.office import office as office_store
from storage.postgres.office.office import EntryFilter, OfficeStore
from tests.conftest import Server
from tests.office.conftest import ALICE, BEN, CAUSE, HOSTILE, ROOT, Sit, entries


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE office_log SET operator = 'x'",
        "DELETE FROM office_log",
        "TRUNCATE office_log",
        "UPDATE office_log SET after = '{}' WHERE entry_id = 1",
    ],
)
async def test_log_is_made_once_and_never_changed(
    server: Server, operators: OperatorService, sql: Any, statement: str
) -> None:
    await operators.add("lin", OfficeRole.VIEWER, None, ROOT)
    before = await sql.fetch("SELECT * FROM office_log ORDER BY entry_id")
    assert len(before) == 2
    with pytest.raises(asyncpg.RaiseError, match="never changed"):
        await sql.execute(statement)
    assert await sql.fetch("SELECT * FROM office_log ORDER BY entry_id") == before


async def test_log_a_page_is_not_shown_without_its_entry(sit: Sit, people: Client, sql: Any) -> None:
    desk = await sit("support")
    await sql.execute(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$"
    )
    await sql.execute("CREATE TRIGGER no_room BEFORE INSERT ON office_log EXECUTE FUNCTION no_room()")
    for path in (f"/user/{ALICE}", f"/search?q={ALICE}"):
        refused = await desk.get(path)
        assert refused.status == 503
        assert "小安" not in refused.text
        assert "500.00" not in refused.text
    assert (await desk.post(f"/user/{ALICE}/freeze", **CAUSE)).status == 503
    assert await sql.fetchval("SELECT count(*) FROM users WHERE banned_at_ms IS NOT NULL") == 0


async def test_log_a_change_has_two_entries_with_cause_before_and_after(sit: Sit, people: Client, sql: Any) -> None:
    desk = await sit("support", "lin")
    await desk.post(f"/user/{ALICE}/freeze", **CAUSE)
    rows = await sql.fetch(
        "SELECT state, of_entry, entry_id, operator, role, uid, address, case_number, reason, before::text, "
        "after::text FROM office_log WHERE door = 'freeze' ORDER BY entry_id"
    )
    begun, done = rows
    assert (begun["state"], done["state"], done["of_entry"]) == ("begun", "done", begun["entry_id"])
    assert (begun["before"], begun["after"]) == ('{"frozen": false}', "{}")
    assert (done["before"], done["after"]) == ('{"frozen": false}', '{"frozen": true}')
    for row in rows:
        assert (row["operator"], row["role"], row["uid"]) == ("lin", "support", 2**32 + 1)
        assert (row["case_number"], row["reason"], row["address"]) == ("CASE-1", "asked for by phone", "127.0.0.1")


async def test_log_has_ids_and_no_names_of_users(sit: Sit, people: Client, sql: Any) -> None:
    desk = await sit("admin")
    for text in ("小安", HOSTILE.replace("<", "%3C"), f"{BEN}"):
        await desk.get(f"/search?q={text}")
    await desk.get(f"/user/{BEN}")
    await desk.post(f"/user/{BEN}/freeze", **CAUSE)
    kept = str(await sql.fetch("SELECT l::text FROM office_log l"))
    assert f"user {ALICE}" in kept
    assert f"user {BEN}" in kept
    for name in ("小安", "script", "alert"):
        assert name not in kept


async def test_log_of_a_user_who_is_not_there_is_written_too(sit: Sit, people: Client, sql: Any) -> None:
    desk = await sit("support", "lin")
    assert (await desk.get("/user/424242")).status == 404
    assert (await entries(sql))[-1] == ("lin", "user", "seen", "user", "424242")


async def test_log_page_and_command_show_the_same_entries(
    sit: Sit, people: Client, postgres_dsn: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await sit("admin", "lin")
    await desk.post(f"/user/{ALICE}/freeze", **CAUSE)
    page = await desk.get("/log")
    for part in ("CASE-1", "asked for by phone", "frozen: true", f'href="/user/{ALICE}"'):
        assert part in page.text
    monkeypatch.setenv("COLUMNS", "250")

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--postgres", postgres_dsn])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), " ".join((printed.out + printed.err).split())

    async def hongbao(*words: str) -> tuple[int, str]:
        return await asyncio.to_thread(run, *words)

    code, told = await hongbao("office", "log", "--about", f"user:{ALICE}")
    assert code == 0
    for part in ("lin (admin)", "freeze", "begun", "done", "CASE-1", "frozen=True"):
        assert part in told
    assert "log_in" not in told
    code, told = await hongbao("office", "log", "--operator", "lin", "--door", "log_in")
    assert (code, "log_in" in told, "freeze" in told) == (0, True, False)


async def test_command_adds_lists_changes_and_disables_operators(
    server: Server, sql: Any, postgres_dsn: str, capsys: pytest.CaptureFixture[str], stranger: Any
) -> None:
    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["office", "operator", *words, "--postgres", postgres_dsn])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    async def operator(*words: str) -> tuple[int, str]:
        return await asyncio.to_thread(run, *words)

    code, told = await operator("add", "lin", "--role", "finance", "--system-user", "1000")
    assert code == 0
    key = told.splitlines()[0]
    assert key.startswith("hbo_1_")
    await stranger.log_in(key)
    code, told = await operator("list")
    assert (code, "lin" in told, "finance" in told, "1000" in told, key in told) == (0, True, True, True, False)
    assert (await operator("add", "lin", "--role", "viewer"))[0] == 1
    assert (await operator("add", "wu", "--role", "viewer", "--system-user", "1000"))[0] == 1
    assert (await operator("add", "a b", "--role", "viewer"))[0] == 1
    assert (await operator("role", "lin", "viewer"))[0] == 0
    assert (await stranger.get("/breaks")).status == 403
    code, told = await operator("key", "lin")
    assert (code, told.splitlines()[0] == key) == (0, False)
    assert (await stranger.get("/")).status == 303
    assert (await operator("disable", "lin"))[0] == 0
    assert (await stranger.post("/login", key=told.splitlines()[0])).status == 403
    assert (await operator("key", "none"))[0] == 1
    doors = [one[1] for one in await entries(sql) if one[0] != "lin"]
    await sql.execute("ALTER TABLE office_log RENAME TO office_log_of_later")  # as in records of an older server
    code, told = await operator("list")
    assert (code, "start a server of this version on them first" in told) == (1, True)
    await sql.execute("ALTER TABLE office_log_of_later RENAME TO office_log")
    assert doors == ["add_operator", *["change_operator"] * 4]


async def test_command_links_an_operator_to_a_subject_of_the_provider(
    server: Server, sql: Any, postgres_dsn: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "hongbao.toml"
    file.write_text('[oidc]\nissuer = "https://login.example"\n')

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["office", "operator", *words, "--postgres", postgres_dsn])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    async def operator(*words: str) -> tuple[int, str]:
        return await asyncio.to_thread(run, *words)

    for name in ("lin", "wu"):
        assert (await operator("add", name, "--role", "viewer"))[0] == 0
    code, told = await operator("link", "lin", "--subject", "248289")
    assert (code, "oidc.issuer is not set" in told) == (1, True)
    code, told = await operator("link", "lin", "--subject", "248289", "--config", str(file))
    assert (code, told) == (0, "lin signs on as 248289 at https://login.example\n")
    code, told = await operator("link", "wu", "--subject", "248289", "--config", str(file))
    assert (code, "linked to this subject already" in told) == (1, True)
    assert (await operator("link", "lin", "--subject", "a\nb", "--config", str(file)))[0] == 1
    assert "248289" in (await operator("list"))[1]
    last = await sql.fetchrow("SELECT door, state, after::text FROM office_log ORDER BY entry_id DESC LIMIT 1")
    assert (last["door"], last["state"], "248289" in last["after"]) == ("change_operator", "done", True)


async def test_links_of_a_filtered_list_keep_what_is_wanted(
    sit: Sit, people: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_pages, "PAGE", 1)
    desk = await sit("admin", "lin")
    await desk.get("/log")
    await desk.get(f"/user/{ALICE}")
    page = await desk.get("/log?operator=lin&door=user")
    links = [unescape(one) for one in re.findall(r'href="(/log[^"]*)"', page.text)]
    older, as_csv = (next(one for one in links if one.startswith(path)) for path in ("/log?before=", "/log.csv"))
    assert older.partition("&")[2] == as_csv.partition("&")[2] == "operator=lin&door=user"
    rows = (await desk.get(as_csv)).text.splitlines()
    assert (len(rows), f",{ALICE}," in rows[1]) == (2, True)
    page = await desk.get("/risk?rule=fast%20bot%26")
    assert 'href="/risk.csv?rule=fast%20bot%26"' in page.text


@pytest.mark.parametrize("place", ["campaigns", "operators"])
async def test_list_that_names_people_is_logged_before_it_is_shown(sit: Sit, sql: Any, place: str) -> None:
    desk = await sit("admin", "lin")
    assert (await desk.get(f"/{place}")).status == 200
    assert (await entries(sql))[-1] == ("lin", place, "seen", place, "")


async def test_door_is_looked_for_among_the_newest_entries(
    sit: Sit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await sit("admin", "lin")
    for place in ("operators", "campaigns", "campaigns", "log"):
        await desk.get(f"/{place}")
    monkeypatch.setattr(office_store, "LOOKED_MAX", 3)
    store = OfficeStore(database)
    found = {door: len(await store.newest(0, EntryFilter(door=door), 3)) for door in ("operators", "campaigns")}
    assert found == {"operators": 0, "campaigns": 2}
    assert len(await store.newest(0, EntryFilter(), 9)) == 7  # so many are asked for
