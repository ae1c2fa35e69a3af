"""The modules that mypyc compiles: those that each open passes through.

A module is listed if it is hot and if its types are strict. Modules with msgspec structs are not: in a compiled one
a struct has no equality. Values that compiled code makes and reads all the time are plain classes in modules of the
table. The sources are what is read, stepped through and changed; nothing is written for the compiler alone.
"""

from __future__ import annotations

from typing import Final

# Names as in the source; in a wheel they begin with the name of its package.
MODULES: Final = (
    "protocol.connection",
    "protocol.framing",
    "server.core.amounts",
    "server.core.campaigns.pacing",
    "server.core.carried_time",
    "server.core.decisions",
    "server.core.packet",
    "server.net.dispatch",
    "server.net.handlers.campaigns",
    "server.net.handlers.replying",
    "server.net.handlers.row",
    "server.net.hub",
    "server.net.listener",
    "server.net.online_user",
    "server.net.page_encoding",
    "server.net.pushes.announcements",
    "server.net.pushes.late_writes",
    "server.net.pushes.table",
    "server.net.read_budget",
    "server.net.read_flow",
    "server.net.socket_session",
    "server.net.token_bucket",
    "server.services.campaigns.leases",
    "server.services.campaigns.live_campaign",
    "server.services.campaigns.shake",
    "server.services.chat.grab_stats",
    "server.services.packets.batch",
    "server.services.packets.claim_news",
    "server.services.packets.commit.both_stores",
    "server.services.packets.commit.mirror_first",
    "server.services.packets.commit.path",
    "server.services.packets.commit.stores",
    "server.services.packets.grab_open",
    "server.services.packets.live_packet",
    "server.services.packets.live_packets",
    "server.services.packets.requests",
    "server.services.runtime.batching",
    "server.services.runtime.bus",
    "server.services.runtime.load_shedding",
)
