"""Notices that come live and once more in reminders: the app receives each once."""

from __future__ import annotations

import pytest

from client_sim.sdk import reminders
from client_sim.sdk.reminders import Told
from protocol import messages

SENDER, GROUP, PACKET = 7, 1 << 56, 1 << 57
TIME_MS = 1_700_000_000_000


def finish(stream_id: int, packet_id: int = PACKET) -> messages.FinishReminder:
    return messages.FinishReminder(0, stream_id, 3, TIME_MS, packet_id, 5, 900, 8, 250)


def finished(stream_id: int, packet_id: int = PACKET) -> messages.PacketFinished:
    return messages.PacketFinished(0, packet_id, stream_id, 5, 900, 8, 250)


def claims(*indexes: int) -> messages.ClaimsReminder:
    lines = [messages.ClaimLine(index, 8, 100, TIME_MS) for index in indexes]
    return messages.ClaimsReminder(0, SENDER, 2, TIME_MS, PACKET, 5, lines)


def test_claims_that_were_pushed_are_not_in_the_reminder() -> None:
    told = Told()
    assert told.is_new(messages.ClaimNotice(0, PACKET, 8, 1, 100, 3))
    assert [(one.index, one.left_shares) for one in told.fresh(claims(0, 1, 2))] == [(0, 4), (2, 2)]  # type: ignore[union-attr]
    assert told.fresh(claims(0, 1, 2)) == []


def test_finish_of_the_inbox_is_not_new_after_that_of_the_group() -> None:
    told = Told()
    assert told.is_new(finished(GROUP))
    assert told.fresh(finish(SENDER)) == []
    assert told.fresh(finish(GROUP)) == []
    assert told.fresh(finish(SENDER, PACKET + 1)) == [finished(SENDER, PACKET + 1)]


def test_finish_of_the_group_is_new_after_that_of_the_inbox() -> None:
    told = Told()
    assert told.fresh(finish(SENDER)) == [finished(SENDER)]
    assert told.fresh(finish(GROUP)) == [finished(GROUP)]
    assert told.fresh(finish(GROUP + 1)) == [finished(GROUP + 1)]  # sent again to another group


def test_refund_is_received_once() -> None:
    told = Told()
    assert told.is_new(messages.PacketRefunded(0, PACKET, 300))
    assert told.fresh(messages.RefundReminder(0, SENDER, 4, TIME_MS, PACKET, 300)) == []


def test_notices_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "TOLD_MAX", 100)
    told = Told()
    for number in range(200):
        told.is_new(finished(GROUP, PACKET + number))
    assert len(told._told) == 100
