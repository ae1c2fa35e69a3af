"""The routes of the back office as a table: method, path, the doors to pass, and what answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from server.core.office.roles import Door
from server.office.answers import OfficeAnswer
from server.office.context import Ask
from server.office.pages.books import BookPages
from server.office.pages.campaigns import CampaignPages
from server.office.pages.groups import GroupPages
from server.office.pages.home import HomePages
from server.office.pages.log import LogPages
from server.office.pages.packets import PacketPages
from server.office.pages.payments import PaymentPages
from server.office.pages.people import UserPages
from server.office.pages.risk import RiskPages
from server.services.office.assembly import OfficeServices

NUMBER_MAX: Final = 2**63 - 1
OfficeHandler = Callable[[Ask], Awaitable[OfficeAnswer]]


class OfficeRoute(NamedTuple):
    """One row. In `path` `{n}` is a number. All doors must be passed; the last one names what is seen or done."""

    method: str
    path: str
    doors: tuple[Door, ...]
    answer: OfficeHandler

    @property
    def door(self) -> Door:
        """The door under which the request is logged."""
        return self.doors[-1]


class OfficeRoutes:
    """The table, and the search in it."""

    def __init__(self, office: OfficeServices) -> None:
        self.rows = _rows(office)
        self._patterns = [
            (re.compile(re.escape(row.path).replace(r"\{n\}", "([1-9][0-9]{0,18})")), row) for row in self.rows
        ]

    def find(self, method: str, path: str) -> tuple[OfficeRoute, int] | None:
        """The row of a request, and the number in its path (0: none); None: there is none."""
        for pattern, row in self._patterns:
            found = pattern.fullmatch(path)
            if found and row.method == method:
                number = int(found[1]) if found.groups() else 0
                return (row, number) if number <= NUMBER_MAX else None
        return None

    def knows(self, method: str, path: str) -> bool:
        """Whether another method has this path."""
        return any(row.method != method and pattern.fullmatch(path) for pattern, row in self._patterns)


def _rows(office: OfficeServices) -> list[OfficeRoute]:
    home, users, logs, packets = HomePages(office), UserPages(office), LogPages(office), PacketPages(office)
    risk, groups = RiskPages(office), GroupPages(office)
    return [
        OfficeRoute("GET", "/", (Door.HOME,), home.home),
        OfficeRoute("GET", "/search", (Door.SEARCH,), home.search),
        OfficeRoute("GET", "/transfer/{n}", (Door.TRANSFER,), home.transfer),
        OfficeRoute("GET", "/user/{n}", (Door.USER,), users.user),
        OfficeRoute("GET", "/user/{n}/entries.csv", (Door.USER, Door.EXPORT), users.entries_csv),
        OfficeRoute("POST", "/user/{n}/freeze", (Door.USER, Door.FREEZE), users.freeze),
        OfficeRoute("POST", "/user/{n}/unfreeze", (Door.USER, Door.UNFREEZE), users.unfreeze),
        OfficeRoute("POST", "/user/{n}/release", (Door.USER, Door.RELEASE), users.release),
        OfficeRoute("GET", "/packet/{n}", (Door.PACKET,), packets.packet),
        OfficeRoute("GET", "/packet/{n}/life.csv", (Door.PACKET, Door.EXPORT), packets.life_csv),
        OfficeRoute("GET", "/group/{n}", (Door.GROUP,), groups.group),
        OfficeRoute("GET", "/group/{n}/members.csv", (Door.GROUP, Door.EXPORT), groups.members_csv),
        *_of_payments(PaymentPages(office)),
        *_of_books(BookPages(office)),
        *_of_campaigns(CampaignPages(office)),
        OfficeRoute("GET", "/risk", (Door.RISK,), risk.cases),
        OfficeRoute("GET", "/decision/{n}", (Door.RISK,), risk.decision),
        OfficeRoute("GET", "/risk.csv", (Door.RISK, Door.EXPORT), risk.cases_csv),
        OfficeRoute("GET", "/operators", (Door.OPERATORS,), logs.operators),
        OfficeRoute("GET", "/log", (Door.LOG,), logs.log),
        OfficeRoute("GET", "/log.csv", (Door.LOG, Door.EXPORT), logs.log_csv),
    ]


def _of_payments(pages: PaymentPages) -> list[OfficeRoute]:
    return [
        OfficeRoute("GET", "/payments", (Door.PAYMENTS,), pages.payments),
        OfficeRoute("GET", "/payments.csv", (Door.PAYMENTS, Door.EXPORT), pages.payments_csv),
        OfficeRoute("GET", "/payment/{n}", (Door.PAYMENT,), pages.payment),
        OfficeRoute("POST", "/payment/{n}/confirm", (Door.PAYMENT, Door.CONFIRM_PAYMENT), pages.confirm),
        OfficeRoute("POST", "/payment/{n}/decline", (Door.PAYMENT, Door.DECLINE_PAYMENT), pages.decline),
        OfficeRoute("POST", "/payment/{n}/close", (Door.PAYMENT, Door.CLOSE_PAYMENT), pages.close),
    ]


def _of_books(pages: BookPages) -> list[OfficeRoute]:
    return [
        OfficeRoute("GET", "/breaks", (Door.BREAKS,), pages.breaks),
        OfficeRoute("GET", "/breaks.csv", (Door.BREAKS, Door.EXPORT), pages.breaks_csv),
        OfficeRoute("GET", "/break/{n}", (Door.BREAKS,), pages.one_break),
        OfficeRoute("POST", "/break/{n}/own", (Door.BREAKS, Door.OWN_BREAK), pages.own),
        OfficeRoute("POST", "/break/{n}/close", (Door.BREAKS, Door.CLOSE_BREAK), pages.close),
        OfficeRoute("POST", "/break/{n}/propose", (Door.BREAKS, Door.PROPOSE), pages.propose),
        OfficeRoute("GET", "/corrections", (Door.CORRECTIONS,), pages.corrections),
        OfficeRoute("GET", "/correction/{n}", (Door.CORRECTIONS,), pages.correction),
        OfficeRoute("POST", "/correction/{n}/approve", (Door.CORRECTIONS, Door.APPROVE), pages.approve),
        OfficeRoute("POST", "/correction/{n}/reject", (Door.CORRECTIONS, Door.REJECT), pages.reject),
    ]


def _of_campaigns(pages: CampaignPages) -> list[OfficeRoute]:
    return [
        OfficeRoute("GET", "/campaigns", (Door.CAMPAIGNS,), pages.campaigns),
        OfficeRoute("GET", "/campaign/{n}", (Door.CAMPAIGNS,), pages.campaign),
        OfficeRoute("POST", "/campaign/{n}/pause", (Door.CAMPAIGNS, Door.PAUSE_CAMPAIGN), pages.pause),
        OfficeRoute("POST", "/campaign/{n}/resume", (Door.CAMPAIGNS, Door.RESUME_CAMPAIGN), pages.resume),
        OfficeRoute("POST", "/campaign/{n}/end", (Door.CAMPAIGNS, Door.END_CAMPAIGN), pages.end),
    ]
