"""Two machines as one server: a cable that is cut or loses packets, a machine without power, HAProxy in front."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from client_sim.sdk.client import Client
from protocol.messages import TextPosted
from tests.conftest import PATIENCE_S
from tests.machines.conftest import MakeSite, Site
from tests.machines.running import Machine, audited, haproxy
from tests.server.serving import here

pytestmark = pytest.mark.long

SENDER = 1
USERS = range(2, 26)
PACKETS = 6


class Party(NamedTuple):
    """A group with users, and packets with a share for each of them."""

    group: int
    packets: list[int]


async def make_party(machine: Machine, url: str, packets: int = PACKETS) -> Party:
    async with Client(url, machine.token(0)) as backend:
        await backend.put_users({user_id: f"user {user_id}" for user_id in (SENDER, *USERS)})
        group = await backend.put_group("family", "family")
        await backend.sync_members(group, 1, [SENDER, *USERS])
        await backend.top_up(SENDER, 10_000_000, "top-up")
    async with Client(url, machine.token(SENDER)) as sender:
        sent = [await sender.send_packet("lucky", group, 25_000, len(USERS)) for _ in range(packets)]
    return Party(group, [one.packet_id for one in sent])


async def opened(machine: Machine, url: str, user_id: int, packets: Sequence[int]) -> list[tuple[str, int]]:
    """A user connects there and opens these packets: answer and share of each."""
    async with Client(url, machine.token(user_id)) as client:
        answers = [await client.open(packet_id) for packet_id in packets]
        return [(one.answer, one.index) for one in answers]


async def all_open(site: Site, packets: Sequence[int], urls: Sequence[str]) -> list[list[tuple[str, int]]]:
    """All users open all packets, each at the next url."""
    machine = site.machines[0]
    every = enumerate(USERS)
    return await asyncio.gather(
        *(opened(machine, urls[place % len(urls)], user_id, packets) for place, user_id in every)
    )


async def check_books(site: Site, dsn: str, found: list[list[tuple[str, int]]]) -> None:
    """Each user has one share of each packet, and the audit finds nothing."""
    for of_packet in zip(*found, strict=True):
        assert {answer for answer, _ in of_packet} <= {"won", "claimed"}  # claimed: the reply was lost
        assert sorted(index for _, index in of_packet) == list(range(len(USERS)))
    result = await asyncio.to_thread(audited, site.machines[0].data, dsn)
    assert result.returncode == 0, result.stdout + result.stderr


async def test_machines_decide_as_one_and_go_on_after_a_cut(site: MakeSite, postgres_dsn: str) -> None:
    """While the cable is out both are owners of all packets: the versions judge, and no share is given twice."""
    async with site() as made:
        one, other = made.machines
        urls = [one.url, other.url]
        party = await make_party(one, one.url)
        whole, apart, again = party.packets[:2], party.packets[2:4], party.packets[4:]
        found = [list(answers) for answers in await all_open(made, whole, urls)]
        async with Client(other.url, one.token(USERS[0])) as reader, Client(one.url, one.token(SENDER)) as writer:
            made.cable.cut()
            await writer.say(party.group, "this comes late")
            await asyncio.to_thread(made.wait_until_apart)
            for answers, more in zip(found, await all_open(made, apart, urls), strict=True):
                answers += more
            async with asyncio.timeout(PATIENCE_S):
                async for push in reader.pushes():
                    if isinstance(push, TextPosted):
                        assert push.text == "this comes late"
                        break
        made.cable.join()
        await asyncio.to_thread(made.wait_until_linked)
        for answers, more in zip(found, await all_open(made, again, urls), strict=True):
            answers += more
        await check_books(made, postgres_dsn, found)


async def test_cable_that_loses_packets_costs_time_only(site: MakeSite, postgres_dsn: str) -> None:
    async with site(loss=0.01) as made:
        one, other = made.machines
        party = await make_party(one, one.url)
        found = await all_open(made, party.packets, [one.url, other.url])
        assert made.cable.lost > 0
        await check_books(made, postgres_dsn, found)


async def test_users_move_through_haproxy_when_a_machine_loses_power(
    site: MakeSite, postgres_dsn: str, tmp_path: Path
) -> None:
    async with site(proxied=True) as made:
        one, other = made.machines
        with haproxy(tmp_path, *((machine.host.address, machine.url_port) for machine in made.machines)) as port:
            url = f"tcp://127.0.0.1:{port}"
            party = await make_party(one, url)
            rounds = asyncio.Event()

            async def play(user_id: int) -> list[tuple[str, int]]:
                async with Client(url, one.token(user_id)) as client:
                    answers = []
                    for packet_id in party.packets:
                        seen = await client.open(packet_id)
                        answers.append((seen.answer, seen.index))
                        rounds.set()
                    return answers

            playing = asyncio.gather(*map(play, USERS))
            await rounds.wait()
            await asyncio.to_thread(other.kill_all)
            found = await playing
            await check_books(made, postgres_dsn, found)


async def test_rolling_restart_of_both_machines_behind_haproxy_refuses_nothing(
    site: MakeSite, postgres_dsn: str, tmp_path: Path
) -> None:
    async with site(proxied=True) as made:
        one = made.machines[0]
        with haproxy(tmp_path, *((machine.host.address, machine.url_port) for machine in made.machines)) as port:
            url = f"tcp://127.0.0.1:{port}"
            party = await make_party(one, url)

            async def restart() -> None:
                for machine in made.machines:
                    assert (await asyncio.to_thread(here, "restart", "--data", machine.data)).code == 0

            restarting = asyncio.ensure_future(restart())
            found = await all_open(made, party.packets, [url])
            await restarting
            await asyncio.to_thread(made.wait_until_linked)
            await check_books(made, postgres_dsn, found)
