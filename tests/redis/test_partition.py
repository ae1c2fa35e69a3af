"""A network that parts: a master is left alone with the server, all other nodes are on the other side.

The other nodes are in a network namespace of their own, which root can make.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.errors import Refusal
from tests.conftest import Connect, StartServer
from tests.redis.nodes import cluster_of, wait_for
from tests.redis.test_failover import is_whole, packets_on, recorded
from tests.services.conftest import MakeParty, Record

BooksBalance = Callable[[], Awaitable[None]]
GUESTS = 3


class Sides(NamedTuple):
    """Two hosts of one machine, with a cable between them."""

    here: str
    there: str
    namespace: str
    cable: str

    def part(self) -> None:
        """Pull the cable out."""
        _ip("link", "set", self.cable, "down")

    def join(self) -> None:
        """Plug it in."""
        _ip("link", "set", self.cable, "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def two_sides() -> Iterator[Sides]:
    """Skips the test where no namespace can be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2")
    number = random.randrange(1 << 14)
    net = f"10.{200 + number // 256 % 50}.{number % 256}"
    sides = Sides(f"{net}.1", f"{net}.2", f"hongbao-{number}", f"hb{number}a")
    other_end = f"hb{number}b"
    try:
        _ip("netns", "add", sides.namespace)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr.decode().strip()}")
    try:
        _ip("link", "add", sides.cable, "type", "veth", "peer", "name", other_end, "netns", sides.namespace)
        _ip("addr", "add", f"{sides.here}/24", "dev", sides.cable)
        _ip("-n", sides.namespace, "addr", "add", f"{sides.there}/24", "dev", other_end)
        for link in (other_end, "lo"):
            _ip("-n", sides.namespace, "link", "set", link, "up")
        sides.join()
        yield sides
    finally:
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", sides.cable)
        _ip("netns", "del", sides.namespace)


@pytest.mark.long
async def test_claims_on_the_minority_side_are_not_told_and_none_that_was_told_is_lost(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    record: Record,
    books_balance: BooksBalance,
    postgres_proxy: tuple[Proxy, str],
) -> None:
    """For a second the lone master goes on taking writes, which are gone once the other side has a new master."""
    proxy, dsn = postgres_proxy
    with two_sides() as sides:
        enter = ("ip", "netns", "exec", sides.namespace)

        def hosts(number: int) -> tuple[str, tuple[str, ...]]:
            return (sides.here, ()) if number == 0 else (sides.there, enter)

        with cluster_of(3, hosts=hosts) as cluster:
            options = {"stores__redis": cluster.url, "stores__postgres": dsn, "stores__durability": "redis"}
            server = await start_server(**options)
            room = await party(server, GUESTS)
            packets = await packets_on(room, cluster)
            every = [packet_id for of_master in packets.values() for packet_id in of_master]
            told = {(packet_id, 2): (await room.guests[0].open(packet_id)).amount_fen for packet_id in every}
            for packet_id in every:
                assert len(await recorded(record, packet_id, 1)) == 1
            proxy.stall()
            sides.part()
            taken = await asyncio.gather(
                *(room.guests[1].open(packet_id, patience_s=0.0) for packet_id in every), return_exceptions=True
            )
            for packet_id, opened in zip(every, taken, strict=True):
                if isinstance(opened, BaseException):
                    assert isinstance(opened, Refusal)
                else:
                    told[packet_id, 3] = opened.amount_fen
            await server.kill()
            await asyncio.sleep(3.0)  # the other side has a new master by then; it cannot be asked
            sides.join()
            await wait_for(cluster.replicas[0].is_master)
            await wait_for(cluster.is_ready)
            proxy.flow()
            await proxy.cut()
            await proxy.heal()
            again = await start_server(**options)
            await wait_for(lambda: is_whole(again))
            for packet_id in every:
                for user_id in (4, 3, 2):
                    opened = await (await connect(again, user_id)).open(packet_id)
                    assert opened.amount_fen == told.setdefault((packet_id, user_id), opened.amount_fen)
                assert len(await recorded(record, packet_id, GUESTS)) == GUESTS
            await books_balance()
