"""What a request may ask for: every limit with its default, and checks that name the first one broken."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from server.core.amounts import Caps
from server.core.refusals import Reason, RequestRefused

# Characters that change what a screen shows of other text: controls, separators of lines, marks of the direction of
# writing. Joiners are none of them: emoji and several scripts are written with them.
_CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_DIRECTION: Final = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
HOSTILE: Final = re.compile(f"[{_CONTROLS}{_DIRECTION}]")
HOSTILE_IN_LINES: Final = re.compile(f"(?![\\t\\n])[{_CONTROLS}{_DIRECTION}]")


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    """Amounts in fen, sizes in bytes or numbers, times as named. All can be set in the config.

    A server has one of these. Its readers read it each time, so `become` reaches all of them.
    """

    share_fen_min: int = 1
    share_fen_max: int = 20_000
    total_fen_max: int = 2_000_000
    shares_max: int = 500
    group_members_max: int = 500
    synced_members_max: int = 100_000
    groups_of_user_max: int = 500
    groups_of_packet_max: int = 20
    greeting_bytes_max: int = 128
    words_bytes_max: int = 60
    words_attempts_max: int = 5
    text_bytes_max: int = 2_000
    name_bytes_max: int = 64
    key_bytes_max: int = 64
    packet_lifetime_s: float = 24 * 3600.0
    pass_on_depth_max: int = 5
    pass_on_lifetime_s: float = 24 * 3600.0
    schedule_ahead_s: float = 30 * 86_400.0
    ticket_lifetime_s: float = 30.0
    ticket_grace_s: float = 3.0
    tickets_per_share: int = 4
    frame_bytes_before_login_max: int = 512
    frame_bytes_max: int = 4096
    backend_frame_bytes_max: int = 1 << 20
    login_timeout_s: float = 5.0
    ping_interval_s: float = 25.0
    pong_timeout_s: float = 8.0
    requests_per_s: float = 20.0
    requests_burst: float = 40.0
    read_bytes_per_s: float = 262_144.0
    read_bytes_burst: float = 1_048_576.0
    read_rows_per_s: float = 1_000.0
    read_rows_burst: float = 20_000.0
    history_bytes_max: int = 64 << 20
    connections_max: int = 18_000
    connections_of_user_max: int = 32
    watched_packets_max: int = 8
    connections_of_address_max: int = 2_000
    failed_logins_of_address_per_s: float = 10.0
    failed_logins_of_address_burst: float = 100.0
    outgoing_bytes_max: int = 1 << 20
    wait_ms_max: float = 1_000.0
    catch_up_messages: int = 200
    reload_after_messages: int = 1_000

    def become(self, others: Limits) -> None:
        """Take over all values of others: every holder of this object has them from now on."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(others, name))

    @property
    def ticket_lifetime_ms(self) -> int:
        """A grab entitles to open for so long."""
        return int(self.ticket_lifetime_s * 1000)

    @property
    def ticket_grace_ms(self) -> int:
        """No waiting user takes a ticket that is younger. At most half of the lifetime: a ticket can be taken by a
        user who waits before it lapses, and any user may have its place.
        """
        return int(min(self.ticket_grace_s, self.ticket_lifetime_s / 2) * 1000)

    @property
    def caps(self) -> Caps:
        """The bounds of one share."""
        return Caps(self.share_fen_min, self.share_fen_max)

    def announced(self) -> dict[str, int]:
        """The part that the server's hello tells its clients."""
        names = (
            "share_fen_min",
            "share_fen_max",
            "total_fen_max",
            "shares_max",
            "group_members_max",
            "greeting_bytes_max",
            "text_bytes_max",
            "frame_bytes_max",
            "watched_packets_max",
        )
        return {name: getattr(self, name) for name in names} | {
            "packet_lifetime_ms": int(self.packet_lifetime_s * 1000),
            "ticket_lifetime_ms": self.ticket_lifetime_ms,
        }


def check_bytes(field: str, text: str, least: int, most: int, reason: Reason) -> None:
    """Raise RequestRefused unless the text has least…most bytes as UTF-8, none of them zero (columns hold none).

    `field`: the name of the text in the request, as on the wire.
    """
    if "\0" in text:
        raise RequestRefused(reason, f"{field}: a zero byte is not allowed")
    size = len(text.encode())
    if not least <= size <= most:
        raise RequestRefused(reason, f"{field}: {size} bytes, allowed are {least} to {most}")


def check_text(
    field: str, text: str, least: int, most: int, reason: Reason, hostile: re.Pattern[str] = HOSTILE
) -> None:
    """Raise RequestRefused unless the text has least…most bytes as UTF-8 and no hostile character.

    The text is shown to other users, in programs that need not expect such characters.
    """
    check_bytes(field, text, least, most, reason)
    if found := hostile.search(text):
        raise RequestRefused(reason, f"{field}: the character U+{ord(found[0]):04X} is not allowed")


def check_number(
    field: str, number: int, least: int, most: int, reason: Reason, unit: str = "", why: str = ""
) -> None:
    """Raise RequestRefused unless least ≤ number ≤ most. `unit`: what it counts; `why`: of the bounds."""
    if not least <= number <= most:
        because = f" ({why})" if why else ""
        raise RequestRefused(
            reason, f"{field}: {number}{' ' * bool(unit)}{unit}, allowed are {least} to {most}{because}"
        )
