"""The handshake of links: both sides prove that they have the key; nothing else passes, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.peers.links.handshake import (
    LENGTH_BYTES,
    MESSAGE_BYTES_MAX,
    NONCE_BYTES,
    Acceptor,
    Connector,
    Handshake,
    HandshakeFailed,
    LinkRefusal,
    link_keys,
)

KEYS = link_keys({"old": b"o" * 32, "new": b"n" * 32})
HERE, THERE, THIRD = 2**62 + 1, 5, 9  # servers: the one that connects, the one that it wants, another
CERTIFICATE = b"c" * 32


def nonce(letter: str) -> bytes:
    """Not random: each test says which are different."""
    return letter.encode() * NONCE_BYTES


def acceptor(keys: Mapping[str, bytes] = KEYS, certificate: bytes = CERTIFICATE, letter: str = "a") -> Acceptor:
    return Acceptor(keys, nonce(letter), certificate, THERE)


def connector(
    keys: Mapping[str, bytes] = KEYS, certificate: bytes = CERTIFICATE, letter: str = "b", wanted: int = THERE
) -> Connector:
    return Connector(keys, nonce(letter), certificate, HERE, wanted)


def met(first: Handshake, second: Handshake) -> None:
    """Let both exchange messages until neither has any. Raises HandshakeFailed."""
    said = first.opening
    while said:
        first, second = second, first
        said = first.receive(said)


def why(first: Handshake, second: Handshake) -> LinkRefusal:
    with pytest.raises(HandshakeFailed) as failed:
        met(first, second)
    return failed.value.why


def framed(message: object) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def test_sides_with_the_same_keys_know_each_other() -> None:
    one, other = acceptor(), connector()
    met(one, other)
    assert (one.is_done, other.is_done) == (True, True)
    assert (one.server_id, other.server_id) == (HERE, THERE)


def test_messages_come_in_any_pieces_and_what_is_behind_them_is_kept() -> None:
    one, other = acceptor(), connector()
    proof = b"".join(other.receive(bytes([byte])) for byte in one.opening)
    welcome = b"".join(one.receive(bytes([byte])) for byte in proof)
    assert one.is_done
    assert other.receive(welcome + b"frames") == b""
    assert (other.is_done, other.rest, one.rest) == (True, b"frames", b"")


def test_newest_common_key_is_used_while_keys_change() -> None:
    old, new = ({name: KEYS[name]} for name in ("old", "new"))
    for keys, others in ((KEYS, old), (old, KEYS), (KEYS, new), (new, KEYS)):
        one, other = acceptor(keys), connector(others)
        met(one, other)
        assert one.is_done
        assert other.is_done
    assert why(acceptor(old), connector(new)) is LinkRefusal.KEY


def test_key_of_the_same_name_with_other_bytes_proves_nothing() -> None:
    other = link_keys({"old": b"x" * 32, "new": b"y" * 32})
    assert why(acceptor(), connector(other)) is LinkRefusal.PROOF


def test_keys_of_links_are_not_those_that_they_are_made_from() -> None:
    assert link_keys({"old": b"o" * 32})["old"] != b"o" * 32


def test_third_party_with_a_certificate_of_its_own_is_found_out() -> None:
    assert why(acceptor(), connector(certificate=b"d" * 32)) is LinkRefusal.PROOF


def test_side_without_encryption_does_not_meet_one_with_it() -> None:
    assert why(acceptor(), connector(certificate=b"")) is LinkRefusal.PROOF


def test_proof_that_was_recorded_is_refused_at_the_next_challenge() -> None:
    one, other = acceptor(), connector()
    proof = other.receive(one.opening)
    one.receive(proof)
    with pytest.raises(HandshakeFailed) as failed:
        acceptor(letter="z").receive(proof)
    assert failed.value.why is LinkRefusal.PROOF


def test_welcome_that_was_recorded_is_refused_by_the_next_connector() -> None:
    one, other = acceptor(), connector()
    welcome = one.receive(other.receive(one.opening))
    again = connector(letter="z")
    again.receive(acceptor().opening)
    with pytest.raises(HandshakeFailed) as failed:
        again.receive(welcome)
    assert failed.value.why is LinkRefusal.PROOF


def test_proof_that_is_sent_back_is_no_welcome() -> None:
    """A side without the key answers with what it was told."""
    other = connector()
    mac = msgspec.msgpack.decode(other.receive(acceptor().opening)[LENGTH_BYTES:])[-1]
    with pytest.raises(HandshakeFailed) as failed:
        other.receive(framed([mac]))
    assert failed.value.why is LinkRefusal.PROOF


def test_server_at_the_address_of_another_one_refuses() -> None:
    assert why(acceptor(), connector(wanted=THIRD)) is LinkRefusal.SERVER


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4])
def test_each_field_of_a_proof_counts(place: int) -> None:
    one, other = acceptor(), connector()
    fields = msgspec.msgpack.decode(other.receive(one.opening)[LENGTH_BYTES:])
    fields[place] = {0: "old", 1: nonce("x"), 2: THIRD, 3: THIRD, 4: bytes(32)}[place]
    with pytest.raises(HandshakeFailed) as failed:
        one.receive(framed(fields))
    assert failed.value.why is LinkRefusal.PROOF
    assert not one.is_done


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ([2, nonce("a"), ["new"]], LinkRefusal.VERSION),
        ([1, nonce("a"), []], LinkRefusal.KEY),
        ([1, b"short", ["new"]], LinkRefusal.GARBAGE),
        ([1, nonce("a"), ["new"], 1], LinkRefusal.GARBAGE),
        ({"version": 1}, LinkRefusal.GARBAGE),
        (b"GET / HTTP/1.1", LinkRefusal.GARBAGE),
    ],
)
def test_bad_challenge_is_refused(message: object, expected: LinkRefusal) -> None:
    with pytest.raises(HandshakeFailed) as failed:
        connector().receive(framed(message))
    assert failed.value.why is expected


@pytest.mark.parametrize("side", [acceptor, connector], ids=["acceptor", "connector"])
def test_message_with_text_that_is_not_utf_8_is_garbage(side: type[Handshake]) -> None:
    begin = {acceptor: b"\x95", connector: b"\x93\x01" + msgspec.msgpack.encode(nonce("a")) + b"\x91"}[side]
    body = begin + b"\xa3\xd3\xe0\xff"
    with pytest.raises(HandshakeFailed) as failed:
        side().receive(len(body).to_bytes(LENGTH_BYTES, "big") + body)  # type: ignore[call-arg]
    assert failed.value.why is LinkRefusal.GARBAGE


@pytest.mark.parametrize("side", [acceptor, connector], ids=["acceptor", "connector"])
def test_long_message_is_refused_before_it_has_come(side: type[Handshake]) -> None:
    with pytest.raises(HandshakeFailed):
        side().receive((MESSAGE_BYTES_MAX + 1).to_bytes(LENGTH_BYTES, "big"))  # type: ignore[call-arg]


@given(st.binary(max_size=200))
def test_bytes_without_the_key_never_pass(data: bytes) -> None:
    one = acceptor()
    with suppress(HandshakeFailed):
        one.receive(framed_bytes(data))
    assert not one.is_done


def framed_bytes(data: bytes) -> bytes:
    return len(data).to_bytes(LENGTH_BYTES, "big") + data
