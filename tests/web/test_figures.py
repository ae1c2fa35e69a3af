"""The figures of the app in Chromium: from the tap to the amount, the first paint, the memory of a busy hour.

These are bounds that people feel, far above what is measured (docs/web.md), so that a busy machine keeps them.
"""

from __future__ import annotations

import statistics

import pytest
from playwright.async_api import Browser

from tests.conftest import Connect, Server
from tests.web.conftest import ALICE, BEN, CLEO, Hold
from tests.web.figures import (
    SLOW_3G,
    TEXTS_OF_AN_HOUR,
    TEXTS_WARM,
    THROTTLE,
    chatter,
    first_paint_ms,
    heap_mb,
    opens,
)

AMOUNT_MS_MAX = 150.0  # the median, with a quarter of the processor
PAINT_MS_MAX = 1_000.0
GROWTH_MB_MAX = 0.3  # an app that keeps each post grows by half a megabyte
NODES_MAX = 1.2  # of those before
PACKETS = 15


@pytest.mark.long
async def test_amount_comes_soon_after_the_tap_on_a_slow_processor(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    alice = await hold(server, ALICE)
    controls = await alice.page.context.new_cdp_session(alice.page)
    await controls.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    await alice.tap("一家人")
    taken = await opens(await connect(server, BEN), family, alice.page, PACKETS)
    assert statistics.median(taken) <= AMOUNT_MS_MAX, sorted(taken)


@pytest.mark.long
async def test_first_paint_comes_soon_on_a_slow_network(
    server: Server, family: int, hold: Hold, chromium: Browser
) -> None:
    link = (await hold(server, ALICE, start=False)).link
    assert await first_paint_ms(chromium, link, SLOW_3G) <= PAINT_MS_MAX


@pytest.mark.long
async def test_memory_is_flat_over_an_hour_of_a_busy_group(server: Server, connect: Connect, hold: Hold) -> None:
    backend = await connect(server, 0)
    users = [await connect(server, user_id) for user_id in (BEN, CLEO, 4, 5)]
    for user in users:
        await backend.top_up(user.user_id, 50_000)
    group = await backend.put_group("busy", "热闹群", owner_id=BEN)
    await backend.sync_members(group, 1, [ALICE, *(user.user_id for user in users)])
    alice = await hold(server, ALICE)
    controls = await alice.page.context.new_cdp_session(alice.page)
    await alice.tap("热闹群")

    async def held() -> tuple[float, int]:
        used = await heap_mb(controls)
        return used, int((await controls.send("Memory.getDOMCounters"))["nodes"])

    await chatter(users, group, alice.page, TEXTS_WARM, "warm")
    before_mb, nodes_before = await held()
    await chatter(users, group, alice.page, TEXTS_OF_AN_HOUR, "text")
    after_mb, nodes_after = await held()
    assert after_mb - before_mb <= GROWTH_MB_MAX, (before_mb, after_mb)
    assert nodes_after <= NODES_MAX * nodes_before, (nodes_before, nodes_after)
    assert alice.complaints == []
