"""Roles of the back office as a table: each door names the roles that may pass, and what passing it means. Pure.

A door is one thing that an operator sees or does. A request names its doors, so no page decides about roles.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class OfficeRole(StrEnum):
    """What an operator is; the values stand in the records."""

    VIEWER = "viewer"
    SUPPORT = "support"
    FINANCE = "finance"
    ADMIN = "admin"


class Door(StrEnum):
    """What can be seen or done; the values stand in the log of the back office."""

    HOME = "home"
    SEARCH = "search"
    NAMES = "names"
    USER = "user"
    PACKET = "packet"
    GROUP = "group"
    TRANSFER = "transfer"
    PAYMENT = "payment"
    PAYMENTS = "payments"
    BREAKS = "breaks"
    CORRECTIONS = "corrections"
    CAMPAIGNS = "campaigns"
    RISK = "risk"
    OPERATORS = "operators"
    LOG = "log"
    EXPORT = "export"
    LOG_IN = "log_in"
    LOG_OUT = "log_out"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    RELEASE = "release"
    OWN_BREAK = "own_break"
    CLOSE_BREAK = "close_break"
    PROPOSE = "propose"
    APPROVE = "approve"
    REJECT = "reject"
    CONFIRM_PAYMENT = "confirm_payment"
    DECLINE_PAYMENT = "decline_payment"
    CLOSE_PAYMENT = "close_payment"
    PAUSE_CAMPAIGN = "pause_campaign"
    RESUME_CAMPAIGN = "resume_campaign"
    END_CAMPAIGN = "end_campaign"
    ADD_OPERATOR = "add_operator"
    CHANGE_OPERATOR = "change_operator"


class DoorRow(NamedTuple):
    """`is_personal`: what is seen is about users, so each look is logged. `is_change`: it needs a case number and a
    reason, and is logged before and after. `on_command_line`: no page has this door.
    """

    about: str
    roles: frozenset[OfficeRole]
    is_personal: bool = False
    is_change: bool = False
    on_command_line: bool = False


_VIEWER, _SUPPORT, _FINANCE, _ADMIN = OfficeRole
_ALL: Final = frozenset(OfficeRole)
_PEOPLE: Final = frozenset((_SUPPORT, _FINANCE, _ADMIN))
_HELP: Final = frozenset((_SUPPORT, _ADMIN))
_MONEY: Final = frozenset((_FINANCE, _ADMIN))
_HEAD: Final = frozenset((_ADMIN,))
_SHELL: Final = frozenset[OfficeRole]()  # a user of the system, who needs no role

DOORS: Final[dict[Door, DoorRow]] = {
    Door.HOME: DoorRow("the first page", _ALL),
    Door.SEARCH: DoorRow("find users, groups, packets, transfers, payments and campaigns", _ALL, is_personal=True),
    Door.NAMES: DoorRow("names of users on all pages; without it their ids stand there", _PEOPLE),
    Door.USER: DoorRow("a user: wallet, entries, packets, payments, bans, risk", _PEOPLE, is_personal=True),
    Door.PACKET: DoorRow("the life of a packet", _ALL, is_personal=True),
    Door.GROUP: DoorRow("a group: its members, and the packets in it", _PEOPLE, is_personal=True),
    Door.TRANSFER: DoorRow("what a key of a user has moved", _PEOPLE, is_personal=True),
    Door.PAYMENT: DoorRow("a payment and all evidence about it", _PEOPLE, is_personal=True),
    Door.PAYMENTS: DoorRow("the newest payments", _PEOPLE, is_personal=True),
    Door.BREAKS: DoorRow("differences from the books of banks", _MONEY, is_personal=True),
    Door.CORRECTIONS: DoorRow("corrections, proposed and decided", _MONEY, is_personal=True),
    Door.CAMPAIGNS: DoorRow("campaigns, their sponsors and what they spend", _ALL, is_personal=True),
    Door.RISK: DoorRow("cases of risk control", _PEOPLE, is_personal=True),
    Door.OPERATORS: DoorRow("the operators of the back office", _HEAD, is_personal=True),
    Door.LOG: DoorRow("the log of the back office", _HEAD, is_personal=True),
    Door.EXPORT: DoorRow("a list as CSV, besides the door of the list", _MONEY, is_personal=True),
    Door.LOG_IN: DoorRow("log in with a key", _ALL),
    Door.LOG_OUT: DoorRow("log out", _ALL),
    Door.FREEZE: DoorRow("freeze a user: connections end, logins and sends are refused", _HELP, is_change=True),
    Door.UNFREEZE: DoorRow("let a frozen user in again", _HELP, is_change=True),
    Door.RELEASE: DoorRow("release a user whom risk control holds back", _HELP, is_change=True),
    Door.OWN_BREAK: DoorRow("look after a break", _MONEY, is_change=True),
    Door.CLOSE_BREAK: DoorRow("close a break", _MONEY, is_change=True),
    Door.PROPOSE: DoorRow("propose a correction of a break", _MONEY, is_change=True),
    Door.APPROVE: DoorRow("approve a correction that another operator has proposed", _MONEY, is_change=True),
    Door.REJECT: DoorRow("reject a correction", _MONEY, is_change=True),
    Door.CONFIRM_PAYMENT: DoorRow(
        "confirm a payment that is made by hand, as another operator has asked", _MONEY, is_change=True
    ),
    Door.DECLINE_PAYMENT: DoorRow(
        "decline a payment that is made by hand, as another operator has asked", _MONEY, is_change=True
    ),
    Door.CLOSE_PAYMENT: DoorRow("have a payment closed at its bank", _MONEY, is_change=True),
    Door.PAUSE_CAMPAIGN: DoorRow("pause a campaign", _MONEY, is_change=True),
    Door.RESUME_CAMPAIGN: DoorRow("go on with a campaign", _MONEY, is_change=True),
    Door.END_CAMPAIGN: DoorRow("end a campaign; what is left goes back to its sponsor", _MONEY, is_change=True),
    Door.ADD_OPERATOR: DoorRow("add an operator", _SHELL, is_change=True, on_command_line=True),
    Door.CHANGE_OPERATOR: DoorRow("another role or key, or none", _SHELL, is_change=True, on_command_line=True),
}


def may(role: OfficeRole, door: Door) -> bool:
    """Whether an operator of this role may pass a door."""
    return role in DOORS[door].roles


def doors_of(role: OfficeRole) -> list[Door]:
    """The doors that a role may pass, in the order of the table."""
    return [door for door in Door if may(role, door)]
