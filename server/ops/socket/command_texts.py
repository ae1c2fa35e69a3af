"""The commands of the status socket, one row each: what an operator may read and change."""

from __future__ import annotations

from typing import Final, get_args

from server.core.ledger import SYSTEM_ACCOUNTS
from server.core.payments import PaymentState
from server.core.reconciliation.rules import BREAK_CLASSES
from server.ops.samples.sample import Sort
from server.ops.samples.sampler import SAMPLES_KEPT
from server.ops.socket.status_socket import CommandText

LEVELS: Final = ("debug", "info", "warning", "error")
SECONDS_MAX: Final = SAMPLES_KEPT - 1
MOST_MAX: Final = 1_000
ACCOUNTS: Final = "|".join(("USER", *SYSTEM_ACCOUNTS))
CONCLUDE: Final = "NUMBER confirm|close|decline REASON"

READS: Final = {
    "status": CommandText("read", "", "the state of the server at a glance"),
    "rates": CommandText("read", f"[--seconds 1…{SECONDS_MAX}]", "rates over the last seconds"),
    "connections": CommandText(
        "read",
        f"[--sort {'|'.join(get_args(Sort))}] [--most 1…{MOST_MAX}]",
        "connections: unread bytes, idle time, requests",
    ),
    "packet": CommandText("read", "ID", "a packet in PostgreSQL, in memory and in the mirror"),
    "user": CommandText("read", "ID", "a user's money, chats and connections"),
    "group": CommandText("read", "ID", "a group and the number of its members online"),
    "groups": CommandText("read", f"[--most 1…{MOST_MAX}]", "the newest groups"),
    "payments": CommandText(
        "read",
        f"[--user ID] [--state {'|'.join(PaymentState)}] [--most 1…{MOST_MAX}]",
        "the newest payments",
    ),
    "payment": CommandText("read", "NUMBER", "a payment with all evidence about it"),
    "stores": CommandText("read", "", "whether both stores respond, and how fast"),
    "settlement": CommandText("read", "", "claims that wait to be credited"),
    "refunds": CommandText("read", "", "refunds since the start, and packets due for a refund"),
    "audit": CommandText(
        "read", "[--again]", "the last audit, and why a later one failed; starts an audit if there was none"
    ),
}
CHANGES: Final = {
    "log-level": CommandText("change", "|".join(LEVELS), "set the log level until the next reload"),
    "disconnect": CommandText("change", "USER", "close a user's connections; the client may reconnect"),
    "drain": CommandText("change", "", "finish the requests in progress, close all connections, stop"),
    "reload": CommandText("change", "", "read the config, keys and certificates again"),
    "restart": CommandText("change", "", "replace all workers, one after the other; clients can connect meanwhile"),
    "conclude": CommandText(
        "change", CONCLUDE, "a payment by hand: it was made, or never will be; at a bank: have its number closed"
    ),
}
BOOKS: Final = {
    "reconcile": CommandText("change", "PATH", "import a statement of a bank and match it"),
    "fetch-statement": CommandText(
        "change", "GATEWAY DAY FOLDER", "fetch a statement of a bank into a folder, and import it"
    ),
    "reconciliation": CommandText("read", "JOB", "how far the import of a statement has come"),
    "breaks": CommandText(
        "read",
        f"[--state open|all] [--class {'|'.join(BREAK_CLASSES)}] [--day YYYY-MM-DD] [--most 1…{MOST_MAX}]",
        "differences between both books, the newest first",
    ),
    "own-break": CommandText("change", "ID", "look after a break"),
    "close-break": CommandText("change", "ID REASON…", "close a break for a reason"),
    "corrections": CommandText("read", f"[--break ID] [--most 1…{MOST_MAX}]", "corrections, the newest first"),
    "preview-correction": CommandText(
        "read", f"{ACCOUNTS} {ACCOUNTS} FEN", "both balances before and after a correction"
    ),
    "propose-correction": CommandText(
        "change", f"BREAK {ACCOUNTS} {ACCOUNTS} FEN", "propose a transfer that corrects a break"
    ),
    "approve-correction": CommandText("change", "ID", "move the money of another's proposal, once"),
    "reject-correction": CommandText("change", "ID REASON…", "reject a proposal for a reason"),
}
TEXTS: Final = {**READS, **CHANGES, **BOOKS}

ON_DUTY, VIEWED = "on-duty", "viewed"  # the worker reads figures of the database; a dashboard is open
SAMPLE: Final = CommandText(
    "read", f"[{ON_DUTY}] [{VIEWED}]", "all counters, for the supervisor of this worker; open campaigns if viewed"
)
