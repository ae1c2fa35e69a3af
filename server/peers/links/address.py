"""Where other servers reach a server, as its row of `servers` says it: "tcp:host:port", "unix:/path", or both.

Any user of the database can write such a text: what is no address is none.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from server.net.addresses import shown

TCP: Final = re.compile(r"tcp:(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})(?: |$)")
UNIX: Final = "unix:"
PORT_MAX: Final = 65_535


class LinkAddress(NamedTuple):
    """`path`: of a socket, for servers of this machine; `host` and `port` for all others; port 0: none."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """As it is told with each beat; empty: nowhere."""
        tcp = [f"tcp:{shown(self.host, self.port)}"] if self.port else []
        unix = [f"{UNIX}{self.path}"] if self.path is not None else []
        return " ".join([*tcp, *unix])


def parsed(text: str) -> LinkAddress | None:
    """The address that a server tells; None: it is reached nowhere."""
    host, port, rest = "", 0, text
    if found := TCP.match(text):
        host, port, rest = found[1], int(found[2]), text[found.end() :]
    path = Path(rest.removeprefix(UNIX)) if rest.startswith(f"{UNIX}/") else None
    if not 0 < port <= PORT_MAX:
        host, port = "", 0
    return LinkAddress(path, host, port) if path is not None or port else None
