"""Marks: one for each device and address, the same however an address is written, and no text of either."""

from __future__ import annotations

import pytest

from server.core.risk.marks import BadMark, address_mark, device_mark


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8::1", "2001:DB8:0:0:1::", True),  # one network of 64 bits
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_address_mark_is_that_of_the_network_however_it_is_written(one: str, other: str, is_same: bool) -> None:
    assert (address_mark(one) == address_mark(other)) is is_same


def test_mark_of_a_device_is_not_that_of_an_address_of_the_same_text() -> None:
    assert device_mark("10.0.0.1") != address_mark("10.0.0.1")
    assert device_mark("a") != device_mark("b")
    assert "10.0.0.1" not in device_mark("10.0.0.1")


@pytest.mark.parametrize("address", ["", "10.0.0.1:80", "[::1]", "10.0.0", "localhost", "10.0.0.1/8", "1\n"])
def test_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadMark, match="IPv4 or IPv6"):
        address_mark(address)


@pytest.mark.parametrize("device", ["", "x" * 201, "a\nb", "a\0"])
def test_device_of_no_printable_text_is_refused(device: str) -> None:
    with pytest.raises(BadMark, match="200 printable"):
        device_mark(device)
