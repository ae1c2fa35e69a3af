"""The other servers on the same database: requests go to the owner of a packet, pushes to where users are.

Ownership is a hint, never a right: any server may decide any request, and the version checks in Redis and
PostgreSQL judge. A connection between servers that is lost costs time, not money.
"""
