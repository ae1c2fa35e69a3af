"""The help screen: the meaning of each word on the main screen."""

from __future__ import annotations

from typing import Final

from rich.table import Table

MEANINGS: Final = {
    "/s, p50, p99": "over the last 10 s; curves: the last minute",
    "connections, users": "open connections; a user may have several of them",
    "packets, memory": "packets in memory; resident memory of the process",
    "in flight": "claims that are decided and not recorded yet",
    "backlog, oldest": "claims that wait to be credited; the longest wait",
    "new/s": "connections accepted",
    "wins/s": "opens that won a share",
    "open p50, p99": "latency of a winning open, from arrival to reply",
    "claims/batch": "claims per commit",
    "postgres, redis": "latency of a batch at this store",
    "loop lag": "the longest delay of the event loop in the last second",
    "settled/s": "claims credited to wallets",
    "worker": "one process of several behind the address; `ends`: how often it ended without being told to",
    "hottest packets": "opens in the last 10 s; shares left if it is in memory",
    "pending": "bytes the client has not read: slow readers come first",
    "idle": "time since the client sent anything",
    "durability": "the store that has a claim before the reply says `won`",
}
KEYS: Final = {
    "p i r": "sort the connections by pending, idle or requests",
    "h ?": "this help; any key closes it",
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
