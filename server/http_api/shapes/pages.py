"""Requests and replies on the pages of packets."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from server.core.pages import View
from server.core.texts import Language
from server.http_api.numbers import UserId
from server.http_api.shapes.base import Answer, Fen, Reply, Request

LinkText = Annotated[
    str, Meta(description="opens the page of the packet in a WebView, for this user alone; tell it to no one else")
]


class PageLinkBody(Request):
    """Who sees the page, and in which language; of a fission packet the first time with the `link` of a friend."""

    user_id: UserId
    language: Language = Language.ZH
    link: str = ""


class PageLinkReply(Reply):
    """The link, which is valid until `expires_at_s` (seconds since 1970)."""

    url: LinkText
    expires_at_s: int


class PageLanguageQuery(Request):
    """The language of the texts."""

    language: Language = Language.ZH


class PageWordsBody(Request):
    """What the user typed into the field for the words."""

    words: str


class PageLine(Reply):
    """A share that was opened, in texts; `mark`: it is the best luck."""

    name: str
    amount: str
    when: str
    mark: str = ""


class PageReply(Reply):
    """What the page of a packet shows next, in texts; none that are empty. At most 1 KB.

    `answer` is that of an open; `busy`: others hold tickets, ask again after a while. `lines` are the newest
    shares, the best luck before them, as many as there is room for; `more`: there are others. `say`: a button
    beside a field for the words of the packet. `turn`: who is to send the next one. `send_again`, `records`, `send`
    and `pass_on` lead to the app.
    """

    view: View
    answer: Answer | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    amount_fen: Fen = 0
    line: str = ""
    button: str = ""
    say: str = ""
    link: str = ""
    amount: str = ""
    note: str = ""
    summary: str = ""
    ending: str = ""
    send_again: str = ""
    records: str = ""
    send: str = ""
    pass_on: str = ""
    turn: str = ""
    lines: list[PageLine] = msgspec.field(default_factory=list)
    more: bool = False
