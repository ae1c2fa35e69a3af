"""What each rival is and lacks, as a table of the page."""

from __future__ import annotations

from typing import Final

# Name, description, missing features, when a claim is answered.
RIVALS: Final = (
    (
        "redis-service",
        "What a user would build: a server in Python on uvloop with our frames, a task for each open that awaits "
        "`evalsha` of redis-py (64 connections), the script of redis-lua. The same generator, load and sockets as "
        "our server.",
        "checked logins, tickets, pushes, limits; books; a retry that returns the first answer; amounts that users "
        "can verify; refunds",
        "the append-only file is fsynced; our server with durability `redis` the same, then records in PostgreSQL",
    ),
    (
        "redis-service-lean",
        "The same by an expert: one connection to Redis, hiredis and no task; the commands of one turn of the loop "
        "leave in one write, the lean script. No server in Python that asks Redis for each claim does much less.",
        "the same",
        "the same",
    ),
    (
        "redis-lua",
        "Not a service but a limit: no server is in front of it. One `EVALSHA` for each claim: a hash of the "
        "remaining money and shares, a set of users, a list of claims, a random share drawn in Lua. Driven by "
        "prebuilt commands over TCP, so that Redis "
        "is measured and not its client. The lean script does the same with the fewest calls.",
        "a server in front of it; books (wallets, transfers, an audit); a retry that returns the first answer; "
        "amounts that users can verify; refunds",
        "the append-only file is fsynced; our server with durability `redis` the same, then records in PostgreSQL",
    ),
    (
        "sql-lock",
        "One transaction for each claim: lock the envelope's row, insert the claim, take the share, pay the "
        "wallet, write an order, commit. Prepared statements, a pool of the best size, the usual defects fixed.",
        "a server in front of it; a retry that returns the first answer; amounts that users can verify; refunds; "
        "and one hot packet is one queue",
        "the commit is fsynced; our server with durability `postgres` the same",
    ),
    (
        "echo",
        "Not a rival but the upper bound: our frames on a bare uvloop `Protocol` that decodes, counts and encodes.",
        "users, packets, money, stores, limits",
        "never: it stores nothing",
    ),
    (
        "TCP",
        "Not a rival but the same server: the users of `grab over WebSocket` over TCP, with the same grabs.",
        "nothing",
        "as over WebSocket: a grab of a finished packet is answered from memory",
    ),
)
