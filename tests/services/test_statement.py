"""The statement of a wallet: counterparties, running balances, pages from the newest change on."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import asyncpg

from client_sim.sdk.client import Client
from protocol import messages
from tests.conftest import DAY_MS, Connect, Server, StartServer, Turn
from tests.services.conftest import SENDER, MakeParty, until
from tests.services.test_outbox import posted

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def whole(client: Client) -> list[messages.StatementLine]:
    """All pages of a statement."""
    lines: list[messages.StatementLine] = []
    more = True
    while more:
        page = await client.statement(lines[-1].version if lines else 0)
        assert 0 < len(page.lines) <= 50
        lines, more = lines + page.lines, page.more
    return lines


async def test_pages_of_a_statement_are_the_entries_in_reverse_also_inside_of_a_batch(
    start_server: StartServer, party: MakeParty, sql: Sql
) -> None:
    """Claims that are credited together are one row of the books: pages begin and end within such rows."""
    server = await start_server(settlement__idle_s=1.0)
    room = await party(server, 1)
    (guest,) = room.guests
    packets = await asyncio.gather(*(room.lucky(100 + number, 2) for number in range(130)))
    await asyncio.gather(*(guest.open(packet_id) for packet_id in packets))
    await posted(sql)
    rows = await sql.fetchval("SELECT count(*) FROM entries WHERE user_id = $1", guest.user_id)
    assert rows < 130  # some are of several claims

    lines = await whole(guest)
    first = await guest.entries()
    entries = first.entries + (await guest.entries(first.entries[-1].version)).entries
    assert [one.version for one in lines] == list(range(130, 0, -1))
    assert [
        (one.version, one.at_ms, one.reason, one.change_fen, one.balance_fen, one.packet_id) for one in lines
    ] == [
        (one.version, one.at_ms, one.reason, one.change_fen, one.balance_fen, one.packet_id)
        for one in reversed(entries)
    ]
    assert {one.packet_id for one in lines} == set(packets)
    assert {(one.other_id, one.packet_kind, one.reason) for one in lines} == {(SENDER, "lucky", "claim")}
    for first_version in range(1, 131):  # wherever a page begins
        page = await guest.statement(first_version + 1)
        assert page.lines[0].version == first_version
        assert page.more == (first_version > 50)


async def test_each_change_names_its_counterparty(
    server: Server, backend: Client, connect: Connect, turn_clock: Turn, sql: Sql
) -> None:
    await backend.put_users({7: "小梅", 8: "阿强"})
    await backend.top_up(7, 10_000)
    sender, receiver = await connect(server, 7), await connect(server, 8)
    group_id = await sender.create_group("一家人")
    await sender.send_packet("lucky", group_id, 100, 1)
    personal = (await sender.send_packet("personal", 8, 250, 1)).packet_id
    await receiver.open(personal)
    await posted(sql)
    await backend.withdraw(8, 50)
    turn_clock(DAY_MS + 60_000)  # the lucky packet comes back

    async def came_back() -> bool:
        return len((await sender.statement()).lines) == 4

    await until(came_back)

    def shown(lines: list[messages.StatementLine]) -> list[tuple[str, int, int, str, int, str]]:
        return [
            (one.reason, one.change_fen, one.balance_fen, one.packet_kind, one.other_id, one.other_name)
            for one in lines
        ]

    assert shown((await sender.statement()).lines) == [
        ("refund", 100, 9_750, "lucky", group_id, "一家人"),
        ("send", -250, 9_650, "personal", 8, "阿强"),
        ("send", -100, 9_900, "lucky", group_id, "一家人"),
        ("top_up", 10_000, 10_000, "", 0, ""),
    ]
    assert shown((await receiver.statement()).lines) == [
        ("withdraw", -50, 200, "", 0, ""),
        ("claim", 250, 250, "personal", 7, "小梅"),
    ]


async def test_statement_of_a_user_without_a_wallet_is_empty(server: Server, connect: Connect) -> None:
    page = await (await connect(server, 9)).statement()
    assert (page.lines, page.more) == ([], False)
