"""The table of the commands of `hongbao`: a name, what is imported when it is called, and its line in the help."""

from __future__ import annotations

from typing import Final, NamedTuple


class CommandRow(NamedTuple):
    """One row of COMMANDS."""

    name: str
    target: str  # "module:object", imported when the command is called
    summary: str  # its line in `hongbao --help`: the first line of the docstring of its target
    is_shown: bool = True


COMMANDS: Final = (
    CommandRow(
        "serve",
        "server.cli.serve:serve",
        "Run the server until it is stopped (Ctrl-C or SIGTERM; a second one stops it at once).",
    ),
    CommandRow("config", "server.cli.config:config_cli", "Show and check the config."),
    CommandRow(
        "compile",
        "server.compiled.build:compile_modules",
        "Compile the modules that every open passes through, where a C compiler is.",
    ),
    CommandRow(
        "token", "server.cli.backend:token", "Print a login token for a user, as your chat backend would make it."
    ),
    CommandRow("key", "server.cli.key:key_cli", "Show the keys of login tokens or of the HTTP API, or make one."),
    CommandRow("webhooks", "server.cli.webhooks:webhooks_cli", "Make and test webhooks, and deliver events again."),
    CommandRow("seeds", "server.cli.seeds:seeds_cli", "Begin fresh seeds after a restore, or change their key."),
    CommandRow(
        "topup",
        "server.cli.backend:topup",
        "Credit money from outside to a user's wallet and print the new balance.",
    ),
    CommandRow(
        "withdraw",
        "server.cli.backend:withdraw",
        "Debit a user's wallet, money to the outside, and print the new balance.",
    ),
    CommandRow(
        "refund-to-card",
        "server.cli.backend:refund_to_card",
        "Give a charge, or a part of it, from the wallet of its user back to its card.",
    ),
    CommandRow(
        "ban",
        "server.cli.backend:ban",
        "Ban a user: end their connections and refuse their logins, on all servers, until `hongbao unban`.",
    ),
    CommandRow("unban", "server.cli.backend:unban", "Lift the ban of a user: their logins are accepted again."),
    CommandRow(
        "revoke",
        "server.cli.backend:revoke",
        "Revoke all tokens of a user that were issued until now, and end their connections.",
    ),
    CommandRow(
        "forget",
        "server.cli.backend:forget",
        "Erase a user's name, picture, cards and pay password for good; the books stay.",
    ),
    CommandRow(
        "audit",
        "server.cli.audit:audit",
        "Prove from the records alone that all money is accounted for; exit 1 and name each discrepancy.",
    ),
    CommandRow(
        "report",
        "server.cli.analysis.report:report",
        "Write a report of some days: a page in one file, and its tables as CSV and Parquet.",
    ),
    CommandRow(
        "year",
        "server.cli.analysis.year:year",
        "Write the year of a user as one page: sent, received, best luck, fastest open, generous to whom.",
    ),
    CommandRow(
        "backup",
        "server.cli.backup:backup",
        "Write the books to a file, and with --keys the keys to another folder; also while a server runs.",
    ),
    CommandRow(
        "restore",
        "server.cli.backup:restore",
        "Restore the books from a file of `hongbao backup` into an empty database, begin fresh seeds, and audit.",
    ),
    CommandRow(
        "verify",
        "server.cli.audit:verify",
        "Recompute every amount of a packet or a campaign from its revealed seed; exit 1 if one differs.",
    ),
    CommandRow(
        "replay",
        "server.cli.replay.command:replay",
        "Write the race for a packet as one HTML file, which computes every share again for its reader.",
    ),
    CommandRow("status", "server.cli.operators:status", "Show the state of a running server."),
    CommandRow(
        "connections",
        "server.cli.operators:connections",
        "List the connections with the most unread bytes, the longest silence or the most requests.",
    ),
    CommandRow("packet", "server.cli.operators:packet", "Show a packet in record, memory and mirror."),
    CommandRow("user", "server.cli.operators:user", "Show a user's balance, groups and connections."),
    CommandRow(
        "group", "server.cli.group:group_cli", "Show groups, and make and change them as a chat backend does."
    ),
    CommandRow(
        "campaign",
        "server.cli.campaigns.commands:campaign_cli",
        "Make sponsors and campaigns, change them, and show what they spend.",
    ),
    CommandRow(
        "bill",
        "server.cli.campaigns.bills:bill_cli",
        "Send packets in a sponsor's name, report events of users, and show how far they are.",
    ),
    CommandRow("payments", "server.cli.payments:payments_cli", "List the newest payments, or export them."),
    CommandRow("payment", "server.cli.operators:payment", "Show a payment with all evidence about it."),
    CommandRow(
        "reconcile",
        "server.cli.reconciliation:reconcile",
        "Import statements of a bank and match them with our payments; exit 1 if one is refused or a row differs.",
    ),
    CommandRow("breaks", "server.cli.reconciliation:breaks_cli", "List differences from a bank, own, close them."),
    CommandRow("correct", "server.cli.reconciliation:correct_cli", "Propose and approve corrections of a break."),
    CommandRow(
        "risk",
        "server.cli.risk.commands:risk_cli",
        "Show rules and cases of risk control, try other rules, release users.",
    ),
    CommandRow(
        "why", "server.cli.risk.commands:why", "Explain a decision of risk control, or the newest about a user."
    ),
    CommandRow(
        "office",
        "server.cli.office.commands:office_cli",
        "Manage operators of the back office, and read the log of what they saw and did.",
    ),
    CommandRow("stores", "server.cli.operators:stores", "Check that both stores respond, and show how fast."),
    CommandRow(
        "settlement",
        "server.cli.operators:settlement",
        "Show what was credited to wallets and what is still queued.",
    ),
    CommandRow("refunds", "server.cli.operators:refunds", "Show what was refunded and what is due."),
    CommandRow(
        "disconnect",
        "server.cli.operators:disconnect",
        "Disconnect a user: close all their connections; the clients may reconnect at once.",
    ),
    CommandRow(
        "kick",
        "server.cli.operators:kick",
        "The old name of `disconnect`; it works for one version more.",
        is_shown=False,
    ),
    CommandRow(
        "drain",
        "server.cli.operators:drain",
        "Stop the server after the requests in flight are answered, like SIGTERM.",
    ),
    CommandRow(
        "reload",
        "server.cli.operators:reload",
        "Reload config, keys and certificates, like SIGHUP; exit 1 if one of them is invalid.",
    ),
    CommandRow(
        "restart",
        "server.cli.operators:restart",
        "Restart all workers, one after the other, while clients can connect; exit 1 if one does not start.",
    ),
    CommandRow(
        "log-level", "server.cli.operators:log_level", "Change the log level until the next reload or restart."
    ),
    CommandRow(
        "top",
        "server.cli.top:top",
        "Watch a running server: rates, latencies, slow readers, hot packets, every second (h: help, q: quit).",
    ),
    CommandRow(
        "chat",
        "server.cli.chat:chat",
        "Chat, send and open red packets in a terminal (/help lists the commands there).",
    ),
    CommandRow(
        "sim", "server.cli.sim:sim", "Run simulated users against a running server; exit 1 if a check fails."
    ),
    CommandRow(
        "bank",
        "server.cli.bank:bank",
        "Run a bank to try payments by card with: its books, its admin page, its faults. No money is real.",
    ),
    CommandRow(
        "demo",
        "server.cli.demo:demo",
        "Run a server with simulated users for a while, then verify a packet and audit; exit 1 if a check fails.",
    ),
    CommandRow(
        "bench",
        "bench.cli:bench_cli",
        "Measure a server under load, then check the records; exit 1 if they contradict the replies.",
    ),
    CommandRow(
        "chaos",
        "bench.chaos.cli:chaos_cli",
        "Kill, freeze and cut off the server and its stores under load; exit 1 if money is missing.",
    ),
    CommandRow(
        "completion",
        "server.cli.completion:completion",
        "Print a script that completes commands and options in your shell.",
    ),
    CommandRow(
        "screenshots",
        "server.cli.chat:screenshots",
        "Draw the pictures of the terminal client for the docs, from a scene on a private server with a bank.",
        is_shown=False,
    ),
)
