"""The rule relay (接龙): which groups may have it, and how much the next packet is."""

from __future__ import annotations

import pytest

from server.core.amounts import Caps
from server.core.everyday.relay import check_times, next_fen
from server.core.kinds import PacketKind
from server.core.packet_request import Terms
from server.core.refusals import Reason, RequestRefused


def terms(shares: int) -> Terms:
    """A lucky packet with shares of 1 to 20,000 fen."""
    return Terms(2**53, PacketKind.LUCKY, 1, 2**53 + 1, 500, shares, Caps(1, 20_000), "", b"", 0, 1)


@pytest.mark.parametrize(("times", "fen"), [(1, 344), (2, 688), (3, 1_032)])
def test_next_packet_is_so_many_times_the_best_share(times: int, fen: int) -> None:
    assert next_fen(terms(5), 344, times) == fen


def test_next_packet_is_never_too_small_for_its_shares() -> None:
    assert next_fen(terms(500), 1, 1) == 500


def test_next_packet_is_never_too_large_for_its_shares() -> None:
    assert next_fen(terms(1), 20_000, 3) == 20_000


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_rule_of_a_group_is_off_or_one_to_three_times(times: int) -> None:
    check_times(times)


@pytest.mark.parametrize("times", [-1, 4, 2**62])
def test_rule_of_a_group_beyond_three_times_is_refused(times: int) -> None:
    with pytest.raises(RequestRefused) as refused:
        check_times(times)
    assert refused.value.reason is Reason.BAD_REQUEST
    assert refused.value.detail.startswith("times: ")
