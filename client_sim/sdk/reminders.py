"""The notices that the app has received: reminders repeat them, and an app receives each notice once.

Claims, finishes and refunds are pushed as they happen, and stand once more as numbered posts in the streams for
users who were away. The pushes that a post repeats, less those that the app had, come right before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocol import messages

Reminder = messages.ClaimsReminder | messages.FinishReminder | messages.RefundReminder
Notice = messages.ClaimNotice | messages.PacketFinished | messages.PacketRefunded
TOLD_MAX = 100_000  # notices remembered; the oldest give way


class Told:
    """The notices that were handed on."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[tuple[int, ...], None] = {}  # in their order: of a finish its packet, and with its stream

    def is_new(self, notice: Notice) -> bool:
        """Whether the app has not had it yet; from now on it has."""
        key = _key(notice)
        if key in self._told:
            return False
        self._told[key] = None
        if isinstance(notice, messages.PacketFinished):
            self._told[notice.packet_id, 1] = None
        while len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]
        return True

    def fresh(self, reminder: Reminder) -> list[Notice]:
        """The notices in a reminder that the app has not had.

        The finish in the inbox of the sender is none if the app has had that of a group: it is the same finish.
        """
        is_inbox = isinstance(reminder, messages.FinishReminder) and reminder.stream_id <= messages.USER_ID_MAX
        if is_inbox and (reminder.packet_id, 1) in self._told:
            return []
        return [notice for notice in _notices(reminder) if self.is_new(notice)]


def _key(notice: Notice) -> tuple[int, ...]:
    match notice:
        case messages.ClaimNotice():
            return (notice.packet_id, 0, notice.index)
        case messages.PacketFinished():
            return (notice.packet_id, 1, notice.stream_id)
        case messages.PacketRefunded():
            return (notice.packet_id, 2)


def _notices(reminder: Reminder) -> Iterable[Notice]:
    packet_id = reminder.packet_id
    match reminder:
        case messages.ClaimsReminder(shares=shares, claims=claims):
            for one in claims:
                yield messages.ClaimNotice(
                    0, packet_id, one.user_id, one.index, one.amount_fen, shares - one.index - 1
                )
        case messages.FinishReminder():
            yield messages.PacketFinished(
                0,
                packet_id,
                reminder.stream_id,
                reminder.shares,
                reminder.took_ms,
                reminder.best_user_id,
                reminder.best_amount_fen,
            )
        case messages.RefundReminder():
            yield messages.PacketRefunded(0, packet_id, reminder.refunded_fen)
