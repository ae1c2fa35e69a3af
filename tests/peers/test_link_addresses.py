"""Addresses of servers in the table `servers`, when a server is tried again, and which links are missing. Pure."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.config import Config, ConfigError, PeersSection
from server.peers.links.address import LinkAddress, parsed
from server.peers.links.backoff import LONGEST_S, Backoff
from server.peers.links.missing import MISSING_S, NOT_TRIED, NOWHERE, MissingLinks
from server.peers.links.place import check_peers
from server.peers.mesh import Mesh
from storage.postgres.change_feed import OtherServer

ADDRESSES = [
    LinkAddress(Path("/data/workers/5.peer")),
    LinkAddress(None, "10.0.0.5", 7800),
    LinkAddress(Path("/with spaces/5.peer"), "one.example", 7801),
    LinkAddress(None, "[2001:db8::5]", 65_535),
]


@pytest.mark.parametrize("address", ADDRESSES, ids=str)
def test_address_is_read_as_it_was_written(address: LinkAddress) -> None:
    assert parsed(str(address)) == address


def test_address_of_a_server_before_this_version_is_read() -> None:
    assert parsed("unix:/data/workers/5.peer") == LinkAddress(Path("/data/workers/5.peer"))


@pytest.mark.parametrize(
    "text", ["", "unix:", "unix:relative", "tcp:", "tcp:host", "tcp:a b:1", "tcp:h:0", "tcp:h:65536"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parsed(text) is None


def test_server_is_tried_again_later_and_later() -> None:
    backoff, tried = Backoff(), []
    now_s, step_s = 100.0, 0.125
    assert backoff.is_due(1, now_s)
    for time in range(6):
        assert backoff.failed(1, now_s, 1.0) == (time == 0)
        began_s = now_s
        while not backoff.is_due(1, now_s):
            now_s += step_s
        tried.append(now_s - began_s)
    assert tried == [0.5, 1.0, 2.0, LONGEST_S, LONGEST_S, LONGEST_S]
    assert backoff.is_due(2, now_s)
    backoff.failed(1, now_s, 0.0)
    assert not backoff.is_due(1, now_s)
    backoff.forget(1)
    assert backoff.is_due(1, now_s)


def test_half_of_the_pause_is_by_chance() -> None:
    backoff = Backoff()
    backoff.failed(1, 100.0, 0.0)
    assert not backoff.is_due(1, 100.24)
    assert backoff.is_due(1, 100.25)


def test_server_that_is_gone_is_forgotten() -> None:
    backoff = Backoff()
    backoff.failed(1, 100.0, 1.0)
    backoff.keep({2})
    assert backoff.is_due(1, 100.0)


def test_server_without_a_link_is_missing_after_a_while() -> None:
    missing, place = MissingLinks(), LinkAddress(None, "10.0.0.5", 7800)
    missing.know({1: place, 0xABC: place}, {1}, 100.0)
    assert missing.shown(100.0 + MISSING_S) == {}
    assert missing.shown(100.1 + MISSING_S) == {"abc": f"tcp:10.0.0.5:7800: {NOT_TRIED}"}
    missing.failed(0xABC, "refused")
    missing.know({1: place, 0xABC: place}, {1}, 103.0)
    assert missing.shown(100.1 + MISSING_S) == {"abc": "tcp:10.0.0.5:7800: refused"}
    missing.know({1: place, 0xABC: place}, {1, 0xABC}, 110.0)
    assert missing.shown(200.0) == {}


async def test_server_that_tells_no_address_is_missed() -> None:
    mesh, now_s = Mesh(1, lambda: 0.0), 100.0
    mesh._now_s = lambda: now_s
    mesh.know([OtherServer(0xABC, "")])
    now_s += MISSING_S + 0.1
    assert mesh.links({}).missing == {"abc": f"{NOWHERE}: {NOT_TRIED}"}


@pytest.mark.parametrize("listen", ["0.0.0.0:7800", "[::]:7800"])
def test_wildcard_without_an_address_for_others_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"peers\.advertise"):
        check_peers(Config(peers=PeersSection(listen=listen)))
    check_peers(Config(peers=PeersSection(listen=listen, advertise="10.0.0.5")))


def test_listening_nowhere_or_at_one_address_needs_no_other() -> None:
    for listen in ("", "10.0.0.5:7800"):
        check_peers(Config(peers=PeersSection(listen=listen)))
