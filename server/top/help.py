"""What the words on the screen mean."""

from __future__ import annotations

from typing import Final

from rich.table import Table

MEANINGS: Final = {
    "/s, p50, p99": "over the last 10 s; curves: the last minute, by the second",
    "connections, users": "who is connected now; a user may have several of them",
    "packets, memory": "packets in memory; resident memory of the process",
    "unrecorded": "claims on their way to the record, told to nobody yet",
    "backlog, oldest": "claims that wait for their credit; the longest wait",
    "new/s": "connections accepted",
    "wins/s": "opens that were told how much they won",
    "open p50, p99": "from an open's arrival until its winner is told",
    "claims/batch": "how many claims share one commit",
    "postgres, redis": "how long a batch takes there",
    "loop lag": "the longest that the event loop let anything wait",
    "settled/s": "claims credited to wallets",
    "hottest packets": "opens in the last 10 s; shares left, if it is in memory",
    "pending": "what was sent and not read yet: slow readers are first",
    "idle": "for how long nothing was heard",
    "tier": "the store behind which a win is told",
}
KEYS: Final = {
    "p i r": "order the connections by pending, idle or requests",
    "h ?": "this help; any key ends it",
    "q": "quit; so does Ctrl-C",
}


def _help() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for word, meaning in (*MEANINGS.items(), ("", ""), *KEYS.items()):
        table.add_row(word, meaning)
    return table


HELP: Final = _help()
