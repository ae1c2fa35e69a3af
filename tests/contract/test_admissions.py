"""Admissions to packets that friends pass on: judged by the books, each once."""

from __future__ import annotations

import pytest

from storage.postgres.packets.admissions import AdmissionRow, AdmittedRow, AskedAdmission
from storage.postgres.packets.packets import PacketRow
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, CARLA, SENDER, open_packet, packet, packet_id, send

DORA = 5
KINDS, DEPTH_MAX = ["fission"], 2


def passed_on(number: int) -> PacketRow:
    """A packet for Anna and her friends."""
    return packet(number, fen=900, shares=4, kind="fission", target=ANNA)


def asked(number: int, user_id: int, from_user: int, depth: int) -> AskedAdmission:
    """A user has shown a link."""
    return AskedAdmission(packet_id(number), user_id, from_user, depth, 3_000)


async def admit(stores: Stores, *links: AskedAdmission) -> list[tuple[int, int] | None]:
    """Whose link counted for each, and how deep the user is."""
    rows = await stores.admissions.admit(links, KINDS, DEPTH_MAX)
    return [None if row is None else (row.from_user, row.depth) for row in rows]


@pytest.fixture
async def opened(both: Stores) -> Stores:
    """Anna has opened hers, and a packet for the group."""
    await send(both, passed_on(1), packet(2), passed_on(3))
    for number in (1, 2, 3):
        await open_packet(both, number, 0, (ANNA, 100))
    return both


async def test_link_of_a_user_who_has_opened_admits_once(opened: Stores) -> None:
    (row,) = await opened.admissions.admit([asked(1, BEN, ANNA, 1)], KINDS, DEPTH_MAX)
    assert row is not None
    assert row == AdmissionRow(packet_id(1), BEN, ANNA, 1, row.number)
    await open_packet(opened, 1, 1, (BEN, 100))
    await admit(opened, asked(1, CARLA, BEN, 2))
    assert await admit(opened, asked(1, CARLA, ANNA, 1)) == [(BEN, 2)]  # the first link counts
    again = await opened.admissions.admit([asked(1, BEN, ANNA, 1), asked(1, CARLA, BEN, 2)], KINDS, DEPTH_MAX)
    assert [one and one.number == row.number for one in again] == [True, False]


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(asked(1, CARLA, BEN, 1), id="its maker has not opened"),
        pytest.param(asked(1, CARLA, ANNA, 2), id="its maker is not so deep"),
        pytest.param(asked(1, SENDER, ANNA, 1), id="the sender"),
        pytest.param(asked(2, CARLA, ANNA, 1), id="the packet is not passed on"),
        pytest.param(asked(9, CARLA, ANNA, 1), id="there is no such packet"),
    ],
)
async def test_link_that_contradicts_the_books_admits_no_user(opened: Stores, link: AskedAdmission) -> None:
    assert await admit(opened, link) == [None]


async def test_link_admits_down_to_a_depth(opened: Stores) -> None:
    assert await admit(opened, asked(1, BEN, ANNA, 1)) == [(ANNA, 1)]
    await open_packet(opened, 1, 1, (BEN, 100))
    assert await admit(opened, asked(1, CARLA, BEN, 2)) == [(BEN, 2)]
    await open_packet(opened, 1, 2, (CARLA, 100))
    assert await admit(opened, asked(1, DORA, CARLA, 3)) == [None]


async def test_shorter_way_counts_of_two_links_at_once(opened: Stores) -> None:
    await admit(opened, asked(1, BEN, ANNA, 1))
    await open_packet(opened, 1, 1, (BEN, 100))
    assert await admit(opened, asked(1, CARLA, BEN, 2), asked(1, CARLA, ANNA, 1)) == [(ANNA, 1)] * 2


async def test_admissions_are_told_by_packet_and_by_user(opened: Stores) -> None:
    for link in (asked(1, BEN, ANNA, 1), asked(3, CARLA, ANNA, 1), asked(3, BEN, ANNA, 1)):
        await admit(opened, link)
    assert await opened.admissions.of_packets([packet_id(1), packet_id(9)]) == [AdmittedRow(packet_id(1), BEN, 1)]
    assert await opened.admissions.of_user(BEN) == [
        AdmittedRow(packet_id(3), BEN, 1),
        AdmittedRow(packet_id(1), BEN, 1),
    ]
    assert await opened.admissions.of_user(DORA) == []
