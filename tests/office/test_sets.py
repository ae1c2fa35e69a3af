"""Two sets of PostgreSQL: users, packets and posts are found in whichever set has them; operators are in set 0."""

from __future__ import annotations

from typing import Any

from server.core.office.roles import OfficeRole
from tests.office.conftest import ROOT, SERVES_OFFICE, desk_at, texts_in
from tests.office.test_pages import steps_of
from tests.services.conftest import until
from tests.sets.conftest import NEW, OLD, MakeCrowd, crowd, other_dsn, other_sql, start_pair

__all__ = ["crowd", "other_dsn", "other_sql", "start_pair"]


async def test_users_and_packets_of_another_set_are_found_and_their_lives_are_whole(
    crowd: MakeCrowd, browsers: Any, operators: Any, other_sql: Any, sql: Any
) -> None:
    made = await crowd(1, 1, **SERVES_OFFICE)
    sender = made.new[0]
    packet = (await sender.send_packet("lucky", made.group, 600, 2, key="of-set-1")).packet_id
    for client in (*made.old, *made.new):
        await client.open(packet)

    async def told() -> bool:
        waiting = "SELECT (SELECT count(*) FROM settlement_queue) + (SELECT count(*) FROM set_outbox)"
        posts = "SELECT count(*) FROM messages WHERE packet_id = $1 AND reminder = 2"
        return not await other_sql.fetchval(waiting) and bool(await sql.fetchval(posts, packet))

    await until(told)
    key = await operators.add("lin", OfficeRole.FINANCE, None, ROOT)
    desk = await (await desk_at(browsers, made.server.app.office.url)).log_in(str(key))
    page = await desk.get(f"/packet/{packet}")
    steps = steps_of(page.text)
    assert steps.count("claimed") == 2
    assert "posted" in steps
    assert "told" in steps
    assert "credited" in steps
    for user_id in (OLD, NEW):
        shown = texts_in((await desk.get(f"/user/{user_id}")).text)
        assert str(packet) in shown
    assert f"/packet/{packet}" in (await desk.get(f"/transfer/{NEW}?key=of-set-1")).text
