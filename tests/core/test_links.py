"""Links of packets that friends pass on: what they say, who can read them, and how they end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.amounts import Caps
from server.core.fission import links
from server.core.fission.links import Link
from server.core.kinds import PacketKind
from server.core.packet_request import Terms
from server.core.refusals import Reason, RequestRefused

KEY, OTHER = b"a key of the server", b"the key before it"
ID, USER = st.integers(1, 2**63 - 1), st.integers(1, 2**53 - 1)
TERMS = Terms(2**60, PacketKind.FISSION, 1, 2, 300, 3, Caps(), "", bytes(32), 0, 1_500)


def why(text: str, now_s: float = 0.0) -> str:
    with pytest.raises(RequestRefused) as caught:
        links.read(text, [KEY], now_s)
    assert caught.value.reason is Reason.BAD_LINK
    return caught.value.detail


@given(ID, USER, st.integers(0, links.DEPTH_MAX), st.integers(1, 2**40))
def test_link_says_what_was_put_in_to_each_server_with_its_key(
    packet: int, user: int, depth: int, end: int
) -> None:
    link = Link(packet, user, depth, end)
    text = links.made(link, KEY)
    assert links.read(text, [OTHER, KEY], end - 1) == link
    assert text == links.made(link, KEY)
    assert len(text) == 59


def test_link_is_these_bytes() -> None:
    """Changing them ends all links that are out."""
    assert links.made(Link(272_000_000_000_000_002, 10_010, 0, 1_800_000_000), b"k" * 32) == (
        "hbl_2VaPpIthd1jAUqE4H3xHT-n3hgY1-k0dTqE6_0cYI_XmYYHuiYe_j5Y"
    )


def test_links_of_two_users_have_nothing_in_common() -> None:
    texts = [links.made(Link(2**60, user, 0, 100), KEY)[4:] for user in (3, 4)]
    assert sum(one == other for one, other in zip(*texts, strict=True)) < 10


@given(st.integers(4, 58), st.sampled_from("AQgw_-09"))
def test_link_with_another_character_is_no_link(place: int, character: str) -> None:
    text = links.made(Link(2**60, 3, 0, 100), KEY)
    changed = text[:place] + character + text[place + 1 :]
    if changed != text and place < 58:  # of the last character two bits stand for nothing
        assert why(changed) == "link: it is not signed with a key of this server"


def test_link_of_another_key_one_that_expired_and_any_other_text_are_refused() -> None:
    link = Link(2**60, 3, 0, 100)
    assert why(links.made(link, OTHER)) == "link: it is not signed with a key of this server"
    assert why(links.made(link, KEY), 100.0) == "link: it has expired"
    assert links.read(links.made(link, KEY), [KEY], 99.9) == link
    for text in ("", "hbl_", "hbl_" + "A" * 54, "hbl_" + "A" * 56, "HBL_" + "A" * 55, "hbl_" + "é" * 55):
        assert why(text) == "link: it is hbl_ and 55 letters, digits, - and _"


def test_link_ends_with_its_packet_or_before() -> None:
    assert links.expiry_s(TERMS, 0, 60.0) == 2  # rounded up: a link of an open packet is no dead one
    assert links.expiry_s(TERMS, 0, 1.0) == 1
    assert links.expiry_s(TERMS._replace(expires_at_ms=100_000), 30_999, 60.0) == 90


def test_sender_and_receiver_need_no_link() -> None:
    assert [links.may_be_admitted(TERMS, user) for user in (1, 2, 3)] == [False, False, True]


def test_packet_goes_as_deep_as_the_limit() -> None:
    links.check_depth(5, 5)
    with pytest.raises(RequestRefused) as caught:
        links.check_depth(6, 5)
    assert caught.value.reason is Reason.TOO_DEEP
