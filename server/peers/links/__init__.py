"""Connections between servers: over unix sockets on one machine, over TCP to others, where both ends are proved."""
