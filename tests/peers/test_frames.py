"""Frames between servers: messages survive the way, in any pieces, and bytes of others end the connection."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from protocol import messages
from server.core.amounts import Caps
from server.core.decisions import Answer, Claim, Decision, Ticket
from server.core.kinds import PacketKind
from server.core.ledger import WalletBalance
from server.core.packet_request import Terms
from server.net.pushes.table import PUSHES, encoded, push_of
from server.peers import frames
from server.peers.events import _DECODER, _ENCODER, SHARED
from server.peers.frames import BadFrame, FrameReader, frame_of
from server.peers.peer import PeerServer, SentCounts
from server.services.runtime import events

MESSAGES = [
    frames.PeerHello(1, 2**62, owns=False),
    frames.ForwardingSession(7, 5, ["reminders"]),
    frames.ForwardedRequest(7, messages.Open(3, 10**18, 99)),
    frames.ForwardedRequest(7, messages.ResultPage(4, 10**18, "en", 0, True)),
    frames.ForwardedReply(7, 3, b"\x91\x01", 0),
    frames.ForwardedRefusal(7, 3, 100, "why", None),
    frames.ForwardedPush([7, 8], b"\x91\x02", True),
    frames.OpenedOnBehalf(1, Decision(Answer.WON, Claim(0, 5, 77, 9), Ticket(1, 2, 3), 0, 4)),
    frames.PassesHeld(3, [frames.SharedPass(5, 10**18, 0, 1_900_000_000)]),
    frames.ServerLeaves(),
    frames.BalancesChanged([events.BalanceChange(5, WalletBalance(100, 3), -5, "send")] * 2),
    frames.PeerPulse([10**18, 7], is_quiet=True),
    frames.ListensForPushes(True),
    frames.PushesPublished(2**40),
    frames.ClaimsQueued(0, 1_500),
]
CLAIM = Claim(2, 5, 77, 1_800_000_000_000)


def terms_with(seed: bytes, kind: PacketKind = PacketKind.LUCKY) -> Terms:
    about = 10**18, kind, 5, 10**18 + 1, 1_000, 5, Caps(), "恭喜", seed
    return Terms(*about, 1_800_000_000_000, 1_800_086_400_000, only_for=frozenset({5, 6}))


def test_messages_survive_the_way_in_any_pieces() -> None:
    stream = frame_of(MESSAGES[:4], 0) + frame_of([], 1) + frame_of(MESSAGES[4:], 2)
    for size in (1, 2, 3, 7, 100, len(stream)):
        reader, found = FrameReader(), []
        for at in range(0, len(stream), size):
            found += reader.read(stream[at : at + size])
        assert found == MESSAGES


@pytest.mark.parametrize("kind", SHARED, ids=lambda kind: kind.__name__)
def test_every_shared_event_survives_the_way(kind: type[events.Event]) -> None:
    terms = terms_with(b"")
    event: events.Event = {
        events.TextPost: events.TextPost(10**18, 3, 5, 1_800_000_000_000, "你好"),
        events.PacketPost: events.PacketPost(10**18, 3, terms, 1_800_000_000_000),
        events.ClaimsPost: events.ClaimsPost(5, 3, 1_800_000_000_000, terms, [CLAIM]),
        events.FinishPost: events.FinishPost(10**18, 3, 1_800_000_000_000, terms, 1_500, CLAIM),
        events.RefundPost: events.RefundPost(5, 3, 1_800_000_000_000, terms, 30),
        events.RelayPost: events.RelayPost(10**18, 4, 1_800_000_000_000, terms, 5, 2, 688),
        events.Claimed: events.Claimed(10**18, 5, [CLAIM]),
        events.Finished: events.Finished(terms, 10**18, 1_500, None),
        events.Refunded: events.Refunded(10**18, 5, 30),
    }[kind]
    arrived = _DECODER.decode(_ENCODER.encode(encoded(event)))
    here, there = PUSHES[kind], push_of(arrived)
    assert there.feature_of(arrived) == here.feature_of(event)
    assert (there.can_wait, there.in_welcome) == (here.can_wait, here.in_welcome)
    assert there.payloads(arrived, is_known=True) == here.payloads(event, is_known=True)
    assert arrived.message == getattr(event, "message", 0)
    assert arrived.stream_id == (getattr(event, "stream_id", 0) or getattr(event, "group_id", 0))


def test_packet_of_a_kind_that_a_client_does_not_know_is_told_as_a_text() -> None:
    event = events.PacketPost(10**18, 3, terms_with(b"", PacketKind.PASSWORD), 0)
    arrived, here = _DECODER.decode(_ENCODER.encode(encoded(event))), PUSHES[events.PacketPost]
    there = push_of(arrived)
    assert there.feature_of(arrived) == here.feature_of(event) != ""
    assert there.instead is not None
    assert there.payloads(arrived, is_known=False) == here.payloads(event, is_known=False)
    assert there.payloads(arrived, is_known=False) != there.payloads(arrived, is_known=True)


def test_reminder_is_not_told_to_clients_that_do_not_know_it() -> None:
    arrived = encoded(events.RefundPost(5, 3, 1_800_000_000_000, terms_with(b""), 30))
    assert arrived.feature == messages.REMINDERS
    assert push_of(arrived).instead is None


def test_seed_of_a_packet_is_not_shared() -> None:
    terms = terms_with(b"secret" * 5)
    shared = _ENCODER.encode(encoded(events.PacketPost(10**18, 3, terms, 0)))
    assert b"secret" not in shared


@pytest.mark.parametrize(
    "stray",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        frame_of([], 0).replace(b"\x90", b"\xc1"),
        len(b"\x91\x91\x63").to_bytes(4, "big") + bytes(4) + b"\x91\x91\x63",
        frame_of(MESSAGES, 0)[:8] + msgspec.msgpack.encode({"no": "list"}).ljust(len(frame_of(MESSAGES, 0)), b"\0"),
        frame_of(MESSAGES, 1),
        frame_of(MESSAGES, 0) + frame_of(MESSAGES, 2),
        frame_of(MESSAGES, 0) + frame_of(MESSAGES, 0),
    ],
    ids=["http", "no MessagePack", "unknown message", "no list", "the first lost", "one lost", "one doubled"],
)
def test_bytes_of_others_are_refused(stray: bytes) -> None:
    with pytest.raises(BadFrame):
        FrameReader().read(stray)


def test_numbers_of_frames_begin_again_after_the_last() -> None:
    reader = FrameReader()
    reader._number = frames.NUMBERS - 1
    assert reader.read(frame_of(MESSAGES, frames.NUMBERS - 1) + frame_of([], frames.NUMBERS)) == MESSAGES


async def test_frames_of_a_peer_are_numbered_one_after_the_other() -> None:
    written: list[bytes] = []
    transport: Any = SimpleNamespace(
        write=written.append, is_closing=lambda: False, get_write_buffer_size=lambda: 0
    )
    peer = PeerServer(cast("Any", SimpleNamespace(server_id=7, owns=True, sent=SentCounts())), "unix")
    peer.connection_made(transport)
    await asyncio.sleep(0)
    for _ in range(2):
        peer.send(frames.PeerPulse([7], is_quiet=False))
        await asyncio.sleep(0)
    told = [
        frames.PeerHello(frames.PEER_VERSION, 7, owns=True),
        frames.PeerPulse([7], is_quiet=False),
        frames.PeerPulse([7], is_quiet=False),
    ]
    assert FrameReader().read(b"".join(written)) == told
    assert len(written) == 3
