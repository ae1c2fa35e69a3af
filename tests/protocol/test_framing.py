"""Frames: read whole wherever the stream is cut; a length above the limit is refused before its payload is read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.framing import FrameSplitter, FrameTooLarge, frame

steady = settings(deadline=None, derandomize=True, database=None, print_blob=True)


def take(splitter: FrameSplitter, data: bytes) -> list[bytes]:
    payloads: list[bytes] = []
    splitter.take(data, payloads)
    return payloads


def test_a_frame_is_a_big_endian_length_and_the_payload() -> None:
    assert frame(b"") == b"\0\0\0\0"
    assert frame(b"\x92\x03\x00") == b"\0\0\0\x03\x92\x03\x00"
    assert frame(b"a" * 0x0102) == b"\0\0\x01\x02" + b"a" * 0x0102


@steady
@given(payloads=st.lists(st.binary(max_size=40), max_size=8), cuts=st.lists(st.integers(0, 400)))
def test_stream_cut_anywhere_gives_the_same_payloads(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, payloads))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    splitter = FrameSplitter(40)
    got = [payload for start, stop in pairwise(edges) for payload in take(splitter, stream[start:stop])]
    assert got == payloads
    assert splitter.buffered_bytes == 0


def test_payload_is_returned_only_when_it_is_complete() -> None:
    splitter = FrameSplitter(3)
    stream = frame(b"abc")
    for buffered, byte in enumerate(stream[:-1], start=1):
        assert take(splitter, bytes([byte])) == []
        assert splitter.buffered_bytes == buffered
    assert take(splitter, stream[-1:]) == [b"abc"]
    assert splitter.buffered_bytes == 0


def test_the_limit_is_the_largest_payload() -> None:
    assert take(FrameSplitter(5), frame(b"12345")) == [b"12345"]
    with pytest.raises(FrameTooLarge, match="frame of 6 bytes, limit 5") as error:
        take(FrameSplitter(5), frame(b"123456"))
    assert (error.value.length, error.value.limit) == (6, 5)


@pytest.mark.parametrize("announced", [6, 2**16, 2**31, 2**32 - 1])
def test_length_above_the_limit_is_refused_before_its_payload_is_kept(announced: int) -> None:
    splitter = FrameSplitter(5)
    length = announced.to_bytes(4, "big")
    assert take(splitter, length[:3]) == []
    with pytest.raises(FrameTooLarge):
        splitter.take(length[3:], [])
    assert splitter.buffered_bytes == 0


def test_payloads_before_a_bad_frame_are_returned() -> None:
    payloads: list[bytes] = []
    with pytest.raises(FrameTooLarge):
        FrameSplitter(5).take(frame(b"one") + frame(b"two") + frame(b"too large"), payloads)
    assert payloads == [b"one", b"two"]


def test_the_limit_may_be_raised_between_two_reads() -> None:
    splitter = FrameSplitter(2)
    stream = frame(b"ab") + frame(b"abc")
    assert take(splitter, stream[:6]) == [b"ab"]
    splitter.frame_bytes_max = 3
    assert take(splitter, stream[6:]) == [b"abc"]


@steady
@given(chunks=st.lists(st.binary(max_size=64), max_size=20))
def test_splitter_keeps_at_most_one_frame(chunks: list[bytes]) -> None:
    splitter = FrameSplitter(32)
    for chunk in chunks:
        try:
            splitter.take(chunk, [])
        except FrameTooLarge:
            return
        assert splitter.buffered_bytes < 4 + 32
