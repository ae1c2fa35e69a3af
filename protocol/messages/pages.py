"""Pages and records: what a tap and the result page show, and a user's packets by year."""

from __future__ import annotations

import msgspec

from protocol.messages.base import Id, Int64, Message


class ResultLine(msgspec.Struct, array_like=True, gc=False):
    """One claim in the list of a result page. `when` is for the screen: just now, 3 minutes ago."""

    index: int
    user_id: int
    name: str
    amount_fen: int
    at_ms: int
    when: str


class ResultPageBody(msgspec.Struct, array_like=True, gc=False):
    """What the result page shows to this viewer. Texts are in the language asked for; "" is not there.

    `state` is open, finished, expired or refunded. `amount_fen` is the viewer's own share, 0 without one, and
    `amount` says it. `claims` come newest first; if there are `more`, ask on with the index of the last one.
    `best_index` is -1 while no claim is marked, with `best_mark`. `ending`: what becomes of the rest when it has
    expired. `watched`: claims to come will be pushed (ResultUpdate). `pass_on`: a button, asks PassOn. `turn`: that
    a user, whom the next two fields name, is to send the next packet (接龙).
    """

    packet_kind: str
    state: str
    sender_id: int
    sender_name: str
    greeting: str
    amount_fen: int
    note: str
    summary: str
    button: str
    link: str
    shows_list: bool
    best_index: int
    opened: int
    shares: int
    claims: list[ResultLine]
    more: bool
    watched: bool
    amount: str = ""
    ending: str = ""
    best_mark: str = ""
    pass_on: str = ""
    turn: str = ""
    turn_user_id: int = 0
    turn_name: str = ""


class OpenPage(Message, tag=27):
    """Tap a packet: a grab, and the page to show, in one round trip. `language` is zh or en."""

    packet_id: Id
    language: str = "zh"


class OpenPageShown(Message, tag=127):
    """`answer` is that of a grab. `view` is open, gone, expired or result, and "" for busy and not_allowed.

    `button` (拆) opens with the ticket; `link` leads to the result page. view result: `result` is that page. Who
    sent a packet that they may not open is answered not_allowed and sees the result. An exclusive packet says whom
    it is for, the first 10 of them; view is for_others for a member whom it does not name, with the feature
    EXCLUSIVE.
    """

    packet_id: int
    answer: str
    view: str = ""
    sender_id: int = 0
    sender_name: str = ""
    greeting: str = ""
    line: str = ""
    button: str = ""
    link: str = ""
    ticket: int = 0
    lapses_at_ms: int = 0
    retry_after_ms: int = 0
    result: ResultPageBody | None = None
    for_user_ids: list[int] = msgspec.field(default_factory=list)
    for_names: list[str] = msgspec.field(default_factory=list)


class ResultPage(Message, tag=28):
    """Who got how much, as far as I may see it. `before_index` 0: the newest; `watch`: push claims to come."""

    packet_id: Id
    language: str = "zh"
    before_index: Int64 = 0
    watch: bool = False


class ResultPageShown(Message, tag=128):
    packet_id: int
    page: ResultPageBody


class StopWatching(Message, tag=29):
    """No more pushes of this packet's claims. Again is harmless."""

    packet_id: Id


class WatchingStopped(Message, tag=129):
    packet_id: int


class ResultUpdate(Message, tag=66):
    """Push to the subscribers of a result page: new claims, oldest first, at most ten pushes a second.

    `summary` is the line above the list as it reads now. When all shares are opened this is the last push.
    """

    packet_id: int
    opened: int
    claims: list[ResultLine]
    summary: str = ""


class Records(Message, tag=30):
    """What I `sent` or `received` in a year (0: this one), newest first, after a line (0: from the top)."""

    direction: str
    year: Int64 = 0
    before_at_ms: Int64 = 0
    before_packet_id: Int64 = 0


class RecordLine(msgspec.Struct, array_like=True, gc=False):
    """One packet. Received: from whom and my share. Sent: to which group or user, and the total."""

    packet_id: int
    packet_kind: str
    at_ms: int
    user_id: int
    name: str
    amount_fen: int
    shares: int
    opened: int
    state: str
    is_best: bool


class RecordsShown(Message, tag=130):
    """Count and total are of the whole year; `years` are those with anything, newest first."""

    direction: str
    year: int
    years: list[int]
    count: int
    total_fen: int
    best_lucks: int
    lines: list[RecordLine]
    more: bool
